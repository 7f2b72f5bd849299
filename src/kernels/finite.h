/* SPDX-License-Identifier: MIT */
/** @file
 * Looking in host memory for numbers that are NaN or infinite. Not collective. */
#ifndef CYF_KERNELS_FINITE_H
#define CYF_KERNELS_FINITE_H

#include "kernels/tensor.h"

/** Index of the first of values[n] that is NaN or infinite, -1 where all are finite. Reads at the speed of memory. */
int64_t cyf_find_not_finite(int64_t n, const float *values);
/** Fails where flat[layout->total] holds a number that is not finite, naming `path`, the group of tensors in that file
 * and the tensor. Errors: CYF_ERR_NUMERIC. */
cyf_status cyf_layout_check_finite(const cyf_layout *layout, const float *flat, const char *path, const char *group);

/** The reason where a model's answer is not finite. */
#define CYF_MODEL_NOT_FINITE "the model is damaged, or its training diverged"

/** The same of cells that guidance has led. */
#define CYF_GUIDED_NOT_FINITE \
  "the guidance is too strong (lower its weight), or the model is damaged or its training diverged"

/** What a message says of rows that are not finite. */
typedef struct cyf_finite_rows {
  cyf_status code;
  const char *path;   /**< of the file, or what else the cells belong to */
  const char *what;   /**< a row is: "obsm/X_latent" */
  const char *reason; /**< that is likely */
} cyf_finite_rows;

/** Fails where rows[n, c] has a number that is not finite, naming its cell; row 0 is cell `first`. Errors: said->code.
 */
cyf_status cyf_rows_check_finite(int64_t n, int64_t c, const float *rows, int64_t first, const cyf_finite_rows *said);
/** That failure, for element `at` of rows that have c elements each. */
cyf_status cyf_rows_fail_not_finite(int64_t at, float value, int64_t c, int64_t first, const cyf_finite_rows *said);
/** Fails where a value of sparse rows, which were read from `path` and rescaled, is not finite, naming its cell; row 0
 * is cell `first`. Errors: CYF_ERR_INPUT. */
cyf_status cyf_csr_check_finite(int64_t n_cells, const int64_t *indptr, const float *values, const char *path,
                                int64_t first);

#endif
