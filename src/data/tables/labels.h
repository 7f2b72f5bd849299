/* SPDX-License-Identifier: MIT */
/** @file
 * Label columns: category names and one code a cell. */
#ifndef CYF_DATA_TABLES_LABELS_H
#define CYF_DATA_TABLES_LABELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** An ordered set of unique UTF-8 names; owns its strings. Zero-initialise before use. */
typedef struct cyf_names {
  char **name;
  int64_t n;
  int64_t capacity;
  void *index; /**< private hash index, kept by cyf_names_add */
} cyf_names;

/** Appends a copy of the name unless it is there already; *ret_code (may be NULL) is its place either way. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_names_add(cyf_names *names, const char *name, int64_t *ret_code);
/** Place of the name, -1 when absent. Constant time on a set made by cyf_names_add; only reads, so threads may share
 * the set. */
int64_t cyf_names_find(const cyf_names *names, const char *name);
/** Replaces *ret_to (zeroed or a valid set) by a copy. Errors: CYF_ERR_MEMORY; then *ret_to is empty. */
cyf_status cyf_names_copy(const cyf_names *from, cyf_names *ret_to);
/** "a, b, c" for messages, cut to whole names and ", ..." where text[size] is too short; "none" of no names. Returns
 * `text`. */
const char *cyf_names_list(const cyf_names *names, char *text, size_t size);
void cyf_names_destroy(cyf_names *names); /**< NULL-safe, zeroes */
/** "a, b, c" for a message: the first 20 names, then how many more there are. *ret_text is freed with cyf_free. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_names_join(const cyf_names *names, char **ret_text);

/** Appends n raw names to `names` (empty), making duplicates unique as anndata's var_names_make_unique does: the first
 * of a name keeps it, later ones get "-1", "-2", ... (skipping names that exist). *ret_n_renamed (may be NULL) is how
 * many changed. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_names_add_unique(cyf_names *names, char *const *raw, int64_t n, int64_t *ret_n_renamed);

/** One attribute: its name, its categories, and codes of some cells (-1: no label). Zero-initialise before use. */
typedef struct cyf_label_column {
  char *attribute;
  cyf_names categories;
  int32_t *code; /**< [n_cells] */
  int64_t n_cells;
} cyf_label_column;

void cyf_label_column_destroy(cyf_label_column *column); /**< NULL-safe, zeroes */

#endif
