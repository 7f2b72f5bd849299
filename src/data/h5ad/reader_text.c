/* SPDX-License-Identifier: MIT */
/* Elements of a column as text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

/* Whether a number rounds to this float16. */
static bool rounds_to_half(double number, double half) {
  int exponent = 0;
  const double fraction = fabs(frexp(half, &exponent)); /* in [0.5, 1) */
  const bool is_normal = exponent - 1 > -14;
  double step = ldexp(1, (is_normal ? exponent - 1 : -14) - 10);
  if (is_normal && fraction == 0.5 && fabs(number) < fabs(half)) step /= 2; /* below a power of two they lie closer */
  return fabs(number - half) < step / 2;
}

static bool reads_back(const char *digits, double value, cyf_real_precision precision) {
  if (precision == CYF_REAL_HALF) return rounds_to_half(strtod(digits, NULL), value);
  return precision == CYF_REAL_SINGLE ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value;
}

/* The number as short as it reads back: in plain notation where Python's repr would, with an exponent otherwise. */
static cyf_status number_text(double value, cyf_real_precision precision, char **ret_text) {
  char digits[40];
  if (!isfinite(value)) return cyf_strdup(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf", ret_text);
  if (value == 0) return cyf_strdup("0", ret_text);
  int places = 0;
  for (; places < 17; places++) {
    snprintf(digits, sizeof(digits), "%.*e", places, value);
    if (reads_back(digits, value, precision)) break;
  }
  int exponent = atoi(strchr(digits, 'e') + 1);
  if (exponent < -4 || exponent >= 16) return cyf_strdup(digits, ret_text);
  return cyf_format(ret_text, "%.*f", places > exponent ? places - exponent : 0, strtod(digits, NULL));
}

cyf_status cyf_h5ad_column_text(const cyf_column *column, int64_t i, char **ret_text) {
  *ret_text = NULL;
  if (column->missing && column->missing[i]) return CYF_OK;
  switch (column->kind) {
    case CYF_COLUMN_TEXT:
      return cyf_strdup(column->text[i], ret_text);
    case CYF_COLUMN_INTEGER:
      if (column->is_unsigned) return cyf_format(ret_text, "%llu", (unsigned long long)column->integer[i]);
      return cyf_format(ret_text, "%lld", (long long)column->integer[i]);
    case CYF_COLUMN_BOOLEAN:
      return cyf_strdup(column->integer[i] ? "True" : "False", ret_text);
    case CYF_COLUMN_REAL:
      return isnan(column->real[i]) ? CYF_OK : number_text(column->real[i], column->precision, ret_text);
    case CYF_COLUMN_CATEGORICAL:
      return column->integer[i] < 0 ? CYF_OK : cyf_strdup(column->category[column->integer[i]], ret_text);
    default:
      return CYF_FAIL(CYF_ERR_INTERNAL, "a column without a kind");
  }
}
