/* SPDX-License-Identifier: MIT */
/** @file
 * What the user asked sampled cells to be: labels by name, one code a cell. */
#ifndef CYF_SAMPLE_CONDITIONS_H
#define CYF_SAMPLE_CONDITIONS_H

#include <stdbool.h>

#include "base/names.h"
#include "data/h5ad/writer.h"
#include "saved/model_file.h"

typedef struct cyf_condition {
  int64_t attribute; /**< index in the model */
  int32_t *code;     /**< [n_cells], -1: not asked for */
  float *weight;     /**< [n_cells] guidance, 0 where not asked for */
  bool is_of_all;    /**< all cells have the value that is asked for: nothing guides to it, and its weights are 0 */
} cyf_condition;

typedef struct cyf_conditions {
  cyf_condition *item;
  int64_t n;
  int64_t n_cells;
  int64_t *request; /**< [n_cells] row of --requests, from 1; NULL without a table */
} cyf_conditions;

/** What the command line says. */
typedef struct cyf_conditions_asked {
  const cyf_texts *where;       /**< ATTR=VALUE, split at the first '=' */
  const char *like, *by;        /**< or NULL */
  const char *requests;         /**< table, or NULL */
  const cyf_texts *guidance;    /**< sample/guidance.h */
  const char *guided_otherwise; /**< an attribute that may have guidance and no condition, or NULL */
  int64_t n_cells;              /**< 0: not said */
  uint64_t seed;
} cyf_conditions_asked;

/** From `--where ATTR=VALUE` (every cell gets the value), `--like FILE --by ATTR` (the file's proportions by largest
 * remainder, dealt to cells in an order keyed by the seed; as many as the file has labelled cells unless n_cells says)
 * and `--requests FILE` (cells of the first row, of the second, ...; see sample/requests.h). Errors: CYF_ERR_USAGE
 * (malformed, unknown attribute or value with the known ones, an attribute twice, guidance of an attribute that is not
 * asked for), CYF_ERR_INPUT (the files). */
cyf_status cyf_conditions_make(const cyf_model *model, const cyf_conditions_asked *asked,
                               cyf_conditions *ret_conditions);
void cyf_conditions_destroy(cyf_conditions *conditions); /**< NULL-safe */

/** Text such as "cell_type=2, donor=1" for messages and provenance ("none", "of each request"); cyf_free. */
cyf_status cyf_conditions_describe_guidance(const cyf_model *model, const cyf_conditions *conditions, char **ret_text);

/** An obs column a condition. */
cyf_status cyf_conditions_write_labels(const cyf_model *model, const cyf_conditions *conditions,
                                       cyf_h5ad_writer *writer);

/* ---- for the files that make conditions ---- */

/** Appends a condition of n_cells codes of -1. Errors: CYF_ERR_USAGE (twice, nothing that can guide to it though not
 * all cells have it, too many). */
cyf_status cyf_conditions_add(const cyf_model *model, int64_t attribute, cyf_conditions *conditions,
                              cyf_condition **ret_condition);
/** Code of a value that can be asked for. Errors: CYF_ERR_USAGE (unknown: the nearest and the known ones; no training
 * cell had it: those that had). */
cyf_status cyf_conditions_find_value(const cyf_model *model, int64_t attribute, const char *value, int64_t *ret_code);
/** Splits "ATTR=VALUE" and looks both up. */
cyf_status cyf_conditions_find_where(const cyf_model *model, const char *text, int64_t *ret_attribute,
                                     int64_t *ret_code);

#endif
