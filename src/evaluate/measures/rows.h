/* SPDX-License-Identifier: MIT */
/** @file
 * Lists of sparse rows: subsets and stacks of cell matrices without copying their entries. Not collective. */
#ifndef CYF_EVALUATE_MEASURES_ROWS_H
#define CYF_EVALUATE_MEASURES_ROWS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/csr.h"

/** One cell: nnz entries, gene indices ascending. */
typedef struct cyf_row {
  const int32_t *index;
  const float *value;
  int64_t nnz;
} cyf_row;

/** [n_cells, n_genes]; owns the list, borrows the entries. */
typedef struct cyf_rows {
  int64_t n_cells, n_genes;
  cyf_row *row;
} cyf_rows;

/** Rows subset[0..n_subset) of the matrix; subset NULL: all rows. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_rows_create(const cyf_csr *matrix, const int64_t *subset, int64_t n_subset, cyf_rows *ret_rows);
/** The rows of `first`, then those of `second`. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_rows_stack(const cyf_rows *first, const cyf_rows *second, cyf_rows *ret_rows);
/** Frees the list, not the entries, and zeroes the struct. NULL-safe. */
void cyf_rows_destroy(cyf_rows *rows);

/** Draws n_chosen different numbers of [0, n), ascending, by (seed, use); freed with cyf_free. `use` is one of the
 * numbers below, so that two draws are independent. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_choose(uint64_t seed, uint32_t use, int64_t n, int64_t n_chosen, int64_t **ret_chosen);

/** What random numbers are used for within evaluate: the step number of CYF_RNG_EVALUATE (base/rng.h). */
enum {
  CYF_USE_LOAD = 1,            /**< subsample of a file */
  CYF_USE_SYNTHETIC = 2,       /**< synthetic cells compared */
  CYF_USE_TRAIN = 3,           /**< training cells of the ceiling */
  CYF_USE_SPLIT_A = 4,         /**< forest: which of A are tested; A and B of equal size must not be split alike */
  CYF_USE_SPLIT_B = 5,         /**< forest: which of B are tested */
  CYF_USE_FOREST = 6,          /**< forest: bootstrap and features */
  CYF_USE_PCA = 7,             /**< random test matrix of randomised components */
  CYF_USE_HALVES = 8,          /**< which half of the real cells takes the synthetic cells' place */
  CYF_USE_CLASS_SYNTHETIC = 9, /**< synthetic cells of one class compared */
  CYF_USE_CLASS_CEILING = 10   /**< ceiling cells of one class */
};

/** Per-gene moments over the cells, in double precision. */
typedef struct cyf_gene_moments {
  int64_t n_genes;
  double *mean;        /**< [n_genes] */
  double *variance;    /**< [n_genes] divisor n - 1; NAN for one cell */
  int64_t *n_detected; /**< [n_genes] cells with a positive value */
} cyf_gene_moments;

/** Computes the moments; freed with cyf_gene_moments_destroy. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_gene_moments_create(const cyf_rows *rows, cyf_gene_moments *ret_moments);
/** Frees the moments and zeroes the struct. NULL-safe. */
void cyf_gene_moments_destroy(cyf_gene_moments *moments);

/** product [n_cells, width] = rows (centred by mean [n_genes] unless NULL) times dense [n_genes, width]; row-major.
 * Errors: CYF_ERR_MEMORY. */
cyf_status cyf_rows_times(const cyf_rows *rows, const double *mean, int64_t width, const double *dense,
                          double *product);
/** product [n_genes, width] = transposed rows (centred likewise) times dense [n_cells, width]; row-major. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_rows_transposed_times(const cyf_rows *rows, const double *mean, int64_t width, const double *dense,
                                     double *product);

/** Index of the row's first entry whose gene index is at least `gene`; nnz where there is none. */
int64_t cyf_row_lower_bound(const cyf_row *row, int32_t gene);

#endif
