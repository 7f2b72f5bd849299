/* SPDX-License-Identifier: MIT */
#include "train/add_classifier.h"

#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "base/text_sum.h"
#include "saved/model_file.h"
#include "saved/model_scale.h"
#include "saved/parameters_file.h"
#include "train/encode.h"
#include "train/run_record.h"
#include "train/run_settings.h"
#include "train/stage_common.h"

typedef struct addition {
  const cyf_add_classifier_options *options;
  cyf_comm *comm;
  cyf_device *device;
  cyf_model *model;
  cyf_settings settings; /* the model's with the overrides */
  cyf_atlas *atlas;
  cyf_rescaling rescaling; /* of its cells to the model's scale */
  int64_t attribute;       /* in the atlas */
  cyf_gradient_plane *plane;
  cyf_metrics metrics;
  char *directory, *checkpoints, *latents, *config_path, *config_text, *replaces_path;
  char stem[CYF_STAGE_STEM_MAX];
  char *replaced;          /* provenance of the model's classifier at the start; "": it had none */
  int lock;                /* rank 0: of the folder */
  cyf_inputs latent_parts; /* rank 0 */
  cyf_stage_environment environment;
} addition;

/* Only what shapes the new classifier and its training may differ from the model. */
static cyf_status check_override(const char *override) {
  static const char *const free_keys[] = {"classifier.", "data.", "latents.", "comm.",
                                          "checkpoint.", "log.",  "seed=",    "precision="};
  for (size_t i = 0; i < sizeof free_keys / sizeof free_keys[0]; i++)
    if (strncmp(override, free_keys[i], strlen(free_keys[i])) == 0) return CYF_OK;
  return CYF_FAIL(
      CYF_ERR_CONFIG,
      "--set %s: with -m only keys of classifier, data, latents, comm, checkpoint and log, seed and precision can be "
      "set; the others are the model's",
      override);
}

static cyf_status check_genes(const cyf_names *ours, const cyf_atlas *atlas) {
  const cyf_names *theirs = &atlas->genes;
  int64_t shared = ours->n < theirs->n ? ours->n : theirs->n, at = 0;
  while (at < shared && strcmp(ours->name[at], theirs->name[at]) == 0) at++;
  if (at == ours->n && at == theirs->n) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "the atlas %s has %lld genes and the model %lld, and they differ from gene %lld on ('%s' and '%s'); "
                  "prepare it with --genes, the model's gene list (genes.tsv of its atlas)",
                  atlas->directory, (long long)theirs->n, (long long)ours->n, (long long)at + 1,
                  at < theirs->n ? theirs->name[at] : "none", at < ours->n ? ours->name[at] : "none");
}

/* Rank 0. With force, or where a replacement of just this classifier is gone on with: its folder says which. */
static cyf_status check_replacing(const addition *a) {
  char *begun = NULL;
  bool exists = false;
  if (a->options->force || !cyf_model_has_classifier(a->model, a->options->attribute)) return CYF_OK;
  CYF_TRY(cyf_file_exists(a->replaces_path, &exists));
  if (a->options->resume && exists) {
    CYF_TRY(cyf_read_text_file(a->replaces_path, &begun));
    const bool is_this = strcmp(begun, a->replaced) == 0;
    cyf_free(begun);
    if (is_this) return CYF_OK;
  }
  return CYF_FAIL(CYF_ERR_IO, "%s has a classifier for '%s' already; --force replaces it", a->options->model,
                  a->options->attribute);
}

/* What tells the model's classifier of the attribute from another one; "": there is none. */
static const char *provenance_now(const addition *a) {
  const int64_t at = cyf_model_attribute_index(a->model, a->options->attribute);
  if (at < 0 || a->model->attributes[at].classifier == NULL) return "";
  return a->model->attributes[at].provenance != NULL ? a->model->attributes[at].provenance : "the model's own";
}

