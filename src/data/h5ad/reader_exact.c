/* SPDX-License-Identifier: MIT */
/* Values come as float32, which holds every whole number up to 2^24 and not every larger one. A larger one that is
 * stored in another type is compared with what it was. */
#include <math.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_types.h"

enum { PIECE_VALUES = 1 << 18 };
static const float all_below = 16777216.0F; /* 2^24 */

static bool any_large(const float *values, int64_t n) {
  int large = 0; /* gathered without branches, at memory speed */
  for (int64_t i = 0; i < n; i++) large |= fabsf(values[i]) >= all_below;
  return large != 0;
}

static cyf_status inexact(const cyf_h5ad *file, const char *value) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s holds the whole number %s, which float32 cannot hold exactly", file->path,
                  file->matrix, value);
}

/* Compares values with the numbers that they were read of, as `element` says. */
static cyf_status compare(const cyf_h5ad *file, cyf_h5_element element, const float *values, const void *stored,
                          int64_t n) {
  char text[40];
  for (int64_t i = 0; i < n; i++) {
    const float value = values[i];
    if (!(fabsf(value) >= all_below && fabsf(value) < INFINITY)) continue;
    if (element == CYF_H5_INTEGER) {
      const int64_t whole = ((const int64_t *)stored)[i];
      if ((long double)value == (long double)whole) continue;
      snprintf(text, sizeof(text), "%lld", (long long)whole);
    } else if (element == CYF_H5_UNSIGNED) {
      const uint64_t whole = ((const uint64_t *)stored)[i];
      if ((long double)value == (long double)whole) continue;
      snprintf(text, sizeof(text), "%llu", (unsigned long long)whole);
    } else {
      const double real = ((const double *)stored)[i];
      if ((double)value == real || real != rint(real)) continue; /* fractions are rounded like any other */
      snprintf(text, sizeof(text), "%.0f", real);
    }
    return inexact(file, text);
  }
  return CYF_OK;
}

cyf_status cyf_h5ad_check_exact(const cyf_h5ad *file, int64_t first, int64_t n, int64_t width, const float *values) {
  const int64_t row = width < 0 ? 1 : width, step = row >= PIECE_VALUES || row == 0 ? 1 : PIECE_VALUES / row;
  if (!any_large(values, n * row)) return CYF_OK;
  hid_t type = H5Dget_type(file->values);
  const cyf_h5_element element = cyf_h5_element_of(type);
  cyf_h5_close_id(&type);
  if (element == CYF_H5_HALF || element == CYF_H5_SINGLE || element == CYF_H5_ENUMERATION) return CYF_OK;
  const hid_t memory = element == CYF_H5_INTEGER    ? H5T_NATIVE_INT64
                       : element == CYF_H5_UNSIGNED ? H5T_NATIVE_UINT64
                                                    : H5T_NATIVE_DOUBLE;
  int64_t *stored = NULL; /* or doubles, of the same size */
  cyf_status status = CYF_NEW(&stored, step * row);
  for (int64_t at = 0; at < n && status == CYF_OK; at += step) {
    const int64_t now = n - at < step ? n - at : step;
    status = cyf_h5_read_range(file->values, memory, sizeof(*stored), first + at, now, width, file->path, file->matrix,
                               stored);
    if (status == CYF_OK) status = compare(file, element, values + at * row, stored, now * row);
  }
  cyf_free(stored);
  return status;
}
