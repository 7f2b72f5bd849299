/* SPDX-License-Identifier: MIT */
/** @file
 * Small tables as text: comma-separated values with quotes (RFC 4180), or tabs. */
#ifndef CYF_DATA_TABLES_CSV_H
#define CYF_DATA_TABLES_CSV_H

#include <stdint.h>

#include "base/status.h"

typedef struct cyf_csv {
  int64_t n_columns, n_rows;
  char **header;       /**< [n_columns] */
  int64_t header_line; /**< line of the file on which the header begins; 1 where there is none */
  char **field;        /**< [n_rows][n_columns] "" where nothing stands */
  int64_t *line;       /**< [n_rows] line of the file on which the row begins */
  char *text;          /**< what the strings lie in */
} cyf_csv;

/** Reads the whole file: a header and at least one row. Tabs separate where the header has tabs and no comma; fields
 * may be quoted (a quote inside is doubled; a quoted field may hold line ends); blanks around unquoted fields and empty
 * lines are passed over. Destroyed by the caller. Not collective. Errors: CYF_ERR_INPUT with file and line (unreadable,
 * no row, a row of another number of fields, a quote that does not end, a column twice or without a name). */
cyf_status cyf_csv_read(const char *path, cyf_csv *ret_table);

/** The same for tables of names, which may hold columns that nobody reads and blanks that matter:
 *   - blanks around an unquoted field belong to it;
 *   - tabs separate where the header has a tab, whatever else it has;
 *   - a row may have fewer fields than the header (those missing are NULL) or more (passed over);
 *   - columns may share a name or have none, and there may be no row, or no header (n_columns is 0).
 * Errors: CYF_ERR_INPUT with file and line (unreadable, a quote that does not end, text behind one that does). */
cyf_status cyf_csv_read_loose(const char *path, cyf_csv *ret_table);
void cyf_csv_destroy(cyf_csv *table); /**< NULL-safe */

#endif
