/* SPDX-License-Identifier: MIT */
/* Layer norm fused with SiLU. */
#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/activation.h"
#include "kernels/math/norm.h"

/* Two passes, in double: the variance is taken from deviations from the mean, so that no digits cancel. */
static void row_moments(int64_t c, const float *x, float *ret_mean, float *ret_inv_std) {
  double sum = 0.0, square = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < c; ++j) sum += (double)x[j];
  const double mean = sum / (double)c;
#pragma omp simd reduction(+ : square)
  for (int64_t j = 0; j < c; ++j) square += ((double)x[j] - mean) * ((double)x[j] - mean);
  *ret_mean = (float)mean;
  *ret_inv_std = (float)cyf_inverse_std(square / (double)c);
}

cyf_status cyf_cpu_layer_norm_silu_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *gamma,
                                           const float *beta, float *y, float *mean, float *inv_std) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float *x_row = x + i * c;
    float *y_row = y + i * c, row_mean, row_inv_std;
    row_moments(c, x_row, &row_mean, &row_inv_std);
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) {
      y_row[j] = cyf_silu(cyf_norm_affine(cyf_normalized(x_row[j], row_mean, row_inv_std), gamma[j], beta[j]));
    }
    if (mean) mean[i] = row_mean;
    if (inv_std) inv_std[i] = row_inv_std;
  }
  return CYF_OK;
}

/* Sets d_x of one row and, where wanted, adds d_z * xhat and d_z to column sums. Between its two passes d_x holds gamma
 * * d_z, so that d_x may be d_y. `sums` is a constant at every call. */
static inline __attribute__((always_inline)) void backward_row(const bool sums, int64_t c, const float *x,
                                                               const float *d_y, const float *gamma, const float *beta,
                                                               float mean, float inv_std, float *d_x, double *sum_gamma,
                                                               double *sum_beta) {
  double sum_g = 0.0, sum_gx = 0.0;
#pragma omp simd reduction(+ : sum_g, sum_gx)
  for (int64_t j = 0; j < c; ++j) {
    const float xhat = cyf_normalized(x[j], mean, inv_std);
    const float d_z = cyf_silu_derivative(cyf_norm_affine(xhat, gamma[j], beta[j])) * d_y[j];
    const float g = gamma[j] * d_z;
    if (sums) {
      sum_gamma[j] += (double)(d_z * xhat);
      sum_beta[j] += (double)d_z;
    }
    d_x[j] = g;
    sum_g += (double)g;
    sum_gx += (double)(g * xhat);
  }
  const float mean_g = (float)(sum_g / (double)c), mean_gx = (float)(sum_gx / (double)c);
#pragma omp simd
  for (int64_t j = 0; j < c; ++j) {
    d_x[j] = cyf_norm_input_gradient(d_x[j], cyf_normalized(x[j], mean, inv_std), inv_std, mean_g, mean_gx);
  }
}

cyf_status cyf_cpu_layer_norm_silu_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                            const float *gamma, const float *beta, const float *mean,
                                            const float *inv_std, float *d_x, float *d_gamma, float *d_beta) {
  /* Rows are cut into chunks by n alone, each with column sums of its own that add in order. */
  enum { ROWS_PER_CHUNK = 32, CHUNKS_MAX = 64 };
  int64_t n_chunks = (n + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK;
  if (n_chunks > CHUNKS_MAX) n_chunks = CHUNKS_MAX;
  double *sums = NULL; /* [n_chunks, 2, c]: of gamma, of beta */
  if (d_gamma) CYF_TRY(CYF_NEW(&sums, n_chunks * 2 * c));
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
    double *sum_gamma = sums ? sums + chunk * 2 * c : NULL, *sum_beta = sums ? sum_gamma + c : NULL;
    for (int64_t i = chunk * n / n_chunks; i < (chunk + 1) * n / n_chunks; ++i) {
      const float *x_row = x + i * c, *d_row = d_y + i * c;
      if (sums) {
        backward_row(true, c, x_row, d_row, gamma, beta, mean[i], inv_std[i], d_x + i * c, sum_gamma, sum_beta);
      } else {
        backward_row(false, c, x_row, d_row, gamma, beta, mean[i], inv_std[i], d_x + i * c, NULL, NULL);
      }
    }
  }
  for (int64_t j = 0; sums && j < c; ++j) {
    double total_gamma = 0.0, total_beta = 0.0;
    for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
      total_gamma += sums[chunk * 2 * c + j];
      total_beta += sums[chunk * 2 * c + c + j];
    }
    d_gamma[j] += (float)total_gamma;
    d_beta[j] += (float)total_beta;
  }
  cyf_free(sums);
  return CYF_OK;
}
