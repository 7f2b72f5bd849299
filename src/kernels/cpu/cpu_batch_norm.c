/* SPDX-License-Identifier: MIT */
/* Batch norm with the activation that follows it. A task sums a tile of columns over all cells, so that sums do not
 * depend on the number of threads. */
#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/activation.h"
#include "kernels/math/norm.h"

enum { TILE = CYF_CPU_COLUMN_TILE };

cyf_status cyf_cpu_batch_norm_sums(cyf_device *d, int64_t n, int64_t c, const float *x, double *sums) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t first = 0; first < c; first += TILE) {
    const int64_t width = cyf_cpu_min(TILE, c - first);
    double sum[TILE] = {0}, square[TILE] = {0};
    for (int64_t i = 0; i < n; ++i) {
      const float *row = x + i * c + first;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) {
        const double value = row[j];
        sum[j] += value;
        square[j] += value * value;
      }
    }
    memcpy(sums + first, sum, (size_t)width * sizeof *sums);
    memcpy(sums + c + first, square, (size_t)width * sizeof *sums);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_batch_norm_finish(cyf_device *d, int64_t c, double n_total, const double *sums, double momentum,
                                     float *mean, float *inv_std, float *running_mean, float *running_var) {
  (void)d;
  const double n = n_total > 0.0 ? n_total : 1.0; /* no cells: mean 0, variance 0 */
  const double unbiased = n > 1.0 ? n / (n - 1.0) : 1.0;
  for (int64_t j = 0; j < c; ++j) {
    double column_mean, variance;
    cyf_moments(n, sums[j], sums[c + j], &column_mean, &variance);
    mean[j] = (float)column_mean;
    inv_std[j] = (float)cyf_inverse_std(variance);
    if (!running_mean) continue;
    running_mean[j] = (float)(running_mean[j] + momentum * (column_mean - running_mean[j]));
    running_var[j] = (float)(running_var[j] + momentum * (variance * unbiased - running_var[j]));
  }
  return CYF_OK;
}

cyf_status cyf_cpu_batch_norm_running(cyf_device *d, int64_t c, const float *running_mean, const float *running_var,
                                      float *mean, float *inv_std) {
  (void)d;
  for (int64_t j = 0; j < c; ++j) {
    mean[j] = running_mean[j];
    inv_std[j] = (float)cyf_inverse_std(running_var[j]);
  }
  return CYF_OK;
}

/* The arrays [columns] that the formulas of an element use. */
typedef struct batch_norm {
  const float *mean, *inv_std, *gamma, *beta;
  float slope;
} batch_norm;

static float slope_of(cyf_activation act, const float *slope) {
  return act == CYF_PRELU ? *slope : 0.0f;
}

/* `act` is a constant at every call: each activation gets a vector loop of its own. */
static inline __attribute__((always_inline)) float activate(const cyf_activation act, float z, float slope) {
  if (act == CYF_PRELU) return cyf_prelu(z, slope);
  return act == CYF_SILU ? cyf_silu(z) : z;
}

static inline __attribute__((always_inline)) float derivative(const cyf_activation act, float z, float slope) {
  if (act == CYF_PRELU) return cyf_prelu_derivative(z, slope);
  return act == CYF_SILU ? cyf_silu_derivative(z) : 1.0f;
}

static inline __attribute__((always_inline)) void forward_row(const cyf_activation act, const batch_norm *b, int64_t c,
                                                              const float *x, float *y) {
#pragma omp simd
  for (int64_t j = 0; j < c; ++j) {
    const float xhat = cyf_normalized(x[j], b->mean[j], b->inv_std[j]);
    y[j] = activate(act, cyf_norm_affine(xhat, b->gamma[j], b->beta[j]), b->slope);
  }
}

cyf_status cyf_cpu_batch_norm_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *mean,
                                      const float *inv_std, const float *gamma, const float *beta, cyf_activation act,
                                      const float *slope, float *y) {
  const batch_norm b = {mean, inv_std, gamma, beta, slope_of(act, slope)};
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    switch (act) {
      case CYF_PRELU:
        forward_row(CYF_PRELU, &b, c, x + i * c, y + i * c);
        break;
      case CYF_SILU:
        forward_row(CYF_SILU, &b, c, x + i * c, y + i * c);
        break;
      case CYF_IDENTITY:
        forward_row(CYF_IDENTITY, &b, c, x + i * c, y + i * c);
        break;
    }
  }
  return CYF_OK;
}

