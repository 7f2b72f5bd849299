/* Label accuracy: do synthetic cells of a label look like real cells of that label? */
#ifndef CYF_EVALUATE_LABEL_ACCURACY_H
#define CYF_EVALUATE_LABEL_ACCURACY_H

#include "base/status.h"
#include "evaluate/evaluate.h"

/* Trains multinomial logistic regression on all labelled training cells' scores on their own principal components, and
 * scores the real cells and the synthetic cells (rows synthetic_subset[0..n_subset), NULL: all). Labels are matched
 * between the sets by name. Leaves available false with a note where a set has no labels or the training cells fewer
 * than two classes. ret_scores is filled by the callee, freed with cyf_label_scores_destroy. */
cyf_status cyf_label_accuracy(const cyf_cells *real, const cyf_cells *synthetic, const int64_t *synthetic_subset,
                              int64_t n_subset, const cyf_cells *train, const cyf_evaluate_options *options,
                              cyf_label_scores *ret_scores);
void cyf_label_scores_destroy(cyf_label_scores *scores); /* NULL-safe, zeroes */

#endif
