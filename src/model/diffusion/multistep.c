/* SPDX-License-Identifier: MIT */
#include "model/diffusion/multistep.h"

#include <math.h>

#include "model/diffusion/sampler_internal.h"

/* With h = lambda_t - lambda_s and r = h_before / h:
 *   D = (1 + 1 / (2r)) x0_s - 1 / (2r) x0_before,  x_t = (sigma_t / sigma_s) x_s - alpha_t (exp(-h) - 1) D. */
cyf_multistep cyf_multistep_make(const cyf_schedule *schedule, int i, bool clip) {
  const double alpha_bar = schedule->alpha_bar[i], to = schedule->alpha_bar_prev[i];
  const double ratio = sqrt((1.0 - to) / (1.0 - alpha_bar)); /* sigma_t / sigma_s */
  const double weight = sqrt(to) - ratio * sqrt(alpha_bar);  /* alpha_t (1 - exp(-h)) */
  double before = 0.0;
  if (i > 0 && i + 1 < schedule->n) {
    const double h = cyf_schedule_log_snr(to) - cyf_schedule_log_snr(alpha_bar);
    const double h_before = cyf_schedule_log_snr(alpha_bar) - cyf_schedule_log_snr(schedule->alpha_bar[i + 1]);
    before = 0.5 * h / h_before;
  }
  return (cyf_multistep){.sqrt_one_minus_alpha_bar = sqrt(1.0 - alpha_bar),
                         .sqrt_recip_alpha_bar = sqrt(1.0 / alpha_bar),
                         .sqrt_recip_m1_alpha_bar = sqrt(1.0 / alpha_bar - 1.0),
                         .coef_x = ratio,
                         .coef_x0 = weight * (1.0 + before),
                         .coef_x0_before = -weight * before,
                         .clip = clip};
}

cyf_status cyf_sampler_step_multistep(const sampler_run *run, int i, const float *guidance, const float *noise,
                                      float *x) {
  const cyf_multistep step = cyf_multistep_make(run->config->schedule, i, run->config->clip);
  (void)noise;
  return run->device->ops->multistep_step(run->device, run->n * run->latent, &step, x, run->eps, guidance,
                                          run->x0_before, x);
}
