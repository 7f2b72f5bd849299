/* SPDX-License-Identifier: MIT */
#include "train/latent_batch.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "kernels/math/random.h"

static cyf_status upload_table(cyf_device *device, int n, const double *values, float **ret_table) {
  float *host = NULL;
  CYF_TRY(CYF_NEW(&host, n));
  for (int i = 0; i < n; i++) host[i] = (float)values[i];
  cyf_status status = device->ops->alloc(device, sizeof(float) * (size_t)n, (void **)ret_table);
  if (status == CYF_OK) status = device->ops->upload(device, *ret_table, host, sizeof(float) * (size_t)n);
  if (status == CYF_OK) status = device->ops->synchronize(device);
  cyf_free(host);
  return status;
}

cyf_status cyf_noised_create(cyf_device *device, const cyf_settings *settings, cyf_noised *ret_noised) {
  *ret_noised = (cyf_noised){.device = device, .width = settings->autoencoder.latent, .seed = (uint64_t)settings->seed};
  ret_noised->latent_scale = cyf_settings_latent_scale(settings);
  int n = (int)settings->diffusion.timesteps;
  cyf_schedule *schedule = NULL;
  double *signal = NULL, *noise = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_schedule_create(settings->diffusion.betas, n, &schedule));
  CYF_TRY_CLEANUP(CYF_NEW(&signal, n));
  CYF_TRY_CLEANUP(CYF_NEW(&noise, n));
  for (int i = 0; i < n; i++) {
    signal[i] = sqrt(schedule->alpha_bar[i]);
    noise[i] = sqrt(1 - schedule->alpha_bar[i]);
  }
  for (int k = 0; k < 2; k++) {
    CYF_TRY_CLEANUP(device->ops->event_create(device, &ret_noised->slot[k].uploaded));
    CYF_TRY_CLEANUP(device->ops->event_create(device, &ret_noised->slot[k].used));
  }
  CYF_TRY_CLEANUP(upload_table(device, n, signal, &ret_noised->signal));
  CYF_TRY_CLEANUP(upload_table(device, n, noise, &ret_noised->noise_level));
cleanup:
  cyf_schedule_destroy(&schedule);
  cyf_free(signal);
  cyf_free(noise);
  if (status != CYF_OK) cyf_noised_destroy(ret_noised);
  return status;
}

/* The device must have finished all that uses the batch. */
static void free_batch(cyf_noised *b) {
  const cyf_ops *ops = b->device->ops;
  void *arrays[] = {b->eps, b->x_t, b->t, b->label, b->position};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) ops->free(b->device, arrays[i]);
  for (int k = 0; k < 2; k++) {
    ops->free(b->device, b->slot[k].x0);
    ops->free_host(b->device, b->slot[k].pinned);
    b->slot[k].x0 = b->slot[k].pinned = NULL;
  }
  b->x0 = b->eps = b->x_t = NULL;
  b->t = b->label = NULL;
  b->position = NULL;
  cyf_free(b->t_host);
  b->capacity = 0;
}

void cyf_noised_destroy(cyf_noised *noised) {
  if (noised == NULL || noised->device == NULL) return;
  const cyf_ops *ops = noised->device->ops;
  (void)ops->synchronize(noised->device);
  free_batch(noised);
  for (int k = 0; k < 2; k++) {
    ops->event_destroy(noised->device, noised->slot[k].uploaded);
    ops->event_destroy(noised->device, noised->slot[k].used);
  }
  ops->free(noised->device, noised->signal);
  ops->free(noised->device, noised->noise_level);
  *noised = (cyf_noised){0};
}

/* One slot is enough where the device's memory is the host's: nothing runs beside the host there. */
static cyf_status reserve_slots(cyf_noised *b, size_t bytes) {
  cyf_device *d = b->device;
  CYF_TRY(d->ops->alloc(d, bytes, (void **)&b->slot[0].x0));
  if (d->host_memory) return CYF_OK;
  CYF_TRY(d->ops->alloc(d, bytes, (void **)&b->slot[1].x0));
  for (int k = 0; k < 2; k++) CYF_TRY(d->ops->alloc_host(d, bytes, (void **)&b->slot[k].pinned));
  return CYF_OK;
}

