/* SPDX-License-Identifier: MIT */
/** @file
 * Which cells are compared: equally many synthetic and ceiling cells, each against the same real cells (evaluate.h says
 * what a ceiling is). Not collective. */
#ifndef CYF_EVALUATE_COMPARED_H
#define CYF_EVALUATE_COMPARED_H

#include "base/status.h"
#include "evaluate/evaluate.h"
#include "evaluate/measures/pca.h"
#include "evaluate/measures/rows.h"

/** Some cells of a set. */
typedef struct cyf_part {
  const cyf_cells *cells; /**< NULL: this part is absent */
  int64_t *cell;          /**< [rows.n_cells] rows of the set's matrix, ascending */
  cyf_rows rows;
} cyf_part;

/** The cells that were chosen. Borrows the sets, owns the choice. */
typedef struct cyf_compared {
  cyf_part real, synthetic;
  cyf_part ceiling; /**< real cells that take the synthetic cells' place; absent without a ceiling */
  cyf_part train;   /**< what labels are learnt from: all training cells, else the other half of the real cells */
  cyf_ceiling_kind kind;
} cyf_compared;

/** Decides where ceiling cells come from and draws the cells. train may be NULL. Freed with cyf_compared_destroy (also
 * after an error). Errors: CYF_ERR_USAGE for a ceiling from training cells without any, or from halves of fewer than 8
 * real cells; CYF_ERR_MEMORY. */
cyf_status cyf_compared_create(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                               const cyf_evaluate_options *options, cyf_compared *ret_compared);
/** Frees the choice and zeroes the struct. NULL-safe. */
void cyf_compared_destroy(cyf_compared *compared);

/** Scores of the compared cells on the principal components of the training cells; nothing when those are absent. */
typedef struct cyf_train_space {
  int64_t n_components;
  double *train, *real, *synthetic; /**< [n cells of that part, n_components] */
} cyf_train_space;

/** Fits the components and projects the three parts. Freed with cyf_train_space_destroy (also after an error). Errors:
 * CYF_ERR_MEMORY, CYF_ERR_NUMERIC (values not finite). */
cyf_status cyf_train_space_create(const cyf_compared *compared, const cyf_evaluate_options *options,
                                  cyf_train_space *ret_space);
/** Frees the scores and zeroes the struct. NULL-safe. */
void cyf_train_space_destroy(cyf_train_space *space);

/** @{ */
/** The groups of measures, each in a file of its own. Each fills its members of the evaluation. *ret_ceiling_points
 * [real + ceiling cells, components] are these cells on their joint components, NULL without a ceiling; freed with
 * cyf_free. Errors: CYF_ERR_INPUT, CYF_ERR_MEMORY, CYF_ERR_NUMERIC. */
cyf_status cyf_compare_genes(const cyf_compared *compared, cyf_evaluation *evaluation);
cyf_status cyf_compare_jointly(const cyf_compared *compared, double **ret_ceiling_points, cyf_evaluation *evaluation);
cyf_status cyf_compare_clouds(const cyf_compared *compared, const double *ceiling_points, cyf_evaluation *evaluation);
cyf_status cyf_compare_labels(const cyf_compared *compared, const cyf_train_space *space, const double *ceiling_points,
                              cyf_evaluation *evaluation);
cyf_status cyf_compare_nearest(const cyf_compared *compared, const cyf_train_space *space, cyf_evaluation *evaluation);
/** @} */

#endif
