/* SPDX-License-Identifier: MIT */
#include "evaluate/measures/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

/* Genes of one task when work is split by gene: few enough that [genes, width] stays in the cache. */
enum { GENES_PER_TASK = 1024 };

cyf_status cyf_rows_create(const cyf_csr *matrix, const int64_t *subset, int64_t n_subset, cyf_rows *ret_rows) {
  int64_t n = subset ? n_subset : matrix->n_cells;
  *ret_rows = (cyf_rows){.n_cells = n, .n_genes = matrix->n_genes};
  CYF_TRY(CYF_NEW(&ret_rows->row, n));
  for (int64_t i = 0; i < n; i++) {
    int64_t cell = subset ? subset[i] : i;
    int64_t begin = matrix->indptr[cell];
    ret_rows->row[i] = (cyf_row){matrix->indices + begin, matrix->values + begin, matrix->indptr[cell + 1] - begin};
  }
  return CYF_OK;
}

cyf_status cyf_rows_stack(const cyf_rows *first, const cyf_rows *second, cyf_rows *ret_rows) {
  *ret_rows = (cyf_rows){.n_cells = first->n_cells + second->n_cells, .n_genes = first->n_genes};
  CYF_TRY(CYF_NEW(&ret_rows->row, ret_rows->n_cells));
  memcpy(ret_rows->row, first->row, (size_t)first->n_cells * sizeof(cyf_row));
  memcpy(ret_rows->row + first->n_cells, second->row, (size_t)second->n_cells * sizeof(cyf_row));
  return CYF_OK;
}

void cyf_rows_destroy(cyf_rows *rows) {
  if (!rows) return;
  cyf_free(rows->row);
  *rows = (cyf_rows){0};
}

static int compare_int64(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

cyf_status cyf_choose(uint64_t seed, uint32_t use, int64_t n, int64_t n_chosen, int64_t **ret_chosen) {
  *ret_chosen = NULL;
  if (n_chosen > n) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "cannot choose %lld of %lld", (long long)n_chosen, (long long)n);
  }
  int64_t *chosen = NULL;
  CYF_TRY(CYF_NEW(&chosen, n_chosen));
  uint32_t words[4];
  cyf_rng_block(cyf_rng_key_make(seed, CYF_RNG_EVALUATE), use, 0, 0, words);
  cyf_rng_key key = {{words[0], words[1]}};
  for (int64_t i = 0; i < n_chosen; i++) {
    chosen[i] = n_chosen == n ? i : (int64_t)cyf_rng_permute(key, (uint64_t)n, (uint64_t)i);
  }
  qsort(chosen, (size_t)n_chosen, sizeof(int64_t), compare_int64);
  *ret_chosen = chosen;
  return CYF_OK;
}

int64_t cyf_row_lower_bound(const cyf_row *row, int32_t gene) {
  int64_t low = 0, high = row->nnz;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (row->index[middle] < gene) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Moments of genes [first, last): two passes, so that the variance does not cancel. Each gene sums over the cells in
 * order, whoever computes it: results do not depend on the number of threads. */
static void moments_of_range(const cyf_rows *rows, int64_t first, int64_t last, int64_t *n_stored,
                             cyf_gene_moments *moments) {
  double n = (double)rows->n_cells;
  double *mean = moments->mean, *variance = moments->variance;
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const cyf_row *row = &rows->row[i];
    for (int64_t p = cyf_row_lower_bound(row, (int32_t)first); p < row->nnz && row->index[p] < last; p++) {
      int32_t gene = row->index[p];
      mean[gene] += (double)row->value[p];
      n_stored[gene]++;
      moments->n_detected[gene] += row->value[p] > 0.0f;
    }
  }
  for (int64_t gene = first; gene < last; gene++) {
    mean[gene] /= n;
    variance[gene] = (n - (double)n_stored[gene]) * mean[gene] * mean[gene];
  }
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const cyf_row *row = &rows->row[i];
    for (int64_t p = cyf_row_lower_bound(row, (int32_t)first); p < row->nnz && row->index[p] < last; p++) {
      double difference = (double)row->value[p] - mean[row->index[p]];
      variance[row->index[p]] += difference * difference;
    }
  }
  for (int64_t gene = first; gene < last; gene++) variance[gene] = n > 1 ? variance[gene] / (n - 1) : NAN;
}

