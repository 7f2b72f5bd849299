/* SPDX-License-Identifier: MIT */
/* The assembler takes cells from the lanes' windows and decodes them into batches. */
#include <string.h>

#include "base/memory.h"
#include "data/loader/loader_internal.h"
#include "kernels/backend.h"
#include "kernels/math/normalisation.h"

/* Where the batches kept ready take more than this together, they are written past the caches. It is about a core's
 * share of the last-level cache. */
enum { CACHED_BYTES = 8 << 20 };

enum { PIECE_CELLS = 16, PIECE_CHUNKS = 4 }; /* cells or chunks that a thread decodes or inflates at a time */
enum { ENTRIES_AHEAD = 8 };                  /* a row's bounds are prefetched so many cells before they are read */

/* Decodes and normalises cell i of the batch, which place_cell has placed. `next` is the row after it, to prefetch. */
static cyf_status decode_cell(const cyf_loader *loader, cyf_batch_slot *slot, int64_t i, const cyf_block_row *next) {
  const cyf_csr_buffer *cells = &slot->cells;
  const cyf_block_row *row = &slot->from[i];
  if (loader->form == CYF_BATCH_COMPACT)
    return cyf_compact_gather(loader, row, i, cells->indptr[i], next, &slot->stored, &slot->total[i]);
  int32_t *indices = cells->indices + cells->indptr[i];
  float *values = cells->values + cells->indptr[i];
  if (cyf_expression_is_counted(loader->atlas->kind))
    return cyf_block_decode_normalized(row, cells->n_genes, CYF_NORMALISED_TOTAL, slot->past_caches, next, indices,
                                       values, &slot->total[i]);
  return cyf_block_decode_row(row, cells->n_genes, indices, values);
}

/* What the pool's threads are given. */
typedef struct decode_job {
  const cyf_loader *loader;
  cyf_batch_slot *slot;
} decode_job;

static cyf_status decode_cells(void *context, int64_t first, int64_t end) {
  const decode_job *job = context;
  cyf_batch_slot *slot = job->slot;
  /* Rows of a shuffled window lie far apart in memory. So the next one is prefetched while this one is decoded. */
  for (int64_t i = first; i < end; i++)
    CYF_TRY(decode_cell(job->loader, slot, i, i + 1 < end ? &slot->from[i + 1] : NULL));
  if (slot->past_caches) cyf_decode_flush();
  return CYF_OK;
}

/* Decodes the cells that were placed since the last call. It comes before a window's blocks are given back, and when
 * all cells of the batch are placed. */
static cyf_status decode_placed(const cyf_loader *loader, cyf_batch_slot *slot) {
  decode_job job = {loader, slot};
  if (loader->form == CYF_BATCH_ROWS) return CYF_OK; /* the device has them */
  CYF_TRY(cyf_loader_pool_run(loader->pool, slot->n_decoded, slot->n_placed, PIECE_CELLS, decode_cells, &job));
  slot->n_decoded = slot->n_placed;
  return CYF_OK;
}

/* ---- windows of compressed shards ---- */

/* Inflates the window's chunks [first, end), numbered through all its blocks. */
static cyf_status inflate_chunks(void *context, int64_t first, int64_t end) {
  const cyf_window *window = context;
  int64_t before = 0;
  for (int64_t b = 0; b < window->n_blocks; b++) {
    const cyf_block *block = window->block[b];
    if (!block) continue;
    const int64_t from = first > before ? first - before : 0;
    const int64_t to = end - before < block->n_chunks ? end - before : block->n_chunks;
    for (int64_t c = from; c < to; c++) CYF_TRY(cyf_block_inflate_chunk(block, c));
    before += block->n_chunks;
  }
  return CYF_OK;
}

static cyf_status inflate_window(const cyf_loader *loader, cyf_window *window) {
  int64_t n_chunks = 0;
  bool any = false;
  for (int64_t b = 0; b < window->n_blocks; b++) {
    if (!window->block[b]) continue;
    CYF_TRY(cyf_block_inflate_begin(window->block[b]));
    n_chunks += window->block[b]->n_chunks;
    any = any || window->block[b]->inflated != NULL;
  }
  return any ? cyf_loader_pool_run(loader->pool, 0, n_chunks, PIECE_CHUNKS, inflate_chunks, window) : CYF_OK;
}

