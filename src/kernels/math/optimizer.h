/* SPDX-License-Identifier: MIT */
/** @file
 * AdamW (Loshchilov & Hutter 2019) with PyTorch's order of operations, and the exponential moving average. */
#ifndef CYF_KERNELS_MATH_OPTIMIZER_H
#define CYF_KERNELS_MATH_OPTIMIZER_H

#include "kernels/math/host_device.h"

/** What is the same for every element of one update, in float. */
typedef struct cyf_adamw_coefficients {
  float gradient_scale, decay; /**< decay = 1 - learning_rate * weight_decay */
  float one_minus_beta1, beta2, one_minus_beta2;
  float step_size;              /**< learning_rate / (1 - beta1^step) */
  float recip_sqrt_correction2; /**< 1 / sqrt(1 - beta2^step) */
  float epsilon;
  float ema_decay, one_minus_ema_decay;
} cyf_adamw_coefficients;

/** What a gradient with this sum of squares is multiplied by: scale, and where its norm (scale included) exceeds
 * clip_norm > 0, also clip_norm / norm. *ret_finite is 0 where the norm is NaN or infinite; then there must be no
 * update. */
CYF_HD static inline double cyf_clipped_scale(double square_sum, double scale, double clip_norm, int *ret_finite) {
  const double norm = sqrt(square_sum) * scale;
  *ret_finite = norm - norm == 0.0;
  return clip_norm > 0.0 && norm > clip_norm ? scale * (clip_norm / norm) : scale;
}

/** Updates one parameter and its two moments by AdamW; the gradient is multiplied by k->gradient_scale first. */
CYF_HD static inline void cyf_adamw_element(const cyf_adamw_coefficients *k, float gradient, float *parameter,
                                            float *first_moment, float *second_moment) {
  const float g = gradient * k->gradient_scale;
  const float m = *first_moment + k->one_minus_beta1 * (g - *first_moment);
  const float v = k->beta2 * *second_moment + k->one_minus_beta2 * g * g;
  const float denominator = sqrtf(v) * k->recip_sqrt_correction2 + k->epsilon;
  *first_moment = m;
  *second_moment = v;
  *parameter = *parameter * k->decay - k->step_size * (m / denominator);
}

/** The moving average after this parameter: decay * ema + (1 - decay) * parameter. */
CYF_HD static inline float cyf_ema_element(const cyf_adamw_coefficients *k, float ema, float parameter) {
  return k->ema_decay * ema + k->one_minus_ema_decay * parameter;
}

#endif
