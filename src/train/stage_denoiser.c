/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "train/latent_batch.h"
#include "train/stage_common.h"
#include "train/start_model.h"

typedef struct denoiser_stage {
  const cyf_stage_environment *env;
  cyf_denoiser *model;
  cyf_latent_loader *train, *validation;
  cyf_latent_batch batch;
  cyf_noised noised;
  cyf_scratch *scratch;                           /* the batch's rows, validation */
  cyf_denoiser_rows rows;                         /* of the batch that was uploaded, in scratch */
  int64_t attribute[CYF_DENOISER_CONDITIONS_MAX]; /* in the atlas, of each of the denoiser's conditions */
  int32_t *label;                                 /* [n_conditions][label_capacity] of the batch */
  int64_t label_capacity;
} denoiser_stage;

static cyf_status open_loader(denoiser_stage *s, cyf_split split, cyf_cursor start, cyf_latent_loader **loader) {
  cyf_loader_options options = cyf_stage_loader_options(s->env, &s->env->loop.settings->denoiser.stage, split);
  return cyf_stage_open_latents(s->env, &options, -1, start, loader);
}

static cyf_status open_stream(void *context, cyf_cursor start) {
  denoiser_stage *s = context;
  return open_loader(s, CYF_SPLIT_TRAIN, start, &s->train);
}

static cyf_status fetch(void *context, cyf_cursor *ret_cursor, int64_t *ret_n_global) {
  denoiser_stage *s = context;
  CYF_TRY(cyf_latent_loader_next(s->train, &s->batch));
  *ret_cursor = s->batch.cursor;
  *ret_n_global = s->batch.n_global;
  return CYF_OK;
}

/* Whether the denoiser is told a cell's label of one condition (classifier-free guidance, Ho and Salimans 2021). Each
 * label is dropped at the given rate; all of a cell's labels together are dropped once more at that rate. So the model
 * without any label is learnt however many conditions there are. */
static bool is_told(cyf_rng_key key, uint32_t draw, int64_t position, int condition, double rate) {
  uint32_t words[4];
  cyf_rng_block(key, draw, (uint64_t)position, 0, words);
  if (cyf_rng_unit(words[0]) < rate) return false;
  cyf_rng_block(key, draw, (uint64_t)position, 1 + (uint32_t)condition / 4, words);
  return cyf_rng_unit(words[condition % 4]) >= rate;
}

/* Fills s->label with the conditions' labels of the batch, dropped at the given rate; rate 0: none is dropped. */
static cyf_status pick_labels(denoiser_stage *s, const cyf_latent_batch *batch, uint32_t draw, double rate) {
  const int n_conditions = cyf_denoiser_get_config(s->model)->n_conditions;
  const int64_t n = batch->n_local;
  const cyf_rng_key key = cyf_rng_key_make((uint64_t)s->env->loop.settings->seed, CYF_RNG_LABEL_DROPOUT);
  if (n_conditions == 0) return CYF_OK;
  if (n > s->label_capacity) {
    cyf_free(s->label);
    s->label_capacity = 0;
    CYF_TRY(CYF_NEW(&s->label, n_conditions * n));
    s->label_capacity = n;
  }
  for (int k = 0; k < n_conditions; k++) {
    const int32_t *code = batch->codes + s->attribute[k] * n;
    for (int64_t i = 0; i < n; i++) {
      const bool told = rate == 0 || is_told(key, draw, batch->position[i], k, rate);
      s->label[k * n + i] = told ? code[i] : -1;
    }
  }
  return CYF_OK;
}

/* s->rows stay valid although the scratch is released at once. The next call takes the same memory, but its uploads are
 * queued behind the operations that read the rows. */
static cyf_status upload(void *context, uint32_t draw) {
  denoiser_stage *s = context;
  cyf_noised *b = &s->noised;
  int32_t timesteps = (int32_t)s->env->loop.settings->diffusion.timesteps;
  CYF_TRY(cyf_noised_upload(b, &s->batch, s->batch.position, draw, timesteps, NULL));
  CYF_TRY(pick_labels(s, &s->batch, draw, s->env->loop.settings->denoiser.label_dropout));
  if (b->n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(s->scratch);
  const cyf_status status = cyf_denoiser_rows_find(s->model, s->scratch, b->n, b->t_host, s->label, &s->rows);
  cyf_scratch_release(s->scratch, mark);
  return status;
}

static cyf_status train(void *context, uint32_t draw, cyf_loss_sums *ret_sums) {
  denoiser_stage *s = context;
  cyf_noised *b = &s->noised;
  (void)draw;
  CYF_TRY(cyf_noised_form(b));
  ret_sums->weight = (double)(b->n * b->width);
  return cyf_denoiser_train_rows(s->model, b->n, b->x_t, &s->rows, b->eps, s->batch.n_global, &ret_sums->loss);
}

/* Noise and timesteps are keyed by the cell alone, so that validation losses of different steps, and of runs on other
 * numbers of ranks, can be compared. */
static cyf_status validate(void *context, cyf_loss_sums *sums) {
  denoiser_stage *s = context;
  cyf_noised *b = &s->noised;
  cyf_device *device = s->env->device;
  int32_t timesteps = (int32_t)s->env->loop.settings->diffusion.timesteps;
  int64_t n_batches = cyf_latent_loader_batches_per_epoch(s->validation);
  for (int64_t i = 0; i < n_batches; i++) {
    cyf_latent_batch batch;
    CYF_TRY(cyf_latent_loader_next(s->validation, &batch));
    if (batch.n_local == 0) continue;
    CYF_TRY(cyf_noised_make(b, &batch, batch.cell, CYF_VALIDATION_DRAW, timesteps, NULL));
    CYF_TRY(pick_labels(s, &batch, CYF_VALIDATION_DRAW, 0));
    size_t mark = cyf_scratch_mark(s->scratch);
    float *out = NULL;
    double sum_squared = 0;
    CYF_TRY(cyf_scratch_floats(s->scratch, b->n * b->width, &out));
    CYF_TRY(cyf_denoiser_eval_many(s->model, s->scratch, b->n, b->x_t, b->t_host, s->label, out));
    CYF_TRY(device->ops->squared_error(device, b->n * b->width, out, b->eps, 0, &sum_squared, NULL));
    CYF_TRY(device->ops->synchronize(device));
    cyf_scratch_release(s->scratch, mark);
    sums->loss += sum_squared;
    sums->weight += (double)(b->n * b->width);
  }
  return CYF_OK;
}

static cyf_status create(denoiser_stage *s) {
  const cyf_settings *settings = s->env->loop.settings;
  cyf_denoiser_config config;
  CYF_TRY(cyf_stage_denoiser_config(settings, s->env->atlas, &config, s->attribute));
  CYF_TRY(cyf_denoiser_create(s->env->device, &config, 1, &s->model));
  CYF_TRY(cyf_denoiser_init(s->model, (uint64_t)settings->seed));
  if (s->env->init != NULL)
    CYF_TRY(cyf_start_denoiser(s->env->init, s->env->atlas, &settings->denoiser.conditions, s->model));
  CYF_TRY(cyf_noised_create(s->env->device, settings, &s->noised));
  return cyf_scratch_create(s->env->device, &s->scratch);
}

/* Adds the conditions' names as "cell_type, donor", or "none". */
static void list_conditions(const cyf_config_texts *conditions, char text[CYF_IDENTITY_TEXT_MAX]) {
  int at = snprintf(text, CYF_IDENTITY_TEXT_MAX, "%s", conditions->n == 0 ? "none" : "");
  for (int i = 0; i < conditions->n && at < CYF_IDENTITY_TEXT_MAX; i++)
    at += snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "%s%s", i == 0 ? "" : ", ", conditions->value[i]);
}

