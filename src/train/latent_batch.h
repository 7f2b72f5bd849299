/* SPDX-License-Identifier: MIT */
/** @file
 * A batch of scaled and noised latents on the device, on which the denoiser and the classifiers are trained. No
 * function here is collective. */
#ifndef CYF_TRAIN_LATENT_BATCH_H
#define CYF_TRAIN_LATENT_BATCH_H

#include "data/latents/latent_loader.h"
#include "kernels/backend.h"
#include "model/diffusion/schedule.h"
#include "saved/settings.h"

/** One of two buffers for latents, where the device has memory of its own: one is uploaded while the device works on
 * the other. */
typedef struct cyf_latent_slot {
  float *x0;           /**< [capacity, width] device */
  float *pinned;       /**< [capacity, width] the same in pinned host memory (alloc_host) */
  cyf_event *uploaded; /**< in the copy queue, behind the upload */
  cyf_event *used;     /**< in the work queue, behind everything that reads x0 */
} cyf_latent_slot;

/** A batch and what it is made with. x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps (Ho et al. 2020, eq. 4).
 * Owns its arrays. */
typedef struct cyf_noised {
  cyf_device *device; /**< not owned */
  int64_t width, capacity;
  double latent_scale; /**< what unit-length latents are multiplied by */
  uint64_t seed;
  float *signal, *noise_level; /**< [timesteps] device: sqrt(alpha_bar), sqrt(1 - alpha_bar) */
  int64_t n;                   /**< latents of the batch, at most capacity */
  cyf_latent_slot slot[2];
  int64_t n_uploads;     /**< so far; its parity says which slot is next */
  float *x0, *eps, *x_t; /**< [n, width] device; x0 is a slot's */
  int32_t *t, *label;    /**< [n] device */
  int32_t *t_host;       /**< [n] the same timesteps on the host */
  int64_t *position;     /**< [n] device */
  uint32_t draw;         /**< of the batch that was uploaded last */
  int32_t t_below;       /**< timesteps of that batch are below it */
} cyf_noised;

/** Uploads the schedule's tables; there is no batch yet. The device must outlive it. The caller frees it with
 * cyf_noised_destroy. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_noised_create(cyf_device *device, const cyf_settings *settings, cyf_noised *ret_noised);
/** Waits for the device, frees what is held and zeroes the struct. NULL-safe. */
void cyf_noised_destroy(cyf_noised *noised);

/** Scales the batch's latents, draws a timestep uniform in [0, t_below) and noise eps for each, and forms x_t. Random
 * numbers are keyed by (seed, draw, position). position[n_local] and label[n_local] are in host memory; label NULL:
 * none. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_noised_make(cyf_noised *noised, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                           int32_t t_below, const int32_t *label);

/** @{ */
/** The two halves of cyf_noised_make. The first uploads. The second queues operations of the work queue alone, so that
 * it can be part of a graph (kernels/backend.h). */
cyf_status cyf_noised_upload(cyf_noised *noised, const cyf_latent_batch *batch, const int64_t *position, uint32_t draw,
                             int32_t t_below, const int32_t *label);
cyf_status cyf_noised_form(cyf_noised *noised);
/** @} */

/** `draw` of validation batches, which no batch of training has. */
enum { CYF_VALIDATION_DRAW = 0x7fffffff };

#endif
