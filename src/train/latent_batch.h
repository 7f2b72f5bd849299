/* SPDX-License-Identifier: MIT */
/** @file
 * A batch of scaled, noised latents on the device: what the denoiser and the classifiers train on. */
#ifndef CYF_TRAIN_LATENT_BATCH_H
#define CYF_TRAIN_LATENT_BATCH_H

#include "data/latents/latent_loader.h"
#include "kernels/backend.h"
#include "model/diffusion/schedule.h"
#include "saved/settings.h"

/** Latents on their way to a device with memory of its own: a batch is uploaded while the device works on the last. */
typedef struct cyf_latent_slot {
  float *x0;     /**< [capacity, width] device */
  float *pinned; /**< the same on the host, in memory of alloc_host */
  cyf_event *uploaded, *used;
} cyf_latent_slot;

typedef struct cyf_noised {
  cyf_device *device;
  int64_t width, capacity;
  double latent_scale;
  uint64_t seed;
  float *signal, *noise_level; /**< [T] device: sqrt(alpha_bar), sqrt(1 - alpha_bar) */
  int64_t n;
  cyf_latent_slot slot[2];
  int64_t n_uploads;
  float *x0, *eps, *x_t; /**< [capacity, width] device; x0 is a slot's */
  int32_t *t, *label;    /**< [capacity] device */
  int32_t *t_host;       /**< [capacity] host */
  int64_t *position;     /**< [capacity] device */
  uint32_t draw;         /**< of the batch that was uploaded last */
  int32_t t_below;
} cyf_noised;

/** Tables of the schedule and no batch yet. Not collective. */
cyf_status cyf_noised_create(cyf_device *device, const cyf_settings *settings, cyf_noised *ret_noised);
void cyf_noised_destroy(cyf_noised *noised);

/** Scales the batch's latents, draws t uniform in [0, t_below) and eps, and forms x_t. Random numbers are keyed by
 * (seed, draw, position); position NULL in the batch is not allowed. label (host, [n_local]; NULL: none) is uploaded.
 */
cyf_status cyf_noised_make(cyf_noised *noised, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                           int32_t t_below, const int32_t *label);

/** @{ */
/** Its two halves: what is uploaded, and what the device makes of it, which is operations of the work queue alone and
 * can be part of a graph (kernels/backend.h). */
cyf_status cyf_noised_upload(cyf_noised *noised, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                             int32_t t_below, const int32_t *label);
cyf_status cyf_noised_form(cyf_noised *noised);
/** @} */

/** The draw number of validation batches, apart from those of training. */
enum { CYF_VALIDATION_DRAW = 0x7fffffff };

#endif
