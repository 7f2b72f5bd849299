/* SPDX-License-Identifier: MIT */
/** @file
 * Numeric columns as classes: bins by their edges, named by their ranges so that the classes have an order. */
#ifndef CYF_DATA_TABLES_LABEL_BINS_H
#define CYF_DATA_TABLES_LABEL_BINS_H

#include <stdbool.h>

#include "base/status.h"
#include "data/tables/labels.h"

enum { CYF_BIN_EDGES_MAX = 255 };

/** n edges make n + 1 bins: "\<e1", "e1..e2" (e1 in, e2 out), ..., ">=en". */
typedef struct cyf_label_bins {
  char *attribute; /**< owned */
  int n_edges;
  double edge[CYF_BIN_EDGES_MAX];
} cyf_label_bins;

/** From "NAME=E1,E2,...". Errors: CYF_ERR_USAGE (malformed, no number, edges that do not ascend, too many). */
cyf_status cyf_label_bins_parse(const char *text, cyf_label_bins *ret_bins);
void cyf_label_bins_destroy(cyf_label_bins *bins); /**< NULL-safe */
/** The bins' names in order, appended to names (empty). */
cyf_status cyf_label_bins_names(const cyf_label_bins *bins, cyf_names *names);
/** The bin of a number that is written out; *ret_bin -1 for NaN ("nan", ""). Errors: CYF_ERR_INPUT when it is no
 * number. */
cyf_status cyf_label_bins_find(const cyf_label_bins *bins, const char *number, int64_t *ret_bin);
/** True when the names are those of bins, in order; the edges are then read from them. */
bool cyf_label_bins_from_names(const cyf_names *names, cyf_label_bins *ret_bins);

#endif
