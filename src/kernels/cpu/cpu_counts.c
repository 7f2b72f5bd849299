/* SPDX-License-Identifier: MIT */
/* What models of raw counts need beside gene_nb: counts out of log-normalised batches, library sizes, and draws. */
#include <math.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/library.h"
#include "kernels/math/negative_binomial.h"

cyf_status cyf_cpu_csr_counts(cyf_device *d, const cyf_csr *cells, const float *total, double target_sum,
                              float *counts) {
  const int64_t nnz = cells->indptr[cells->n_cells] - cells->indptr[0];
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 16 * nnz))
  for (int64_t i = 0; i < cells->n_cells; ++i) {
    const double factor = (double)total[i] / target_sum;
    for (int64_t k = cells->indptr[i]; k < cells->indptr[i + 1]; ++k)
      counts[k] = (float)rint(expm1((double)cells->values[k]) * factor);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_library_nll(cyf_device *d, int64_t n, const float *head, const float *total, double scale,
                               double *ret_sum_nll, float *d_head) {
  (void)d;
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    float gradient[2];
    sum += cyf_library_nll(head + 2 * i, total[i], gradient);
    if (d_head == NULL) continue;
    d_head[2 * i] = (float)(scale * (double)gradient[0]);
    d_head[2 * i + 1] = (float)(scale * (double)gradient[1]);
  }
  *ret_sum_nll = sum;
  return CYF_OK;
}

cyf_status cyf_cpu_library_size(cyf_device *d, int64_t n, const float *head, const float *normal, float *size) {
  (void)d;
  for (int64_t i = 0; i < n; ++i) size[i] = cyf_library_size(head + 2 * i, normal ? normal[i] : 0.0f);
  return CYF_OK;
}

cyf_status cyf_cpu_softmax_rows(cyf_device *d, int64_t n, int64_t c, const float *size, float *y) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 8 * n * c))
  for (int64_t i = 0; i < n; ++i) {
    float *row = y + i * c, most = -INFINITY;
    double sum = 0.0;
    for (int64_t j = 0; j < c; ++j) most = row[j] > most || isnan(row[j]) ? row[j] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < c; ++j) {
      const float odd = row[j] * 0.0f; /* zero, but NaN for minus infinity, of which the exponential makes a number */
      row[j] = cyf_expf(row[j] - most);
      sum += (double)(row[j] + odd);
    }
    const float factor = (float)((size ? (double)size[i] : 1.0) / sum);
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) row[j] *= factor;
  }
  return CYF_OK;
}

enum { DRAW_BLOCKS = 32, DRAW_GENES = 2 * DRAW_BLOCKS };

/* Draws the counts of genes [first, first + n) of one cell, n at most DRAW_GENES and first even. All genes' uniform
 * numbers and the test that most of them end with are made in a loop that vectorises; then come the few that are left.
 */
static void draw_genes(const float *mean, const float *theta, cyf_rng_key key, uint64_t at, int64_t first, int64_t n,
                       float *counts) {
  double unit[2][DRAW_BLOCKS];
  int32_t left[DRAW_GENES];
  float own_mean[DRAW_GENES], own_theta[DRAW_GENES];
  for (int64_t g = 0; g < DRAW_GENES; ++g) { /* beyond the last gene stands one whose draw is zero */
    own_mean[g] = g < n ? mean[g] : 0.0f;
    own_theta[g] = g < n ? theta[g] : 1.0f;
  }
#pragma omp simd
  for (int b = 0; b < DRAW_BLOCKS; ++b) {
    const cyf_philox_words words = cyf_philox(key.word, 0, at, (uint32_t)(first / 2) + (uint32_t)b);
    unit[0][b] = cyf_nb_unit(words.w0, words.w1);
    unit[1][b] = cyf_nb_unit(words.w2, words.w3);
  }
#pragma omp simd
  for (int b = 0; b < DRAW_BLOCKS; ++b) {
    left[2 * b] = !cyf_nb_is_surely_zero(unit[0][b], own_mean[2 * b], own_theta[2 * b]);
    left[2 * b + 1] = !cyf_nb_is_surely_zero(unit[1][b], own_mean[2 * b + 1], own_theta[2 * b + 1]);
  }
  for (int64_t g = 0; g < n; ++g)
    counts[g] =
        left[g] ? cyf_nb_draw_other(unit[g % 2][g / 2], own_mean[g], own_theta[g], key.word, at, (uint32_t)(first + g))
                : 0.0f;
}

cyf_status cyf_cpu_nb_draw(cyf_device *d, int64_t n, int64_t c, const float *mean, const float *log_theta,
                           cyf_rng_key key, const int64_t *position, int64_t first_position, float *counts) {
  float *theta = NULL;
  CYF_TRY(CYF_NEW(&theta, c));
  for (int64_t j = 0; j < c; ++j) theta[j] = expf(log_theta[j]);
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 64 * n * c))
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t at = (uint64_t)(position ? position[i] : first_position + i);
    for (int64_t j = 0; j < c; j += DRAW_GENES)
      draw_genes(mean + i * c + j, theta + j, key, at, j, cyf_cpu_min(DRAW_GENES, c - j), counts + i * c + j);
  }
  cyf_free(theta);
  return CYF_OK;
}
