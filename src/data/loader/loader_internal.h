/* SPDX-License-Identifier: MIT */
/** @file
 * Inside the loader: what the planner, the fetchers, the assembler and the consumer share (docs/loader.md, "Threads").
 *
 *     planner thread    plans the windows in the order in which batches will need them -> queue of windows
 *     fetcher threads   read the windows' stored chunks, one window each
 *     assembler thread  takes windows as lanes run out, decodes cells into batches     -> ring of batches
 *     consumer          cyf_loader_next
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

/** Fetchers that read past the page cache. Such a read waits for the disk, so several threads are needed for several
 * reads at once. */
enum { CYF_FETCHERS_MAX = 4 };

/** Blocks of one lane, in memory, whose cells are shuffled together. */
typedef struct cyf_window {
  int64_t lane_index; /**< index among this rank's lanes */
  cyf_block *own;     /**< [window_blocks] the window's own blocks, for streaming; without their stored bytes */
  uint8_t *memory;    /**< stored bytes of all these blocks together, so that huge pages can hold them */
  uint8_t *bytes;     /**< where they begin in `memory`, aligned for reads past the page cache */
  int64_t bytes_capacity;
  bool fetched;      /**< guarded by the loader's mutex */
  cyf_block **block; /**< [n_blocks] the blocks: own ones, or the lane's resident ones; NULL: one that emits no cell */
  int64_t n_blocks;
  cyf_window_entry *entry; /**< [n_entries] cells in the order in which they are emitted */
  int64_t n_entries, next_entry, entries_capacity;
} cyf_window;

/** One of this rank's lanes. What belongs to the planner is of the epoch that the planner is in, which may be one ahead
 * of the assembler's. */
typedef struct cyf_lane {
  int64_t number; /**< among the lanes of all ranks */
  int64_t first_cell, n_cells;
  int64_t n_blocks;
  int64_t count; /**< cells that it emits in an epoch */
  /** the planner's */
  int32_t *block_count; /**< [n_blocks] cells that each block emits in the epoch */
  int64_t *order;       /**< [n_blocks] blocks in reading order */
  uint8_t *extra;       /**< balanced sampling: [(n_cells + 7) / 8] bits, see cyf_balance_extra */
  cyf_block *resident;  /**< [n_blocks] unless streamed; with DEVICE, without entries; end_cell 0: not read yet */
  int64_t next_window;
  int64_t skip;  /**< cells at the beginning of the next window that lie before the cursor */
  int64_t ahead; /**< cells of planned windows that no batch up to the walk's has taken */
  /** the assembler's */
  cyf_window *window; /**< whose cells are being emitted; NULL at first */
} cyf_lane;

/** Memory for cells as integers, which a device can fetch from. */
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

/** A batch and its memory. */
typedef struct cyf_batch_slot {
  cyf_csr_buffer cells;
  cyf_block_row *from; /**< [batch] the stored row of each cell; not with form ROWS */
  int64_t n_placed;    /**< cells that are in the batch so far */
  int64_t n_decoded;   /**< the first of these, whose entries are decoded */
  bool past_caches;    /**< its entries are written past the caches, see cyf_decode_indices */
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

/** Windows, first in, first out; there is room for all of them. */
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
  int64_t *lane_count; /**< [n_lanes] cells that each lane of all ranks emits in an epoch */
  int64_t n_cells, batches_per_epoch;
  cyf_lane *lane;        /**< [n_lanes_local] */
  cyf_loader_pool *pool; /**< decodes, with the assembler */
  cyf_shard_set shards;  /**< used by planner and fetchers alone, once they run */
  atomic_llong bytes_read;

  /** the planner's walk: the batch and the lane that it looks at next */
  bool *in_split;      /**< [most cells of a lane] scratch */
  int32_t *lane_codes; /**< [most cells of a lane] scratch, with balanced sampling */
  cyf_cursor walk;
  int64_t walk_lane;

  cyf_window *window; /**< [n_windows] all windows there are */
  int64_t n_windows;
  cyf_cursor cursor; /**< of the batch that the assembler makes next */

  /** A ring: batch b of the stream is in slot b mod n_slots. The consumer holds batch n_taken - 1, the assembler makes
   * batch n_filled. */
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
  bool ended;                         /**< the assembler makes no more batches */
  bool holding;                       /**< the consumer still reads the batch it took last */
};

