/* SPDX-License-Identifier: MIT */
/** @file
 * The label map of `prepare`: a table that renames, merges and removes values of labels. Not collective. */
#ifndef CYF_DATA_TABLES_LABEL_MAP_H
#define CYF_DATA_TABLES_LABEL_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"

/** The entries of a map. Everything is owned. */
typedef struct cyf_label_map {
  char *path;
  int64_t n;
  char **attribute, **from, **to; /**< [n]; where `to` is "", the cells lose the label */
  int64_t *line;                  /**< [n] line of the file */
  bool *used;                     /**< [n] set by cyf_label_map_find */
  cyf_names keys;                 /**< [n] attribute and `from` in one text, to find an entry by */
} cyf_label_map;

/** Reads the table as cyf_csv_read_loose does. The header names the columns attribute, from and to, in any order;
 * others are passed over. Each row is an entry; an empty `from` is the empty text, which some files have for no value.
 * Blanks around a field belong to the label. The caller destroys
 * *ret_map. Errors: CYF_ERR_INPUT with file and line. */
cyf_status cyf_label_map_read(const char *path, cyf_label_map *ret_map);
/** Frees the map's memory and zeroes it; NULL-safe. */
void cyf_label_map_destroy(cyf_label_map *map);

/** Looks up what a value becomes: itself where the map does not name it, NULL where the map removes it.
 *
 * *ret_to points into the map or is `from`. It is final: it is not looked up in its turn. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_label_map_find(cyf_label_map *map, const char *attribute, const char *from, const char **ret_to);

#endif
