/* SPDX-License-Identifier: MIT */
/** @file
 * How `prepare` cuts its work into units, blocks, bins and shards, so that a rank stays within its memory. This is
 * arithmetic alone; nothing is collective. */
#ifndef CYF_DATA_PREPARE_PLAN_H
#define CYF_DATA_PREPARE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** What is to be prepared. */
typedef struct cyf_prepare_sizes {
  int64_t n_cells;   /**< of all inputs */
  int64_t n_kept;    /**< cells that go into the atlas or are held out; while unknown, all that are not dropped */
  int64_t n_heldout; /**< of these */
  int64_t n_genes;   /**< in use */
  int64_t n_inputs, n_labels;
  int64_t longest_input;   /**< cells */
  double values_per_cell;  /**< stored values, the mean of the cells kept; while unknown, of the input with most */
  int64_t transpose_bytes; /**< of the largest CSC input, which is transposed in memory; 0: none */
  bool counts;             /**< else float32 */
  int data_bits;           /**< what counts need: 8, 16 or 32; 16 while unknown */
  bool compressed;         /**< under gzip */
  int64_t shard_cells;     /**< asked for; 0: as the plan finds best */
} cyf_prepare_sizes;

/** How the work is cut. */
typedef struct cyf_prepare_plan {
  int64_t unit_cells, n_units;                     /**< of input cells; a function of n_cells alone */
  int64_t block_values;                            /**< values read at a time, about */
  int64_t bin_buffer_bytes;                        /**< of each bin of the spill */
  int64_t shard_cells, n_shards;                   /**< the same for any number of ranks */
  int64_t budget_bytes;                            /**< what was allowed */
  int64_t peak_bytes;                              /**< what is expected at most, of a rank */
  int64_t least_bytes;                             /**< the smallest budget that works */
  int64_t spill_bytes, atlas_bytes, heldout_bytes; /**< on disk, about; heldout with both files for evaluation */
} cyf_prepare_plan;

/** Plans the work within memory_bytes a rank. An atlas must not depend on the machine, so memory bounds the size of
 * shards only where the user asked for it (explicit_memory). Errors: CYF_ERR_USAGE naming the least possible --memory.
 */
cyf_status cyf_prepare_plan_make(const cyf_prepare_sizes *sizes, int64_t memory_bytes, bool explicit_memory,
                                 cyf_prepare_plan *ret_plan);
/** Seconds that the work takes, about. A rank reads cells_per_s, which was measured; each rank is taken to have a core
 * of its own, and the disk to keep up. */
double cyf_prepare_seconds(const cyf_prepare_sizes *sizes, double cells_per_s, int n_ranks);
/** Bytes that a rank may take where the user names no limit: at most 4 GiB. The local_ranks ranks of a machine together
 * take at most a quarter of its memory, or of what a scheduler grants the job. */
int64_t cyf_prepare_default_memory(int local_ranks);

#endif
