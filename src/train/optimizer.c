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

/* The gradients lie in device memory; the MPI plane sums host memory. */
static cyf_status sum_over_ranks(cyf_optimizer *optimizer, cyf_comm *comm, int64_t bucket_bytes) {
  if (cyf_comm_size(comm) == 1) return CYF_OK;
  return cyf_comm_sum_gradients(comm, optimizer->parameters->gradient, optimizer->parameters->layout.total,
                                bucket_bytes);
}

static cyf_status update_range(cyf_optimizer *o, const cyf_adamw *adamw, int64_t first, int64_t count) {
  return o->device->ops->adamw(o->device, count, adamw, o->parameters->value + first, o->parameters->gradient + first,
                               o->first_moment + first, o->second_moment + first,
                               o->ema != NULL ? o->ema + first : NULL, cyf_ema_decay(&o->settings, o->step + 1));
}

cyf_status cyf_optimizer_update(cyf_optimizer *optimizer, cyf_comm *comm, int64_t bucket_bytes,
                                double *ret_gradient_norm) {
  const cyf_stage_settings *settings = &optimizer->settings;
  cyf_device *device = optimizer->device;
  cyf_parameters *parameters = optimizer->parameters;
  int64_t count = parameters->layout.total;
  CYF_TRY(sum_over_ranks(optimizer, comm, bucket_bytes));

  double scale = 1.0 / (double)settings->accumulate, square_sum = 0;
  CYF_TRY(device->ops->square_sum(device, count, parameters->gradient, &square_sum));
  CYF_TRY(device->ops->synchronize(device));
  double norm = sqrt(square_sum) * scale;
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
  const cyf_fast_range *fast = &parameters->fast;
  CYF_TRY(update_range(optimizer, &adamw, 0, count - fast->count));
  if (fast->count > 0) {
    adamw.learning_rate *= fast->rate;
    adamw.weight_decay = 0;
    CYF_TRY(update_range(optimizer, &adamw, fast->first, fast->count));
  }
  optimizer->step++;
  return CYF_OK;
}

void cyf_optimizer_swap_ema(cyf_optimizer *optimizer) {
  if (optimizer->ema == NULL) return;
  float *weights = optimizer->parameters->value;
  optimizer->parameters->value = optimizer->ema;
  optimizer->ema = weights;
}
