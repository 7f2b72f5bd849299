/* SPDX-License-Identifier: MIT */
/** @file
 * AdamW (Loshchilov and Hutter 2019) over one flat array of parameters, with a learning-rate schedule, gradient
 * clipping and an exponential moving average (EMA) of the weights. No function here is collective. */
#ifndef CYF_TRAIN_OPTIMIZER_H
#define CYF_TRAIN_OPTIMIZER_H

#include "kernels/backend.h"
#include "model/parameters.h"
#include "saved/settings.h"

/** An optimiser of one stage. Owns its arrays. */
typedef struct cyf_optimizer {
  cyf_device *device;         /**< the parameters' */
  cyf_parameters *parameters; /**< not owned */
  cyf_stage_settings settings;
  float *first_moment, *second_moment; /**< [layout.total] device */
  float *ema;                          /**< [layout.total] device; NULL when settings.ema_decay is 0 */
  int64_t step;                        /**< updates done */
  double gradient_norm;                /**< L2, of the last update whose norm is known, before clipping */
  double *square_sum;                  /**< [1] device: squared norm of the present gradient */
  double *square_sum_host;             /**< [2] of the last two updates, in pinned host memory (alloc_host) */
  cyf_event *norm_known[2];            /**< that square_sum_host[i] has been copied */
  int64_t awaited[2];                  /**< number of the update whose norm [i] will be; 0: none is awaited */
} cyf_optimizer;

/** Makes an optimiser whose moments are zero and whose EMA, if there is one, is the present weights. parameters must
 * outlive it. The caller frees it with cyf_optimizer_destroy. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_optimizer_create(cyf_parameters *parameters, const cyf_stage_settings *settings,
                                cyf_optimizer **ret_optimizer);
/** Waits for the device, frees the optimiser and sets *optimizer to NULL. NULL-safe. */
void cyf_optimizer_destroy(cyf_optimizer **optimizer);

/** The learning rate of update `step` (0 for the first). It rises linearly over the warm-up, then stays or falls to
 * zero at settings->steps (cyf_rate_schedule). */
double cyf_learning_rate(const cyf_stage_settings *settings, int64_t step);
/** The EMA's decay at update n (1 for the first): settings->ema_decay, or with warm-up min(ema_decay, (1 + n) / (10 +
 * n)). */
double cyf_ema_decay(const cyf_stage_settings *settings, int64_t n);

/** One update from parameters->gradient, which is summed over ranks: scales it by 1 / accumulate, clips it, moves the
 * weights, and zeroes it. An update whose gradient is not finite changes nothing, the gradient included. The host does
 * not wait for the device, so it learns of such a gradient with the next update, or in cyf_optimizer_settle. Where the
 * device's memory is the host's it learns of it at once. The same on every rank. Errors: CYF_ERR_NUMERIC naming the
 * update and the tensor whose gradient was not finite, CYF_ERR_DEVICE. */
cyf_status cyf_optimizer_update(cyf_optimizer *optimizer);

/** @{ */
/** The two halves of cyf_optimizer_update. The first queues operations of the work queue alone, so that it can be part
 * of a graph (kernels/backend.h). The second counts the update and copies its norm to the host. */
cyf_status cyf_optimizer_compute(cyf_optimizer *optimizer);
cyf_status cyf_optimizer_follow(cyf_optimizer *optimizer);
/** @} */

/** Waits for the last update's norm, after which gradient_norm is that update's. To be called before weights are saved
 * or used. Errors: as cyf_optimizer_update. */
cyf_status cyf_optimizer_settle(cyf_optimizer *optimizer);

/** Exchanges the weights with the EMA, if there is one: once before they are validated or saved, and once after. */
void cyf_optimizer_swap_ema(cyf_optimizer *optimizer);

#endif
