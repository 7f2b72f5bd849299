/* SPDX-License-Identifier: MIT */
/* The first layer: a sparse batch of cells times a gene-major matrix. */
#include "kernels/cpu/cpu_kernels.h"

cyf_status cyf_cpu_gene_linear_forward(cyf_device *d, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                       const float *bias, float *y) {
  cyf_cpu_fill_rows(d, x->n_cells, out, bias, y);
  return cyf_cpu_sparse_product(d, x, out, w_gene_major, y);
}

cyf_status cyf_cpu_gene_linear_weight_grad(cyf_device *d, const cyf_csr *x, int64_t out, const float *d_y,
                                           float *d_w_gene_major, float *d_bias) {
  CYF_TRY(cyf_cpu_sparse_transposed_product(d, x, out, 1.0, d_y, d_w_gene_major, NULL));
  if (d_bias) cyf_cpu_add_column_sums(d, x->n_cells, out, d_y, 1.0, d_bias);
  return CYF_OK;
}
