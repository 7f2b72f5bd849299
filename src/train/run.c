/* SPDX-License-Identifier: MIT */
#include "train/run.h"

#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/inputs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "base/text_sum.h"
#include "saved/model_file.h"
#include "train/auto_settings.h"
#include "train/run_added.h"
#include "train/run_record.h"
#include "train/stage_common.h"
#include "train/start_model.h"

typedef struct cyf_run {
  cyf_run_options options;
  cyf_comm *comm;
  cyf_device *device;
  cyf_atlas *atlas;
  cyf_gradient_plane *plane;
  cyf_metrics metrics;
  char *checkpoints, *latents, *config_path, *config_text, *model_path;
  cyf_inputs inputs;       /* the configuration file, if any */
  cyf_inputs latent_parts; /* rank 0 */
  cyf_settings settings;
  cyf_setting_changes changes; /* rank 0: against the folder's former settings */
  char *record;                /* rank 0: RUN/runs.jsonl with this command's line */
  cyf_stage_environment environment;
  cyf_start_model start; /* that training starts from, if any */
  cyf_stage_job *jobs;   /* [n_jobs] */
  int64_t *updates_left; /* [n_jobs] */
  int64_t n_jobs;
  int lock; /* rank 0: of the folder */
} run;

/* ---- earlier files ---- */

/* What becomes of a stage's earlier checkpoints: training goes on from them (resume), they are removed (force), or they
 * are an error. Rank 0. */
static cyf_status clear_stage(const run *r, const char *stem) {
  bool has = false;
  CYF_TRY(cyf_checkpoint_has_any(r->checkpoints, stem, &has));
  if (!has) return CYF_OK;
  if (r->options.force) return cyf_stage_remove_checkpoints(r->checkpoints, stem);
  if (r->options.resume) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO,
                  "%s already holds checkpoints of stage %s; go on with --resume auto, or start over with --force",
                  r->options.directory, stem);
}

static cyf_status clear_planned(const run *r) {
  char stem[CYF_STAGE_STEM_MAX];
  for (int64_t i = 0; i < r->n_jobs; i++) {
    if (r->jobs[i].type->identity == NULL) continue;
    cyf_stage_stem(r->jobs[i].type, r->jobs[i].attribute, stem);
    CYF_TRY(clear_stage(r, stem));
  }
  return CYF_OK;
}

/* ---- model.h5 ---- */

/* Puts the results of all finished stages into the model. */
static cyf_status collect_stages(const run *r, cyf_model *model) {
  cyf_stage_environment environment = r->environment;
  char stem[CYF_STAGE_STEM_MAX];
  for (int s = 0; s < cyf_n_stages; s++) {
    const cyf_stage_type *type = cyf_stages[s];
    if (type->collect == NULL) continue;
    const int64_t first = type->per_column ? 0 : CYF_NO_COLUMN, end = type->per_column ? r->atlas->n_attributes : 0;
    for (int64_t attribute = first; attribute < end; attribute++) {
      cyf_stage_stem(type, attribute, stem);
      bool has = false;
      CYF_TRY(cyf_checkpoint_has_final(r->checkpoints, stem, &has));
      if (has) CYF_TRY(type->collect(&environment, attribute, model));
    }
  }
  return CYF_OK;
}

static cyf_status fill_model(const run *r, cyf_model *model) {
  const cyf_settings *settings = &r->settings;
  char now[32];
  cyf_clock_utc(now, sizeof now);
  model->device = r->device;
  model->kind = r->atlas->kind;
  model->target = r->atlas->target;
  model->latent_scale = cyf_settings_latent_scale(settings);
  CYF_TRY(cyf_settings_copy(settings, 0, NULL, &model->settings));
  CYF_TRY(cyf_strdup(r->atlas->fingerprint, &model->atlas_fingerprint));
  CYF_TRY(cyf_strdup(now, &model->created));
  CYF_TRY(cyf_strdup(r->options.command_line != NULL ? r->options.command_line : "", &model->command_line));
  CYF_TRY(cyf_strdup(r->record, &model->runs));
  CYF_TRY(cyf_strdup(CYF_VERSION, &model->version));
  CYF_TRY(cyf_names_copy(&r->atlas->genes, &model->genes));
  CYF_TRY(cyf_start_model_attributes(r->start.model, r->atlas, model));
  return collect_stages(r, model);
}

