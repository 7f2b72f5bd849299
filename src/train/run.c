/* SPDX-License-Identifier: MIT */
#include "train/run.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "saved/model_file.h"
#include "saved/parameters_file.h"
#include "train/stages.h"

typedef struct run {
  const cyf_run_options *options;
  cyf_comm *comm;
  cyf_device *device;
  cyf_atlas *atlas;
  cyf_gradient_plane *plane;
  cyf_metrics metrics;
  char *checkpoints, *latents, *config_path, *config_text, *model_path;
  cyf_stage_environment environment;
} run;

/* ---- what the user asked for ---- */

typedef struct plan {
  bool autoencoder, encode, denoiser;
  bool *classifier; /* [n_attributes] */
} plan;

/* With `all`, a column that has one class, or hardly a cell a class, is passed over: it would end the run at its last
 * stages. */
static bool is_worth_classifying(const cyf_attribute *attribute) {
  int64_t n_classes = cyf_n_classes(attribute), n_labelled = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n_labelled += attribute->n_cells[c];
  if (n_classes < 2) {
    cyf_info("label column %s has fewer than two classes: no classifier", attribute->name);
    return false;
  }
  if (n_labelled < 3 * n_classes) {
    cyf_warn(
        "label column %s has %lld labelled cells of %lld classes: too few for a classifier; --stage classifier:%s "
        "insists",
        attribute->name, (long long)n_labelled, (long long)n_classes, attribute->name);
    return false;
  }
  return true;
}

static cyf_status make_plan(const run *r, plan *p) {
  const char *stage = r->options->stage;
  CYF_TRY(CYF_NEW(&p->classifier, r->atlas->n_attributes));
  bool all = strcmp(stage, "all") == 0;
  p->autoencoder = all || strcmp(stage, "autoencoder") == 0;
  p->encode = all || strcmp(stage, "encode") == 0;
  p->denoiser = all || strcmp(stage, "denoiser") == 0;
  if (all)
    for (int64_t i = 0; i < r->atlas->n_attributes; i++)
      p->classifier[i] = is_worth_classifying(&r->atlas->attributes[i]);
  if (strncmp(stage, "classifier:", 11) == 0) {
    int64_t attribute = 0;
    CYF_TRY(cyf_find_classifiable(r->atlas, stage + 11, &attribute));
    p->classifier[attribute] = true;
    return CYF_OK;
  }
  if (p->autoencoder || p->encode || p->denoiser) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE,
                  "unknown stage '%s'; stages are autoencoder, encode, denoiser, classifier:COLUMN and all", stage);
}

/* A stage's earlier files: gone on from (resume), removed (force) or refused. Rank 0. */
static cyf_status clear_stage(const run *r, const char *stem) {
  if (!cyf_checkpoint_has_any(r->checkpoints, stem)) return CYF_OK;
  if (r->options->force) {
    char *best = NULL;
    CYF_TRY(cyf_checkpoint_remove(r->checkpoints, stem));
    CYF_TRY(cyf_format(&best, "%s-best", stem));
    cyf_status status = cyf_checkpoint_remove(r->checkpoints, best);
    cyf_free(best);
    return status;
  }
  if (r->options->resume) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO,
                  "%s already holds checkpoints of stage %s; go on with --resume auto, or start over with --force",
                  r->options->directory, stem);
}

static cyf_status clear_planned(const run *r, const plan *p) {
  char stem[CYF_STAGE_STEM_MAX];
  if (p->autoencoder) CYF_TRY(clear_stage(r, "autoencoder"));
  if (p->denoiser) CYF_TRY(clear_stage(r, "denoiser"));
  for (int64_t i = 0; i < r->atlas->n_attributes; i++) {
    if (!p->classifier[i]) continue;
    cyf_classifier_stem(i, stem);
    CYF_TRY(clear_stage(r, stem));
  }
  return CYF_OK;
}

/* ---- model.h5 ---- */

/* The attribute's classifier, if it was trained on these latents; one that was not (the autoencoder has been trained
 * anew) is left out. */