static cyf_identity identity(const cyf_stage_environment *environment, int64_t attribute) {
  (void)attribute;
  const cyf_settings *settings = environment->loop.settings;
  char conditions[CYF_IDENTITY_TEXT_MAX] = "";
  cyf_identity identity = cyf_stage_identity_begin(environment, &cyf_stage_denoiser);
  cyf_stage_identity_add_diffusion(environment, &identity);
  cyf_stage_identity_add_widths("denoiser.hidden", &settings->denoiser.hidden, &identity);
  list_conditions(&settings->denoiser.conditions, conditions);
  cyf_identity_add(&identity, true, "denoiser.conditions", "%s", conditions);
  if (settings->denoiser.conditions.n > 0)
    cyf_identity_add(&identity, false, "denoiser.label_dropout", "%.17g", settings->denoiser.label_dropout);
  return identity;
}

static cyf_status check(const cyf_settings *settings, const cyf_atlas *atlas) {
  cyf_denoiser_config config;
  return cyf_stage_denoiser_config(settings, atlas, &config, NULL);
}

static cyf_status run(cyf_stage_environment *environment, int64_t attribute) {
  const cyf_settings *settings = environment->loop.settings;
  denoiser_stage s = {.env = environment};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->loop.comm, create(&s)));
  CYF_TRY_CLEANUP(open_stream(&s, (cyf_cursor){0, 0}));
  bool validates = settings->data.validation > 0 && settings->denoiser.stage.validate_every > 0;
  if (validates) CYF_TRY_CLEANUP(open_loader(&s, CYF_SPLIT_VALIDATION, (cyf_cursor){0, 0}, &s.validation));
  cyf_stage stage = {.parameters = cyf_denoiser_parameters(s.model),
                     .context = &s,
                     .cells_per_epoch = cyf_latent_loader_n_cells(s.train),
                     .batches_per_epoch = cyf_latent_loader_batches_per_epoch(s.train),
                     .open = open_stream,
                     .fetch = fetch,
                     .upload = upload,
                     .train = train,
                     .validate = validates && cyf_latent_loader_n_cells(s.validation) > 0 ? validate : NULL};
  cyf_info("denoiser: %.1f million parameters, %lld cells an epoch in %lld batches",
           (double)stage.parameters->layout.total / 1e6, (long long)stage.cells_per_epoch,
           (long long)stage.batches_per_epoch);
  CYF_TRY_CLEANUP(cyf_stage_train(environment, &cyf_stage_denoiser, attribute, &stage));
cleanup:
  cyf_latent_loader_destroy(&s.train);
  cyf_latent_loader_destroy(&s.validation);
  cyf_noised_destroy(&s.noised);
  cyf_scratch_destroy(&s.scratch);
  cyf_free(s.label);
  cyf_denoiser_destroy(&s.model);
  return status;
}

static cyf_status collect(cyf_stage_environment *environment, int64_t attribute, cyf_model *model) {
  cyf_denoiser_config config;
  CYF_TRY(cyf_stage_denoiser_config(environment->loop.settings, environment->atlas, &config, NULL));
  CYF_TRY(cyf_denoiser_create(environment->device, &config, 0, &model->denoiser));
  return cyf_stage_load(environment, &cyf_stage_denoiser, attribute, cyf_denoiser_parameters(model->denoiser));
}

const cyf_stage_type cyf_stage_denoiser = {.name = "denoiser",
                                           .before = &cyf_stage_encode,
                                           .in_every_model = true,
                                           .updates_model = true,
                                           .settings_offset = CYF_STAGE_SETTINGS(denoiser),
                                           .check = check,
                                           .identity = identity,
                                           .run = run,
                                           .collect = collect};
