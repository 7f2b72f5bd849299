#include "train/optimizer.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/backend.h"

cyf_status cyf_optimizer_create(cyf_parameters *parameters, const cyf_stage_settings *settings,
                                cyf_optimizer **ret_optimizer) {
  *ret_optimizer = NULL;
  cyf_optimizer *optimizer = NULL;
  CYF_TRY(CYF_NEW(&optimizer, 1));
  cyf_device *device = parameters->device;
  size_t bytes = sizeof(float) * (size_t)parameters->layout.total;
  optimizer->device = device;
  optimizer->parameters = parameters;
  optimizer->settings = *settings;
  cyf_status status;
  CYF_TRY_CLEANUP(device->ops->alloc(device, bytes, (void **)&optimizer->first_moment));
  CYF_TRY_CLEANUP(device->ops->alloc(device, bytes, (void **)&optimizer->second_moment));
  if (settings->ema_decay > 0) {
    CYF_TRY_CLEANUP(device->ops->alloc(device, bytes, (void **)&optimizer->ema));
    CYF_TRY_CLEANUP(device->ops->copy(device, optimizer->ema, parameters->value, bytes));
  }
  *ret_optimizer = optimizer;
  return CYF_OK;
cleanup:
  cyf_optimizer_destroy(&optimizer);
  return status;
}

void cyf_optimizer_destroy(cyf_optimizer **optimizer) {
  if (optimizer == NULL || *optimizer == NULL) return;
  cyf_device *device = (*optimizer)->device;
  device->ops->free(device, (*optimizer)->first_moment);
  device->ops->free(device, (*optimizer)->second_moment);
  device->ops->free(device, (*optimizer)->ema);
  cyf_free(*optimizer);
}

double cyf_learning_rate(const cyf_stage_settings *settings, int64_t step) {
  double peak = settings->learning_rate;
  if (step < settings->warmup_steps) return peak * (double)(step + 1) / (double)settings->warmup_steps;
  double after = (double)(settings->steps - settings->warmup_steps);
  double done = after > 0 ? (double)(step - settings->warmup_steps) / after : 0;
  if (done > 1) done = 1;
  switch ((cyf_rate_schedule)settings->rate_schedule) {
    case CYF_RATE_LINEAR:
      return peak * (1 - done);
    case CYF_RATE_COSINE:
      return peak * 0.5 * (1 + cos(M_PI * done));
    case CYF_RATE_CONSTANT:
      break;
  }
  return peak;
}

double cyf_ema_decay(const cyf_stage_settings *settings, int64_t n) {
  if (!settings->ema_warmup) return settings->ema_decay;
  return fmin(settings->ema_decay, (1.0 + (double)n) / (10.0 + (double)n));
}

cyf_status cyf_optimizer_update(cyf_optimizer *optimizer, double *ret_gradient_norm) {
  const cyf_stage_settings *settings = &optimizer->settings;
  cyf_device *device = optimizer->device;
  cyf_parameters *parameters = optimizer->parameters;
  int64_t count = parameters->layout.total;
  double scale = 1.0 / (double)settings->accumulate, sum_squares = 0;
  CYF_TRY(device->ops->sum_squares(device, count, parameters->gradient, &sum_squares));
  CYF_TRY(device->ops->synchronize(device));
  double norm = sqrt(sum_squares) * scale;
  *ret_gradient_norm = norm;
  if (!isfinite(norm))
    return CYF_FAIL(CYF_ERR_NUMERIC,
                    "the gradient is not finite at step %lld; lower the learning rate or set clip_norm",
                    (long long)(optimizer->step + 1));
  if (settings->clip_norm > 0 && norm > settings->clip_norm) scale *= settings->clip_norm / norm;

  cyf_adamw adamw = {.learning_rate = cyf_learning_rate(settings, optimizer->step),
                     .beta1 = settings->beta1,
                     .beta2 = settings->beta2,
                     .epsilon = 1e-8,
                     .weight_decay = settings->weight_decay,
                     .step = optimizer->step + 1,
                     .gradient_scale = scale};
  CYF_TRY(device->ops->adamw(device, count, &adamw, parameters->value, parameters->gradient, optimizer->first_moment,
                             optimizer->second_moment, optimizer->ema, cyf_ema_decay(settings, optimizer->step + 1)));
  optimizer->step++;
  return CYF_OK;
}

void cyf_optimizer_swap_ema(cyf_optimizer *optimizer) {
  if (optimizer->ema == NULL) return;
  float *weights = optimizer->parameters->value;
  optimizer->parameters->value = optimizer->ema;
  optimizer->ema = weights;
}
