/* SPDX-License-Identifier: MIT */
/* Maximum mean discrepancy with five Gaussian kernels. */
#include <math.h>

#include "base/memory.h"
#include "evaluate/measures/metrics.h"
#include "evaluate/measures/points.h"

/* Mean of d2 over the ordered pairs i != j: sum over all pairs = 2 (n sum |x|^2 - |sum x|^2), on points centred first
 * so that nothing cancels. */
static cyf_status mean_squared_distance(int64_t n, int64_t n_dims, const double *points, double *ret_mean) {
  double *centre = NULL;
  CYF_TRY(CYF_NEW(&centre, n_dims));
  for (int64_t i = 0; i < n; i++) {
    for (int64_t k = 0; k < n_dims; k++) centre[k] += points[i * n_dims + k];
  }
  for (int64_t k = 0; k < n_dims; k++) centre[k] /= (double)n;
  double sum = 0.0;
  for (int64_t i = 0; i < n; i++) sum += cyf_squared_distance(n_dims, points + i * n_dims, centre);
  cyf_free(centre);
  *ret_mean = n > 1 ? 2.0 * sum / (double)(n - 1) : 0.0;
  return CYF_OK;
}

/* Sum of the five kernels at d2, rate = 1 / widest bandwidth: each next kernel is the square of the one before. */
static inline double kernel_sum(double d2, double rate) {
  double k16 = exp(-d2 * rate), k8 = k16 * k16, k4 = k8 * k8, k2 = k4 * k4, k1 = k2 * k2;
  return k16 + k8 + k4 + k2 + k1;
}

cyf_status cyf_mmd(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double *ret_mmd) {
  int64_t n = n_a + n_b;
  double mean_d2 = 0.0;
  *ret_mmd = NAN;
  if (n_a < 1 || n_b < 1) return CYF_OK;
  CYF_TRY(mean_squared_distance(n, n_dims, points, &mean_d2));
  if (!(mean_d2 > 0.0)) {
    *ret_mmd = 0.0;
    return CYF_OK;
  }
  double rate = 1.0 / (16.0 * mean_d2 / 4.0);
  double *same =
      NULL; /* [n] sums over later points of the same set, then [n] of the other: summed in order at the end */
  CYF_TRY(CYF_NEW(&same, 2 * n));
  double *other = same + n;
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t i = 0; i < n; i++) {
    const double *x = points + i * n_dims;
    int64_t same_end = i < n_a ? n_a : n;
    for (int64_t j = i + 1; j < same_end; j++)
      same[i] += kernel_sum(cyf_squared_distance(n_dims, x, points + j * n_dims), rate);
    for (int64_t j = same_end; j < n; j++)
      other[i] += kernel_sum(cyf_squared_distance(n_dims, x, points + j * n_dims), rate);
  }
  double aa = 0.0, bb = 0.0, ab = 0.0, a = (double)n_a, b = (double)n_b;
  for (int64_t i = 0; i < n_a; i++) aa += same[i];
  for (int64_t i = n_a; i < n; i++) bb += same[i];
  for (int64_t i = 0; i < n_a; i++) ab += other[i];
  cyf_free(same);
  /* Each point with itself: five kernels of one. */
  *ret_mmd = (2.0 * aa + 5.0 * a) / (a * a) + (2.0 * bb + 5.0 * b) / (b * b) - 2.0 * ab / (a * b);
  return CYF_OK;
}