static cyf_status load_classifier(const run *r, uint64_t autoencoder_checksum, int64_t attribute,
                                  cyf_classifier **ret_classifier) {
  char stem[CYF_STAGE_STEM_MAX];
  cyf_classifier_stem(attribute, stem);
  if (!cyf_checkpoint_has_final(r->checkpoints, stem)) return CYF_OK;
  const cyf_attribute *of = &r->atlas->attributes[attribute];
  cyf_classifier_config config = cyf_settings_classifier(r->options->settings, of->categories.n);
  cyf_identity identity = cyf_classifier_identity(&r->environment, autoencoder_checksum, attribute);
  CYF_TRY(cyf_classifier_create(r->device, &config, 0, ret_classifier));
  cyf_status status =
      cyf_checkpoint_load_final(r->checkpoints, stem, &identity, cyf_classifier_parameters(*ret_classifier));
  if (status == CYF_OK) return CYF_OK;
  cyf_classifier_destroy(ret_classifier);
  if (status != CYF_ERR_CONFIG) return status;
  cyf_warn("model.h5 leaves out the classifier of %s: %s", of->name, cyf_status_message());
  cyf_status_clear();
  return CYF_OK;
}

static cyf_status fill_attributes(const run *r, uint64_t autoencoder_checksum, cyf_model *model) {
  const cyf_atlas *atlas = r->atlas;
  CYF_TRY(CYF_NEW(&model->attributes, atlas->n_attributes));
  model->n_attributes = atlas->n_attributes;
  for (int64_t i = 0; i < atlas->n_attributes; i++) {
    const cyf_attribute *from = &atlas->attributes[i];
    cyf_model_attribute *to = &model->attributes[i];
    CYF_TRY(cyf_strdup(from->name, &to->name));
    CYF_TRY(cyf_names_copy(&from->categories, &to->categories));
    CYF_TRY(CYF_NEW(&to->n_cells, from->categories.n));
    memcpy(to->n_cells, from->n_cells, sizeof(int64_t) * (size_t)from->categories.n);
    CYF_TRY(load_classifier(r, autoencoder_checksum, i, &to->classifier));
  }
  return CYF_OK;
}

static cyf_status fill_model(const run *r, cyf_model *model) {
  const cyf_settings *settings = r->options->settings;
  char now[32];
  cyf_clock_utc(now, sizeof now);
  model->device = r->device;
  model->kind = r->atlas->kind;
  model->latent_scale = cyf_settings_latent_scale(settings);
  CYF_TRY(cyf_settings_copy(settings, 0, NULL, &model->settings));
  CYF_TRY(cyf_strdup(r->atlas->fingerprint, &model->atlas_fingerprint));
  CYF_TRY(cyf_strdup(now, &model->created));
  CYF_TRY(cyf_strdup(r->options->command_line != NULL ? r->options->command_line : "", &model->command_line));
  CYF_TRY(cyf_strdup(CYF_VERSION, &model->version));
  CYF_TRY(cyf_names_copy(&r->atlas->genes, &model->genes));
  uint64_t checksum = 0;
  CYF_TRY(cyf_load_autoencoder(&r->environment, &model->autoencoder, &checksum));
  cyf_denoiser_config denoiser;
  CYF_TRY(cyf_stage_denoiser_config(settings, r->atlas, &denoiser, NULL));
  cyf_identity identity = cyf_denoiser_identity(&r->environment, checksum);
  CYF_TRY(cyf_denoiser_create(r->device, &denoiser, 0, &model->denoiser));
  CYF_TRY(cyf_checkpoint_load_final(r->checkpoints, "denoiser", &identity, cyf_denoiser_parameters(model->denoiser)));
  return fill_attributes(r, checksum, model);
}

/* Whether a classifier of one model can guide the other: the same latents, noised the same way. */
static cyf_status shares_latents(cyf_model *a, cyf_model *b, bool *ret_shares) {
  uint64_t ours = 0, theirs = 0;
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(a->autoencoder), &ours));
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(b->autoencoder), &theirs));
  *ret_shares = ours == theirs && a->latent_scale == b->latent_scale &&
                a->settings.diffusion.timesteps == b->settings.diffusion.timesteps &&
                a->settings.diffusion.betas == b->settings.diffusion.betas;
  return CYF_OK;
}