/* Writes model.h5, and config.yaml with the same settings: no stage may have run that would have written it. */
static cyf_status write_model(const run *r) {
  cyf_model *model = NULL;
  int64_t bytes = 0;
  int lock = -1;
  cyf_status status;
  CYF_TRY(cyf_model_lock(r->model_path, "train", cyf_comm_timeout_s(r->comm) / 2, &lock));
  CYF_TRY_CLEANUP(CYF_NEW(&model, 1));
  CYF_TRY_CLEANUP(fill_model(r, model));
  CYF_TRY_CLEANUP(cyf_added_keep(r->model_path, model));
  CYF_TRY_CLEANUP(cyf_text_sum_write(r->config_path, r->config_text));
  CYF_TRY_CLEANUP(cyf_model_save(model, r->model_path));
  CYF_TRY_CLEANUP(cyf_file_size_bytes(r->model_path, &bytes));
  cyf_info("wrote %s (%.1f MB)", r->model_path, (double)bytes / 1e6);
cleanup:
  cyf_model_unlock(r->model_path, &lock);
  cyf_model_destroy(&model);
  return status;
}

static cyf_status has_model_stages(const run *r, bool *ret_has) {
  *ret_has = true;
  for (int s = 0; s < cyf_n_stages && *ret_has; s++)
    if (cyf_stages[s]->in_every_model) CYF_TRY(cyf_checkpoint_has_final(r->checkpoints, cyf_stages[s]->name, ret_has));
  return CYF_OK;
}

/* Rank 0 writes model.h5 from the finished stages, once those that every model has are among them. Collective. */
static cyf_status update_model(run *r) {
  cyf_status status = CYF_OK;
  if (cyf_comm_rank(r->comm) == 0) {
    bool has = false;
    status = has_model_stages(r, &has);
    if (status == CYF_OK && has) status = write_model(r);
  }
  return cyf_comm_agree(r->comm, status);
}

/* ---- running ---- */

static cyf_status run_job(run *r, const cyf_stage_job *job) {
  bool complete = false;
  if (job->type->identity != NULL)
    CYF_TRY(cyf_stage_is_complete(&r->environment, job->type, job->attribute, &complete));
  if (!complete) return job->type->run(&r->environment, job->attribute);
  const bool has_column = job->attribute != CYF_NO_COLUMN;
  cyf_info("%s: already finished", has_column ? r->atlas->attributes[job->attribute].name : job->type->name);
  return CYF_OK;
}

static cyf_status run_jobs(run *r) {
  for (int64_t i = 0; i < r->n_jobs; i++) {
    const cyf_stage_type *type = r->jobs[i].type;
    CYF_TRY(run_job(r, &r->jobs[i]));
    const bool is_last = i + 1 == r->n_jobs || r->jobs[i + 1].type != type; /* of its columns */
    if (type->updates_model && is_last) CYF_TRY(update_model(r));
  }
  return CYF_OK;
}

/* A model.h5 that cannot be replaced, or read, is an error before anything is changed, not after the training. */
static cyf_status check_replaceable(const run *r) {
  char *target = NULL;
  bool updates = false;
  const cyf_status status = cyf_output_target(r->model_path, &target);
  cyf_free(target);
  CYF_TRY(status);
  for (int64_t i = 0; i < r->n_jobs; i++) updates = updates || r->jobs[i].type->updates_model;
  return updates ? cyf_added_check(r->model_path) : CYF_OK;
}

static cyf_status check_settings(const run *r) {
  for (int s = 0; s < cyf_n_stages; s++)
    if (cyf_stages[s]->check != NULL) CYF_TRY(cyf_stages[s]->check(&r->settings, r->atlas));
  return CYF_OK;
}

/* ---- opening ---- */

static cyf_status make_paths(run *r) {
  CYF_TRY(cyf_path_join(r->options.directory, "checkpoints", &r->checkpoints));
  CYF_TRY(cyf_path_join(r->options.directory, "latents", &r->latents));
  CYF_TRY(cyf_path_join(r->options.directory, "config.yaml", &r->config_path));
  return cyf_path_join(r->options.directory, "model.h5", &r->model_path);
}

/* The folder's settings with what the command says over them. A configuration file that a former command was given says
 * nothing new. */
static cyf_status resume_settings(run *r, const cyf_kept_stage *kept, int64_t n_kept) {
  cyf_settings_said said = r->options.said;
  bool knows = false;
  cyf_settings_destroy(&r->settings);
  if (said.config != NULL) CYF_TRY(cyf_run_record_knows_config(r->record, said.config, &knows));
  if (knows) said.config = NULL;
  CYF_TRY(cyf_settings_read_file(r->config_path, &r->settings));
  return cyf_settings_change(r->config_path, &said, kept, n_kept, &r->settings, &r->changes);
}

