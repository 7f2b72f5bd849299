/* SPDX-License-Identifier: MIT */
/** @file
 * Label accuracy: do synthetic cells of a label look like real cells of that label? */
#ifndef CYF_EVALUATE_MEASURES_LABEL_ACCURACY_H
#define CYF_EVALUATE_MEASURES_LABEL_ACCURACY_H

#include "base/status.h"
#include "evaluate/compared.h"

/** The class of each cell of one part, as numbered in cyf_label_scores. */
typedef struct cyf_class_codes {
  int32_t *code;     /**< [n cells of the part] -1: no label, or one no training cell has */
  int64_t n;         /**< cells with a class */
  int64_t n_unknown; /**< cells with a label no training cell has */
} cyf_class_codes;

/** Multinomial logistic regression on the labelled training cells' scores, applied to real and synthetic cells: fills
 * accuracies (overall, balanced, by class) and counts. `codes` of train, real, synthetic. */
cyf_status cyf_label_accuracy(const cyf_compared *compared, const cyf_train_space *space,
                              const cyf_class_codes codes[3], const cyf_evaluate_options *options,
                              cyf_label_scores *scores);

/** Gene means, MMD and marker genes of each class. `codes` of real, synthetic, ceiling (unused without one). */
cyf_status cyf_class_comparisons(const cyf_compared *compared, const cyf_class_codes codes[3],
                                 const double *ceiling_points, cyf_evaluation *evaluation);

void cyf_label_scores_destroy(cyf_label_scores *scores); /**< NULL-safe, zeroes */

#endif
