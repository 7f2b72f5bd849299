/* SPDX-License-Identifier: MIT */
#include "model/diffusion/sampler.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/finite.h"
#include "model/diffusion/sampler_internal.h"

int64_t cyf_sampler_block(const cyf_device *device) {
  if (device->block_cells <= 0) return CYF_SAMPLER_BLOCK;
  return device->block_cells < CYF_SAMPLER_BLOCK_MAX ? device->block_cells : CYF_SAMPLER_BLOCK_MAX;
}

static cyf_status upload_fixed_noise(const sampler_run *run, int i) {
  cyf_device *d = run->device;
  const int64_t count = run->n * run->latent;
  const int order = run->config->schedule->n - 1 - i;
  const double *draw = run->config->fixed_noise + order * count;
  for (int64_t e = 0; e < count; e++) run->fixed_noise_host[e] = (float)draw[e];
  return d->ops->upload(d, run->noise, run->fixed_noise_host, (size_t)count * sizeof(float));
}

static bool takes_noise(const cyf_sampler_config *config, int i) {
  const cyf_method_noise noise = cyf_methods[config->method].noise;
  return i > 0 && (noise == CYF_NOISE_ALWAYS || (noise == CYF_NOISE_WITH_ETA && config->eta != 0.0));
}

/* Draws run->noise for step i; *ret_noise is NULL where the step takes none. Random numbers depend on the original
 * timestep and the cell's global index. So a cell's noise is the same whichever block, rank or thread computes it. */
static cyf_status draw_noise(const sampler_run *run, int i, const float **ret_noise) {
  const cyf_sampler_config *config = run->config;
  cyf_device *d = run->device;
  *ret_noise = takes_noise(config, i) ? run->noise : NULL;
  if (*ret_noise == NULL || config->fixed_noise != NULL) return CYF_OK; /* that is there already */
  return d->ops->fill_normal(d, run->n, run->latent, run->noise_key, (uint32_t)config->schedule->timestep[i], NULL,
                             run->first, run->noise);
}

/* Notes cells that a step has made not finite. Where x_0 is clipped, infinite answers would become finite cells, so
 * they are looked at too. */
static cyf_status note_not_finite(const sampler_run *run, const float *guidance, const float *x) {
  cyf_device *d = run->device;
  CYF_TRY(d->ops->note_not_finite(d, run->n, run->latent, x, 1, run->not_finite));
  if (!run->config->clip) return CYF_OK;
  CYF_TRY(d->ops->note_not_finite(d, run->n, run->latent, run->eps, 0, run->not_finite));
  if (guidance == NULL) return CYF_OK;
  return d->ops->note_not_finite(d, run->n, run->latent, guidance, 0, run->not_finite);
}

/* Waits for the device, and fails where a cell was not finite after a step, naming the first such step. */
static cyf_status check_finite(const sampler_run *run) {
  cyf_device *d = run->device;
  const cyf_schedule *schedule = run->config->schedule;
  int32_t *steps = NULL;
  int64_t cell = 0;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&steps, run->n));
  CYF_TRY_CLEANUP(d->ops->download(d, steps, run->not_finite, (size_t)run->n * sizeof(int32_t)));
  CYF_TRY_CLEANUP(d->ops->synchronize(d));
  for (int64_t i = 1; i < run->n; i++)
    if (steps[i] > steps[cell]) cell = i;
  if (steps[cell] > 0)
    status = CYF_FAIL(
        CYF_ERR_NUMERIC, "cell %lld is not finite after step %d of %d (timestep %d) of the reverse process: %s",
        (long long)(run->first + cell), schedule->n - steps[cell] + 1, schedule->n, schedule->timestep[steps[cell] - 1],
        run->n_guides > 0 ? CYF_GUIDED_NOT_FINITE : CYF_MODEL_NOT_FINITE);
cleanup:
  cyf_free(steps);
  return status;
}

/* How strongly guidance acts, for config->guided. DDPM moves the mean by variance * guidance, which is what the others'
 * change of eps, -sqrt(1 - alpha_bar) * guidance, would. */
