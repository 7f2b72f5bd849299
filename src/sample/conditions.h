/* SPDX-License-Identifier: MIT */
/** @file
 * Conditions: which labels the user asked sampled cells to have. No function here is collective. */
#ifndef CYF_SAMPLE_CONDITIONS_H
#define CYF_SAMPLE_CONDITIONS_H

#include <stdbool.h>

#include "base/names.h"
#include "data/h5ad/writer.h"
#include "saved/model_file.h"

/** One attribute, and the value of it that each cell is asked to have. */
typedef struct cyf_condition {
  int64_t attribute; /**< place in the model */
  int32_t *code;     /**< [n_cells] code of the value; -1: nothing is asked of this cell */
  float *weight;     /**< [n_cells] strength of the guidance; 0 where nothing is asked */
  bool is_of_all;    /**< all cells have the value that is asked for: nothing guides to it, and its weights are 0 */
} cyf_condition;

/** All conditions of all cells of a run. Owns its arrays. */
typedef struct cyf_conditions {
  cyf_condition *item; /**< [n] one for each attribute that is asked for */
  int64_t n;
  int64_t n_cells;
  int64_t *request; /**< [n_cells] row of the table of --requests that the cell is for, from 1; NULL without a table */
} cyf_conditions;

/** What the user asks for, by names. Nothing is owned. */
typedef struct cyf_conditions_asked {
  const cyf_texts *where;       /**< ATTR=VALUE, split at the first '=' */
  const char *like, *by;        /**< path of an h5ad file, and the attribute of it or of `fill`; NULL: neither */
  const char *each;             /**< ATTR=N, split at the last '='; NULL: not said */
  const char *fill;             /**< path of an h5ad file, whose column `by` is meant; NULL: none */
  int64_t fill_to;              /**< cells of a class that `fill` is to come to; 0: not said */
  const char *requests;         /**< path of a table (sample/requests.h); NULL: none */
  const cyf_texts *guidance;    /**< as sample/guidance.h reads it */
  bool by_classifiers;          /**< classifiers guide, also where the denoiser is told the label */
  const char *guided_otherwise; /**< an attribute that may have guidance but no condition; NULL: none */
  int64_t n_cells;              /**< 0: not said */
  uint64_t seed;
} cyf_conditions_asked;

/** Makes conditions of what the user asks for:
 *
 * - where: every cell gets the value.
 * - like, by: cells get the values of `by` in the proportions of the file, rounded by largest remainders. An order
 * keyed by the seed says which cell gets which. Without n_cells there are as many as the file has labelled ones.
 * - each: N cells of every class of the attribute that has training cells, class by class. Of an imported model, whose
 * numbers of training cells are not known, of every class.
 * - fill, by, fill_to: what the classes of the file's column lack to fill_to cells, class by class. Classes that the
 * file has no cell of get none.
 * - requests: the first cells are those of the table's first row, and so on.
 *
 * The caller frees the result with cyf_conditions_destroy. Errors: CYF_ERR_USAGE (malformed; an unknown attribute or
 * value, with the known ones; an attribute twice; guidance for one that is not asked for), CYF_ERR_INPUT (the files).
 */
cyf_status cyf_conditions_make(const cyf_model *model, const cyf_conditions_asked *asked,
                               cyf_conditions *ret_conditions);
/** Warns of each class that cells are asked to have and that fewer than 20 training cells had (but some), once. */
void cyf_conditions_warn_of_few(const cyf_model *model, const cyf_conditions *conditions);
/** Frees what the conditions hold. NULL-safe. */
void cyf_conditions_destroy(cyf_conditions *conditions);

/** Gives the strength of guidance as text for messages and provenance: "cell_type=2, donor=1", "cell_type=1.1 to 2"
 * where classes have their own, "none" or, with a table, "of each request". The caller frees it with cyf_free. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_conditions_describe_guidance(const cyf_model *model, const cyf_conditions *conditions, char **ret_text);

/** Writes an obs column for each condition, with the names of the values. Errors: CYF_ERR_IO. */
cyf_status cyf_conditions_write_labels(const cyf_model *model, const cyf_conditions *conditions,
                                       cyf_h5ad_writer *writer);

/* ---- for the files that make conditions ---- */

/** Appends a condition that asks nothing of any of conditions->n_cells cells; the caller sets its codes and weights.
 * *ret_condition is valid until the next call. Errors: CYF_ERR_USAGE (the attribute has a condition already, nothing
 * can guide it though not all cells have it, too many conditions), CYF_ERR_MEMORY. */
cyf_status cyf_conditions_add(const cyf_model *model, int64_t attribute, cyf_conditions *conditions,
                              cyf_condition **ret_condition);
/** Gives the code of a value that can be asked for. Errors: CYF_ERR_USAGE for an unknown value, naming the nearest and
 * the known ones, and for one that no training cell had, naming those that had. */
cyf_status cyf_conditions_find_value(const cyf_model *model, int64_t attribute, const char *value, int64_t *ret_code);
/** Splits "ATTR=VALUE", which the option gave, and looks both up. Errors: CYF_ERR_USAGE. */
cyf_status cyf_conditions_find_where(const cyf_model *model, const char *option, const char *text,
                                     int64_t *ret_attribute, int64_t *ret_code);

#endif