/* The denoiser may be told this attribute, by codes. Then the atlas must have the same categories in the same order. */
static cyf_status check_condition(const addition *a) {
  const char *name = a->options->attribute;
  const cyf_names *theirs = &a->atlas->attributes[a->attribute].categories;
  int64_t at = 0;
  if (cyf_model_condition(a->model, name) < 0) return CYF_OK;
  CYF_TRY(cyf_model_find_attribute(a->model, name, &at));
  const cyf_names *ours = &a->model->attributes[at].categories;
  bool same = ours->n == theirs->n;
  for (int64_t c = 0; same && c < ours->n; c++) same = strcmp(ours->name[c], theirs->name[c]) == 0;
  if (same) return CYF_OK;
  return CYF_FAIL(
      CYF_ERR_INPUT,
      "the model's denoiser is conditioned on '%s' and the atlas %s has other categories of it; they must be "
      "the model's, in its order",
      name, a->atlas->directory);
}

/* "runs/first/model.h5" gives "runs/first/model-classifier". */
static cyf_status default_directory(const char *model, char **ret_directory) {
  size_t length = strlen(model);
  if (length > 3 && strcmp(model + length - 3, ".h5") == 0) length -= 3;
  return cyf_format(ret_directory, "%.*s-classifier", (int)length, model);
}

/* What becomes of earlier checkpoints of this classifier: training goes on from them (resume), they are removed
 * (force), or they are an error. Rank 0. */
static cyf_status clear_checkpoints(const addition *a) {
  bool has = false;
  CYF_TRY(cyf_checkpoint_has_any(a->checkpoints, a->stem, &has));
  if (a->options->resume || !has) return CYF_OK;
  if (!a->options->force)
    return CYF_FAIL(CYF_ERR_IO,
                    "%s already holds checkpoints of a classifier; go on with --resume auto, or start over "
                    "with --force",
                    a->directory);
  return cyf_stage_remove_checkpoints(a->checkpoints, a->stem);
}

/* What the folder says, where its classifier is gone on with; the model's settings otherwise. */
static cyf_status choose_settings(addition *a) {
  const cyf_settings_said said = {.n_overrides = a->options->n_overrides, .overrides = a->options->overrides};
  cyf_setting_changes changes = {0};
  cyf_kept_stage kept = {.type = &cyf_stage_classifier, .is_run = true};
  bool exists = false;
  CYF_TRY(cyf_checkpoint_reached(a->checkpoints, a->stem, &kept.steps, &kept.is_final));
  CYF_TRY(cyf_file_exists(a->config_path, &exists));
  if (!a->options->resume || !exists) return CYF_OK;
  cyf_settings_destroy(&a->settings);
  CYF_TRY(cyf_settings_read_file(a->config_path, &a->settings));
  const cyf_status status = cyf_settings_change(a->config_path, &said, &kept, kept.steps >= 0, &a->settings, &changes);
  cyf_setting_changes_destroy(&changes);
  return status;
}

/* Rank 0: takes the folder for this run. */
static cyf_status claim_folder(addition *a) {
  bool was_there = false;
  CYF_TRY(cyf_is_directory(a->directory, &was_there));
  if (!was_there) CYF_TRY(check_replacing(a)); /* lest a folder is made for nothing */
  CYF_TRY(cyf_make_directory(a->checkpoints));
  CYF_TRY(cyf_lock_folder(a->directory, "train", &a->lock));
  if (was_there) CYF_TRY(check_replacing(a));
  CYF_TRY(choose_settings(a));
  CYF_TRY(clear_checkpoints(a));
  CYF_TRY(cyf_write_text_file(a->replaces_path, a->replaced));
  return cyf_config_to_text(cyf_settings_schema(), &a->settings, &a->config_text);
}

