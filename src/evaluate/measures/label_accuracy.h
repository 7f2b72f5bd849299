/* SPDX-License-Identifier: MIT */
/** @file
 * Label accuracy: do synthetic cells of a label look like real cells of that label? Not collective. */
#ifndef CYF_EVALUATE_MEASURES_LABEL_ACCURACY_H
#define CYF_EVALUATE_MEASURES_LABEL_ACCURACY_H

#include "base/status.h"
#include "evaluate/compared.h"

/** The class of each cell of one part, as numbered in cyf_label_scores. */
typedef struct cyf_class_codes {
  int32_t *code;     /**< [n cells of the part] -1: no label, or one that no training cell has */
  int64_t n;         /**< cells with a class */
  int64_t n_unknown; /**< cells with a label that no training cell has */
} cyf_class_codes;

/** Fits a multinomial logistic regression to the labelled training cells' scores on principal components, and applies
 * it to real and synthetic cells. Fills accuracies (overall, balanced, by class) and counts. `codes` are those of
 * train, real, synthetic. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_label_accuracy(const cyf_compared *compared, const cyf_train_space *space,
                              const cyf_class_codes codes[3], const cyf_evaluate_options *options,
                              cyf_label_scores *scores);

/** Compares gene means, MMD and marker genes of each class. `codes` are those of real, synthetic, ceiling (unused
 * without one). Errors: CYF_ERR_MEMORY. */
cyf_status cyf_class_comparisons(const cyf_compared *compared, const cyf_class_codes codes[3],
                                 const double *ceiling_points, cyf_evaluation *evaluation);

/** Frees what the scores hold and zeroes the struct. NULL-safe. */
void cyf_label_scores_destroy(cyf_label_scores *scores);

#endif
