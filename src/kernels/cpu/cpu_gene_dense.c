/* SPDX-License-Identifier: MIT */
/* Losses on gene space, a block of genes at a time. */
#include "kernels/cpu/cpu_gene_dense.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"

/* Genes in a block: [cells, genes] floats that stay within a few MiB, in whole tiles of the matrix product. */
static int64_t block_genes(int64_t n_cells, int64_t n_genes) {
  enum { BLOCK_FLOATS = 1 << 19, LEAST = 256, MOST = 4096 };
  int64_t genes = BLOCK_FLOATS / (n_cells > 0 ? n_cells : 1) / 64 * 64;
  if (genes < LEAST) genes = LEAST;
  if (genes > MOST) genes = MOST;
  return cyf_cpu_min(genes, n_genes);
}

/* Arrays that are used for all blocks of genes. */
typedef struct workspace {
  int64_t *next;        /* [cells] first entry that is not yet used */
  double *sum;          /* [cells] */
  float *y;             /* [cells, block] Y, then dLoss/dY */
  float *gene_gradient; /* [cells, block] or NULL */
} workspace;

static void rows_of_block(const cyf_device *device, const cyf_cpu_gene_loss *loss, int64_t first, int64_t width,
                          workspace *work) {
  const cyf_csr *x = loss->target;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, x->n_cells *width))
  for (int64_t cell = 0; cell < x->n_cells; ++cell) {
    const int64_t begin = work->next[cell];
    int64_t end = begin;
    while (end < x->indptr[cell + 1] && x->indices[end] < first + width) ++end;
    work->next[cell] = end;
    const cyf_cpu_block_row row = {.cell = cell,
                                   .first_gene = first,
                                   .n_genes = width,
                                   .n_entries = end - begin,
                                   .genes = x->indices + begin,
                                   .values = x->values + begin};
    float *gene_gradient = work->gene_gradient ? work->gene_gradient + cell * width : NULL;
    work->sum[cell] += loss->row_loss(loss->context, &row, work->y + cell * width, gene_gradient);
  }
}

static void gradients_of_block(const cyf_device *device, const cyf_cpu_gene_loss *loss, int64_t first, int64_t width,
                               const workspace *work) {
  const int64_t n = loss->target->n_cells, hidden = loss->hidden;
  const float scale = (float)loss->scale;
  if (loss->d_h) {
    cyf_cpu_gemm_nn(device, n, hidden, width, scale, work->y, loss->w + first * hidden, first > 0 ? 1.0f : 0.0f,
                    loss->d_h);
  }
  if (loss->d_w) cyf_cpu_gemm_tn(device, width, hidden, n, scale, work->y, loss->h, 1.0f, loss->d_w + first * hidden);
  if (loss->d_bias) cyf_cpu_add_column_sums(device, n, width, work->y, loss->scale, loss->d_bias + first);
  if (loss->d_gene) cyf_cpu_add_column_sums(device, n, width, work->gene_gradient, loss->scale, loss->d_gene + first);
}

cyf_status cyf_cpu_gene_loss_blocked(const cyf_device *device, const cyf_cpu_gene_loss *loss, double *ret_sum) {
  const int64_t n = loss->target->n_cells, genes = loss->target->n_genes, block = block_genes(n, genes);
  cyf_status status = CYF_OK;
  workspace work = {0};
  *ret_sum = 0.0;
  if (n == 0) return CYF_OK;
  if (genes == 0 && loss->d_h) memset(loss->d_h, 0, (size_t)(n * loss->hidden) * sizeof *loss->d_h);
  CYF_TRY_CLEANUP(CYF_NEW(&work.next, n));
  CYF_TRY_CLEANUP(CYF_NEW(&work.sum, n));
  CYF_TRY_CLEANUP(CYF_NEW(&work.y, n * block));
  if (loss->d_gene) CYF_TRY_CLEANUP(CYF_NEW(&work.gene_gradient, n * block));
  memcpy(work.next, loss->target->indptr, (size_t)n * sizeof *work.next);
  for (int64_t first = 0; first < genes; first += block) {
    const int64_t width = cyf_cpu_min(block, genes - first);
    cyf_cpu_fill_rows(device, n, width, loss->bias + first, work.y);
    cyf_cpu_gemm_nt(device, n, width, loss->hidden, 1.0f, loss->h, loss->w + first * loss->hidden, 1.0f, work.y);
    rows_of_block(device, loss, first, width, &work);
    gradients_of_block(device, loss, first, width, &work);
  }
  for (int64_t cell = 0; cell < n; ++cell) *ret_sum += work.sum[cell];
cleanup:
  cyf_free(work.next);
  cyf_free(work.sum);
  cyf_free(work.y);
  cyf_free(work.gene_gradient);
  return status;
}
