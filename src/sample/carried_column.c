/* SPDX-License-Identifier: MIT */
#include "sample/carried_column.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

static cyf_status write_numbers(const cyf_label_column *labels, const char *name, int64_t n, cyf_h5ad_writer *writer) {
  double *value = NULL;
  CYF_TRY(CYF_NEW(&value, n));
  for (int64_t i = 0; i < n; i++) {
    const bool has = i < labels->n_cells && labels->code[i] >= 0;
    value[i] = has ? strtod(labels->categories.name[labels->code[i]], NULL) : (double)NAN;
  }
  const cyf_status status = cyf_h5ad_writer_add_numbers(writer, name, value, n);
  cyf_free(value);
  return status;
}

static cyf_status write_text(const cyf_label_column *labels, const char *name, int64_t n, cyf_h5ad_writer *writer) {
  cyf_label_column column = {.categories = labels->categories, .n_cells = n};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_strdup(name, &column.attribute));
  CYF_TRY_CLEANUP(CYF_NEW(&column.code, n));
  for (int64_t i = 0; i < n; i++) column.code[i] = i < labels->n_cells ? labels->code[i] : -1;
  status = cyf_h5ad_writer_add_labels(writer, &column);
cleanup:
  cyf_free(column.attribute);
  cyf_free(column.code);
  return status;
}

/* A whole number of more than 53 bits may not survive; texts of other numbers have as many digits as float64 needs. */
static const char *find_too_large(const cyf_names *numbers) {
  char again[400];
  for (int64_t k = 0; k < numbers->n; k++) {
    const char *text = numbers->name[k];
    const size_t sign = text[0] == '-';
    if (text[sign] == '\0' || text[sign + strspn(text + sign, "0123456789")] != '\0') continue;
    snprintf(again, sizeof again, "%.0f", strtod(text, NULL));
    if (strcmp(again, text) != 0) return text;
  }
  return NULL;
}

cyf_status cyf_write_carried_column(const cyf_label_column *labels, bool is_numeric, const char *name, int64_t n,
                                    cyf_h5ad_writer *writer) {
  const char *too_large = is_numeric ? find_too_large(&labels->categories) : NULL;
  if (too_large != NULL)
    cyf_warn("obs column '%s' is written as text: its number %s is too large for float64", name, too_large);
  return is_numeric && too_large == NULL ? write_numbers(labels, name, n, writer) : write_text(labels, name, n, writer);
}