static cyf_status add_guided(const sampler_run *run) {
  cyf_device *d = run->device;
  const cyf_schedule *schedule = run->config->schedule;
  double *square = NULL;
  cyf_status status = CYF_OK;
  if (run->square == NULL) return CYF_OK;
  CYF_TRY(CYF_NEW(&square, 2 * schedule->n));
  CYF_TRY_CLEANUP(d->ops->download(d, square, run->square, 2 * (size_t)schedule->n * sizeof(double)));
  CYF_TRY_CLEANUP(d->ops->synchronize(d));
  for (int i = 0; i < schedule->n; i++)
    run->config->guided[i] += (1.0 - schedule->alpha_bar[i]) * square[i] + square[schedule->n + i];
cleanup:
  cyf_free(square);
  return status;
}

/* One step: operations of the work queue alone, so that they can be one graph. */
static cyf_status reverse_step(const sampler_run *run, int i, float *x) {
  const float *guidance = NULL, *noise = NULL;
  CYF_TRY(cyf_sampler_predict(run, i, x));
  CYF_TRY(cyf_sampler_sum_gradients(run, i, x, &guidance));
  if (guidance != NULL && run->square != NULL)
    CYF_TRY(run->device->ops->square_sum(run->device, run->n * run->latent, guidance, run->square + i));
  CYF_TRY(draw_noise(run, i, &noise));
  CYF_TRY(cyf_methods[run->config->method].step(run, i, guidance, noise, x));
  return note_not_finite(run, guidance, x);
}

static cyf_status invert_step(const sampler_run *run, int i, float *x) {
  const float *guidance = NULL;
  CYF_TRY(cyf_sampler_predict(run, i, x));
  CYF_TRY(cyf_sampler_sum_gradients(run, i, x, &guidance));
  CYF_TRY(cyf_sampler_step_up(run, i, guidance, x));
  return note_not_finite(run, guidance, x);
}

static cyf_status launch_step(const sampler_run *run, int i, float *x) {
  const cyf_sampler_config *config = run->config;
  cyf_device *d = run->device;
  if (config->fixed_noise != NULL && takes_noise(config, i)) CYF_TRY(upload_fixed_noise(run, i));
  if (config->graph == NULL) return reverse_step(run, i, x);
  CYF_TRY(d->ops->graph_begin(d, config->graph));
  const cyf_status status = reverse_step(run, i, x);
  const cyf_status ended = d->ops->graph_end(d, config->graph, status == CYF_OK);
  return status != CYF_OK ? status : ended;
}

static cyf_status check_guide(const sampler_run *run, const cyf_guide *guide) {
  const cyf_denoiser_config *denoiser = cyf_denoiser_get_config(run->denoiser);
  if (guide->classifier == NULL) {
    if (guide->condition >= 0 && guide->condition < denoiser->n_conditions) return CYF_OK;
    return CYF_FAIL(CYF_ERR_INTERNAL, "condition %d of a denoiser that has %d", guide->condition,
                    denoiser->n_conditions);
  }
  const int64_t latent = cyf_classifier_get_config(guide->classifier)->latent;
  if (latent == run->latent) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "a classifier of latent width %lld cannot guide a denoiser of latent width %lld",
                  (long long)latent, (long long)run->latent);
}

static cyf_status check_run(const sampler_run *run) {
  if (run->n_guides < 0 || run->n_guides > CYF_GUIDES_MAX) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%d guides; at most %d are possible", run->n_guides, CYF_GUIDES_MAX);
  }
  if (!(run->config->eta >= 0.0 && run->config->eta <= 1.0)) {
    return CYF_FAIL(CYF_ERR_CONFIG, "DDIM eta %g; it must be in [0, 1]", run->config->eta);
  }
  for (int k = 0; k < run->n_guides; k++) CYF_TRY(check_guide(run, &run->guides[k]));
  return CYF_OK;
}

/* Uploads what steps need in device memory: their timesteps, and the labels for the denoiser. */
static cyf_status upload_rows(sampler_run *run) {
  cyf_device *d = run->device;
  const cyf_schedule *schedule = run->config->schedule;
  int32_t *timestep = NULL;
  CYF_TRY(cyf_scratch_int32(run->scratch, schedule->n, &timestep));
  CYF_TRY(d->ops->upload(d, timestep, schedule->timestep, (size_t)schedule->n * sizeof(int32_t)));
  run->timestep = timestep;
  return cyf_denoiser_rows_find_labels(run->denoiser, run->scratch, (1 + run->n_free) * run->n, run->free_label,
                                       &run->rows);
}

