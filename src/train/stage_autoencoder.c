/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/math/normalisation.h"
#include "saved/parameters_file.h"
#include "train/cell_feed.h"
#include "train/counts_start.h"
#include "train/fine_tune.h"
#include "train/stage_common.h"
#include "train/start_model.h"

typedef struct autoencoder_stage {
  const cyf_stage_environment *env;
  cyf_autoencoder *model;
  cyf_loader *train, *validation;
  cyf_batch batch;
  cyf_cell_feed *train_feed, *validation_feed;
  double local_share; /* n_global / n_local of the present batch, for unsynchronised batch norm */
} autoencoder_stage;

/* Reducer for synchronised batch norm: statistics of the global batch. */
static cyf_status sum_over_ranks(void *context, double *values, int64_t count) {
  autoencoder_stage *s = context;
  return cyf_gradient_plane_sum_doubles(s->env->loop.plane, values, count);
}

/* Reducer for batch norm of each rank by itself: its own sums, scaled up to the number of cells of the global batch. */
static cyf_status keep_local(void *context, double *values, int64_t count) {
  autoencoder_stage *s = context;
  cyf_device *device = s->env->device;
  const size_t bytes = sizeof(double) * (size_t)count;
  double *host = NULL;
  if (s->local_share == 1) return CYF_OK;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&host, count));
  CYF_TRY_CLEANUP(device->ops->download(device, host, values, bytes));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  for (int64_t i = 0; i < count; i++) host[i] *= s->local_share;
  status = device->ops->upload(device, values, host, bytes);
cleanup:
  cyf_free(host);
  return status;
}

static cyf_status open_stream(void *context, cyf_cursor start) {
  autoencoder_stage *s = context;
  cyf_loader_options options =
      cyf_stage_loader_options(s->env, &s->env->loop.settings->autoencoder.stage, CYF_SPLIT_TRAIN);
  CYF_TRY(cyf_cell_feed_wait(s->train_feed));
  cyf_loader_destroy(&s->train);
  return cyf_loader_create(s->env->loop.comm, s->env->atlas, &options, start, &s->train);
}

static cyf_status fetch(void *context, cyf_cursor *ret_cursor, int64_t *ret_n_global) {
  autoencoder_stage *s = context;
  CYF_TRY(cyf_cell_feed_wait(s->train_feed)); /* the loader uses the last batch's memory again */
  CYF_TRY(cyf_loader_next(s->train, &s->batch));
  *ret_cursor = s->batch.cursor;
  *ret_n_global = s->batch.n_global;
  return CYF_OK;
}

static cyf_status train(void *context, uint32_t draw, cyf_loss_sums *ret_sums) {
  (void)draw; /* nothing random: the autoencoder has no dropout (published settings) */
  autoencoder_stage *s = context;
  bool synchronised = s->env->loop.settings->autoencoder.sync_batch_norm;
  int64_t n_local = s->batch.cells.n_cells;
  s->local_share = n_local > 0 ? (double)s->batch.n_global / (double)n_local : 0;
  cyf_reducer reducer = {synchronised ? sum_over_ranks : keep_local, s};
  cyf_csr cells;
  const float *total = NULL;
  CYF_TRY(cyf_cell_feed_put(s->train_feed, &s->batch, &cells, &total));
  CYF_TRY(cyf_autoencoder_train_step(s->model, &cells, total, s->batch.n_global, &reducer, ret_sums->term));
  ret_sums->weight = (double)n_local * (double)cells.n_genes;
  return CYF_OK;
}

static cyf_status validate(void *context, cyf_loss_sums *sums) {
  autoencoder_stage *s = context;
  int64_t n_batches = cyf_loader_batches_per_epoch(s->validation);
  for (int64_t i = 0; i < n_batches; i++) {
    cyf_batch batch;
    double sum = 0;
    CYF_TRY(cyf_loader_next(s->validation, &batch));
    cyf_csr cells;
    const float *total = NULL;
    CYF_TRY(cyf_cell_feed_put(s->validation_feed, &batch, &cells, &total));
    CYF_TRY(cyf_autoencoder_validate(s->model, &cells, total, &sum));
    CYF_TRY(cyf_cell_feed_wait(s->validation_feed));
    sums->loss += sum;
    sums->weight += (double)batch.cells.n_cells * (double)batch.cells.n_genes;
  }
  return CYF_OK;
}

