/* SPDX-License-Identifier: MIT */
/** @file
 * Elements of the forward and reverse processes. Coefficients are rounded once from the double schedule. */
#ifndef CYF_KERNELS_MATH_DIFFUSION_H
#define CYF_KERNELS_MATH_DIFFUSION_H

#include "kernels/math/host_device.h"

/** x_t of x_0 (Ho et al. 2020, eq. 4). */
CYF_HD static inline float cyf_q_sample(float x0, float eps, float signal, float noise_level) {
  return signal * x0 + noise_level * eps;
}

/** x held to [-1, 1]. */
CYF_HD static inline float cyf_clip_unit(float x) {
  x = cyf_select(x < -1.0f, -1.0f, x);
  return cyf_select(x > 1.0f, 1.0f, x);
}

/** x_0 as the predicted noise implies it. */
CYF_HD static inline float cyf_predict_x0(float x, float eps, float sqrt_recip_alpha_bar,
                                          float sqrt_recip_m1_alpha_bar) {
  return sqrt_recip_alpha_bar * x - sqrt_recip_m1_alpha_bar * eps;
}

/** The coefficients of a cyf_reverse_step (kernels/backend.h) in float, computed once a step. */
typedef struct cyf_reverse_coefficients {
  float sqrt_recip_alpha_bar, sqrt_recip_m1_alpha_bar;
  float mean_coef_x0, mean_coef_xt, variance, noise_scale; /**< DDPM: noise_scale = exp(log_variance / 2) */
  float sqrt_one_minus_alpha_bar, sqrt_alpha_bar_prev;
  float direction, sigma; /**< DDIM: direction = sqrt(1 - alpha_bar_prev - sigma^2) */
  float recip_sqrt_recip_m1_alpha_bar;
} cyf_reverse_coefficients;

/** One DDPM element (Ho et al. 2020, eq. 7); guidance and noise are 0 where there are none. */
CYF_HD static inline float cyf_ddpm_element(const cyf_reverse_coefficients *k, int clip, float x, float eps,
                                            float guidance, float noise) {
  float x0 = cyf_predict_x0(x, eps, k->sqrt_recip_alpha_bar, k->sqrt_recip_m1_alpha_bar);
  x0 = cyf_select(clip, cyf_clip_unit(x0), x0);
  const float mean = k->mean_coef_x0 * x0 + k->mean_coef_xt * x + k->variance * guidance;
  return mean + k->noise_scale * noise;
}

/** One DDIM element (Song et al. 2021, eq. 12). Clipping changes x0, and eps becomes what the clipped x0 implies. */
CYF_HD static inline float cyf_ddim_element(const cyf_reverse_coefficients *k, int clip, float x, float eps,
                                            float guidance, float noise) {
  eps -= k->sqrt_one_minus_alpha_bar * guidance;
  float x0 = cyf_predict_x0(x, eps, k->sqrt_recip_alpha_bar, k->sqrt_recip_m1_alpha_bar);
  x0 = cyf_select(clip, cyf_clip_unit(x0), x0);
  eps = cyf_select(clip, (k->sqrt_recip_alpha_bar * x - x0) * k->recip_sqrt_recip_m1_alpha_bar, eps);
  return k->sqrt_alpha_bar_prev * x0 + k->direction * eps + k->sigma * noise;
}

/** The coefficients of a cyf_multistep (kernels/backend.h) in float, computed once a step. */
typedef struct cyf_multistep_coefficients {
  float sqrt_one_minus_alpha_bar, sqrt_recip_alpha_bar, sqrt_recip_m1_alpha_bar;
  float coef_x, coef_x0, coef_x0_before;
} cyf_multistep_coefficients;

/** One DPM-Solver++(2M) element; *x0_before is the last step's x_0 on entry and this one's on return. */
CYF_HD static inline float cyf_multistep_element(const cyf_multistep_coefficients *k, int clip, float x, float eps,
                                                 float guidance, float *x0_before) {
  eps -= k->sqrt_one_minus_alpha_bar * guidance;
  float x0 = cyf_predict_x0(x, eps, k->sqrt_recip_alpha_bar, k->sqrt_recip_m1_alpha_bar);
  x0 = cyf_select(clip, cyf_clip_unit(x0), x0);
  const float x_prev = k->coef_x * x + k->coef_x0 * x0 + k->coef_x0_before * *x0_before;
  *x0_before = x0;
  return x_prev;
}

/** What one condition adds to eps (Ho & Salimans 2021, eq. 6, in the form eps + weight (eps_conditioned - eps)). */
CYF_HD static inline float cyf_free_guidance_element(float base, float conditioned, float weight) {
  return weight * (conditioned - base);
}

/** Frequency j of a sinusoidal time embedding with `half` = width / 2 frequencies (Vaswani et al. 2017, section 3.5).
 */
CYF_HD static inline double cyf_time_frequency(int64_t j, int64_t half) {
  return exp(-9.210340371976184 * (double)j / (double)half); /* log(10000) */
}

#endif
