/* SPDX-License-Identifier: MIT */
#include "model/diffusion/multistep.h"

#include <math.h>

static double lambda(double alpha_bar) {
  return 0.5 * log(alpha_bar / (1.0 - alpha_bar));
}

/* With h = lambda_t - lambda_s and r = h_before / h:
 *   D = (1 + 1 / (2r)) x0_s - 1 / (2r) x0_before,  x_t = (sigma_t / sigma_s) x_s - alpha_t (exp(-h) - 1) D. */
cyf_multistep cyf_multistep_make(const cyf_schedule *schedule, int i, bool clip) {
  const double alpha_bar = schedule->alpha_bar[i], to = schedule->alpha_bar_prev[i];
  const double ratio = sqrt((1.0 - to) / (1.0 - alpha_bar)); /* sigma_t / sigma_s */
  const double weight = sqrt(to) - ratio * sqrt(alpha_bar);  /* alpha_t (1 - exp(-h)) */
  double before = 0.0;
  if (i > 0 && i + 1 < schedule->n) {
    const double h = lambda(to) - lambda(alpha_bar);
    const double h_before = lambda(alpha_bar) - lambda(schedule->alpha_bar[i + 1]);
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
