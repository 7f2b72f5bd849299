/* SPDX-License-Identifier: MIT */
/** @file
 * Numeric columns as classes: bins that are given by their edges, and named by their ranges so that the classes have an
 * order. Not collective. */
#ifndef CYF_DATA_TABLES_LABEL_BINS_H
#define CYF_DATA_TABLES_LABEL_BINS_H

#include <stdbool.h>

#include "base/status.h"
#include "data/tables/labels.h"

/** Most edges of one column. */
enum { CYF_BIN_EDGES_MAX = 255 };

/** n ascending edges make n + 1 bins, named "\<e1", "e1..e2" and so on to ">=en". Bin "e1..e2" holds e1 but not e2. */
typedef struct cyf_label_bins {
  char *attribute; /**< owned */
  int n_edges;
  double edge[CYF_BIN_EDGES_MAX];
} cyf_label_bins;

/** Reads "NAME=E1,E2,...", as --bins has it; the caller destroys *ret_bins. Errors: CYF_ERR_USAGE for a malformed text,
 * what is no number, edges that do not ascend, or too many. */
cyf_status cyf_label_bins_parse(const char *text, cyf_label_bins *ret_bins);
/** Frees what the struct owns; NULL-safe. */
void cyf_label_bins_destroy(cyf_label_bins *bins);
/** Appends the bins' names, in order, to `names`, which is empty. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_label_bins_names(const cyf_label_bins *bins, cyf_names *names);
/** Finds the bin of a number that is given as text; *ret_bin is -1 for "nan" and "". Errors: CYF_ERR_INPUT when it is
 * no number. */
cyf_status cyf_label_bins_find(const cyf_label_bins *bins, const char *number, int64_t *ret_bin);
/** Whether a label's categories are the names of bins, in order; *ret_bins then has the edges. */
bool cyf_label_bins_from_names(const cyf_names *names, cyf_label_bins *ret_bins);

#endif
