/* SPDX-License-Identifier: MIT */
/** @file
 * The float coefficients of an update, computed from its settings in double: on the host, once a call, the same for
 * every backend. For C and CUDA C++. Not collective. */
#ifndef CYF_KERNELS_COEFFICIENTS_H
#define CYF_KERNELS_COEFFICIENTS_H

#include "kernels/backend.h"
#include "kernels/math/diffusion.h"
#include "kernels/math/optimizer.h"

/** AdamW's coefficients for step s->step (its bias corrections included) and those of the moving average. The gradient
 * is multiplied by gradient_scale, which the caller has clipped. */
static inline cyf_adamw_coefficients cyf_adamw_coefficients_of(const cyf_adamw *s, double gradient_scale,
                                                               double ema_decay) {
  const double correction1 = 1.0 - pow(s->beta1, (double)s->step), correction2 = 1.0 - pow(s->beta2, (double)s->step);
  cyf_adamw_coefficients k;
  k.gradient_scale = (float)gradient_scale;
  k.decay = (float)(1.0 - s->learning_rate * s->weight_decay);
  k.one_minus_beta1 = (float)(1.0 - s->beta1);
  k.beta2 = (float)s->beta2;
  k.one_minus_beta2 = (float)(1.0 - s->beta2);
  k.step_size = (float)(s->learning_rate / correction1);
  k.recip_sqrt_correction2 = (float)(1.0 / sqrt(correction2));
  k.epsilon = (float)s->epsilon;
  k.ema_decay = (float)ema_decay;
  k.one_minus_ema_decay = (float)(1.0 - ema_decay);
  return k;
}

/** The coefficients of one DDPM or DDIM step. */
static inline cyf_reverse_coefficients cyf_reverse_coefficients_of(const cyf_reverse_step *s) {
  const double direction = 1.0 - s->alpha_bar_prev - s->sigma * s->sigma;
  cyf_reverse_coefficients k;
  k.sqrt_recip_alpha_bar = (float)s->sqrt_recip_alpha_bar;
  k.sqrt_recip_m1_alpha_bar = (float)s->sqrt_recip_m1_alpha_bar;
  k.mean_coef_x0 = (float)s->mean_coef_x0;
  k.mean_coef_xt = (float)s->mean_coef_xt;
  k.variance = (float)s->variance;
  k.noise_scale = (float)exp(0.5 * s->log_variance);
  k.sqrt_one_minus_alpha_bar = (float)sqrt(1.0 - s->alpha_bar);
  k.sqrt_alpha_bar_prev = (float)sqrt(s->alpha_bar_prev);
  k.direction = (float)sqrt(direction > 0.0 ? direction : 0.0); /* rounding at the last step */
  k.sigma = (float)s->sigma;
  k.recip_sqrt_recip_m1_alpha_bar = (float)(1.0 / s->sqrt_recip_m1_alpha_bar);
  return k;
}

/** The coefficients of one DPM-Solver++(2M) step. */
static inline cyf_multistep_coefficients cyf_multistep_coefficients_of(const cyf_multistep *s) {
  cyf_multistep_coefficients k;
  k.sqrt_one_minus_alpha_bar = (float)s->sqrt_one_minus_alpha_bar;
  k.sqrt_recip_alpha_bar = (float)s->sqrt_recip_alpha_bar;
  k.sqrt_recip_m1_alpha_bar = (float)s->sqrt_recip_m1_alpha_bar;
  k.coef_x = (float)s->coef_x;
  k.coef_x0 = (float)s->coef_x0;
  k.coef_x0_before = (float)s->coef_x0_before;
  return k;
}

#endif
