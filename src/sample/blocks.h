/* SPDX-License-Identifier: MIT */
/** @file
 * Work in blocks of cells over ranks and threads, given out in order: how sample, encode and decode run. */
#ifndef CYF_SAMPLE_BLOCKS_H
#define CYF_SAMPLE_BLOCKS_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "kernels/csr.h"

/** What one block gives: its latents and its expression. Owned by the runner, reused. */
typedef struct cyf_cell_block {
  int64_t index;
  int64_t n_cells;
  float *latent;       /**< [n_cells, width] host */
  cyf_csr_buffer rows; /**< [n_cells, n_genes] */
} cyf_cell_block;

typedef struct cyf_block_job {
  const char *name; /**< in the progress line */
  int64_t n_cells, block_cells, n_genes, width;
  int n_threads;
  void *context;
  /** Computes cells [index * block_cells, ...) into the block (n_cells set, latent allocated, rows cleared). Called
   * from `n_threads` threads with thread in [0, n_threads); returns its failure. Not collective. */
  cyf_status (*compute)(void *context, int thread, cyf_cell_block *block);
  /** On rank 0, in the order of blocks. */
  cyf_status (*emit)(void *context, const cyf_cell_block *block);
} cyf_block_job;

/** Block b is computed by rank (b / n_threads) mod size. Failures are agreed over ranks; a signal ends it with
 * CYF_ERR_INTERRUPTED. Collective. */
cyf_status cyf_run_blocks(cyf_comm *comm, const cyf_block_job *job);

#endif
