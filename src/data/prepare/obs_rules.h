/* SPDX-License-Identifier: MIT */
/** @file
 * Conditions on obs columns: what --keep and --holdout-where of `prepare` say. Not collective. */
#ifndef CYF_DATA_PREPARE_OBS_RULES_H
#define CYF_DATA_PREPARE_OBS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"

/** One condition: COLUMN=VALUE or COLUMN!=VALUE. */
typedef struct cyf_obs_term {
  int64_t column; /**< place in cyf_obs_rules.columns */
  char *value;    /**< "": cells without a value */
  bool differs;   /**< COLUMN!=VALUE */
  int64_t group;  /**< which --holdout-where, from 0; CYF_GROUP_KEEP for --keep */
} cyf_obs_term;

/** The group of the terms of --keep. */
enum { CYF_GROUP_KEEP = -1 };

/** All terms: first those of --keep, then group after group. Zero-initialise before use. */
typedef struct cyf_obs_rules {
  cyf_names columns; /**< the distinct columns (or labels) named */
  cyf_obs_term *term;
  int64_t n_terms, n_keep_terms, n_groups;
  int64_t *group_start; /**< [n_groups + 1] first term of each group, n_terms at the end */
} cyf_obs_rules;

/** Reads the options' texts: keep[n_keep] and holdout_where[n_holdout_where].
 *
 * Of --keep, what comes before the first '=' is the column ("!=" where a '!' stands before it), and all that follows is
 * the value. A --holdout-where holds several such terms between commas. A comma begins the next term only where a '='
 * follows before another comma, so that values may contain commas. The caller destroys *ret_rules. Errors:
 * CYF_ERR_USAGE for a text without a column or '='. */
cyf_status cyf_obs_rules_parse(const char *const *keep, int64_t n_keep, const char *const *holdout_where,
                               int64_t n_holdout_where, cyf_obs_rules *ret_rules);
/** Frees the rules' memory and zeroes them; NULL-safe. */
void cyf_obs_rules_destroy(cyf_obs_rules *rules);

/** The last term of a --holdout-where. */
const cyf_obs_term *cyf_obs_rules_last(const cyf_obs_rules *rules, int64_t group);
/** Whether --keep of this column drops a cell. hit[terms]: whether the cell has each term's value. */
bool cyf_obs_rules_drop(const cyf_obs_rules *rules, int64_t column, const bool *hit);

/** Whether a value is True or False in any case of letters, or 1 or 0. */
bool cyf_obs_is_boolean(const char *value);
/** Whether a value (NULL or "": none) is the term's VALUE, for COLUMN=VALUE and COLUMN!=VALUE alike. Where VALUE is
 * True or False, it matches in any case of letters and, with `digits`, also as 1 or 0. Files of several writers hold
 * the same Booleans in each of these ways. `digits`: the column has no values but such. */
bool cyf_obs_term_is(const cyf_obs_term *term, const char *value, bool digits);

#endif
