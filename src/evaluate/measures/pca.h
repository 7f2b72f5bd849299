/* SPDX-License-Identifier: MIT */
/** @file
 * Principal components of log-normalised cells: centred, not scaled. Not collective. */
#ifndef CYF_EVALUATE_MEASURES_PCA_H
#define CYF_EVALUATE_MEASURES_PCA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "evaluate/measures/rows.h"

/** Fitted components. */
typedef struct cyf_pca {
  int64_t n_genes, n_components;
  double *mean;          /**< [n_genes] */
  double *loadings;      /**< [n_genes, n_components], orthonormal columns; each column's largest entry is positive */
  double *variance;      /**< [n_components], descending; divisor n_cells - 1 */
  double total_variance; /**< over all genes */
  bool randomised;
} cyf_pca;

/** Finds the leading min(n_components, n_cells - 1, n_genes) components. Those with a variance below 1e-12 of the
 * first's are left out, so there are none where all cells are equal.
 *
 * Up to min(cells, genes) = exact_limit the fit is exact: eigenvectors (LAPACK dsyevr) of the centred Gram matrix,
 * cells x cells or genes x genes, whichever is smaller, summed in double precision. Beyond that it is by randomised
 * subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4), with 30 extra directions and 8 iterations. The
 * seed fixes its random test matrix. Freed with cyf_pca_destroy; empty after an error. Errors: CYF_ERR_MEMORY,
 * CYF_ERR_NUMERIC (values not finite). */
cyf_status cyf_pca_fit(const cyf_rows *cells, int64_t n_components, int64_t exact_limit, uint64_t seed,
                       cyf_pca *ret_pca);
/** Frees what the components hold and zeroes the struct. NULL-safe. */
void cyf_pca_destroy(cyf_pca *pca);

/** scores [n_cells, n_components] = (cells - mean) loadings. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_pca_project(const cyf_pca *pca, const cyf_rows *cells, double *scores);

#endif
