/* SPDX-License-Identifier: MIT */
/** @file
 * Elements of batch norm (Ioffe & Szegedy 2015) and layer norm (Ba et al. 2016). Both normalise x to
 * xhat = (x - mean) * inv_std and give z = gamma * xhat + beta. */
#ifndef CYF_KERNELS_MATH_NORM_H
#define CYF_KERNELS_MATH_NORM_H

#include "kernels/math/host_device.h"

#define CYF_NORM_EPSILON 1e-5 /**< PyTorch's default for both */

/** xhat of x. */
CYF_HD static inline float cyf_normalized(float x, float mean, float inv_std) {
  return (x - mean) * inv_std;
}

/** z of xhat. */
CYF_HD static inline float cyf_norm_affine(float xhat, float gamma, float beta) {
  return gamma * xhat + beta;
}

/** d_x of either norm from g = gamma * d_z: inv_std * (g - mean(g) - xhat * mean(g * xhat)), the means over what was
 * normalised together (a column's cells for batch norm, a row for layer norm). */
CYF_HD static inline float cyf_norm_input_gradient(float g, float xhat, float inv_std, float mean_g,
                                                   float mean_g_xhat) {
  return inv_std * (g - mean_g - xhat * mean_g_xhat);
}

/** Mean and biased variance of n values from their sum and their sum of squares. */
CYF_HD static inline void cyf_moments(double n, double sum, double sum_squares, double *ret_mean,
                                      double *ret_variance) {
  const double mean = sum / n, variance = sum_squares / n - mean * mean;
  *ret_mean = mean;
  *ret_variance = variance < 0.0 ? 0.0 : variance; /* rounding may leave a constant column slightly negative */
}

/** 1 / length. NaN for a length beyond float32: zero would make a row of zeros of a row that has no unit length. */
CYF_HD static inline float cyf_unit_factor(float length) {
  return 1.0f / length + (length - length);
}

/** inv_std = 1 / sqrt(variance + epsilon). */
CYF_HD static inline double cyf_inverse_std(double variance) {
  return 1.0 / sqrt(variance + CYF_NORM_EPSILON);
}

#endif
