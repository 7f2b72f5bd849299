/* SPDX-License-Identifier: MIT */
/** @file
 * Activations and their derivatives. */
#ifndef CYF_KERNELS_MATH_ACTIVATION_H
#define CYF_KERNELS_MATH_ACTIVATION_H

#include "kernels/math/elementary.h"

/** 1 / (1 + exp(-x)). */
CYF_HD static inline float cyf_sigmoid(float x) {
  return 1.0f / (1.0f + cyf_expf(-x));
}

/** silu(x) = x sigmoid(x) (Elfwing et al. 2018). */
CYF_HD static inline float cyf_silu(float x) {
  return x * cyf_sigmoid(x);
}

/** silu'(x) = sigmoid(x) (1 + x (1 - sigmoid(x))). */
CYF_HD static inline float cyf_silu_derivative(float x) {
  const float s = cyf_sigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

/** max(0, x). NaN stays NaN and minus infinity becomes NaN, so that what is not finite is never taken for a gene
 * without expression. */
CYF_HD static inline float cyf_relu(float x) {
  return cyf_select(x <= 0.0f, x * 0.0f + 0.0f, x);
}

/** PReLU with one slope (He et al. 2015), with PyTorch's derivatives at 0. */
CYF_HD static inline float cyf_prelu(float x, float slope) {
  return cyf_select(x > 0.0f, x, slope * x);
}
/** d prelu / dx; at 0 it is the slope. */
CYF_HD static inline float cyf_prelu_derivative(float x, float slope) {
  return cyf_select(x > 0.0f, 1.0f, slope);
}
/** d prelu / d slope. */
CYF_HD static inline float cyf_prelu_slope_derivative(float x) {
  return cyf_select(x > 0.0f, 0.0f, x);
}

#endif