/* Sums of one tile of columns [first, first + width): d_z, d_z * xhat and, under PReLU, d_y * z where z <= 0. */
static inline __attribute__((always_inline)) void backward_tile(const cyf_activation act, const batch_norm *b,
                                                                int64_t n, int64_t c, int64_t first, int64_t width,
                                                                const float *x, const float *d_y, double *sums,
                                                                double *ret_slope_sum) {
  double sum_z[TILE] = {0}, sum_zx[TILE] = {0}, sum_slope[TILE] = {0};
  const float *mean = b->mean + first, *inv_std = b->inv_std + first, *gamma = b->gamma + first,
              *beta = b->beta + first;
  for (int64_t i = 0; i < n; ++i) {
    const float *x_row = x + i * c + first, *d_row = d_y + i * c + first;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float xhat = cyf_normalized(x_row[j], mean[j], inv_std[j]);
      const float z = cyf_norm_affine(xhat, gamma[j], beta[j]);
      const double d_z = derivative(act, z, b->slope) * d_row[j];
      sum_z[j] += d_z;
      sum_zx[j] += d_z * xhat;
      if (act == CYF_PRELU) sum_slope[j] += (double)(d_row[j] * cyf_prelu_slope_derivative(z));
    }
  }
  memcpy(sums + first, sum_z, (size_t)width * sizeof *sums);
  memcpy(sums + c + first, sum_zx, (size_t)width * sizeof *sums);
  *ret_slope_sum = 0.0;
  for (int64_t j = 0; j < width; ++j) *ret_slope_sum += sum_slope[j];
}

cyf_status cyf_cpu_batch_norm_backward_sums(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                            const float *mean, const float *inv_std, const float *gamma,
                                            const float *beta, cyf_activation act, const float *slope, double *sums,
                                            float *d_slope) {
  const batch_norm b = {mean, inv_std, gamma, beta, slope_of(act, slope)};
  const int64_t n_tiles = (c + TILE - 1) / TILE;
  double *slope_sums = NULL; /* one a tile, added in order */
  CYF_TRY(CYF_NEW(&slope_sums, n_tiles));
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t tile = 0; tile < n_tiles; ++tile) {
    const int64_t first = tile * TILE, width = cyf_cpu_min(TILE, c - first);
    switch (act) {
      case CYF_PRELU:
        backward_tile(CYF_PRELU, &b, n, c, first, width, x, d_y, sums, &slope_sums[tile]);
        break;
      case CYF_SILU:
        backward_tile(CYF_SILU, &b, n, c, first, width, x, d_y, sums, &slope_sums[tile]);
        break;
      case CYF_IDENTITY:
        backward_tile(CYF_IDENTITY, &b, n, c, first, width, x, d_y, sums, &slope_sums[tile]);
        break;
    }
  }
  if (act == CYF_PRELU && d_slope) {
    double total = 0.0;
    for (int64_t tile = 0; tile < n_tiles; ++tile) total += slope_sums[tile];
    *d_slope += (float)total;
  }
  cyf_free(slope_sums);
  return CYF_OK;
}

static inline __attribute__((always_inline)) void backward_row(const cyf_activation act, const batch_norm *b, int64_t c,
                                                               const float *x, const float *d_y, const float *mean_z,
                                                               const float *mean_zx, float *d_x) {
#pragma omp simd
  for (int64_t j = 0; j < c; ++j) {
    const float xhat = cyf_normalized(x[j], b->mean[j], b->inv_std[j]);
    const float d_z = derivative(act, cyf_norm_affine(xhat, b->gamma[j], b->beta[j]), b->slope) * d_y[j];
    d_x[j] = b->gamma[j] * cyf_norm_input_gradient(d_z, xhat, b->inv_std[j], mean_z[j], mean_zx[j]);
  }
}

cyf_status cyf_cpu_batch_norm_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                       const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                       cyf_activation act, const float *slope, const double *sums, double n_total,
                                       float *d_x) {
  const batch_norm b = {mean, inv_std, gamma, beta, slope_of(act, slope)};
  float *means = NULL; /* of d_z, then of d_z * xhat; zeros where the statistics were constants */
  CYF_TRY(CYF_NEW(&means, 2 * c));
  for (int64_t j = 0; sums && j < 2 * c; ++j) means[j] = (float)(sums[j] / n_total);
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float *x_row = x + i * c, *d_row = d_y + i * c;
    switch (act) {
      case CYF_PRELU:
        backward_row(CYF_PRELU, &b, c, x_row, d_row, means, means + c, d_x + i * c);
        break;
      case CYF_SILU:
        backward_row(CYF_SILU, &b, c, x_row, d_row, means, means + c, d_x + i * c);
        break;
      case CYF_IDENTITY:
        backward_row(CYF_IDENTITY, &b, c, x_row, d_row, means, means + c, d_x + i * c);
        break;
    }
  }
  cyf_free(means);
  return CYF_OK;
}

cyf_status cyf_cpu_batch_norm_param_grad(cyf_device *d, int64_t c, const double *sums, float *d_gamma, float *d_beta) {
  (void)d;
  for (int64_t j = 0; j < c; ++j) {
    d_beta[j] += (float)sums[j];
    d_gamma[j] += (float)sums[c + j];
  }
  return CYF_OK;
}