/* Published weights take the usual scale. */
static void warn_of_scale(const cyf_atlas *atlas) {
  if (cyf_expression_is_counted(atlas->kind) || cyf_targets_agree(atlas->target, CYF_NORMALISED_TOTAL)) return;
  if (atlas->target > 0)
    cyf_warn("autoencoder.init: published weights take log1p of target " CYF_NORMALISED_TOTAL_TEXT
             ", and the values of %s are of target %.10g: training starts further off",
             atlas->directory, atlas->target);
  else
    cyf_warn("autoencoder.init: published weights take log1p of target " CYF_NORMALISED_TOTAL_TEXT
             ", and the target of %s is unknown",
             atlas->directory);
}

/* Opens the validation stream; *ret_any false: no cell fell into it. */
static cyf_status open_validation(autoencoder_stage *s, bool *ret_any) {
  const cyf_stage_settings *settings = &s->env->loop.settings->autoencoder.stage;
  *ret_any = false;
  if (s->env->loop.settings->data.validation == 0 || settings->validate_every == 0) return CYF_OK;
  cyf_loader_options options = cyf_stage_loader_options(s->env, settings, CYF_SPLIT_VALIDATION);
  CYF_TRY(cyf_loader_create(s->env->loop.comm, s->env->atlas, &options, (cyf_cursor){0, 0}, &s->validation));
  *ret_any = cyf_loader_n_cells(s->validation) > 0;
  return CYF_OK;
}

static cyf_status check_counts(const cyf_stage_environment *environment) {
  const cyf_atlas *atlas = environment->atlas;
  const bool wanted = environment->loop.settings->autoencoder.likelihood == CYF_LIKELIHOOD_NB;
  if (!wanted || atlas->kind == CYF_EXPRESSION_COUNTS) return CYF_OK;
  return CYF_FAIL(CYF_ERR_CONFIG,
                  "autoencoder.likelihood nb needs raw counts, and the atlas %s holds %s; prepare it from counts "
                  "(--matrix layers/counts, if they are there; fractional counts with --fractions round) or take mse",
                  atlas->directory, cyf_expression_kind_name(atlas->kind));
}

/* Sets the initial values of a model of counts. They are computed on the host, from batches of values. */
static cyf_status start_counts(autoencoder_stage *s) {
  cyf_comm *comm = s->env->loop.comm;
  cyf_loader_options options =
      cyf_stage_loader_options(s->env, &s->env->loop.settings->autoencoder.stage, CYF_SPLIT_TRAIN);
  cyf_loader *loader = NULL;
  options.form = CYF_BATCH_VALUES;
  options.residency = CYF_RESIDENCY_STREAM;
  CYF_TRY(cyf_loader_create(comm, s->env->atlas, &options, (cyf_cursor){0, 0}, &loader));
  const cyf_status status = cyf_start_from_counts(comm, loader, s->model);
  cyf_loader_destroy(&loader);
  return status;
}

static cyf_identity identity(const cyf_stage_environment *environment, int64_t attribute) {
  (void)attribute;
  const cyf_settings *settings = environment->loop.settings;
  cyf_identity identity = cyf_stage_identity_begin(environment, &cyf_stage_autoencoder);
  cyf_stage_identity_add_widths("autoencoder.hidden", &settings->autoencoder.hidden, &identity);
  cyf_identity_add(&identity, true, "autoencoder.likelihood", "%s",
                   cyf_likelihood_words[settings->autoencoder.likelihood]);
  identity.item[identity.n - 1].absent = cyf_likelihood_words[CYF_LIKELIHOOD_MSE];
  cyf_identity_add(&identity, false, "autoencoder.init", "%s", settings->autoencoder.init);
  return identity;
}

