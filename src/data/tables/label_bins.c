/* SPDX-License-Identifier: MIT */
#include "data/tables/label_bins.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NAME_BYTES = 80 };

static cyf_status parse_edges(const char *text, const char *edges, cyf_label_bins *bins) {
  for (const char *at = edges;; at++) {
    char *end = NULL;
    const double edge = strtod(at, &end);
    if (end == at || (*end != ',' && *end != '\0') || !isfinite(edge))
      return CYF_FAIL(CYF_ERR_USAGE, "bins '%s': '%s' does not begin with a number; bins are NAME=E1,E2,...", text, at);
    if (bins->n_edges > 0 && edge <= bins->edge[bins->n_edges - 1])
      return CYF_FAIL(CYF_ERR_USAGE, "bins '%s': edges must ascend, and %g does not come after %g", text, edge,
                      bins->edge[bins->n_edges - 1]);
    if (bins->n_edges == CYF_BIN_EDGES_MAX)
      return CYF_FAIL(CYF_ERR_USAGE, "bins '%s': at most %d edges", text, CYF_BIN_EDGES_MAX);
    bins->edge[bins->n_edges++] = edge;
    at = end;
    if (*at == '\0') return CYF_OK;
  }
}

cyf_status cyf_label_bins_parse(const char *text, cyf_label_bins *ret_bins) {
  *ret_bins = (cyf_label_bins){0};
  const char *equals = strrchr(text, '=');
  if (equals == NULL || equals == text)
    return CYF_FAIL(CYF_ERR_USAGE, "bins '%s': NAME=E1,E2,... is wanted (a label column and ascending edges)", text);
  CYF_TRY(cyf_strdup(text, &ret_bins->attribute));
  ret_bins->attribute[equals - text] = '\0';
  const cyf_status status = parse_edges(text, equals + 1, ret_bins);
  if (status != CYF_OK) cyf_label_bins_destroy(ret_bins);
  return status;
}

void cyf_label_bins_destroy(cyf_label_bins *bins) {
  if (bins != NULL) cyf_free(bins->attribute);
}

/* Writes a number with the fewest digits that read back as itself, without an exponent where 17 digits suffice. */
static void write_number(double value, char text[32]) {
  for (int pass = 0; pass < 2; pass++)
    for (int precision = 1; precision <= 17; precision++) {
      snprintf(text, 32, "%.*g", precision, value);
      if (strtod(text, NULL) == value && (pass == 1 || strchr(text, 'e') == NULL)) return;
    }
}

static void bin_name(const cyf_label_bins *bins, int bin, char name[NAME_BYTES]) {
  char low[32] = "", high[32] = "";
  if (bin > 0) write_number(bins->edge[bin - 1], low);
  if (bin < bins->n_edges) write_number(bins->edge[bin], high);
  if (bin == 0)
    snprintf(name, NAME_BYTES, "<%s", high);
  else if (bin == bins->n_edges)
    snprintf(name, NAME_BYTES, ">=%s", low);
  else
    snprintf(name, NAME_BYTES, "%s..%s", low, high);
}

cyf_status cyf_label_bins_names(const cyf_label_bins *bins, cyf_names *names) {
  char name[NAME_BYTES];
  for (int bin = 0; bin <= bins->n_edges; bin++) {
    bin_name(bins, bin, name);
    CYF_TRY(cyf_names_add(names, name, NULL));
  }
  return CYF_OK;
}

cyf_status cyf_label_bins_find(const cyf_label_bins *bins, const char *number, int64_t *ret_bin) {
  char *end = NULL;
  const double value = strtod(number, &end);
  *ret_bin = -1;
  if (number[0] == '\0') return CYF_OK;
  if (end == number || *end != '\0')
    return CYF_FAIL(CYF_ERR_INPUT, "'%s' of column '%s' is no number, so it falls into no bin", number,
                    bins->attribute != NULL ? bins->attribute : "");
  if (isnan(value)) return CYF_OK;
  int bin = 0;
  while (bin < bins->n_edges && value >= bins->edge[bin]) bin++;
  *ret_bin = bin;
  return CYF_OK;
}

bool cyf_label_bins_from_names(const cyf_names *names, cyf_label_bins *ret_bins) {
  *ret_bins = (cyf_label_bins){0};
  if (names->n < 2 || names->n > CYF_BIN_EDGES_MAX + 1) return false;
  char name[NAME_BYTES];
  for (int64_t i = 0; i + 1 < names->n; i++) {
    const char *range = strstr(names->name[i], "..");
    const char *high = i == 0 ? names->name[0] + (names->name[0][0] == '<') : range != NULL ? range + 2 : "";
    ret_bins->edge[ret_bins->n_edges++] = strtod(high, NULL);
  }
  /* The edges that were read must give the same names back. */
  for (int bin = 0; bin <= ret_bins->n_edges; bin++) {
    bin_name(ret_bins, bin, name);
    if (strcmp(name, names->name[bin]) != 0) return false;
  }
  return true;
}
