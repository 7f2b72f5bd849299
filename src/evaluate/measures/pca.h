/* SPDX-License-Identifier: MIT */
/** @file
 * Principal components of log-normalised cells: centred, not scaled. */
#ifndef CYF_EVALUATE_MEASURES_PCA_H
#define CYF_EVALUATE_MEASURES_PCA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "evaluate/measures/rows.h"

typedef struct cyf_pca {
  int64_t n_genes, n_components;
  double *mean;          /**< [n_genes] */
  double *loadings;      /**< [n_genes, n_components], orthonormal columns; each column's largest entry is positive */
  double *variance;      /**< [n_components], descending; divisor n_cells - 1 */
  double total_variance; /**< over all genes */
  bool randomised;
} cyf_pca;

/** Finds the leading min(n_components, n_cells - 1, n_genes) components, without those of relative variance below 1e-12
 * (none where all cells are equal). Up to min(cells, genes) = exact_limit it is exact: eigenvectors (LAPACK dsyevr) of
 * the centred cells x cells or genes x genes Gram matrix, whichever is smaller, summed in double precision. Beyond,
 * randomised subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4 with 4.3's orthonormalisation at each
 * step): 30 extra directions, 8 iterations, test matrix fixed by seed. Freed with cyf_pca_destroy; empty on error.
 * Errors: CYF_ERR_MEMORY, CYF_ERR_NUMERIC (values not finite). */
cyf_status cyf_pca_fit(const cyf_rows *cells, int64_t n_components, int64_t exact_limit, uint64_t seed,
                       cyf_pca *ret_pca);
void cyf_pca_destroy(cyf_pca *pca); /**< NULL-safe, zeroes */

/** scores [n_cells, n_components] = (cells - mean) loadings. */
cyf_status cyf_pca_project(const cyf_pca *pca, const cyf_rows *cells, double *scores);

#endif