static cyf_status run(cyf_stage_environment *environment, int64_t attribute) {
  const cyf_settings *settings = environment->loop.settings;
  autoencoder_stage s = {.env = environment};
  cyf_autoencoder_config config = cyf_settings_autoencoder(settings, environment->atlas->n_genes);
  bool has_validation = false;
  cyf_status status = check_counts(environment);
  if (status == CYF_OK) status = cyf_autoencoder_create(environment->device, &config, 1, &s.model);
  if (status == CYF_OK) status = cyf_cell_feed_create(environment->device, &s.train_feed);
  if (status == CYF_OK) status = cyf_cell_feed_create(environment->device, &s.validation_feed);
  if (status == CYF_OK) status = cyf_autoencoder_init(s.model, (uint64_t)settings->seed);
  if (status == CYF_OK && settings->autoencoder.init[0] != '\0') warn_of_scale(environment->atlas);
  if (status == CYF_OK && settings->autoencoder.init[0] != '\0')
    status = cyf_autoencoder_start_from(s.model, settings->autoencoder.init, &environment->atlas->genes);
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->loop.comm, status));
  CYF_TRY_CLEANUP(open_validation(&s, &has_validation));
  CYF_TRY_CLEANUP(open_stream(&s, (cyf_cursor){0, 0}));
  if (config.likelihood == CYF_LIKELIHOOD_NB) CYF_TRY_CLEANUP(start_counts(&s));
  if (environment->init != NULL) status = cyf_start_autoencoder(environment->init, environment->atlas, s.model);
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->loop.comm, status));
  cyf_stage stage = {.parameters = cyf_autoencoder_parameters(s.model),
                     .context = &s,
                     .cells_per_epoch = cyf_loader_n_cells(s.train),
                     .batches_per_epoch = cyf_loader_batches_per_epoch(s.train),
                     .open = open_stream,
                     .fetch = fetch,
                     .train = train,
                     .validate = has_validation ? validate : NULL};
  cyf_info("autoencoder: %lld genes, %.1f million parameters, %lld cells an epoch in %lld batches",
           (long long)config.n_genes, (double)stage.parameters->layout.total / 1e6, (long long)stage.cells_per_epoch,
           (long long)stage.batches_per_epoch);
  CYF_TRY_CLEANUP(cyf_stage_train(environment, &cyf_stage_autoencoder, attribute, &stage));
cleanup:
  cyf_cell_feed_destroy(&s.train_feed); /* before the memory that they read */
  cyf_cell_feed_destroy(&s.validation_feed);
  cyf_loader_destroy(&s.train);
  cyf_loader_destroy(&s.validation);
  cyf_autoencoder_destroy(&s.model);
  return status;
}

cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum) {
  const char *checkpoints = environment->loop.checkpoint_directory;
  cyf_autoencoder_config config = cyf_settings_autoencoder(environment->loop.settings, environment->atlas->n_genes);
  bool has = false;
  CYF_TRY(cyf_checkpoint_has_final(checkpoints, cyf_stage_autoencoder.name, &has));
  if (!has)
    return CYF_FAIL(CYF_ERR_USAGE, "there is no finished autoencoder in %s; run --stage autoencoder first",
                    checkpoints);
  CYF_TRY(cyf_autoencoder_create(environment->device, &config, 0, ret_model));
  cyf_parameters *parameters = cyf_autoencoder_parameters(*ret_model);
  cyf_status status = cyf_stage_load(environment, &cyf_stage_autoencoder, CYF_NO_COLUMN, parameters);
  if (status == CYF_OK) status = cyf_parameters_checksum(parameters, ret_checksum);
  if (status != CYF_OK) cyf_autoencoder_destroy(ret_model);
  return status;
}

static cyf_status collect(cyf_stage_environment *environment, int64_t attribute, cyf_model *model) {
  (void)attribute;
  return cyf_load_autoencoder(environment, &model->autoencoder, &environment->autoencoder_checksum);
}

const cyf_stage_type cyf_stage_autoencoder = {.name = "autoencoder",
                                              .in_every_model = true,
                                              .settings_offset = CYF_STAGE_SETTINGS(autoencoder),
                                              .identity = identity,
                                              .run = run,
                                              .collect = collect};