/* Classifiers that were added to RUN/model.h5, for attributes of which this run has none, stay. */
static cyf_status keep_added(const run *r, const char *path, cyf_model *model) {
  cyf_model *old = NULL;
  bool shares = false;
  if (!cyf_file_exists(path)) return CYF_OK;
  cyf_status status = cyf_model_load(path, r->device, &old);
  if (status == CYF_ERR_INPUT) { /* it is about to be replaced anyway */
    cyf_warn("%s", cyf_status_message());
    cyf_status_clear();
    return CYF_OK;
  }
  CYF_TRY_CLEANUP(status);
  CYF_TRY_CLEANUP(shares_latents(model, old, &shares));
  for (int64_t i = 0; i < old->n_attributes && shares; i++) {
    cyf_model_attribute *place = NULL, *added = &old->attributes[i];
    if (added->provenance == NULL || cyf_model_has_classifier(model, added->name)) continue;
    CYF_TRY_CLEANUP(cyf_model_make_place(model, added->name, &place));
    *place = *added;
    *added = (cyf_model_attribute){0};
    cyf_info("model.h5 keeps the classifier of %s that was added to it", place->name);
  }
cleanup:
  cyf_model_destroy(&old);
  return status;
}

/* The settings in config.yaml are those in model.h5, whether a stage has run or all were finished. */
static cyf_status write_model(const run *r) {
  cyf_model *model = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&model, 1));
  CYF_TRY_CLEANUP(fill_model(r, model));
  CYF_TRY_CLEANUP(keep_added(r, r->model_path, model));
  CYF_TRY_CLEANUP(cyf_write_text_file(r->config_path, r->config_text));
  CYF_TRY_CLEANUP(cyf_model_save(model, r->model_path));
  cyf_info("wrote %s (%.1f MB)", r->model_path, (double)cyf_file_size_bytes(r->model_path) / 1e6);
cleanup:
  cyf_model_destroy(&model);
  return status;
}

/* Rank 0 gathers the finished stages into model.h5 once there is a denoiser. Collective. */
static cyf_status update_model(run *r) {
  cyf_status status = CYF_OK;
  if (cyf_comm_rank(r->comm) == 0 && cyf_checkpoint_has_final(r->checkpoints, "autoencoder") &&
      cyf_checkpoint_has_final(r->checkpoints, "denoiser"))
    status = write_model(r);
  return cyf_comm_agree(r->comm, status);
}

/* ---- running ---- */

static cyf_status is_complete(run *r, const char *name, const char *stem, const cyf_identity *identity, int64_t steps,
                              bool *ret_complete) {
  *ret_complete = false;
  if (!r->options->resume) return CYF_OK;
  cyf_status status = cyf_checkpoint_is_complete(r->checkpoints, stem, identity, steps, ret_complete);
  CYF_TRY(cyf_comm_agree(r->comm, status));
  int64_t done = *ret_complete;
  CYF_TRY(cyf_comm_broadcast(r->comm, &done, sizeof done, 0));
  *ret_complete = done != 0;
  if (*ret_complete) cyf_info("%s: already finished", name);
  return CYF_OK;
}

static cyf_status run_autoencoder(run *r) {
  bool complete = false;
  cyf_identity identity = cyf_autoencoder_identity(&r->environment);
  CYF_TRY(is_complete(r, "autoencoder", "autoencoder", &identity, r->options->settings->autoencoder.stage.steps,
                      &complete));
  return complete ? CYF_OK : cyf_train_autoencoder(&r->environment);
}

static cyf_status run_denoiser(run *r, uint64_t checksum) {
  bool complete = false;
  cyf_identity identity = cyf_denoiser_identity(&r->environment, checksum);
  CYF_TRY(is_complete(r, "denoiser", "denoiser", &identity, r->options->settings->denoiser.stage.steps, &complete));
  return complete ? CYF_OK : cyf_train_denoiser(&r->environment, checksum);
}

static cyf_status run_classifier(run *r, uint64_t checksum, int64_t attribute) {
  bool complete = false;
  char stem[CYF_STAGE_STEM_MAX];
  cyf_classifier_stem(attribute, stem);
  cyf_identity identity = cyf_classifier_identity(&r->environment, checksum, attribute);
  CYF_TRY(is_complete(r, r->atlas->attributes[attribute].name, stem, &identity,
                      r->options->settings->classifier.stage.steps, &complete));
  return complete ? CYF_OK : cyf_train_classifier(&r->environment, checksum, attribute);
}