/* ---- windows.c ---- */

/** Makes this rank's lanes and counts what each emits (lane->count). Not collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_lanes_make(cyf_loader *loader);
/** Frees the lanes and their resident blocks. */
void cyf_lanes_destroy(cyf_loader *loader);
/** Makes the windows, all of them free: one a lane and some ahead. */
cyf_status cyf_windows_make(cyf_loader *loader);
/** Frees the windows. */
void cyf_windows_destroy(cyf_loader *loader);
/** What the planner thread does: plans window after window from loader->cursor on, until the loader is stopping. */
cyf_status cyf_windows_plan(cyf_loader *loader);
/** Reads the stored chunks of a planned window. Several threads may do so for different windows where cells are
 * streamed. Errors: CYF_ERR_INPUT. */
cyf_status cyf_window_fetch(cyf_loader *loader, cyf_window *window);

/* ---- queue.c: between the threads ---- */

/** @{ */
/** The planner waits for a free window, and hands it over once it is planned: to the next fetcher and, in the order of
 * planning, to the assembler. NULL when the loader is stopping. */
cyf_window *cyf_loader_take_free(cyf_loader *loader);
void cyf_loader_put_planned(cyf_loader *loader, cyf_window *window);
/** @} */

/** @{ */
/** A fetcher waits for a planned window, and says when it has fetched it. NULL when the loader is stopping. */
cyf_window *cyf_loader_take_planned(cyf_loader *loader);
void cyf_loader_tell_fetched(cyf_loader *loader, cyf_window *window);
/** @} */

/** The assembler waits until the window that was planned next is fetched. NULL when the loader is stopping, or when a
 * thread failed before. */
cyf_window *cyf_loader_take_fetched(cyf_loader *loader);
/** Frees a window, all of whose cells are in batches. */
void cyf_loader_put_free(cyf_loader *loader, cyf_window *window);

/** @{ */
/** The assembler waits for a slot that the consumer no longer needs, and hands over the batch that it made there. NULL
 * when the loader is stopping. */
cyf_batch_slot *cyf_loader_await_free_slot(cyf_loader *loader);
void cyf_loader_publish_batch(cyf_loader *loader);
/** @} */

/** A thread that fails hands its status and message to the consumer, unless another thread has failed before. */
void cyf_loader_publish_failure(cyf_loader *loader, cyf_status status);

/* ---- compact.c ---- */

/** Chooses the narrowest types that hold every stored number of this rank's cells. */
void cyf_compact_choose_types(cyf_loader *loader);
/** Makes room for `nnz` entries of `n` cells, keeping those that are there. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_compact_reserve(const cyf_loader *loader, int64_t n, int64_t nnz, cyf_compact_memory *memory);
/** Frees the memory. */
void cyf_compact_destroy(const cyf_loader *loader, cyf_compact_memory *memory);
/** Copies a cell's stored numbers to entry `at` and its factor of normalisation to factor[i], and gives its total
 * count, 0 where values are no counts. `next` is a row to prefetch, or NULL. */
cyf_status cyf_compact_gather(const cyf_loader *loader, const cyf_block_row *row, int64_t i, int64_t at,
                              const cyf_block_row *next, cyf_compact_memory *memory, float *ret_total);

/* ---- resident.c ---- */

/** Reads this rank's cells of the split into the device's memory. Errors: CYF_ERR_CONFIG naming the bytes where they do
 * not fit, CYF_ERR_INPUT. Not collective. */
cyf_status cyf_resident_make(cyf_loader *loader);
/** Frees them. */
void cyf_resident_destroy(cyf_loader *loader);

/* ---- batches.c: the assembler ---- */

/** Makes the batch at loader->cursor in the slot and moves the cursor on. *ret_stopped is true where no window came any
 * more, and there is no batch. */
cyf_status cyf_batch_fill(cyf_loader *loader, cyf_batch_slot *slot, bool *ret_stopped);
/** Makes the memory of a slot. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_batch_slot_make(const cyf_loader *loader, cyf_batch_slot *slot);
/** Frees the memory of a slot. */
void cyf_batch_slot_destroy(const cyf_loader *loader, cyf_batch_slot *slot);

#endif
