/* SPDX-License-Identifier: MIT */
/** @file
 * Small tables as text: comma-separated values with quotes (RFC 4180), or tabs. Not collective. */
#ifndef CYF_DATA_TABLES_CSV_H
#define CYF_DATA_TABLES_CSV_H

#include <stdint.h>

#include "base/status.h"

/** A table in memory. Everything is owned. */
typedef struct cyf_csv {
  int64_t n_columns, n_rows;
  char **header;       /**< [n_columns] */
  int64_t header_line; /**< line of the file on which the header begins; 1 where there is none */
  char **field;        /**< [n_rows][n_columns]; "" where a field is empty */
  int64_t *line;       /**< [n_rows] line of the file on which the row begins */
  char *text;          /**< what the strings lie in */
} cyf_csv;

/** Reads a whole file: a header and at least one row.
 *
 * Commas separate fields, or tabs where the header has tabs and no comma. Fields may be quoted; a quote inside is
 * doubled, and a quoted field may hold line ends. Blanks around unquoted fields and empty lines are passed over. The
 * caller destroys *ret_table. A row of another number of
 * fields than the header's is an error, and so is a column that comes twice or has no name. Errors: CYF_ERR_INPUT with
 * file and line, also for a file that cannot be read, no row, or a quote that does not end. */
cyf_status cyf_csv_read(const char *path, cyf_csv *ret_table);

/** As cyf_csv_read, but for tables of names, which may hold columns that nobody reads and blanks that matter:
 *   - blanks around an unquoted field belong to it;
 *   - tabs separate where the header has a tab, whatever else it has;
 *   - a row may have fewer fields than the header (those missing are NULL) or more (passed over);
 *   - columns may share a name or have none, and there may be no row, or no header (n_columns is 0).
 * Errors: CYF_ERR_INPUT with file and line for a file that cannot be read, a quote that does not end, or text behind
 * one that does. */
cyf_status cyf_csv_read_loose(const char *path, cyf_csv *ret_table);
/** Frees the table's memory and zeroes it; NULL-safe. */
void cyf_csv_destroy(cyf_csv *table);

#endif
