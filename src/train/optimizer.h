/* AdamW with learning-rate schedule, gradient clipping and an exponential moving average of the weights, over one flat
 * array. */
#ifndef CYF_TRAIN_OPTIMIZER_H
#define CYF_TRAIN_OPTIMIZER_H

#include "model/parameters.h"
#include "train/settings.h"

typedef struct cyf_optimizer {
  cyf_device *device;
  cyf_parameters *parameters; /* not owned */
  cyf_stage_settings settings;
  float *first_moment, *second_moment; /* [layout.total] device */
  float *ema;                          /* [layout.total] device; NULL when settings.ema_decay is 0 */
  int64_t step;                        /* updates done */
} cyf_optimizer;

/* Allocates moments (zero) and the EMA (a copy of the present weights). parameters must outlive it. Not collective. */
cyf_status cyf_optimizer_create(cyf_parameters *parameters, const cyf_stage_settings *settings,
                                cyf_optimizer **ret_optimizer);
void cyf_optimizer_destroy(cyf_optimizer **optimizer);

/* The learning rate of update `step` (0 for the first): linear warm-up, then the schedule down to zero at
 * settings->steps. */
double cyf_learning_rate(const cyf_stage_settings *settings, int64_t step);
/* The EMA decay of update n (1 for the first): constant, or min(decay, (1+n)/(10+n)) with warm-up. */
double cyf_ema_decay(const cyf_stage_settings *settings, int64_t n);

/* Of the gradients, which are summed over ranks: scales by 1/accumulate, clips, updates, and zeroes them.
 * *ret_gradient_norm: before clipping. Not collective, the same on each rank. Errors: CYF_ERR_NUMERIC when the gradient
 * is not finite. */
cyf_status cyf_optimizer_update(cyf_optimizer *optimizer, double *ret_gradient_norm);

/* Exchanges the weights with the EMA (if there is one): once before validation or saving, once after. */
void cyf_optimizer_swap_ema(cyf_optimizer *optimizer);

#endif
