/* SPDX-License-Identifier: MIT */
/** @file
 * Distances between points. Not collective. */
#ifndef CYF_EVALUATE_MEASURES_POINTS_H
#define CYF_EVALUATE_MEASURES_POINTS_H

#include <stdint.h>

/** The squared Euclidean distance of two points [n_dims]. */
static inline double cyf_squared_distance(int64_t n_dims, const double *x, const double *y) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < n_dims; k++) sum += (x[k] - y[k]) * (x[k] - y[k]);
  return sum;
}

#endif
