/* SPDX-License-Identifier: MIT */
/** @file
 * AdamW with learning-rate schedule, gradient clipping and an exponential moving average of the weights, over one flat
 * array. */
#ifndef CYF_TRAIN_OPTIMIZER_H
#define CYF_TRAIN_OPTIMIZER_H

#include "kernels/backend.h"
#include "model/parameters.h"
#include "saved/settings.h"

typedef struct cyf_optimizer {
  cyf_device *device;
  cyf_parameters *parameters; /**< not owned */
  cyf_stage_settings settings;
  float *first_moment, *second_moment; /**< [layout.total] device */
  float *ema;                          /**< [layout.total] device; NULL when settings.ema_decay is 0 */
  int64_t step;                        /**< updates done */
  double gradient_norm;                /**< of the last update whose norm is known, before clipping */
  double *square_sum;                  /**< device scalar: of the present gradient */
  double *square_sum_host;             /**< [2] of the last two updates, in memory of alloc_host */
  cyf_event *norm_known[2];
  int64_t awaited[2]; /**< the updates whose norms these are, 0: none is awaited */
} cyf_optimizer;

/** Allocates moments (zero) and the EMA (a copy of the present weights). parameters must outlive it. Not collective. */
cyf_status cyf_optimizer_create(cyf_parameters *parameters, const cyf_stage_settings *settings,
                                cyf_optimizer **ret_optimizer);
void cyf_optimizer_destroy(cyf_optimizer **optimizer);

/** The learning rate of update `step` (0 for the first): linear warm-up, then the schedule down to zero at
 * settings->steps. */
double cyf_learning_rate(const cyf_stage_settings *settings, int64_t step);
/** The EMA decay of update n (1 for the first): constant, or min(decay, (1+n)/(10+n)) with warm-up. */
double cyf_ema_decay(const cyf_stage_settings *settings, int64_t n);

/** Of the gradients, which are summed over ranks: scales by 1/accumulate, clips, updates, and zeroes them. The host
 * does not wait: the norm stays on the device, an update whose gradient is not finite changes no weight, and the host
 * learns of it with the next update, or in cyf_optimizer_settle (at once where the device's memory is the host's). Not
 * collective, the same on each rank. Errors: CYF_ERR_NUMERIC naming the update whose gradient was not finite. */
cyf_status cyf_optimizer_update(cyf_optimizer *optimizer);

/** @{ */
/** Its two halves: operations of the work queue alone, which can be part of a graph (kernels/backend.h), and what
 * counts the update and lets the host learn of its norm. */
cyf_status cyf_optimizer_compute(cyf_optimizer *optimizer);
cyf_status cyf_optimizer_follow(cyf_optimizer *optimizer);
/** @} */

/** Waits for the last update's norm: afterwards gradient_norm is of that update. Before weights are saved or used.
 * Errors: as above. */
cyf_status cyf_optimizer_settle(cyf_optimizer *optimizer);

/** Exchanges the weights with the EMA (if there is one): once before validation or saving, once after. */
void cyf_optimizer_swap_ema(cyf_optimizer *optimizer);

#endif