static cyf_status reserve(cyf_noised *b, int64_t n) {
  if (n <= b->capacity) return CYF_OK;
  cyf_device *d = b->device;
  if (b->capacity > 0) CYF_TRY(d->ops->synchronize(d));
  free_batch(b);
  size_t floats = sizeof(float) * (size_t)(n * b->width);
  CYF_TRY(reserve_slots(b, floats));
  CYF_TRY(d->ops->alloc(d, floats, (void **)&b->eps));
  CYF_TRY(d->ops->alloc(d, floats, (void **)&b->x_t));
  CYF_TRY(d->ops->alloc(d, sizeof(int32_t) * (size_t)n, (void **)&b->t));
  CYF_TRY(d->ops->alloc(d, sizeof(int32_t) * (size_t)n, (void **)&b->label));
  CYF_TRY(d->ops->alloc(d, sizeof(int64_t) * (size_t)n, (void **)&b->position));
  CYF_TRY(CYF_NEW(&b->t_host, n));
  b->capacity = n;
  return CYF_OK;
}

static cyf_status upload_latents(cyf_noised *b, const float *latent, int64_t count) {
  cyf_device *d = b->device;
  const cyf_ops *ops = d->ops;
  const size_t bytes = sizeof(float) * (size_t)count;
  const int64_t k = d->host_memory ? 0 : b->n_uploads++;
  cyf_latent_slot *slot = &b->slot[k % 2];
  b->x0 = slot->x0;
  if (d->host_memory) return ops->upload(d, b->x0, latent, bytes);
  /* All operations queued until now are of earlier batches: behind them the last batch's slot is free again. */
  if (k > 0) CYF_TRY(ops->event_record(d, CYF_QUEUE_WORK, b->slot[(k - 1) % 2].used));
  CYF_TRY(ops->event_synchronize(d, slot->uploaded));
  memcpy(slot->pinned, latent, bytes);
  CYF_TRY(ops->event_await(d, CYF_QUEUE_COPY, slot->used));
  CYF_TRY(ops->upload_async(d, slot->x0, slot->pinned, bytes));
  CYF_TRY(ops->event_record(d, CYF_QUEUE_COPY, slot->uploaded));
  return ops->event_await(d, CYF_QUEUE_WORK, slot->uploaded);
}

cyf_status cyf_noised_upload(cyf_noised *b, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                             int32_t t_below, const int32_t *label) {
  const int64_t n = batch->n_local;
  const cyf_rng_key when = cyf_rng_key_make(b->seed, CYF_RNG_TIMESTEP);
  cyf_device *d = b->device;
  const cyf_ops *ops = d->ops;
  b->n = n;
  b->draw = draw;
  b->t_below = t_below;
  if (n == 0) return CYF_OK;
  CYF_TRY(reserve(b, n));
  CYF_TRY(upload_latents(b, batch->latent, n * b->width));
  CYF_TRY(ops->upload(d, b->position, position, sizeof(int64_t) * (size_t)n));
  if (label != NULL) CYF_TRY(ops->upload(d, b->label, label, sizeof(int32_t) * (size_t)n));
  /* The host draws the same timesteps as the device (cyf_noised_form) rather than waiting for them. */
  for (int64_t i = 0; i < n; i++) {
    uint32_t words[4];
    cyf_rng_block(when, draw, (uint64_t)position[i], 0, words);
    b->t_host[i] = cyf_timestep_of_word(words[0], 0, t_below);
  }
  return CYF_OK;
}

cyf_status cyf_noised_form(cyf_noised *b) {
  const int64_t n = b->n;
  cyf_device *d = b->device;
  const cyf_ops *ops = d->ops;
  const cyf_rng_key noise = cyf_rng_key_make(b->seed, CYF_RNG_NOISE);
  const cyf_rng_key when = cyf_rng_key_make(b->seed, CYF_RNG_TIMESTEP);
  if (n == 0) return CYF_OK;
  if (b->latent_scale != 1.0) CYF_TRY(ops->scale(d, n * b->width, b->latent_scale, b->x0));
  CYF_TRY(ops->fill_timesteps(d, n, when, b->draw, b->position, 0, b->t_below, b->t));
  return ops->q_sample(d, n, b->width, noise, b->draw, b->position, b->x0, b->t, b->signal, b->noise_level, b->eps,
                       b->x_t);
}

cyf_status cyf_noised_make(cyf_noised *noised, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                           int32_t t_below, const int32_t *label) {
  CYF_TRY(cyf_noised_upload(noised, batch, position, draw, t_below, label));
  return cyf_noised_form(noised);
}
