/* SPDX-License-Identifier: MIT */
/* Cells as an atlas stores them are turned into the sparse batches that other operations take, and so are dense rows.
 */
#include <math.h>
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"

enum { LEAST_ENTRIES = 1 << 14 }; /* below, threads cost more than they save */

static void widen_indices(const cyf_compact *x, int64_t at, int64_t n, int32_t *restrict indices) {
  if (x->index_type == CYF_INDEX_UINT16) {
    const uint16_t *restrict from = (const uint16_t *)x->indices + at;
    for (int64_t k = 0; k < n; ++k) indices[k] = from[k];
  } else {
    memcpy(indices, (const uint32_t *)x->indices + at, (size_t)n * sizeof *indices);
  }
}

static void widen_counts(const cyf_compact *x, int64_t at, int64_t n, float *restrict counts) {
  if (x->count_type == CYF_COUNT_UINT8) {
    const uint8_t *restrict from = (const uint8_t *)x->counts + at;
    for (int64_t k = 0; k < n; ++k) counts[k] = from[k];
  } else if (x->count_type == CYF_COUNT_UINT16) {
    const uint16_t *restrict from = (const uint16_t *)x->counts + at;
    for (int64_t k = 0; k < n; ++k) counts[k] = from[k];
  } else if (x->count_type == CYF_COUNT_UINT32) {
    const int32_t *restrict from = (const int32_t *)x->counts + at;
    for (int64_t k = 0; k < n; ++k) counts[k] = (float)from[k];
  } else {
    memcpy(counts, (const float *)x->counts + at, (size_t)n * sizeof *counts);
  }
}

cyf_status cyf_cpu_csr_expand(cyf_device *d, const cyf_compact *x, int64_t n, const int64_t *row, const int64_t *indptr,
                              int64_t nnz, int32_t *indices, float *values, float *counts) {
#pragma omp parallel for schedule(dynamic, 16) num_threads(nnz < LEAST_ENTRIES ? 1 : cyf_cpu_threads(d))
  for (int64_t i = 0; i < n; ++i) {
    const int64_t cell = row ? row[i] : i, at = x->indptr[cell], n_here = x->indptr[cell + 1] - at;
    const int64_t to = indptr ? indptr[i] : at;
    widen_indices(x, at, n_here, indices + to);
    if (counts) widen_counts(x, at, n_here, counts + to);
    if (!values) continue;
    float *restrict value = values + to;
    widen_counts(x, at, n_here, value);
    if (!x->factor) continue;
    const float factor = x->factor[cell];
#pragma omp simd
    for (int64_t k = 0; k < n_here; ++k) value[k] = cyf_log_normalized(value[k], factor);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_sparse_count(cyf_device *d, int64_t n, int64_t c, const float *x, int64_t *indptr,
                                int64_t *ret_n_not_finite) {
  int64_t n_not_finite = 0;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c)) reduction(+ : n_not_finite)
  for (int64_t i = 0; i < n; ++i) {
    const float *row = x + i * c;
    int64_t n_positive = 0, n_odd = 0;
#pragma omp simd reduction(+ : n_positive, n_odd)
    for (int64_t j = 0; j < c; ++j) {
      n_positive += row[j] > 0.0f;
      n_odd += !(fabsf(row[j]) <= 3.402823466e38f); /* FLT_MAX; NaN fails too */
    }
    indptr[i + 1] = n_positive;
    n_not_finite += n_odd;
  }
  indptr[0] = 0;
  for (int64_t i = 0; i < n; ++i) indptr[i + 1] += indptr[i];
  *ret_n_not_finite = n_not_finite;
  return CYF_OK;
}

cyf_status cyf_cpu_sparse_fill(cyf_device *d, int64_t n, int64_t c, const float *x, const int64_t *indptr,
                               int32_t *indices, float *values) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float *row = x + i * c;
    int64_t at = indptr[i];
    for (int64_t j = 0; j < c; ++j) {
      if (!(row[j] > 0.0f)) continue;
      indices[at] = (int32_t)j;
      values[at++] = row[j];
    }
  }
  return CYF_OK;
}