/* Gives back inflated entries of blocks that stay in memory, where they stay compressed. Streamed blocks keep that
 * memory for their next cells. */
static void drop_inflated(const cyf_lane *lane, const cyf_window *window) {
  for (int64_t b = 0; lane->resident && b < window->n_blocks; b++)
    if (window->block[b]) cyf_block_inflate_end(window->block[b]);
}

/* Exchanges the lane's window, all of whose cells were taken, for its next one. */
static cyf_status next_window(cyf_loader *loader, cyf_lane *lane, cyf_batch_slot *slot, bool *ret_stopped) {
  if (lane->window) {
    CYF_TRY(decode_placed(loader, slot));
    drop_inflated(lane, lane->window);
    cyf_loader_put_free(loader, lane->window);
  }
  lane->window = cyf_loader_take_fetched(loader);
  *ret_stopped = lane->window == NULL;
  if (lane->window && &loader->lane[lane->window->lane_index] != lane)
    return CYF_FAIL(CYF_ERR_INTERNAL, "the loader's planner took another lane than the one that was due");
  return lane->window ? inflate_window(loader, lane->window) : CYF_OK;
}

/* Takes the lane's next cell into the batch as the lane's cell number `place` there: everything but its entries, which
 * decode_placed decodes. */
static cyf_status place_cell(cyf_loader *loader, cyf_lane *lane, int64_t place, cyf_batch_slot *slot,
                             bool *ret_stopped) {
  while (!lane->window || lane->window->next_entry == lane->window->n_entries) {
    CYF_TRY(next_window(loader, lane, slot, ret_stopped));
    if (*ret_stopped) return CYF_OK;
  }
  cyf_window *window = lane->window;
  if (window->next_entry + ENTRIES_AHEAD < window->n_entries) {
    const cyf_window_entry later = window->entry[window->next_entry + ENTRIES_AHEAD];
    cyf_block_prefetch_row(window->block[later.slot], window->block[later.slot]->first_cell + later.row);
  }
  const cyf_window_entry entry = window->entry[window->next_entry++];
  const cyf_block *block = window->block[entry.slot];
  const int64_t cell = block->first_cell + entry.row, i = slot->n_placed++;
  if (loader->form != CYF_BATCH_ROWS) slot->from[i] = cyf_block_find_row(block, cell);
  cyf_csr_buffer *cells = &slot->cells;
  const int64_t nnz = loader->form == CYF_BATCH_ROWS ? cyf_block_row_nnz(block, cell) : slot->from[i].n;
  const int64_t end = cells->indptr[i] + nnz, n_block = block->end_cell - block->first_cell;
  if (loader->form == CYF_BATCH_COMPACT && end > slot->stored.nnz_capacity)
    CYF_TRY(cyf_compact_reserve(loader, slot->n_local, end + end / 8, &slot->stored));
  if (loader->form == CYF_BATCH_VALUES && end > cells->nnz_capacity)
    CYF_TRY(cyf_csr_buffer_reserve(cells, slot->n_local, end + end / 8));
  cells->indptr[i + 1] = end;
  cells->n_cells = i + 1;
  slot->cell[i] = cell;
  slot->position[i] = lane->number * loader->plan.lane_batch + place;
  slot->total[i] = 0;
  if (loader->form == CYF_BATCH_ROWS) {
    const int64_t first = cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, loader->first_lane);
    slot->row[i] = loader->resident.row_of_cell[cell - first];
    slot->total[i] = loader->resident.total[slot->row[i]];
  }
  for (int64_t a = 0; a < loader->atlas->n_attributes; a++)
    slot->codes[a * slot->n_local + i] = block->codes[a * n_block + entry.row];
  return CYF_OK;
}

