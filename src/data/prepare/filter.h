/* SPDX-License-Identifier: MIT */
/** @file
 * What --keep and --holdout-where met in the inputs. Private to filter.c and filter_said.c. */
#ifndef CYF_DATA_PREPARE_FILTER_H
#define CYF_DATA_PREPARE_FILTER_H

#include "data/prepare/job.h"

/** Limits of what messages need: values remembered of a column, and bytes of the list that the user is shown. */
enum { CYF_FILTER_VALUES_KEPT = 2000, CYF_FILTER_LIST_BYTES = 1024 };

/** What the rules met in the inputs of this rank, later of all ranks. */
typedef struct cyf_rule_tally {
  int64_t *n_inputs_with; /**< [columns] inputs that have the column */
  int64_t *n_matched;     /**< [terms] cells with the term's value */
  int64_t *n_dropped;     /**< [columns] cells that --keep of this column was the first to drop */
  int64_t *n_chosen;      /**< [groups] cells left by --keep that the group holds out */
  cyf_names *values;      /**< [columns] its values in this rank's inputs */
  cyf_names *partners;    /**< [groups] values of the last term's column among cells that meet all other terms */
  cyf_names emptied;      /**< what is wrong with each input of this rank of which --keep leaves nothing */
} cyf_rule_tally;

/** One column of one input. */
typedef struct cyf_column_view {
  bool is_there;
  cyf_label_column labels; /**< as read; its code is NULL when the column is not there */
  int64_t n;               /**< number of its categories */
  const char **value; /**< [n + 1] each category as the rules see it; NULL for none, as the last, of missing values */
} cyf_column_view;

/** One input's columns that the rules name, and which of their values the terms mean. */
typedef struct cyf_input_view {
  cyf_column_view *column; /**< [columns] */
  bool **is;               /**< [terms][categories + 1] whether this is the term's value */
  bool **seen;             /**< [groups][categories + 1] values of the last term's column, as `partners` above */
} cyf_input_view;

/** Index of a cell's value among its column's categories; that of no value comes after the last. */
static inline int64_t cyf_view_value(const cyf_input_view *view, int64_t column, int64_t cell) {
  const cyf_column_view *c = &view->column[column];
  return !c->labels.code || c->labels.code[cell] < 0 ? c->n : c->labels.code[cell];
}

/** Notes in tally->emptied why --keep leaves nothing of an input that has cells, with the values that they have. Local.
 */
cyf_status cyf_filter_note_emptied(const cyf_prepare_job *job, const cyf_prepare_input *input,
                                   const cyf_input_view *view, cyf_rule_tally *tally);
/** Fails where a column, a value or a combination of values is in no input. All ranks have the same sums, and so see
 * the same fault. Collective. Errors, agreed: CYF_ERR_INPUT. */
cyf_status cyf_filter_check(const cyf_prepare_job *job, const cyf_rule_tally *tally);
/** Says how many cells each rule met, and warns of inputs without a column and of those left without cells.
 * Collective. */
cyf_status cyf_filter_say(const cyf_prepare_job *job, const cyf_rule_tally *tally);

#endif
