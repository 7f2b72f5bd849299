/* SPDX-License-Identifier: MIT */
/* Dense cells as sparse rows. */
#ifndef CYF_TESTS_DENSE_ROWS_H
#define CYF_TESTS_DENSE_ROWS_H

#include "base/memory.h"
#include "kernels/csr.h"

/* Appends dense cells [n_cells, n_genes] to rows of n_genes genes. Errors: CYF_ERR_MEMORY. */
static inline cyf_status append_dense(int64_t n_cells, int64_t n_genes, const double *dense, cyf_csr_buffer *rows) {
  cyf_status status = CYF_OK;
  int32_t *index = NULL;
  float *value = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&index, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&value, n_genes));
  for (int64_t i = 0; i < n_cells; i++) {
    int64_t nnz = 0;
    for (int64_t gene = 0; gene < n_genes; gene++) {
      if (dense[i * n_genes + gene] == 0.0) continue;
      index[nnz] = (int32_t)gene;
      value[nnz++] = (float)dense[i * n_genes + gene];
    }
    CYF_TRY_CLEANUP(cyf_csr_buffer_append(rows, nnz, index, value));
  }
cleanup:
  cyf_free(index);
  cyf_free(value);
  return status;
}

#endif