static cyf_status open_addition(addition *a) {
  const cyf_add_classifier_options *o = a->options;
  for (int64_t i = 0; i < o->n_overrides; i++) CYF_TRY(check_override(o->overrides[i]));
  CYF_TRY(cyf_model_load(o->model, a->device, &a->model));
  CYF_TRY(cyf_settings_copy(&a->model->settings, o->n_overrides, o->overrides, &a->settings));
  CYF_TRY(cyf_atlas_open(o->atlas, &a->atlas));
  a->atlas->verify = a->settings.data.verify;
  CYF_TRY(cyf_find_classifiable(a->atlas, o->attribute, &a->attribute));
  CYF_TRY(check_genes(&a->model->genes, a->atlas));
  CYF_TRY(cyf_model_atlas_rescaling(a->model, a->atlas, &a->rescaling));
  CYF_TRY(check_condition(a));
  CYF_TRY(cyf_strdup(provenance_now(a), &a->replaced));
  CYF_TRY(
      cyf_parameters_checksum(cyf_autoencoder_parameters(a->model->autoencoder), &a->environment.autoencoder_checksum));
  if (o->directory != NULL)
    CYF_TRY(cyf_strdup(o->directory, &a->directory));
  else
    CYF_TRY(default_directory(o->model, &a->directory));
  CYF_TRY(cyf_path_join(a->directory, "checkpoints", &a->checkpoints));
  CYF_TRY(cyf_path_join(a->directory, "latents", &a->latents));
  CYF_TRY(cyf_path_join(a->directory, "config.yaml", &a->config_path));
  CYF_TRY(cyf_path_join(a->directory, "replaces.txt", &a->replaces_path));
  cyf_stage_stem(&cyf_stage_classifier, a->attribute, a->stem);
  if (cyf_comm_rank(a->comm) == 0) CYF_TRY(claim_folder(a));
  return cyf_metrics_open(a->directory, cyf_comm_rank(a->comm), &a->metrics);
}

static void close_addition(addition *a) {
  cyf_gradient_plane_destroy(&a->plane);
  (void)cyf_metrics_close(&a->metrics);
  cyf_inputs_destroy(&a->latent_parts);
  cyf_atlas_close(&a->atlas);
  cyf_model_destroy(&a->model);
  cyf_settings_destroy(&a->settings);
  if (a->directory != NULL) cyf_lock_release_folder(a->directory, &a->lock);
  cyf_free(a->replaced);
  cyf_free(a->directory);
  cyf_free(a->checkpoints);
  cyf_free(a->latents);
  cyf_free(a->config_path);
  cyf_free(a->config_text);
  cyf_free(a->replaces_path);
}

static cyf_status fill_place(const addition *a, cyf_model_attribute *place) {
  const cyf_attribute *from = &a->atlas->attributes[a->attribute];
  const char *command = a->options->command_line != NULL ? a->options->command_line : "";
  char now[32];
  cyf_clock_utc(now, sizeof now);
  CYF_TRY(cyf_strdup(from->name, &place->name));
  CYF_TRY(cyf_names_copy(&from->categories, &place->categories));
  CYF_TRY(CYF_NEW(&place->n_cells, from->categories.n));
  memcpy(place->n_cells, from->n_cells, sizeof(int64_t) * (size_t)from->categories.n);
  CYF_TRY(cyf_format(&place->provenance, "atlas %s, %s, %s", a->atlas->fingerprint, now, command));
  cyf_classifier_config config = cyf_settings_classifier(&a->settings, from->categories.n);
  CYF_TRY(cyf_classifier_create(a->device, &config, 0, &place->classifier));
  return cyf_stage_load(&a->environment, &cyf_stage_classifier, a->attribute,
                        cyf_classifier_parameters(place->classifier));
}

/* What was run for the model, with this command behind. */
static cyf_status add_to_record(addition *a) {
  char computed_in[16], *line = NULL, *record = NULL;
  cyf_settings_describe_precision(&a->settings, a->device, computed_in);
  const cyf_run_entry entry = {.command_line = a->options->command_line,
                               .device = computed_in,
                               .n_ranks = cyf_comm_size(a->comm),
                               .atlas = a->atlas->fingerprint};
  cyf_status status = cyf_run_entry_text(&entry, &line);
  if (status == CYF_OK) status = cyf_run_record_of_model(a->model, &record);
  cyf_free(a->model->runs);
  if (status == CYF_OK) status = cyf_format(&a->model->runs, "%s%s", record, line);
  cyf_free(record);
  cyf_free(line);
  return status;
}

/* Takes the strengths that go with the denoiser, which is told this attribute, whose classes are the same
 * (check_condition). Those that go with the former classifier are of no use. */
static void take_guidance(const addition *a, double **ret_guidance) {
  const int64_t at = cyf_model_attribute_index(a->model, a->options->attribute);
  if (at < 0 || cyf_model_condition(a->model, a->options->attribute) < 0) return;
  *ret_guidance = a->model->attributes[at].guidance;
  a->model->attributes[at].guidance = NULL;
}