cyf_status cyf_batch_fill(cyf_loader *loader, cyf_batch_slot *slot, bool *ret_stopped) {
  *ret_stopped = false;
  if (loader->cursor.step == loader->batches_per_epoch) loader->cursor = (cyf_cursor){loader->cursor.epoch + 1, 0};
  const int64_t step = loader->cursor.step;
  slot->n_local = slot->n_placed = slot->n_decoded = 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++)
    slot->n_local += cyf_plan_lane_cells(&loader->plan, loader->lane[l].count, step);
  slot->past_caches = slot->cells.nnz_capacity * 8 * loader->n_slots > CACHED_BYTES;
  slot->cursor = loader->cursor;
  slot->n_global = cyf_plan_batch_cells(&loader->plan, loader->lane_count, step);
  cyf_csr_buffer_clear(&slot->cells, loader->atlas->n_genes);
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    const int64_t n = cyf_plan_lane_cells(&loader->plan, lane->count, step);
    for (int64_t place = 0; place < n; place++) {
      CYF_TRY(place_cell(loader, lane, place, slot, ret_stopped));
      if (*ret_stopped) return CYF_OK;
    }
  }
  CYF_TRY(decode_placed(loader, slot));
  if (slot->bounds) memcpy(slot->bounds, slot->cells.indptr, (size_t)(slot->cells.n_cells + 1) * sizeof(*slot->bounds));
  loader->cursor.step++;
  return CYF_OK;
}

/* Makes memory for n elements of a batch: for forms that a device fetches, memory that it can fetch from. */
static cyf_status fetched_from(const cyf_loader *loader, int64_t n, size_t size, void **memory) {
  cyf_device *device = loader->device;
  if (loader->form == CYF_BATCH_VALUES) return cyf_alloc((size_t)n, size, memory);
  return device->ops->alloc_host(device, (size_t)n * size, memory);
}

/* About how many entries a batch of n cells has, rather too many than too few: memory that has to grow is copied. */
static int64_t expected_entries(const cyf_loader *loader, int64_t n) {
  int64_t entries = 0, cells = 0;
  for (int64_t p = 0; p < loader->shards.n_parts; p++) {
    entries += loader->shards.part[p].n_entries;
    cells += loader->shards.part[p].n_cells;
  }
  return cells > 0 ? (int64_t)(1.06 * (double)entries / (double)cells * (double)n) : 0;
}

cyf_status cyf_batch_slot_make(const cyf_loader *loader, cyf_batch_slot *slot) {
  const int64_t n = loader->n_lanes_local * loader->plan.lane_batch;
  CYF_TRY(CYF_NEW(&slot->from, n));
  CYF_TRY(CYF_NEW(&slot->cell, n));
  CYF_TRY(CYF_NEW(&slot->position, n));
  CYF_TRY(CYF_NEW(&slot->codes, n * loader->atlas->n_attributes));
  CYF_TRY(fetched_from(loader, n, sizeof(*slot->total), (void **)&slot->total));
  if (loader->form != CYF_BATCH_VALUES)
    CYF_TRY(fetched_from(loader, n + 1, sizeof(*slot->bounds), (void **)&slot->bounds));
  if (loader->form == CYF_BATCH_ROWS) CYF_TRY(fetched_from(loader, n, sizeof(*slot->row), (void **)&slot->row));
  const int64_t nnz = expected_entries(loader, n);
  if (loader->form == CYF_BATCH_COMPACT) CYF_TRY(cyf_compact_reserve(loader, n, nnz, &slot->stored));
  CYF_TRY(cyf_csr_buffer_reserve(&slot->cells, n, loader->form == CYF_BATCH_VALUES ? nnz : 0));
  cyf_csr_buffer_clear(&slot->cells, loader->atlas->n_genes);
  return CYF_OK;
}

void cyf_batch_slot_destroy(const cyf_loader *loader, cyf_batch_slot *slot) {
  cyf_compact_destroy(loader, &slot->stored);
  if (loader->form != CYF_BATCH_VALUES) {
    loader->device->ops->free_host(loader->device, slot->total);
    loader->device->ops->free_host(loader->device, slot->bounds);
    loader->device->ops->free_host(loader->device, slot->row);
    slot->total = NULL;
  }
  cyf_csr_buffer_destroy(&slot->cells);
  cyf_free(slot->from);
  cyf_free(slot->total);
  cyf_free(slot->cell);
  cyf_free(slot->position);
  cyf_free(slot->codes);
}
