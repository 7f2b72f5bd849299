/* SPDX-License-Identifier: MIT */
/** @file
 * The label map of `prepare`: a table that renames, merges and removes values of labels. */
#ifndef CYF_DATA_TABLES_LABEL_MAP_H
#define CYF_DATA_TABLES_LABEL_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"

typedef struct cyf_label_map {
  char *path;
  int64_t n;
  char **attribute, **from, **to; /**< [n]; to "": the cells lose the label */
  int64_t *line;                  /**< [n] of the file */
  bool *used;                     /**< [n] set by cyf_label_map_find */
  cyf_names keys;                 /**< attribute and value in one */
} cyf_label_map;

/** Reads the table as cyf_csv_read_loose does: a header that names the columns attribute, from and to (in any order,
 * others are passed over), then a row an entry. Blanks around a field belong to the label. ret_map is filled by the
 * callee, destroyed by the caller. Not collective. Errors: CYF_ERR_INPUT naming file and line. */
cyf_status cyf_label_map_read(const char *path, cyf_label_map *ret_map);
void cyf_label_map_destroy(cyf_label_map *map); /**< NULL-safe, zeroes */

/** What a value becomes: itself where the map does not name it, NULL where it is no label. The result points into the
 * map or is `from`. Entries are not followed on: what `to` says is final. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_label_map_find(cyf_label_map *map, const char *attribute, const char *from, const char **ret_to);

#endif
