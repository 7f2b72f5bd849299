/* SPDX-License-Identifier: MIT */
/** @file
 * Inside the loader: what the planner, the fetchers, the assembler and the consumer share.
 *
 *   planner thread:   walks through the lanes as batches will, plans the windows they need    -> queue of windows
 *   fetcher threads:  read the windows' stored chunks, one window each
 *   assembler thread: takes windows as lanes run out, decodes cells into batches               -> ring of batches
 *   consumer:         cyf_loader_next
 */
#ifndef CYF_DATA_LOADER_LOADER_INTERNAL_H
#define CYF_DATA_LOADER_LOADER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "data/atlas/shard.h"
#include "data/loader/balance.h"
#include "data/loader/loader.h"
#include "data/loader/plan.h"
#include "data/loader/pool.h"

/** Reads past the page cache have no other way to be on their way together. */
enum { CYF_FETCHERS_MAX = 4 };

/** Blocks of one lane that are shuffled together, in memory. */
typedef struct cyf_window {
  int64_t lane_index; /**< index among this rank's lanes */
  cyf_block *own;     /**< [window_blocks] memory for blocks that are streamed, but for their stored bytes */
  uint8_t *memory;    /**< those, in one piece: large enough for huge pages */
  uint8_t *bytes;     /**< where they begin in it, aligned for reads past the page cache */
  int64_t bytes_capacity;
  bool fetched;      /**< guarded by the loader's mutex */
  cyf_block **block; /**< [window_blocks] the blocks: own ones, or resident ones */
  int64_t n_blocks;
  cyf_window_entry *entry; /**< cells in the order of their emission */
  int64_t n_entries, next_entry, entries_capacity;
} cyf_window;

/** One of this rank's lanes. The planner's members change with its walk, up to an epoch ahead of the assembler's. */
typedef struct cyf_lane {
  int64_t number; /**< global number */
  int64_t first_cell, n_cells;
  int64_t n_blocks;
  int64_t count; /**< cells it emits an epoch */
  /** the planner's */
  int32_t *block_count; /**< [n_blocks] cells each block emits in the epoch */
  int64_t *order;       /**< [n_blocks] blocks in reading order */
  uint8_t *extra;       /**< balanced sampling: [(n_cells + 7) / 8] bits, see cyf_balance_extra */
  cyf_block *resident;  /**< [n_blocks] with residency HOST or DEVICE (without entries); end_cell 0: not read yet */
  int64_t next_window;
  int64_t skip;  /**< cells of the next window that are before the cursor */
  int64_t ahead; /**< cells fetched beyond the walk's place */
  /** the assembler's */
  cyf_window *window; /**< the cells being emitted; NULL at first */
} cyf_lane;

/** Room for compact entries in memory that a device fetches from. */
typedef struct cyf_compact_memory {
  void *indices, *counts;
  float *factor; /**< [cells of a batch] */
  int64_t nnz_capacity;
} cyf_compact_memory;

/** This rank's cells of the split in the device's memory, in the order of the atlas (residency DEVICE). */
typedef struct cyf_resident_cells {
  cyf_compact matrix;   /**< device memory */
  int32_t *row_of_cell; /**< [cells of this rank], -1: not of the split */
  float *total;         /**< [rows] */
} cyf_resident_cells;

/** A batch with memory of its own. */
typedef struct cyf_batch_slot {
  cyf_csr_buffer cells;
  cyf_block_row *from; /**< [batch] what each cell is to be decoded from; not of form ROWS */
  int64_t n_placed;    /**< cells with a place */
  int64_t n_decoded;   /**< the cells before this one are in place */
  bool past_caches;    /**< whether its entries are written so, see cyf_decode_indices */
  float *total;
  int64_t *cell;
  int64_t *position;
  int32_t *codes;
  cyf_compact_memory stored; /**< form COMPACT */
  int64_t *row;              /**< form ROWS */
  int64_t *bounds;           /**< of forms but VALUES: [batch + 1], a copy of cells.indptr that a device fetches from */
  int64_t n_local, n_global;
  cyf_cursor cursor;
} cyf_batch_slot;

/** First in, first out; capacity for all windows there are. */
typedef struct cyf_window_queue {
  cyf_window **item;
  int64_t first, n;
} cyf_window_queue;

struct cyf_loader {
  cyf_comm *comm;
  const cyf_atlas *atlas;
  cyf_lane_plan plan;
  cyf_cell_weights balance;
  cyf_residency residency;
  cyf_batch_form form;
  cyf_device *device; /**< NULL: none */
  cyf_count_type count_type;
  cyf_index_type index_type;
  cyf_resident_cells resident;
  int64_t first_lane, n_lanes_local;
  int64_t *lane_count; /**< [n_lanes] cells each emits an epoch */
  int64_t n_cells, batches_per_epoch;
  cyf_lane *lane;        /**< [n_lanes_local] */
  cyf_loader_pool *pool; /**< decodes, with the assembler */
  cyf_shard_set shards;  /**< the planner's and the fetchers', once they run */
  atomic_llong bytes_read;

