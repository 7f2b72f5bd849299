/* SPDX-License-Identifier: MIT */
/* Names of rows, and columns as labels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

cyf_status cyf_h5ad_frame_names(const cyf_h5ad *file, const cyf_h5ad_frame *frame, int64_t first, int64_t n,
                                char **ret_names) {
  cyf_status status = CYF_OK;
  cyf_column column = {0};
  if (!frame->index || frame->object < 0) {
    for (int64_t i = 0; i < n; i++) CYF_TRY(cyf_format(&ret_names[i], "%lld", (long long)(first + i)));
    return CYF_OK;
  }
  bool is_dataset = frame->compound;
  if (!is_dataset) CYF_TRY(cyf_h5_is_dataset(frame->object, frame->index, file->path, &is_dataset));
  if (is_dataset) {
    hid_t dataset = frame->compound ? frame->object : H5Dopen2(frame->object, frame->index, H5P_DEFAULT);
    const char *field = frame->compound ? frame->index : NULL;
    const bool strings = cyf_h5_holds_strings(dataset, field);
    if (strings) status = cyf_h5_read_strings(dataset, field, first, n, file->path, frame->name, ret_names);
    if (!frame->compound) cyf_h5_close_id(&dataset);
    if (strings) return status;
  }
  /* An index of numbers, categories or nullable strings is rare, so it is read whole. */
  CYF_TRY(cyf_h5ad_column_read(file, frame, frame->index, &column));
  for (int64_t i = 0; i < n; i++) {
    CYF_TRY_CLEANUP(cyf_h5ad_column_text(&column, first + i, &ret_names[i]));
    if (!ret_names[i]) {
      status =
          CYF_FAIL(CYF_ERR_INPUT, "%s: row %lld of %s has no name", file->path, (long long)(first + i), frame->name);
      goto cleanup;
    }
  }