static cyf_status prepare_guided(sampler_run *run) {
  const size_t bytes = 2 * (size_t)run->config->schedule->n * sizeof(double);
  void *square = NULL;
  if (run->config->guided == NULL) return CYF_OK;
  CYF_TRY(cyf_scratch_bytes(run->scratch, bytes, &square));
  run->square = square;
  return run->device->ops->zero(run->device, square, bytes);
}

static cyf_status run_steps(sampler_run *run, float *x) {
  const int64_t count = run->n * run->latent;
  CYF_TRY(cyf_scratch_floats(run->scratch, count, &run->eps));
  CYF_TRY(cyf_scratch_floats(run->scratch, count, &run->guidance));
  CYF_TRY(cyf_scratch_floats(run->scratch, count, &run->noise));
  CYF_TRY(cyf_scratch_floats(run->scratch, count, &run->x0_before));
  CYF_TRY(run->device->ops->zero(run->device, run->x0_before, (size_t)count * sizeof(float)));
  CYF_TRY(cyf_scratch_int32(run->scratch, run->n, &run->not_finite));
  CYF_TRY(run->device->ops->zero(run->device, run->not_finite, (size_t)run->n * sizeof(int32_t)));
  CYF_TRY(cyf_sampler_prepare_free(run));
  CYF_TRY(prepare_guided(run));
  CYF_TRY(upload_rows(run));
  const int n_steps = run->config->schedule->n;
  for (int i = 0; i < n_steps; i++)
    CYF_TRY(run->inverts ? invert_step(run, i, x) : launch_step(run, n_steps - 1 - i, x));
  CYF_TRY(check_finite(run));
  return add_guided(run);
}

static cyf_status run_process(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                              const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, bool inverts,
                              float *x) {
  sampler_run run = {.config = config,
                     .denoiser = denoiser,
                     .n_guides = n_guides,
                     .guides = guides,
                     .device = cyf_denoiser_get_device(denoiser),
                     .scratch = scratch,
                     .first = first,
                     .inverts = inverts,
                     .n = n,
                     .latent = cyf_denoiser_get_config(denoiser)->latent,
                     .noise_key = cyf_rng_key_make(config->seed, CYF_RNG_REVERSE)};
  cyf_status status = CYF_OK;
  CYF_TRY(check_run(&run));
  if (n == 0) return CYF_OK;
  if (config->fixed_noise != NULL) CYF_TRY(CYF_NEW(&run.fixed_noise_host, n * run.latent));
  const size_t mark = cyf_scratch_mark(scratch);
  status = run_steps(&run, x);
  cyf_scratch_release(scratch, mark);
  cyf_free(run.free_label);
  cyf_free(run.fixed_noise_host);
  return status;
}

cyf_status cyf_sampler_run(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                           const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x) {
  return run_process(config, denoiser, n_guides, guides, scratch, first, n, false, x);
}

cyf_status cyf_sampler_invert(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                              const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x) {
  return run_process(config, denoiser, n_guides, guides, scratch, first, n, true, x);
}

cyf_status cyf_sampler_start(cyf_device *device, uint64_t seed, int64_t latent, int64_t first, int64_t n, float *x) {
  if (n == 0) return CYF_OK;
  return device->ops->fill_normal(device, n, latent, cyf_rng_key_make(seed, CYF_RNG_START), 0, NULL, first, x);
}

cyf_status cyf_sampler_start_from(cyf_device *device, const cyf_schedule *schedule, uint64_t seed, int64_t latent,
                                  cyf_scratch *scratch, int64_t first, int64_t n, float *x) {
  const double alpha_bar = schedule->alpha_bar[schedule->n - 1];
  const size_t mark = cyf_scratch_mark(scratch);
  float *noise = NULL;
  if (n == 0) return CYF_OK;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, n * latent, &noise));
  CYF_TRY_CLEANUP(cyf_sampler_start(device, seed, latent, first, n, noise));
  CYF_TRY_CLEANUP(device->ops->scale(device, n * latent, sqrt(alpha_bar), x));
  CYF_TRY_CLEANUP(device->ops->axpy(device, n * latent, sqrt(1.0 - alpha_bar), noise, x));
  status = device->ops->synchronize(device);
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}
