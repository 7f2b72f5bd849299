/* SPDX-License-Identifier: MIT */
/* The steps of DDPM (Ho et al. 2020) and DDIM (Song et al. 2021). */
#include <math.h>

#include "model/diffusion/sampler_internal.h"

/* Coefficients of step i of the schedule. They are double, as over hundreds of steps an error in them grows much more
 * than one in x. */
static cyf_reverse_step make_step(const cyf_sampler_config *config, int i) {
  const cyf_schedule *s = config->schedule;
  const double alpha_bar = s->alpha_bar[i], alpha_bar_prev = s->alpha_bar_prev[i];
  return (cyf_reverse_step){
      .alpha_bar = alpha_bar,
      .alpha_bar_prev = alpha_bar_prev,
      .sqrt_recip_alpha_bar = sqrt(1.0 / alpha_bar),
      .sqrt_recip_m1_alpha_bar = sqrt(1.0 / alpha_bar - 1.0),
      .mean_coef_x0 = s->posterior_coef_x0[i],
      .mean_coef_xt = s->posterior_coef_xt[i],
      .variance = s->reverse_variance[i],
      .log_variance = s->reverse_log_variance[i],
      /* Song et al. 2021, eq. 16. */
      .sigma = config->eta * sqrt((1.0 - alpha_bar_prev) / (1.0 - alpha_bar) * (1.0 - alpha_bar / alpha_bar_prev)),
      .clip = config->clip,
  };
}

cyf_status cyf_sampler_step_ddpm(const sampler_run *run, int i, const float *guidance, const float *noise, float *x) {
  const cyf_reverse_step step = make_step(run->config, i);
  return run->device->ops->ddpm_step(run->device, run->n * run->latent, &step, x, run->eps, guidance, noise, x);
}

cyf_status cyf_sampler_step_ddim(const sampler_run *run, int i, const float *guidance, const float *noise, float *x) {
  const cyf_reverse_step step = make_step(run->config, i);
  return run->device->ops->ddim_step(run->device, run->n * run->latent, &step, x, run->eps, guidance, noise, x);
}

cyf_status cyf_sampler_step_up(const sampler_run *run, int i, const float *guidance, float *x) {
  const cyf_schedule *s = run->config->schedule;
  const double from = s->alpha_bar_prev[i];
  const cyf_reverse_step step = {.alpha_bar = from,
                                 .alpha_bar_prev = s->alpha_bar[i],
                                 .sqrt_recip_alpha_bar = sqrt(1.0 / from),
                                 .sqrt_recip_m1_alpha_bar = sqrt(1.0 / from - 1.0)};
  return run->device->ops->ddim_step(run->device, run->n * run->latent, &step, x, run->eps, guidance, NULL, x);
}