/* Puts the classifier into the model file, which is read again first: training may have taken days, and others may have
 * added classifiers. */
static cyf_status replace_classifier(addition *a) {
  const char *path = a->options->model;
  uint64_t checksum = 0;
  cyf_model_attribute *place = NULL;
  cyf_model_destroy(&a->model);
  CYF_TRY(cyf_model_load(path, a->device, &a->model));
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(a->model->autoencoder), &checksum));
  if (checksum != a->environment.autoencoder_checksum)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "the autoencoder of %s has changed while the classifier was trained; the classifier "
                    "is kept in %s",
                    path, a->directory);
  if (strcmp(provenance_now(a), a->replaced) != 0)
    return CYF_FAIL(CYF_ERR_IO, "%s got another classifier of '%s' while this one was trained; this one is kept in %s",
                    path, a->options->attribute, a->directory);
  double *guidance = NULL;
  take_guidance(a, &guidance);
  cyf_status status = cyf_model_make_place(a->model, a->options->attribute, &place);
  if (status == CYF_OK) place->guidance = guidance;
  CYF_TRY(status);
  CYF_TRY(fill_place(a, place));
  CYF_TRY(add_to_record(a));
  return cyf_model_save(a->model, path);
}

/* Rank 0. */
static cyf_status write_model(addition *a) {
  const char *path = a->options->model;
  int64_t bytes = 0;
  int lock = -1;
  CYF_TRY(cyf_text_sum_write(a->config_path, a->config_text)); /* the classifier may have been finished before */
  CYF_TRY(cyf_model_lock(path, "train", cyf_comm_timeout_s(a->comm) / 2, &lock));
  const cyf_status status = replace_classifier(a);
  cyf_model_unlock(path, &lock);
  CYF_TRY(status);
  CYF_TRY(cyf_file_size_bytes(path, &bytes));
  cyf_info("wrote %s (%.1f MB) with the classifier of %s", path, (double)bytes / 1e6, a->options->attribute);
  if (a->options->directory != NULL) return CYF_OK;
  CYF_TRY(cyf_metrics_close(&a->metrics));
  return cyf_remove_tree(a->directory);
}

static cyf_status run(addition *a) {
  bool complete = false;
  a->environment = (cyf_stage_environment){.loop = {.comm = a->comm,
                                                    .plane = a->plane,
                                                    .settings = &a->settings,
                                                    .metrics = &a->metrics,
                                                    .checkpoint_directory = a->checkpoints,
                                                    .config_path = a->config_path,
                                                    .config_text = a->config_text,
                                                    .resume = a->options->resume},
                                           .atlas = a->atlas,
                                           .device = a->device,
                                           .latents_directory = a->latents,
                                           .latent_parts = &a->latent_parts,
                                           .autoencoder_checksum = a->environment.autoencoder_checksum};
  CYF_TRY(cyf_encode_parts(a->comm, a->device, a->atlas, &a->rescaling, a->model->autoencoder,
                           a->environment.autoencoder_checksum, a->settings.latents.type, a->latents));
  CYF_TRY(cyf_stage_is_complete(&a->environment, &cyf_stage_classifier, a->attribute, &complete));
  if (!complete) CYF_TRY(cyf_stage_classifier.run(&a->environment, a->attribute));
  return cyf_comm_agree(a->comm, cyf_comm_rank(a->comm) == 0 ? write_model(a) : CYF_OK);
}

cyf_status cyf_add_classifier(cyf_comm *comm, cyf_device *device, const cyf_add_classifier_options *options) {
  addition a = {.options = options, .comm = comm, .device = device, .lock = -1};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_addition(&a)));
  CYF_TRY_CLEANUP(cyf_settings_share(comm, &a.config_text, &a.settings));
  cyf_comm_set_timeout(comm, a.settings.comm.timeout_s);
  CYF_TRY_CLEANUP(cyf_gradient_plane_create(comm, device, a.settings.comm.bucket_mb << 20, &a.plane));
  CYF_TRY_CLEANUP(run(&a));
cleanup:
  close_addition(&a);
  return status;
}