/* Rank 0. Where a stage of the folder stays, or is gone on with, the folder's settings hold. */
static cyf_status choose_settings(run *r) {
  cyf_kept_stage *kept = NULL;
  int64_t n_kept = 0;
  bool exists = false;
  CYF_TRY(cyf_run_record_read(r->options.directory, &r->record));
  CYF_TRY(cyf_file_exists(r->config_path, &exists));
  if (!exists) return CYF_OK;
  cyf_status status = cyf_kept_stages_find(r->checkpoints, r->atlas->n_attributes, r->options.force, r->jobs, r->n_jobs,
                                           &kept, &n_kept);
  if (status == CYF_OK && (r->options.resume || n_kept > 0)) status = resume_settings(r, kept, n_kept);
  cyf_free(kept);
  return status;
}

/* Rank 0: takes the folder for this run. Nothing of it is changed yet. */
static cyf_status claim_folder(run *r) {
  CYF_TRY(cyf_make_directory(r->checkpoints));
  CYF_TRY(cyf_lock_folder(r->options.directory, "train", &r->lock));
  return choose_settings(r);
}

/* The settings of a new run, before what its folder says. */
static cyf_status begin_settings(run *r) {
  const cyf_settings_said *said = &r->options.said;
  CYF_TRY(cyf_inputs_add(&r->inputs, said->config));
  CYF_TRY(cyf_settings_load(said->config, said->n_overrides, said->overrides, &r->settings));
  if (r->settings.init[0] == '\0') return CYF_OK;
  CYF_TRY(cyf_inputs_add(&r->inputs, r->settings.init));
  CYF_TRY(cyf_start_model_open(r->settings.init, &r->start));
  return cyf_start_model_settings(r->start.model, said, &r->settings);
}

static cyf_status open_run(run *r) {
  CYF_TRY(make_paths(r));
  CYF_TRY(begin_settings(r));
  CYF_TRY(cyf_atlas_open(r->options.atlas, &r->atlas));
  if (r->start.model != NULL) CYF_TRY(cyf_start_model_check(r->start.model, r->atlas));
  CYF_TRY(cyf_stages_plan(r->options.stage, r->atlas, &r->jobs, &r->n_jobs));
  CYF_TRY(CYF_NEW(&r->updates_left, r->n_jobs));
  if (cyf_comm_rank(r->comm) != 0) return CYF_OK;
  bool is_directory = false;
  CYF_TRY(cyf_is_directory(r->options.directory, &is_directory));
  if (!is_directory) { /* lest a folder is made for nothing */
    CYF_TRY(cyf_auto_settings_for_atlas(r->atlas, &r->settings));
    CYF_TRY(check_settings(r));
  }
  CYF_TRY(claim_folder(r));
  CYF_TRY(cyf_auto_settings_for_atlas(r->atlas, &r->settings));
  CYF_TRY(check_settings(r));
  CYF_TRY(check_replaceable(r));
  CYF_TRY(cyf_inputs_check(&r->inputs)); /* the settings are read, more than once */
  CYF_TRY(clear_planned(r));
  CYF_TRY(cyf_count_updates_left(r->checkpoints, &r->settings, r->jobs, r->n_jobs, r->updates_left));
  return cyf_config_to_text(cyf_settings_schema(), &r->settings, &r->config_text);
}

/* Gives rank 0's settings and counts to all ranks. Collective. */
static cyf_status share(run *r) {
  CYF_TRY(cyf_settings_share(r->comm, &r->config_text, &r->settings));
  return cyf_comm_broadcast(r->comm, r->updates_left, (int64_t)sizeof(int64_t) * r->n_jobs, 0);
}

void cyf_run_close(cyf_run **run_at) {
  if (*run_at == NULL) return;
  run *r = *run_at;
  cyf_gradient_plane_destroy(&r->plane);
  (void)cyf_metrics_close(&r->metrics);
  cyf_inputs_destroy(&r->inputs);
  cyf_inputs_destroy(&r->latent_parts);
  cyf_atlas_close(&r->atlas);
  cyf_start_model_close(&r->start);
  cyf_lock_release_folder(r->options.directory, &r->lock);
  cyf_settings_destroy(&r->settings);
  cyf_setting_changes_destroy(&r->changes);
  cyf_free(r->record);
  cyf_free(r->checkpoints);
  cyf_free(r->latents);
  cyf_free(r->config_path);
  cyf_free(r->config_text);
  cyf_free(r->model_path);
  cyf_free(r->jobs);
  cyf_free(r->updates_left);
  cyf_free(*run_at);
}

cyf_status cyf_run_open(cyf_comm *comm, const cyf_run_options *options, cyf_run **ret_run) {
  run *r = NULL;
  *ret_run = NULL;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&r, 1)));
  *r = (run){.options = *options, .comm = comm, .lock = -1};
  cyf_status status = cyf_comm_agree(comm, open_run(r));
  if (status == CYF_OK) status = share(r);
  if (status == CYF_OK) status = cyf_comm_agree(comm, cyf_start_model_meet(r->settings.init, r->atlas, &r->start));
  if (status != CYF_OK) cyf_run_close(&r);
  *ret_run = r;
  return status;
}

