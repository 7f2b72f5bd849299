/* SPDX-License-Identifier: MIT */
/** @file
 * Losses on the output Y = h W' + bias of the last layer, computed a block of genes at a time so that no [cells, genes]
 * array is ever made. Internal to the CPU backend. */
#ifndef CYF_KERNELS_CPU_CPU_GENE_DENSE_H
#define CYF_KERNELS_CPU_CPU_GENE_DENSE_H

#include "kernels/backend.h"

/** One cell's entries within a block of genes. */
typedef struct cyf_cpu_block_row {
  int64_t cell, first_gene, n_genes; /**< the block is genes [first_gene, first_gene + n_genes) */
  int64_t n_entries;
  const int32_t *genes; /**< ascending, counted from the first gene of all */
  const float *values;
} cyf_cpu_block_row;

/** Returns the loss of one cell over one block. y[n_genes] holds Y and is replaced by dLoss/dY. gene_gradient[n_genes]
 * (NULL: not wanted) is set to the derivative by the loss's own parameter of each gene. Called from several threads. */
typedef double (*cyf_cpu_row_loss)(const void *context, const cyf_cpu_block_row *row, float *y, float *gene_gradient);

typedef struct cyf_cpu_gene_loss {
  const cyf_csr *target;
  int64_t hidden;
  const float *h, *w, *bias;
  cyf_cpu_row_loss row_loss;
  const void *context;
  double scale; /**< of the gradients */
  float *d_h, *d_w, *d_bias,
      *d_gene; /**< any may be NULL; d_h is replaced, the rest added to; d_gene [genes] sums gene_gradient */
} cyf_cpu_gene_loss;

/** Computes the loss and its gradients; *ret_sum is the loss over all cells and genes. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_cpu_gene_loss_blocked(const cyf_device *device, const cyf_cpu_gene_loss *loss, double *ret_sum);

#endif
