/* SPDX-License-Identifier: MIT */
/* Activations alone, row tables, scaled sums and unit-length rows. */
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/activation.h"
#include "kernels/math/norm.h"

cyf_status cyf_cpu_silu_forward(cyf_device *d, int64_t count, const float *x, float *y) {
#pragma omp parallel for simd schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t k = 0; k < count; ++k) y[k] = cyf_silu(x[k]);
  return CYF_OK;
}

cyf_status cyf_cpu_silu_backward(cyf_device *d, int64_t count, const float *x, const float *d_y, bool accumulate,
                                 float *d_x) {
  const int threads = cyf_cpu_threads_for(d, count);
  if (accumulate) {
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (int64_t k = 0; k < count; ++k) d_x[k] += cyf_silu_derivative(x[k]) * d_y[k];
  } else {
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (int64_t k = 0; k < count; ++k) d_x[k] = cyf_silu_derivative(x[k]) * d_y[k];
  }
  return CYF_OK;
}

cyf_status cyf_cpu_add_rows(cyf_device *d, int64_t n, int64_t c, const float *table, const int32_t *row, float *y) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float *from = table + (row ? row[i] : 0) * c;
    float *to = y + i * c;
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) to[j] += from[j];
  }
  return CYF_OK;
}

cyf_status cyf_cpu_sum_rows(cyf_device *d, int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows,
                            float *d_table) {
  memset(d_table, 0, (size_t)(n_rows * c) * sizeof *d_table);
  if (n_rows == 0) return CYF_OK;
    /* A task is a range of columns and sees every cell: cells of one row add in their order. */
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t first = 0; first < c; first += CYF_CPU_COLUMN_TILE) {
    const int64_t width = cyf_cpu_min(CYF_CPU_COLUMN_TILE, c - first);
    for (int64_t i = 0; i < n; ++i) {
      float *to = d_table + (row ? row[i] : 0) * c + first;
      const float *from = d_y + i * c + first;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) to[j] += from[j];
    }
  }
  return CYF_OK;
}

cyf_status cyf_cpu_axpy(cyf_device *d, int64_t count, double alpha, const float *x, float *y) {
  const float a = (float)alpha;
#pragma omp parallel for simd schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t k = 0; k < count; ++k) y[k] += a * x[k];
  return CYF_OK;
}

cyf_status cyf_cpu_scale(cyf_device *d, int64_t count, double alpha, float *y) {
  const float a = (float)alpha;
#pragma omp parallel for simd schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t k = 0; k < count; ++k) y[k] *= a;
  return CYF_OK;
}

static double dot(int64_t c, const float *a, const float *b) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < c; ++j) sum += (double)a[j] * (double)b[j];
  return sum;
}

static const float norm_floor = 1e-12f;

cyf_status cyf_cpu_l2_normalize_forward(cyf_device *d, int64_t n, int64_t c, const float *x, float *y, float *norm) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float length = (float)sqrt(dot(c, x + i * c, x + i * c));
    const float floored = length > norm_floor || isnan(length) ? length : norm_floor;
    const float factor = cyf_unit_factor(floored);
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) y[i * c + j] = x[i * c + j] * factor;
    if (norm) norm[i] = floored;
  }
  return CYF_OK;
}

cyf_status cyf_cpu_l2_normalize_backward(cyf_device *d, int64_t n, int64_t c, const float *y, const float *norm,
                                         const float *d_y, float *d_x) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    /* A row at the floor is divided by a constant: its gradient has no radial part to take out. */
    const float radial = norm[i] > norm_floor ? (float)dot(c, y + i * c, d_y + i * c) : 0.0f;
    const float factor = 1.0f / norm[i];
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) d_x[i * c + j] = (d_y[i * c + j] - y[i * c + j] * radial) * factor;
  }
  return CYF_OK;
}

cyf_status cyf_cpu_note_not_finite(cyf_device *d, int64_t n, int64_t c, const float *x, int32_t age, int32_t *found) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    float sum = 0.0f; /* of zeros, but NaN where an element is not finite */
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < c; ++j) sum += x[i * c + j] * 0.0f;
    found[i] = found[i] > 0 ? found[i] + age : sum != 0.0f;
  }
  return CYF_OK;
}
