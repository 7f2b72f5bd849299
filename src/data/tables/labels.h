/* SPDX-License-Identifier: MIT */
/** @file
 * Label columns: names of categories, and one code a cell. */
#ifndef CYF_DATA_TABLES_LABELS_H
#define CYF_DATA_TABLES_LABELS_H

#include <stdint.h>

#include "base/names.h"

/** One attribute: its name, its categories, and codes of some cells (-1: no label). Zero-initialise before use. */
typedef struct cyf_label_column {
  char *attribute;
  cyf_names categories;
  int32_t *code; /**< [n_cells] */
  int64_t n_cells;
} cyf_label_column;

/** Frees the column's memory and zeroes it; NULL-safe. */
void cyf_label_column_destroy(cyf_label_column *column);

#endif
