/* SPDX-License-Identifier: MIT */
/** @file
 * How `prepare` cuts its work: units, blocks, bins and shards, such that a rank stays within its memory. Pure
 * arithmetic. */
#ifndef CYF_DATA_PREPARE_PLAN_H
#define CYF_DATA_PREPARE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** What is to be prepared. */
typedef struct cyf_prepare_sizes {
  int64_t n_cells; /**< of all inputs */
  int64_t n_kept; /**< cells that go into the atlas or the hold-out; while unknown, those that their obs lets through */
  int64_t n_heldout; /**< of these */
  int64_t n_genes;   /**< in use */
  int64_t n_inputs, n_labels;
  int64_t longest_input;   /**< cells */
  double values_per_cell;  /**< stored, the mean of the cells kept (of the fullest input while unknown) */
  int64_t transpose_bytes; /**< of the largest CSC input, which is transposed in memory; 0: none */
  bool counts;             /**< else float32 */
  int data_bits;           /**< 8, 16 or 32 that counts need; 16 while unknown */
  bool compressed;         /**< under gzip */
  int64_t shard_cells;     /**< asked for; 0: as the plan finds best */
} cyf_prepare_sizes;

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

/** Plans within memory_bytes a rank. explicit_memory says that the user asked for it: only then does it bound the size
 * of shards, for an atlas must not depend on the machine. Errors: CYF_ERR_USAGE naming the least possible --memory. */
cyf_status cyf_prepare_plan_make(const cyf_prepare_sizes *sizes, int64_t memory_bytes, bool explicit_memory,
                                 cyf_prepare_plan *ret_plan);
/** Seconds that the work takes, about: reading at cells_per_s a rank (measured), each rank with a core of its own, and
 * a disk that keeps up. */
double cyf_prepare_seconds(const cyf_prepare_sizes *sizes, double cells_per_s, int n_ranks);
/** A quarter of the machine's memory, or of what a scheduler grants the job, shared out to the ranks on it, at most 4
 * GiB. */
int64_t cyf_prepare_default_memory(int local_ranks);

#endif