static cyf_status run_plan(run *r, const plan *p) {
  uint64_t checksum = 0;
  bool any_classifier = false;
  if (p->autoencoder) CYF_TRY(run_autoencoder(r));
  for (int64_t i = 0; i < r->atlas->n_attributes; i++) any_classifier = any_classifier || p->classifier[i];
  /* Encoding keeps the shards that are there, so the stages behind it can always ask for it. */
  if (p->encode || p->denoiser || any_classifier) CYF_TRY(cyf_encode_atlas(&r->environment, &checksum));
  if (p->denoiser) {
    CYF_TRY(run_denoiser(r, checksum));
    CYF_TRY(update_model(r));
  }
  for (int64_t i = 0; i < r->atlas->n_attributes; i++) {
    if (!p->classifier[i]) continue;
    CYF_TRY(run_classifier(r, checksum, i));
  }
  return any_classifier ? update_model(r) : CYF_OK;
}

/* Found out before the training, not after it. */
static cyf_status check_replaceable(const char *path) {
  char *target = NULL;
  const cyf_status status = cyf_output_target(path, &target);
  cyf_free(target);
  return status;
}

static cyf_status open_run(run *r, plan *p) {
  CYF_TRY(cyf_path_join(r->options->directory, "checkpoints", &r->checkpoints));
  CYF_TRY(cyf_path_join(r->options->directory, "latents", &r->latents));
  CYF_TRY(cyf_atlas_open(r->options->atlas, &r->atlas));
  cyf_denoiser_config denoiser; /* complaints about its conditions come before hours of training */
  CYF_TRY(make_plan(r, p));
  CYF_TRY(cyf_stage_denoiser_config(r->options->settings, r->atlas, &denoiser, NULL));
  CYF_TRY(cyf_path_join(r->options->directory, "config.yaml", &r->config_path));
  CYF_TRY(cyf_config_to_text(cyf_settings_schema(), r->options->settings, &r->config_text));
  CYF_TRY(cyf_path_join(r->options->directory, "model.h5", &r->model_path));
  if (cyf_comm_rank(r->comm) == 0) {
    CYF_TRY(cyf_make_directory(r->checkpoints));
    CYF_TRY(check_replaceable(r->model_path));
    CYF_TRY(clear_planned(r, p));
  }
  return cyf_metrics_open(r->options->directory, cyf_comm_rank(r->comm), &r->metrics);
}

static void close_run(run *r, plan *p) {
  cyf_gradient_plane_destroy(&r->plane);
  cyf_metrics_close(&r->metrics);
  cyf_atlas_close(&r->atlas);
  cyf_free(r->checkpoints);
  cyf_free(r->latents);
  cyf_free(r->config_path);
  cyf_free(r->config_text);
  cyf_free(r->model_path);
  cyf_free(p->classifier);
}

cyf_status cyf_run(cyf_comm *comm, cyf_device *device, const cyf_run_options *options) {
  run r = {.options = options, .comm = comm, .device = device};
  plan p = {0};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_run(&r, &p)));
  CYF_TRY_CLEANUP(cyf_gradient_plane_create(comm, device, options->settings->comm.bucket_mb << 20, &r.plane));
  r.environment = (cyf_stage_environment){.loop = {.comm = comm,
                                                   .plane = r.plane,
                                                   .settings = options->settings,
                                                   .metrics = &r.metrics,
                                                   .checkpoint_directory = r.checkpoints,
                                                   .config_path = r.config_path,
                                                   .config_text = r.config_text,
                                                   .resume = options->resume},
                                          .atlas = r.atlas,
                                          .device = device,
                                          .latents_directory = r.latents};
  cyf_info("atlas %s: %lld cells x %lld genes, %s; %d ranks x %d threads", options->atlas, (long long)r.atlas->n_cells,
           (long long)r.atlas->n_genes, cyf_expression_kind_name(r.atlas->kind), cyf_comm_size(comm),
           device->n_threads);
  CYF_TRY_CLEANUP(run_plan(&r, &p));
  /* Also where no stage was left to run: the file tells of the last command that was not refused. */
  if (cyf_comm_rank(comm) == 0) status = cyf_write_text_file(r.config_path, r.config_text);
  status = cyf_comm_agree(comm, status);
cleanup:
  close_run(&r, &p);
  return status;
}
