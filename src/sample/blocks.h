/* SPDX-License-Identifier: MIT */
/** @file
 * Cells computed in blocks over all ranks and threads, and given out on rank 0 in their order. This is how sample,
 * interpolate, encode and decode run. */
#ifndef CYF_SAMPLE_BLOCKS_H
#define CYF_SAMPLE_BLOCKS_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "kernels/csr.h"

/** One block of consecutive cells: their latents and their expression. Its memory belongs to cyf_run_blocks, which uses
 * it again for later blocks. */
typedef struct cyf_cell_block {
  int64_t index;       /**< its place among the blocks, from 0 */
  int64_t n_cells;     /**< the last block may have fewer than the others */
  float *latent;       /**< [n_cells, width] in host memory; `compute` may lay out the n_cells x width otherwise */
  cyf_csr_buffer rows; /**< [n_cells, n_genes] expression, in host memory */
} cyf_cell_block;

/** What cyf_run_blocks is to compute, and with which functions. */
typedef struct cyf_block_job {
  const char *name;    /**< in the progress line */
  int64_t n_cells;     /**< of all blocks; the same on every rank */
  int64_t block_cells; /**< of one block; the same on every rank */
  int64_t n_genes, width;
  int n_threads; /**< of this rank; ranks may differ */
  void *context; /**< for the two functions */
  /** Computes cells [index * block_cells, ...) into the block, which has n_cells set, room for its latents and no rows.
   * Called from `n_threads` threads at once, each with its own `thread` in [0, n_threads). Not collective. */
  cyf_status (*compute)(void *context, int thread, cyf_cell_block *block);
  /** Takes a finished block: on rank 0 alone, in the order of the blocks. Not collective. */
  cyf_status (*emit)(void *context, const cyf_cell_block *block);
} cyf_block_job;

/** Computes all blocks. With t the largest n_threads of any rank, block b is computed by rank (b / t) mod (number of
 * ranks). Memory: t blocks a rank. Collective. Errors: those of compute and emit, CYF_ERR_INTERRUPTED after a signal,
 * CYF_ERR_COMM; agreed over ranks. */
cyf_status cyf_run_blocks(cyf_comm *comm, const cyf_block_job *job);

#endif