const cyf_settings *cyf_run_settings(const cyf_run *r) {
  return &r->settings;
}

const cyf_atlas *cyf_run_atlas(const cyf_run *r) {
  return r->atlas;
}

int64_t cyf_run_updates_left(const cyf_run *r, const cyf_stage_type *type) {
  int64_t left = 0;
  for (int64_t i = 0; i < r->n_jobs; i++)
    if (r->jobs[i].type == type) left += r->updates_left[i];
  return left;
}

/* A folder from before there were records: its model tells of the command that made it. */
static cyf_status begin_with_model(run *r) {
  cyf_model *model = NULL;
  bool exists = false;
  CYF_TRY(cyf_file_exists(r->model_path, &exists));
  if (r->record[0] != '\0' || !exists) return CYF_OK;
  cyf_status status = cyf_model_load(r->model_path, r->device, &model);
  if (status == CYF_ERR_INPUT) { /* no stage of this command replaces it */
    cyf_status_clear();
    return CYF_OK;
  }
  CYF_TRY(status);
  cyf_free(r->record);
  status = cyf_run_record_of_model(model, &r->record);
  cyf_model_destroy(&model);
  return status == CYF_OK ? cyf_run_record_append(r->options.directory, r->record) : status;
}

/* Rank 0: from here on the folder is worked in. */
static cyf_status begin_record(run *r) {
  char computed_in[16], *line = NULL, *longer = NULL;
  cyf_settings_describe_precision(&r->settings, r->device, computed_in);
  const cyf_run_entry entry = {.command_line = r->options.command_line,
                               .device = computed_in,
                               .n_ranks = cyf_comm_size(r->comm),
                               .atlas = r->atlas->fingerprint,
                               .config = r->options.said.config,
                               .init = r->start.model,
                               .changes = &r->changes};
  CYF_TRY(begin_with_model(r));
  CYF_TRY(cyf_run_entry_text(&entry, &line));
  cyf_status status = cyf_run_record_append(r->options.directory, line);
  if (status == CYF_OK) status = cyf_format(&longer, "%s%s", r->record, line);
  cyf_free(line);
  CYF_TRY(status);
  cyf_free(r->record);
  r->record = longer;
  for (const cyf_setting_change *c = r->changes.item; c < r->changes.item + r->changes.n; c++)
    cyf_info("%s: %s, was %s%s%s", c->key, c->to, c->from, c->at[0] != '\0' ? " up to " : "", c->at);
  return CYF_OK;
}

static cyf_status begin(run *r) {
  if (cyf_comm_rank(r->comm) == 0) CYF_TRY(begin_record(r));
  return cyf_metrics_open(r->options.directory, cyf_comm_rank(r->comm), &r->metrics);
}

cyf_status cyf_run_train(cyf_run *r, cyf_device *device) {
  cyf_comm *comm = r->comm;
  r->device = device;
  r->atlas->verify = r->settings.data.verify;
  CYF_TRY(cyf_comm_agree(comm, begin(r)));
  CYF_TRY(cyf_gradient_plane_create(comm, device, r->settings.comm.bucket_mb << 20, &r->plane));
  r->environment = (cyf_stage_environment){.loop = {.comm = comm,
                                                    .plane = r->plane,
                                                    .settings = &r->settings,
                                                    .metrics = &r->metrics,
                                                    .checkpoint_directory = r->checkpoints,
                                                    .config_path = r->config_path,
                                                    .config_text = r->config_text,
                                                    .resume = r->options.resume},
                                           .atlas = r->atlas,
                                           .device = device,
                                           .init = r->start.model,
                                           .latents_directory = r->latents,
                                           .latent_parts = &r->latent_parts};
  cyf_info("atlas %s: %lld cells x %lld genes, %s; %d ranks x %d threads", r->options.atlas,
           (long long)r->atlas->n_cells, (long long)r->atlas->n_genes, cyf_expression_kind_name(r->atlas->kind),
           cyf_comm_size(comm), device->n_threads);
  CYF_TRY(run_jobs(r));
  CYF_TRY(cyf_comm_agree(comm, cyf_metrics_close(&r->metrics)));
  /* Also where no stage was left to run: config.yaml has the settings of the last command that was not refused. */
  return cyf_comm_agree(comm, cyf_comm_rank(comm) == 0 ? cyf_text_sum_write(r->config_path, r->config_text) : CYF_OK);
}
