/* SPDX-License-Identifier: MIT */
#include "train/optimizer.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "saved/parameters_file.h"

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
  CYF_TRY_CLEANUP(device->ops->alloc(device, sizeof(double), (void **)&optimizer->square_sum));
  CYF_TRY_CLEANUP(device->ops->alloc_host(device, 2 * sizeof(double), (void **)&optimizer->square_sum_host));
  for (int i = 0; i < 2; i++) CYF_TRY_CLEANUP(device->ops->event_create(device, &optimizer->norm_known[i]));
  *ret_optimizer = optimizer;
  return CYF_OK;
cleanup:
  cyf_optimizer_destroy(&optimizer);
  return status;
}

void cyf_optimizer_destroy(cyf_optimizer **optimizer) {
  if (optimizer == NULL || *optimizer == NULL) return;
  cyf_device *device = (*optimizer)->device;
  (void)device->ops->synchronize(device); /* an event may still be on its way */
  device->ops->free(device, (*optimizer)->first_moment);
  device->ops->free(device, (*optimizer)->second_moment);
  device->ops->free(device, (*optimizer)->ema);
  device->ops->free(device, (*optimizer)->square_sum);
  device->ops->free_host(device, (*optimizer)->square_sum_host);
  for (int i = 0; i < 2; i++) device->ops->event_destroy(device, (*optimizer)->norm_known[i]);
  cyf_free(*optimizer);
}

double cyf_learning_rate(const cyf_stage_settings *settings, int64_t step) {
  double peak = settings->learning_rate;
  if (step < settings->warmup_steps) return peak * (double)(step + 1) / (double)settings->warmup_steps;
  double after = (double)(settings->steps - settings->warmup_steps);
  double done = after > 0 ? (double)(step - settings->warmup_steps) / after : 0;
  if (done > 1) done = 1;
  switch (settings->rate_schedule) {
    case CYF_RATE_LINEAR:
      return peak * (1 - done);
    case CYF_RATE_COSINE:
      return peak * 0.5 * (1 + cos(M_PI * done));
    case CYF_RATE_CONSTANT:
    case CYF_RATE_SCHEDULES:
      break;
  }
  return peak;
}

double cyf_ema_decay(const cyf_stage_settings *settings, int64_t n) {
  if (!settings->ema_warmup) return settings->ema_decay;
  return fmin(settings->ema_decay, (1.0 + (double)n) / (10.0 + (double)n));
}

/* Names the tensor behind which the backward pass, which goes from the last to the first, has no finite gradient. */
static cyf_status fail_not_finite(const cyf_optimizer *optimizer, int64_t update) {
  const cyf_layout *layout = &optimizer->parameters->layout;
  const char *name = "";
  int64_t n = 0;
  float *gradient = NULL;
  CYF_TRY(cyf_floats_to_host(optimizer->device, optimizer->parameters->gradient, layout->total, &gradient));
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    const cyf_named_tensor *tensor = &layout->tensors[i];
    if (cyf_find_not_finite(tensor->count, gradient + tensor->offset) < 0) continue;
    name = tensor->name;
    n++;
  }
  cyf_free(gradient);
  return CYF_FAIL(CYF_ERR_NUMERIC,
                  "the gradient is not finite at step %lld: that of %s, the last of %lld such tensors of %lld; lower "
                  "the learning rate or set clip_norm",
                  (long long)update, name, (long long)n, (long long)layout->n_tensors);
}

/* Waits for the gradient's norm in square_sum_host[slot], if one is awaited, and fails where it is not finite. */
static cyf_status check_norm(cyf_optimizer *optimizer, int slot) {
  const int64_t update = optimizer->awaited[slot];
  cyf_device *device = optimizer->device;
  if (update == 0) return CYF_OK;
  optimizer->awaited[slot] = 0;
  CYF_TRY(device->ops->event_synchronize(device, optimizer->norm_known[slot]));
  optimizer->gradient_norm = sqrt(optimizer->square_sum_host[slot]) / (double)optimizer->settings.accumulate;
  if (isfinite(optimizer->gradient_norm)) return CYF_OK;
  return fail_not_finite(optimizer, update);
}

static cyf_status update_range(cyf_optimizer *o, const cyf_adamw *adamw, int64_t first, int64_t count) {
  return o->device->ops->adamw(o->device, count, adamw, o->parameters->value + first, o->parameters->gradient + first,
                               o->first_moment + first, o->second_moment + first,
                               o->ema != NULL ? o->ema + first : NULL, cyf_ema_decay(&o->settings, o->step + 1));
}

cyf_status cyf_optimizer_compute(cyf_optimizer *optimizer) {
  const cyf_stage_settings *settings = &optimizer->settings;
  cyf_device *device = optimizer->device;
  cyf_parameters *parameters = optimizer->parameters;
  const int64_t count = parameters->layout.total;
  cyf_adamw adamw = {.learning_rate = cyf_learning_rate(settings, optimizer->step),
                     .beta1 = settings->beta1,
                     .beta2 = settings->beta2,
                     .epsilon = 1e-8,
                     .weight_decay = settings->weight_decay,
                     .step = optimizer->step + 1,
                     .gradient_scale = 1.0 / (double)settings->accumulate,
                     .square_sum = optimizer->square_sum,
                     .clip_norm = settings->clip_norm};
  CYF_TRY(device->ops->square_sum(device, count, parameters->gradient, optimizer->square_sum));
  CYF_TRY(update_range(optimizer, &adamw, 0, count - parameters->fast.count));
  if (parameters->fast.count == 0) return CYF_OK;
  adamw.learning_rate *= parameters->fast.rate;
  adamw.weight_decay = 0;
  return update_range(optimizer, &adamw, parameters->fast.first, parameters->fast.count);
}

cyf_status cyf_optimizer_follow(cyf_optimizer *optimizer) {
  cyf_device *device = optimizer->device;
  const int64_t update = optimizer->step + 1;
  const int slot = (int)(update % 2);
  CYF_TRY(device->ops->download(device, &optimizer->square_sum_host[slot], optimizer->square_sum, sizeof(double)));
  CYF_TRY(device->ops->event_record(device, CYF_QUEUE_WORK, optimizer->norm_known[slot]));
  optimizer->awaited[slot] = update;
  CYF_TRY(check_norm(optimizer, device->host_memory ? slot : 1 - slot));
  optimizer->step = update;
  return CYF_OK;
}

cyf_status cyf_optimizer_update(cyf_optimizer *optimizer) {
  CYF_TRY(cyf_optimizer_compute(optimizer));
  return cyf_optimizer_follow(optimizer);
}

cyf_status cyf_optimizer_settle(cyf_optimizer *optimizer) {
  const int last = (int)(optimizer->step % 2);
  CYF_TRY(check_norm(optimizer, 1 - last));
  return check_norm(optimizer, last);
}

void cyf_optimizer_swap_ema(cyf_optimizer *optimizer) {
  if (optimizer->ema == NULL) return;
  float *weights = optimizer->parameters->value;
  optimizer->parameters->value = optimizer->ema;
  optimizer->ema = weights;
}