  /** the planner's walk: the next need to look at */
  bool *in_split;      /**< [most cells of a lane] scratch */
  int32_t *lane_codes; /**< [most cells of a lane] scratch, with balanced sampling */
  cyf_cursor walk;
  int64_t walk_lane;

  cyf_window *window; /**< [n_windows], all there are */
  int64_t n_windows;
  cyf_cursor cursor; /**< of the batch the assembler makes next */

  /** A ring: the assembler fills slots [taken, taken + n_slots), the consumer holds slot taken - 1. */
  cyf_batch_slot *slot;
  int64_t n_slots;
  pthread_t planner, fetcher[CYF_FETCHERS_MAX], assembler;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool has_planner, has_fetcher[CYF_FETCHERS_MAX], has_assembler, has_mutex;
  cyf_failure failure; /**< of a thread; guarded by itself */
  /** guarded by mutex, as is all below */
  bool stopping;
  cyf_window_queue free_windows;
  cyf_window_queue unfetched_windows; /**< planned, for the next fetcher */
  cyf_window_queue coming_windows;    /**< planned, fetched or not, in the order of their need */
  int64_t n_filled, n_taken;          /**< batches since the start */
  bool ended;                         /**< the assembler makes no more */
  bool holding;                       /**< the consumer holds a slot */
};

/* ---- windows.c ---- */

/** Counts what each own lane emits (lane->count). Not collective. */
cyf_status cyf_lanes_make(cyf_loader *loader);
void cyf_lanes_destroy(cyf_loader *loader);
/** Makes the windows: one a lane and some ahead. */
cyf_status cyf_windows_make(cyf_loader *loader);
void cyf_windows_destroy(cyf_loader *loader);
/** The planner thread: from loader->cursor on, until stopping. */
cyf_status cyf_windows_plan(cyf_loader *loader);
/** Reads the stored chunks of a planned window. Thread-safe for different windows that are streamed. */
cyf_status cyf_window_fetch(cyf_loader *loader, cyf_window *window);

/* ---- queue.c: between the threads ---- */

/** @{ */
/** The planner waits for a window to fill, puts it where the fetchers and, in this order, the assembler find it; NULL
 * when the loader is stopping. */
cyf_window *cyf_loader_take_free(cyf_loader *loader);
void cyf_loader_put_planned(cyf_loader *loader, cyf_window *window);
/** @} */

/** @{ */
/** A fetcher waits for a planned window and tells when it is fetched; NULL when the loader is stopping. */
cyf_window *cyf_loader_take_planned(cyf_loader *loader);
void cyf_loader_tell_fetched(cyf_loader *loader, cyf_window *window);
/** @} */

/** Waits for the next planned window to be fetched; NULL when stopping or after a failure of a thread before it. */
cyf_window *cyf_loader_take_fetched(cyf_loader *loader);
/** Gives a window back whose cells are all in batches. */
void cyf_loader_put_free(cyf_loader *loader, cyf_window *window);

/** @{ */
/** The assembler waits for a slot that the consumer has done with, and hands over the batch that it made there; NULL
 * when the loader is stopping. */
cyf_batch_slot *cyf_loader_await_free_slot(cyf_loader *loader);
void cyf_loader_publish_batch(cyf_loader *loader);
/** @} */

/** For a thread that fails: its pending message goes to the consumer, unless another thread has failed before. */
void cyf_loader_publish_failure(cyf_loader *loader, cyf_status status);

/* ---- compact.c ---- */

/** The types that hold every stored number of this rank's cells. */
void cyf_compact_choose_types(cyf_loader *loader);
/** Makes room for `nnz` entries of `n` cells, keeping what is there. */
cyf_status cyf_compact_reserve(const cyf_loader *loader, int64_t n, int64_t nnz, cyf_compact_memory *memory);
void cyf_compact_destroy(const cyf_loader *loader, cyf_compact_memory *memory);
/** Gathers a cell's stored numbers to entry `at`, its factor (counts only) to place i, and its total. */
cyf_status cyf_compact_gather(const cyf_loader *loader, const cyf_block_row *row, int64_t i, int64_t at,
                              const cyf_block_row *next, cyf_compact_memory *memory, float *ret_total);

/* ---- resident.c ---- */

/** Reads this rank's cells of the split into the device's memory. Errors: CYF_ERR_CONFIG naming the bytes where they do
 * not fit, CYF_ERR_INPUT. Not collective. */
cyf_status cyf_resident_make(cyf_loader *loader);
void cyf_resident_destroy(cyf_loader *loader);

/* ---- batches.c: the assembler ---- */

/** @{ */
/** Makes the batch at loader->cursor in the slot and moves the cursor on; *ret_stopped where windows have ended. */
cyf_status cyf_batch_fill(cyf_loader *loader, cyf_batch_slot *slot, bool *ret_stopped);
cyf_status cyf_batch_slot_make(const cyf_loader *loader, cyf_batch_slot *slot);
/** @} */

void cyf_batch_slot_destroy(const cyf_loader *loader, cyf_batch_slot *slot);

#endif
