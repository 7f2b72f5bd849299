/* SPDX-License-Identifier: MIT */
/** @file
 * What the values of a matrix are, and how they come to one scale (docs/values.md). */
#ifndef CYF_DATA_H5AD_VALUES_H
#define CYF_DATA_H5AD_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/h5ad/reader.h"

enum { CYF_VALUES_TEXT_SIZE = 160 };

/** What the values of a matrix are. */
typedef enum cyf_value_kind {
  CYF_VALUES_COUNTS,    /**< whole numbers, but for a few at most */
  CYF_VALUES_FRACTIONS, /**< fractional counts: counts of which shares were taken or multiples of one unit */
  CYF_VALUES_LOG1P,     /**< ln(1 + x), x being counts times a factor of the cell */
  CYF_VALUES_LOG2,      /**< log2(1 + x) */
  CYF_VALUES_LINEAR,    /**< such an x itself, not logged: proportions, or counts per million */
  CYF_VALUES_SCALED,    /**< some are negative: scaled or centred */
  CYF_VALUES_UNKNOWN
} cyf_value_kind;

/** A judgement of values, or a statement of what they are. */
typedef struct cyf_values {
  cyf_value_kind kind;
  double target;  /**< LOG1P, LOG2, LINEAR: what the x of each cell add up to; 0: not the same in all cells, unknown */
  double most;    /**< the largest sum of a cell's x in what was looked at */
  double largest; /**< value */
  bool is_plain_log;                   /**< LOG1P, LOG2: the x are whole numbers, so counts that were not normalised */
  int64_t n_values, n_voters, n_agree; /**< values looked at; cells that could tell; those that tell the kind */
  /** COUNTS: values that are no whole numbers, and the first of them */
  int64_t n_odd, odd_cell, odd_gene;
  double odd_value;
  int64_t n_not_finite, not_finite_cell; /**< NaN and infinity, and the first cell that has one */
} cyf_values;

/** Judges values by undoing each transform they may have gone through: none, exp(x) - 1, 2^x - 1.
 *
 * What comes of counts is then, within a cell, a multiple of one unit within the precision it is stored in. The unit is
 * the smallest value or that over 2 to 8, so that a subset of the genes will do. Cells of fewer than 5 distinct values
 * do not vote, nor do those that the precision leaves undecided; 95 % of the others decide, otherwise the kind is
 * UNKNOWN. Up to max_cells cells from places spread over the file are looked at. A kind that cytoforge wrote into the
 * file settles what values do not tell. Errors: CYF_ERR_INPUT on a read failure. */
cyf_status cyf_h5ad_judge_values(cyf_h5ad *file, int64_t max_cells, cyf_values *ret_values);

/** What values are, in words: "counts", "log-normalised (log2, target unknown)". Returns `text`. */
const char *cyf_values_text(const cyf_values *values, char text[CYF_VALUES_TEXT_SIZE]);

/** Reads a statement of --values: counts, fractional-counts, log1p, log1p:TARGET, log2 or log2:TARGET. Errors:
 * CYF_ERR_USAGE. */
cyf_status cyf_values_parse(const char *text, cyf_values *ret_values);

/** Whether a statement can make up for what the values tell: not where some are negative or not finite. */
bool cyf_values_can_be_stated(const cyf_values *judged);

/** Puts a statement in the place of a judgement's kind. A target that is not stated is the judged one, where the judged
 * kind is the stated one. Warns of the file at `path` where they differ. */
void cyf_values_state(const char *path, const cyf_values *stated, cyf_values *judged);

/** What becomes of UNKNOWN values: they are taken for log-normalised where none reaches 25, with a warning, since
 * logarithms of what is counted stay below.
 *
 * `path` and `matrix` (NULL: X) are for messages. Errors: CYF_ERR_INPUT for other unknown values, and for SCALED and
 * not finite ones. The message says which other matrices of the file could be used. */
cyf_status cyf_values_settle(const char *path, const char *matrix, cyf_values *values);

/** Whether cyf_values_settle lets them pass. */
bool cyf_values_are_usable(const cyf_values *values);

/** What the file's matrices but `matrix` hold, as advice for a message: "raw/X holds counts (--matrix raw/X)". Free
 * with cyf_free. Errors: CYF_ERR_INPUT, CYF_ERR_MEMORY. */
cyf_status cyf_values_advice(const char *path, const char *matrix, char **ret_advice);

/** Whether values are logarithms that cannot be brought to another target. */
static inline bool cyf_values_target_is_unknown(const cyf_values *values) {
  const bool is_log = values->kind == CYF_VALUES_LOG1P || values->kind == CYF_VALUES_LOG2;
  return is_log && values->target == 0 && !values->is_plain_log;
}

/** How values come to ln(1 + x), x adding up to a target. */
typedef struct cyf_rescaling {
  bool undo;      /**< logarithms become x first */
  bool normalise; /**< values are x but for a factor of the cell */
  double factor;  /**< of logarithms: that of their base */
  double ratio;   /**< by which the x of logarithms are multiplied */
  double target;  /**< NORMALISE: what they come to */
} cyf_rescaling;

/** The rescaling of settled values to ln(1 + x) of `target`; of unknown targets only the base is changed. A target of 0
 * leaves the logarithms' target as it is. Logarithms of plain counts become counts first. */
cyf_rescaling cyf_values_rescaling(const cyf_values *values, double target);
/** True where it changes nothing. */
bool cyf_rescaling_is_none(const cyf_rescaling *rescaling);
/** Rescales rows in place; totals are over the entries of a row. */
void cyf_rescale(const cyf_rescaling *rescaling, int64_t n_cells, const int64_t *indptr, float *values);
/** Whether two targets are the same within what sums of float32 resolve. */
bool cyf_targets_agree(double a, double b);

/** What the values of an atlas are, and of the cells that a model was trained on. Stored in model files; append only.
 */
typedef enum cyf_expression_kind {
  CYF_EXPRESSION_COUNTS,         /**< non-negative integers */
  CYF_EXPRESSION_LOG_NORMALIZED, /**< ln(1 + x), used as they are */
  CYF_EXPRESSION_FRACTIONAL,     /**< fractional counts */
  CYF_EXPRESSION_KINDS
} cyf_expression_kind;
/** The kind as a word: "counts", "log-normalised" or "fractional counts". */
const char *cyf_expression_kind_name(cyf_expression_kind kind);
/** The kind of that word. False where there is none. */
bool cyf_expression_kind_find(const char *name, cyf_expression_kind *ret_kind);
/** Whether cells are normalised as they are read. */
static inline bool cyf_expression_is_counted(cyf_expression_kind kind) {
  return kind != CYF_EXPRESSION_LOG_NORMALIZED;
}

#endif
