/* SPDX-License-Identifier: MIT */
/** @file
 * Small tables as text: comma-separated values with quotes (RFC 4180), or tabs. */
#ifndef CYF_DATA_TABLES_CSV_H
#define CYF_DATA_TABLES_CSV_H

#include <stdint.h>

#include "base/status.h"

typedef struct cyf_csv {
  int64_t n_columns, n_rows;
  char **header; /**< [n_columns] */
  char **field;  /**< [n_rows][n_columns] "" where nothing stands */
  int64_t *line; /**< [n_rows] line of the file on which the row begins */
  char *text;    /**< what the strings lie in */
} cyf_csv;

/** Reads the whole file: a header and at least one row. Tabs separate where the header has tabs and no comma; fields
 * may be quoted (a quote inside is doubled; a quoted field may hold line ends); blanks around unquoted fields and empty
 * lines are passed over. Destroyed by the caller. Not collective. Errors: CYF_ERR_INPUT with file and line (unreadable,
 * no row, a row of another number of fields, a quote that does not end, a column twice or without a name). */
cyf_status cyf_csv_read(const char *path, cyf_csv *ret_table);
void cyf_csv_destroy(cyf_csv *table); /**< NULL-safe */

#endif
