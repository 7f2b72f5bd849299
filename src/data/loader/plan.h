/* SPDX-License-Identifier: MIT */
/** @file
 * Which cell stands where in which batch. This is arithmetic without any reading, which the streaming loader and the
 * latent loader share. Not collective.
 *
 * An atlas of n cells is cut into L lanes; lane l holds the cells [l n / L, (l + 1) n / L), in integer division. Each
 * global batch takes batch_cells / L cells from every lane. Of R ranks, rank r owns the lanes [r L / R, (r + 1) L / R).
 * Everything below is a function of the options and of (epoch, lane) alone. So batches are the same for any number of
 * ranks, and a cursor needs no other state. */
#ifndef CYF_DATA_LOADER_PLAN_H
#define CYF_DATA_LOADER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/loader/loader.h"

/** How an atlas is cut into lanes, blocks and windows, and how these are ordered. */
typedef struct cyf_lane_plan {
  int64_t n_cells; /**< of the atlas */
  int64_t n_lanes;
  int64_t lane_batch;    /**< cells that each lane gives to a batch */
  int64_t block_cells;   /**< the options', or fewer where there is little data */
  int64_t window_blocks; /**< blocks whose cells are shuffled together */
  double validation;
  cyf_split split;
  bool shuffle;
  cyf_rng_key split_key, order_key;
} cyf_lane_plan;

/** A cell of a window in memory: the block's place in the window, and the row within the block. */
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

/** Tells which of the cells [first, first + n) are in the split: ret_in_split[n]. It depends on neither ranks, lanes
 * nor blocks. */
void cyf_plan_split(const cyf_lane_plan *plan, int64_t first, int64_t n, bool *ret_in_split);

/** How many blocks a lane has. */
int64_t cyf_plan_n_blocks(const cyf_lane_plan *plan, int64_t lane);
/** The cells [*ret_first, *ret_end) of the atlas that make a lane's block. */
void cyf_plan_block_range(const cyf_lane_plan *plan, int64_t lane, int64_t block, int64_t *ret_first, int64_t *ret_end);
/** The order in which a lane's blocks are read in an epoch: ret_order[n_blocks]. */
void cyf_plan_block_order(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n_blocks, int64_t *ret_order);
/** The places [*ret_first, *ret_end) in that order whose blocks make a window. The first window of lane l has 1 + l mod
 * window_blocks blocks, so that the lanes of a rank need new windows at different times. */
void cyf_plan_window(const cyf_lane_plan *plan, int64_t lane, int64_t n_blocks, int64_t window, int64_t *ret_first,
                     int64_t *ret_end);
/** Shuffles the cells of a window, entries[n], which are given in reading order. */
void cyf_plan_shuffle_window(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t window, int64_t n,
                             cyf_window_entry *entries);
/** Shuffles a whole lane, values[n], as the latent loader does, which holds its cells in memory. */
void cyf_plan_shuffle_lane(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n, int64_t *values);

/** Number of batches in an epoch, given how many cells each lane emits: lane_count[n_lanes]. */
int64_t cyf_plan_batches(const cyf_lane_plan *plan, const int64_t *lane_count);
/** Number of cells that a lane, which emits lane_count of them an epoch, gives to batch `step`. */
int64_t cyf_plan_lane_cells(const cyf_lane_plan *plan, int64_t lane_count, int64_t step);
/** Number of cells in batch `step` over all lanes. */
int64_t cyf_plan_batch_cells(const cyf_lane_plan *plan, const int64_t *lane_count, int64_t step);
/** Judges a split without cells. It is legal for validation, since a few cells may all fall to training. Errors:
 * CYF_ERR_CONFIG for any other split. */
cyf_status cyf_plan_check_empty(const cyf_lane_plan *plan, const char *directory);
/** Moves a cursor at an epoch's very end to the next epoch's start. Errors: CYF_ERR_CONFIG when it lies outside. */
cyf_status cyf_plan_check_cursor(int64_t batches_per_epoch, cyf_cursor *cursor);

/** Whether to read past the page cache, where each of a machine's `local_ranks` streams rank_bytes, and
 * available_bytes of memory are free (0: not known).
 *
 * Cells that stay in memory are read once and gain nothing by it. Streamed cells that do not fit the page cache gain
 * nothing by going through it, as a page is gone before it is read again in the next epoch. */
bool cyf_loader_is_direct(cyf_loader_io asked, cyf_residency residency, int64_t rank_bytes, int64_t available_bytes,
                          int local_ranks);

#endif