cleanup:
  cyf_h5ad_column_destroy(&column);
  return status;
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_reals(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int compare_integers(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int compare_unsigned(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static bool is_missing(const cyf_column *column, int64_t i) {
  return (column->missing && column->missing[i]) || (column->kind == CYF_COLUMN_REAL && isnan(column->real[i]));
}

/* Categories in the file's order. Two may read the same as text; they become one. */
static cyf_status from_categorical(const cyf_column *column, cyf_label_column *labels) {
  cyf_status status = CYF_OK;
  int64_t *code = NULL;
  CYF_TRY(CYF_NEW(&code, column->n_categories));
  for (int64_t i = 0; i < column->n_categories; i++) {
    CYF_TRY_CLEANUP(cyf_names_add(&labels->categories, column->category[i], &code[i]));
  }
  for (int64_t i = 0; i < column->n; i++) {
    labels->code[i] = column->integer[i] < 0 || is_missing(column, i) ? -1 : (int32_t)code[column->integer[i]];
  }
cleanup:
  cyf_free(code);
  return status;
}

/* Distinct strings in sorted order. */
static cyf_status from_text(const cyf_column *column, cyf_label_column *labels) {
  cyf_status status = CYF_OK;
  cyf_names distinct = {0};
  const char **sorted = NULL;
  for (int64_t i = 0; i < column->n; i++) {
    if (!is_missing(column, i)) CYF_TRY_CLEANUP(cyf_names_add(&distinct, column->text[i], NULL));
  }
  CYF_TRY_CLEANUP(CYF_NEW(&sorted, distinct.n));
  for (int64_t i = 0; i < distinct.n; i++) sorted[i] = distinct.name[i];
  qsort(sorted, (size_t)distinct.n, sizeof(*sorted), compare_texts);
  for (int64_t i = 0; i < distinct.n; i++) CYF_TRY_CLEANUP(cyf_names_add(&labels->categories, sorted[i], NULL));
  for (int64_t i = 0; i < column->n; i++) {
    labels->code[i] = is_missing(column, i) ? -1 : (int32_t)cyf_names_find(&labels->categories, column->text[i]);
  }
cleanup:
  cyf_free(sorted);
  cyf_names_destroy(&distinct);
  return status;
}

/* Distinct numbers (or Booleans) in numeric order. Reals and integers have the same size, so one array serves both. */
static cyf_status from_numbers(const cyf_column *column, cyf_label_column *labels) {
  _Static_assert(sizeof(double) == sizeof(int64_t), "one array of 8-byte numbers serves both kinds");
  cyf_status status = CYF_OK;
  bool real = column->kind == CYF_COLUMN_REAL;
  const int64_t *values = real ? (const void *)column->real : column->integer;
  int (*compare)(const void *, const void *) = real                  ? compare_reals
                                               : column->is_unsigned ? compare_unsigned
                                                                     : compare_integers;
  int64_t *sorted = NULL, n = 0, n_distinct = 0;
  char *text = NULL;
  CYF_TRY(CYF_NEW(&sorted, column->n));
  for (int64_t i = 0; i < column->n; i++) {
    if (!is_missing(column, i)) sorted[n++] = values[i];
  }
  qsort(sorted, (size_t)n, sizeof(*sorted), compare);
  for (int64_t i = 0; i < n; i++) {
    if (n_distinct == 0 || compare(&sorted[n_distinct - 1], &sorted[i]) != 0) sorted[n_distinct++] = sorted[i];
  }
  cyf_column one = {
      .kind = column->kind, .n = n_distinct, .is_unsigned = column->is_unsigned, .precision = column->precision};
  one.integer = real ? NULL : sorted;
  one.real = real ? (void *)sorted : NULL;
  for (int64_t i = 0; i < n_distinct; i++) {
    CYF_TRY_CLEANUP(cyf_h5ad_column_text(&one, i, &text));
    CYF_TRY_CLEANUP(cyf_names_add(&labels->categories, text, NULL));
    cyf_free(text);
  }
  for (int64_t i = 0; i < column->n; i++) {
    const int64_t *found =
        is_missing(column, i) ? NULL : bsearch(&values[i], sorted, (size_t)n_distinct, sizeof(*sorted), compare);
    labels->code[i] = found ? (int32_t)(found - sorted) : -1;
  }
cleanup:
  cyf_free(text);
  cyf_free(sorted);
  return status;
}

cyf_status cyf_h5ad_column_to_labels(const cyf_column *column, const char *name, cyf_label_column *labels) {
  CYF_TRY(cyf_strdup(name, &labels->attribute));
  CYF_TRY(CYF_NEW(&labels->code, column->n));
  labels->n_cells = column->n;
  if (column->kind == CYF_COLUMN_CATEGORICAL) return from_categorical(column, labels);
  return column->kind == CYF_COLUMN_TEXT ? from_text(column, labels) : from_numbers(column, labels);
}

static cyf_status read_labels(const cyf_h5ad *file, const char *name, cyf_label_column *labels) {
  cyf_column column = {0};
  CYF_TRY(cyf_h5ad_column_read(file, &file->obs, name, &column));
  const cyf_status status = cyf_h5ad_column_to_labels(&column, name, labels);
  cyf_h5ad_column_destroy(&column);
  return status;
}

cyf_status cyf_h5ad_read_labels(cyf_h5ad *file, const char *column, cyf_label_column *ret_column) {
  *ret_column = (cyf_label_column){0};
  cyf_hdf5_lock();
  cyf_status status = read_labels(file, column, ret_column);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_label_column_destroy(ret_column);
  return status;
}

cyf_status cyf_h5ad_column_is_numeric(cyf_h5ad *file, const char *column, bool *ret_is) {
  cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
  cyf_hdf5_lock();
  const cyf_status status = cyf_h5ad_column_kind(file, &file->obs, column, &kind);
  cyf_hdf5_unlock();
  *ret_is = kind == CYF_COLUMN_INTEGER || kind == CYF_COLUMN_REAL;
  return status;
}
