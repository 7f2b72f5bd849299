/* SPDX-License-Identifier: MIT */
/** @file
 * Which cell stands where in which batch: pure arithmetic without any reading, shared by the streaming loader and the
 * latent loader.
 *
 * An atlas of n cells is cut into L lanes; lane l holds the cells [l n / L, (l + 1) n / L) (integer division). Each
 * global batch takes batch_cells / L cells from every lane; a rank owns the consecutive lanes [r L / R, (r + 1) L / R).
 * Everything below is a pure function of the options and of (epoch, lane), so that batches are the same for any number
 * of ranks and a cursor needs no state. */
#ifndef CYF_DATA_LOADER_PLAN_H
#define CYF_DATA_LOADER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/loader/loader.h"

typedef struct cyf_lane_plan {
  int64_t n_cells; /**< of the atlas */
  int64_t n_lanes;
  int64_t lane_batch;    /**< cells each lane gives to a batch */
  int64_t block_cells;   /**< after shrinking */
  int64_t window_blocks; /**< blocks shuffled together */
  double validation;
  cyf_split split;
  bool shuffle;
  cyf_rng_key split_key, order_key;
} cyf_lane_plan;

/** A cell of a loaded window: the block's place in the window and the row within the block. */
typedef struct cyf_window_entry {
  int32_t slot;
  int32_t row;
} cyf_window_entry;

/** floor(lane * n_cells / n_lanes) without overflow: the first cell of a lane, and with lane = n_lanes the number of
 * cells. */
int64_t cyf_lane_first_cell(int64_t n_cells, int64_t n_lanes, int64_t lane);

/** Checks the options against the number of ranks and fills the plan. Errors: CYF_ERR_CONFIG, naming numbers that would
 * be valid. */
cyf_status cyf_lane_plan_make(const cyf_loader_options *options, int64_t n_cells, int n_ranks, cyf_lane_plan *ret_plan);

/** Sets ret_in_split[i] for the cells first + i, i < n. Independent of ranks, lanes and blocks. */
void cyf_plan_split(const cyf_lane_plan *plan, int64_t first, int64_t n, bool *ret_in_split);

/** Blocks of a lane. */
int64_t cyf_plan_n_blocks(const cyf_lane_plan *plan, int64_t lane);
/** Global cells [*ret_first, *ret_end) of a lane's block. */
void cyf_plan_block_range(const cyf_lane_plan *plan, int64_t lane, int64_t block, int64_t *ret_first, int64_t *ret_end);
/** The order in which a lane's blocks are read in an epoch: order[n_blocks]. */
void cyf_plan_block_order(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n_blocks, int64_t *ret_order);
/** Blocks [*ret_first, *ret_end) of that order form the window. The first window of lane l takes 1 + l mod
 * window_blocks blocks, so that the lanes of a rank refill at different times. */
void cyf_plan_window(const cyf_lane_plan *plan, int64_t lane, int64_t n_blocks, int64_t window, int64_t *ret_first,
                     int64_t *ret_end);
/** Shuffles the cells of a window, given in reading order. */
void cyf_plan_shuffle_window(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t window, int64_t n,
                             cyf_window_entry *entries);
/** Shuffles a whole lane (latents): values[n]. */
void cyf_plan_shuffle_lane(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n, int64_t *values);

/** Batches of an epoch, given the cells of the split in each lane: lane_count[n_lanes]. */
int64_t cyf_plan_batches(const cyf_lane_plan *plan, const int64_t *lane_count);
/** Cells that a lane gives to batch `step` of an epoch. */
int64_t cyf_plan_lane_cells(const cyf_lane_plan *plan, int64_t lane_count, int64_t step);
/** Cells of batch `step` over all lanes. */
int64_t cyf_plan_batch_cells(const cyf_lane_plan *plan, const int64_t *lane_count, int64_t step);
/** Judges a split without cells: legal for validation (a few cells may all fall to training), an error otherwise.
 * Errors: CYF_ERR_CONFIG. */
cyf_status cyf_plan_check_empty(const cyf_lane_plan *plan, const char *directory);
/** Brings a cursor at an epoch's very end to the next epoch's start. Errors: CYF_ERR_CONFIG when it lies outside. */
cyf_status cyf_plan_check_cursor(int64_t batches_per_epoch, cyf_cursor *cursor);

/** Whether to read past the page cache, where each of a machine's `local_ranks` streams rank_bytes and there are
 * available_bytes of memory (0: not known): cells that are read once gain nothing by it, and cells that do not fit the
 * page cache gain nothing by going through it, as a page is gone before its next epoch. */
bool cyf_loader_is_direct(cyf_loader_io asked, cyf_residency residency, int64_t rank_bytes, int64_t available_bytes,
                          int local_ranks);

#endif