cyf_status cyf_gene_moments_create(const cyf_rows *rows, cyf_gene_moments *ret_moments) {
  cyf_status status = CYF_OK;
  int64_t n_genes = rows->n_genes;
  int64_t *n_stored = NULL;
  *ret_moments = (cyf_gene_moments){.n_genes = n_genes};
  CYF_TRY_CLEANUP(CYF_NEW(&ret_moments->mean, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_moments->variance, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_moments->n_detected, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&n_stored, n_genes));
#pragma omp parallel for schedule(dynamic)
  for (int64_t first = 0; first < n_genes; first += GENES_PER_TASK) {
    int64_t last = first + GENES_PER_TASK < n_genes ? first + GENES_PER_TASK : n_genes;
    moments_of_range(rows, first, last, n_stored, ret_moments);
  }
cleanup:
  cyf_free(n_stored);
  if (status != CYF_OK) cyf_gene_moments_destroy(ret_moments);
  return status;
}

void cyf_gene_moments_destroy(cyf_gene_moments *moments) {
  if (!moments) return;
  cyf_free(moments->mean);
  cyf_free(moments->variance);
  cyf_free(moments->n_detected);
  *moments = (cyf_gene_moments){0};
}

/* target += factor * source, the inner loop of both products. */
static inline void add_scaled(int64_t width, double factor, const double *source, double *target) {
#pragma omp simd
  for (int64_t k = 0; k < width; k++) target[k] += factor * source[k];
}

cyf_status cyf_rows_times(const cyf_rows *rows, const double *mean, int64_t width, const double *dense,
                          double *product) {
  double *shift = NULL; /* the product of the mean cell, which is subtracted instead of centring the rows */
  CYF_TRY(CYF_NEW(&shift, width));
  for (int64_t gene = 0; mean && gene < rows->n_genes; gene++) {
    add_scaled(width, -mean[gene], dense + gene * width, shift);
  }
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const cyf_row *row = &rows->row[i];
    double *out = product + i * width;
    memcpy(out, shift, (size_t)width * sizeof(double));
    for (int64_t p = 0; p < row->nnz; p++) add_scaled(width, (double)row->value[p], dense + row->index[p] * width, out);
  }
  cyf_free(shift);
  return CYF_OK;
}

cyf_status cyf_rows_transposed_times(const cyf_rows *rows, const double *mean, int64_t width, const double *dense,
                                     double *product) {
  double *column_sum = NULL;
  CYF_TRY(CYF_NEW(&column_sum, width));
  for (int64_t i = 0; i < rows->n_cells; i++) add_scaled(width, 1.0, dense + i * width, column_sum);
#pragma omp parallel for schedule(dynamic)
  for (int64_t first = 0; first < rows->n_genes; first += GENES_PER_TASK) {
    int64_t last = first + GENES_PER_TASK < rows->n_genes ? first + GENES_PER_TASK : rows->n_genes;
    memset(product + first * width, 0, (size_t)((last - first) * width) * sizeof(double));
    for (int64_t gene = first; mean && gene < last; gene++) {
      add_scaled(width, -mean[gene], column_sum, product + gene * width);
    }
    for (int64_t i = 0; i < rows->n_cells; i++) {
      const cyf_row *row = &rows->row[i];
      for (int64_t p = cyf_row_lower_bound(row, (int32_t)first); p < row->nnz && row->index[p] < last; p++) {
        add_scaled(width, (double)row->value[p], dense + i * width, product + row->index[p] * width);
      }
    }
  }
  cyf_free(column_sum);
  return CYF_OK;
}
