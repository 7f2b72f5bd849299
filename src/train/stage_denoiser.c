#include "base/log.h"
#include "train/latent_batch.h"
#include "train/stages.h"

typedef struct denoiser_stage {
  const cyf_stage_environment *env;
  uint64_t autoencoder_checksum;
  cyf_denoiser *model;
  cyf_latent_loader *train, *validation;
  cyf_latent_batch batch;
  cyf_noised noised;
  cyf_scratch *scratch; /* validation */
} denoiser_stage;

static cyf_status open_loader(denoiser_stage *s, cyf_split split, cyf_cursor start, cyf_latent_loader **loader) {
  cyf_loader_options options = cyf_stage_loader_options(s->env, &s->env->loop.settings->denoiser.stage, split);
  cyf_latent_loader_destroy(loader);
  return cyf_latent_loader_create(s->env->loop.comm, s->env->atlas, s->env->latents_directory, s->autoencoder_checksum,
                                  &options, -1, start, loader);
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

static cyf_status train(void *context, uint32_t draw, cyf_loss_sums *sums) {
  denoiser_stage *s = context;
  cyf_noised *b = &s->noised;
  int32_t timesteps = (int32_t)s->env->loop.settings->diffusion.timesteps;
  double sum_squared = 0;
  CYF_TRY(cyf_noised_make(b, &s->batch, s->batch.position, draw, timesteps, NULL));
  CYF_TRY(cyf_denoiser_train_step(s->model, b->n, b->x_t, b->t_host, NULL, b->eps, s->batch.n_global, &sum_squared));
  sums->loss += sum_squared;
  sums->weight += (double)(b->n * b->width);
  return CYF_OK;
}

/* Noise and timesteps are keyed by the cell alone, so that validations of different steps (and ranks) compare. */
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
    size_t mark = cyf_scratch_mark(s->scratch);
    float *out = NULL;
    double sum_squared = 0;
    CYF_TRY(cyf_scratch_floats(s->scratch, b->n * b->width, &out));
    CYF_TRY(cyf_denoiser_eval_many(s->model, s->scratch, b->n, b->x_t, b->t_host, NULL, out));
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
  cyf_denoiser_config config = cyf_settings_denoiser(settings);
  CYF_TRY(cyf_denoiser_create(s->env->device, &config, 1, &s->model));
  CYF_TRY(cyf_denoiser_init(s->model, (uint64_t)settings->seed));
  CYF_TRY(cyf_noised_create(s->env->device, settings, &s->noised));
  return cyf_scratch_create(s->env->device, &s->scratch);
}

cyf_status cyf_train_denoiser(const cyf_stage_environment *environment, uint64_t autoencoder_checksum) {
  const cyf_settings *settings = environment->loop.settings;
  denoiser_stage s = {.env = environment, .autoencoder_checksum = autoencoder_checksum};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->loop.comm, create(&s)));
  CYF_TRY_CLEANUP(open_stream(&s, (cyf_cursor){0, 0}));
  bool validates = settings->data.validation > 0 && settings->denoiser.stage.validate_every > 0;
  if (validates) CYF_TRY_CLEANUP(open_loader(&s, CYF_SPLIT_VALIDATION, (cyf_cursor){0, 0}, &s.validation));
  cyf_stage stage = {.name = "denoiser",
                     .file_stem = "denoiser",
                     .settings = &settings->denoiser.stage,
                     .parameters = cyf_denoiser_parameters(s.model),
                     .identity = cyf_denoiser_identity(environment, autoencoder_checksum),
                     .context = &s,
                     .cells_per_epoch = cyf_latent_loader_n_cells(s.train),
                     .batches_per_epoch = cyf_latent_loader_batches_per_epoch(s.train),
                     .open = open_stream,
                     .fetch = fetch,
                     .train = train,
                     .validate = validates && cyf_latent_loader_n_cells(s.validation) > 0 ? validate : NULL};
  cyf_info("denoiser: %.1f million parameters, %lld cells an epoch in %lld batches",
           (double)stage.parameters->layout.total / 1e6, (long long)stage.cells_per_epoch,
           (long long)stage.batches_per_epoch);
  CYF_TRY_CLEANUP(cyf_loop_run(&environment->loop, &stage));
cleanup:
  cyf_latent_loader_destroy(&s.train);
  cyf_latent_loader_destroy(&s.validation);
  cyf_noised_destroy(&s.noised);
  cyf_scratch_destroy(&s.scratch);
  cyf_denoiser_destroy(&s.model);
  return status;
}
