/* SPDX-License-Identifier: MIT */
#include "kernels/finite.h"

#include <math.h>

enum { PIECE = 4096 };

int64_t cyf_find_not_finite(int64_t n, const float *values) {
  for (int64_t first = 0; first < n; first += PIECE) {
    const int64_t end = n - first < PIECE ? n : first + PIECE;
    float sum = 0.0f; /* of zeros, but NaN where a value is not finite */
#pragma omp simd reduction(+ : sum)
    for (int64_t i = first; i < end; i++) sum += values[i] * 0.0f;
    for (int64_t i = first; i < end && sum != 0.0f; i++)
      if (!isfinite(values[i])) return i;
  }
  return -1;
}

cyf_status cyf_layout_check_finite(const cyf_layout *layout, const float *flat, const char *path, const char *group) {
  const int64_t at = cyf_find_not_finite(layout->total, flat);
  if (at < 0) return CYF_OK;
  const char *name = "";
  for (int64_t i = 0; i < layout->n_tensors; i++)
    if (layout->tensors[i].offset <= at) name = layout->tensors[i].name;
  return CYF_FAIL(CYF_ERR_NUMERIC,
                  "%s: tensor %s of %s holds %g: the model is damaged, or its training diverged (lower the learning "
                  "rate)",
                  path, name, group, (double)flat[at]);
}

cyf_status cyf_rows_fail_not_finite(int64_t at, float value, int64_t c, int64_t first, const cyf_finite_rows *said) {
  return CYF_FAIL(said->code, "%s: cell %lld: number %lld of %s is %g: %s", said->path, (long long)(first + at / c),
                  (long long)(at % c), said->what, (double)value, said->reason);
}

cyf_status cyf_rows_check_finite(int64_t n, int64_t c, const float *rows, int64_t first, const cyf_finite_rows *said) {
  const int64_t at = cyf_find_not_finite(n * c, rows);
  return at < 0 ? CYF_OK : cyf_rows_fail_not_finite(at, rows[at], c, first, said);
}

cyf_status cyf_csr_check_finite(int64_t n_cells, const int64_t *indptr, const float *values, const char *path,
                                int64_t first) {
  const int64_t at = cyf_find_not_finite(indptr[n_cells] - indptr[0], values + indptr[0]);
  if (at < 0) return CYF_OK;
  int64_t cell = 0;
  while (indptr[cell + 1] - indptr[0] <= at) cell++;
  return CYF_FAIL(
      CYF_ERR_INPUT,
      "%s: cell %lld has a value that is %g on the scale it is brought to: values are too large, or not what "
      "they are taken for (--values)",
      path, (long long)(first + cell), (double)values[indptr[0] + at]);
}
