/* Lanes: windows of blocks, read, shuffled and emitted into batches. */
#include <string.h>

#include "base/memory.h"
#include "data/loader_internal.h"

static const double target_sum =
    1e4; /* counts a cell after normalisation, as scanpy's and scDiffusion's normalize_total */

static cyf_status make_lane(cyf_loader *loader, int64_t number, cyf_lane *lane) {
  const cyf_lane_plan *plan = &loader->plan;
  lane->lane = number;
  lane->n_blocks = cyf_plan_n_blocks(plan, number);
  CYF_TRY(CYF_NEW(&lane->block_count, lane->n_blocks));
  CYF_TRY(CYF_NEW(&lane->order, lane->n_blocks));
  CYF_TRY(CYF_NEW(&lane->window, plan->window_blocks < lane->n_blocks ? plan->window_blocks : lane->n_blocks));
  for (int64_t b = 0; b < lane->n_blocks; b++) {
    int64_t first = 0, end = 0;
    cyf_plan_block_range(plan, number, b, &first, &end);
    cyf_plan_split(plan, first, end - first, loader->in_split);
    for (int64_t i = 0; i < end - first; i++) lane->block_count[b] += loader->in_split[i];
    lane->count += lane->block_count[b];
  }
  return CYF_OK;
}

cyf_status cyf_lanes_make(cyf_loader *loader) {
  CYF_TRY(CYF_NEW(&loader->in_split, loader->plan.block_cells));
  CYF_TRY(CYF_NEW(&loader->lane, loader->n_lanes_local));
  for (int64_t l = 0; l < loader->n_lanes_local; l++)
    CYF_TRY(make_lane(loader, loader->first_lane + l, &loader->lane[l]));
  return CYF_OK;
}

void cyf_lanes_destroy(cyf_loader *loader) {
  for (int64_t l = 0; loader->lane && l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    for (int64_t b = 0; lane->window && b < loader->plan.window_blocks && b < lane->n_blocks; b++)
      cyf_block_destroy(&lane->window[b]);
    cyf_free(lane->window);
    cyf_free(lane->block_count);
    cyf_free(lane->order);
    cyf_free(lane->entry);
  }
  cyf_free(loader->lane);
  cyf_free(loader->in_split);
}

static int64_t window_cells(const cyf_loader *loader, const cyf_lane *lane, int64_t window) {
  int64_t first = 0, end = 0, n = 0;
  cyf_plan_window(&loader->plan, lane->lane, lane->n_blocks, window, &first, &end);
  for (int64_t i = first; i < end; i++) n += lane->block_count[lane->order[i]];
  return n;
}

/* Lists the split's cells of one block of the window. */
static void list_block(cyf_loader *loader, cyf_lane *lane, int32_t slot, int64_t block) {
  int64_t first = 0, end = 0;
  cyf_plan_block_range(&loader->plan, lane->lane, block, &first, &end);
  cyf_plan_split(&loader->plan, first, end - first, loader->in_split);
  for (int64_t i = 0; i < end - first; i++)
    if (loader->in_split[i]) lane->entry[lane->n_entries++] = (cyf_window_entry){slot, (int32_t)i};
}

/* Reads and shuffles the lane's next window. Blocks without a cell of the split are not read. */
static cyf_status load_window(cyf_loader *loader, cyf_lane *lane) {
  const int64_t window = lane->next_window++;
  const int64_t n = window_cells(loader, lane, window);
  if (n > lane->entries_capacity) {
    CYF_TRY(cyf_realloc((void **)&lane->entry, (size_t)n, sizeof(*lane->entry)));
    lane->entries_capacity = n;
  }
  lane->n_entries = lane->next_entry = 0;
  int64_t first = 0, end = 0;
  cyf_plan_window(&loader->plan, lane->lane, lane->n_blocks, window, &first, &end);
  for (int64_t i = first; i < end; i++) {
    const int64_t block = lane->order[i];
    if (lane->block_count[block] == 0) continue;
    int64_t first_cell = 0, end_cell = 0;
    cyf_plan_block_range(&loader->plan, lane->lane, block, &first_cell, &end_cell);
    CYF_TRY(cyf_block_read(&loader->shards, first_cell, end_cell, &lane->window[i - first]));
    list_block(loader, lane, (int32_t)(i - first), block);
  }
  cyf_plan_shuffle_window(&loader->plan, loader->cursor.epoch, lane->lane, window, lane->n_entries, lane->entry);
  return CYF_OK;
}

cyf_status cyf_lanes_seek(cyf_loader *loader) {
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    cyf_plan_block_order(&loader->plan, loader->cursor.epoch, lane->lane, lane->n_blocks, lane->order);
    lane->next_window = lane->n_entries = lane->next_entry = 0;
    int64_t skip = loader->cursor.step * loader->plan.lane_batch;
    if (skip > lane->count) skip = lane->count;
    /* Whole windows are passed over by their counts alone. */
    while (skip > 0 && skip >= window_cells(loader, lane, lane->next_window))
      skip -= window_cells(loader, lane, lane->next_window++);
    if (skip == 0) continue;
    CYF_TRY(load_window(loader, lane));
    lane->next_entry = skip;
  }
  return CYF_OK;
}

/* Decodes and normalises one cell of the batch, whose place is already set. */
static cyf_status decode_cell(const cyf_loader *loader, const cyf_batch_slot *slot, int64_t i) {
  const cyf_csr_buffer *cells = &slot->cells;
  const int64_t start = cells->indptr[i], end = cells->indptr[i + 1];
  CYF_TRY(cyf_block_decode_row(slot->block[i], slot->cell[i], cells->n_genes, cells->indices + start,
                               cells->values + start));
  if (loader->atlas->kind != CYF_EXPRESSION_COUNTS) return CYF_OK;
  double total = 0;
  for (int64_t e = start; e < end; e++) total += (double)cells->values[e];
  slot->total[i] = (float)total;
  cyf_csr_log_normalize(1, cells->indptr + i, cells->values, target_sum);
  return CYF_OK;
}

/* Decodes the cells that were placed since the last time: before a window's blocks are replaced, and at the end. */
static cyf_status decode_placed(const cyf_loader *loader, cyf_batch_slot *slot) {
  int64_t failed = -1;
#pragma omp parallel for schedule(static) num_threads(loader->decode_threads) if (loader->decode_threads > 1)
  for (int64_t i = slot->n_decoded; i < slot->n_local; i++) {
    if (decode_cell(loader, slot, i) == CYF_OK) continue;
    cyf_status_clear(); /* messages are each thread's own: it is raised again below, in the reader */
#pragma omp atomic write
    failed = i;
  }
  if (failed >= 0) return decode_cell(loader, slot, failed);
  slot->n_decoded = slot->n_local;
  return CYF_OK;
}

/* Places the lane's next cell in the batch. */
static cyf_status place_cell(cyf_loader *loader, cyf_lane *lane, int64_t place, cyf_batch_slot *slot) {
  while (lane->next_entry == lane->n_entries) {
    CYF_TRY(decode_placed(loader, slot));
    CYF_TRY(load_window(loader, lane));
  }
  const cyf_window_entry entry = lane->entry[lane->next_entry++];
  const cyf_block *block = &lane->window[entry.slot];
  const int64_t cell = block->first_cell + entry.row, nnz = cyf_block_row_nnz(block, cell), i = slot->n_local++;
  cyf_csr_buffer *cells = &slot->cells;
  const int64_t end = cells->indptr[i] + nnz;
  if (end > cells->nnz_capacity) CYF_TRY(cyf_csr_buffer_reserve(cells, i + 1, end + end / 2));
  cells->indptr[i + 1] = end;
  cells->n_cells = i + 1;
  slot->block[i] = block;
  slot->cell[i] = cell;
  slot->position[i] = lane->lane * loader->plan.lane_batch + place;
  slot->total[i] = 0;
  return CYF_OK;
}

static void copy_codes(const cyf_loader *loader, cyf_batch_slot *slot) {
  for (int64_t a = 0; a < loader->atlas->n_attributes; a++) {
    const int32_t *codes = loader->codes + a * loader->n_cells_local;
    for (int64_t i = 0; i < slot->n_local; i++)
      slot->codes[a * slot->n_local + i] = codes[slot->cell[i] - loader->first_cell];
  }
}

cyf_status cyf_batch_fill(cyf_loader *loader, cyf_batch_slot *slot) {
  if (loader->cursor.step == loader->batches_per_epoch) {
    loader->cursor = (cyf_cursor){loader->cursor.epoch + 1, 0};
    CYF_TRY(cyf_lanes_seek(loader));
  }
  slot->n_local = slot->n_decoded = 0;
  slot->cursor = loader->cursor;
  slot->n_global = cyf_plan_batch_cells(&loader->plan, loader->lane_count, loader->cursor.step);
  cyf_csr_buffer_clear(&slot->cells, loader->atlas->n_genes);
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    const int64_t n = cyf_plan_lane_cells(&loader->plan, lane->count, loader->cursor.step);
    for (int64_t place = 0; place < n; place++) CYF_TRY(place_cell(loader, lane, place, slot));
  }
  CYF_TRY(decode_placed(loader, slot));
  copy_codes(loader, slot);
  loader->cursor.step++;
  return CYF_OK;
}

cyf_status cyf_batch_slot_make(const cyf_loader *loader, cyf_batch_slot *slot) {
  const int64_t n = loader->n_lanes_local * loader->plan.lane_batch;
  CYF_TRY(CYF_NEW(&slot->block, n));
  CYF_TRY(CYF_NEW(&slot->total, n));
  CYF_TRY(CYF_NEW(&slot->cell, n));
  CYF_TRY(CYF_NEW(&slot->position, n));
  CYF_TRY(CYF_NEW(&slot->codes, n * loader->atlas->n_attributes));
  CYF_TRY(cyf_csr_buffer_reserve(&slot->cells, n, 0));
  cyf_csr_buffer_clear(&slot->cells, loader->atlas->n_genes);
  return CYF_OK;
}

void cyf_batch_slot_destroy(cyf_batch_slot *slot) {
  cyf_csr_buffer_destroy(&slot->cells);
  cyf_free(slot->block);
  cyf_free(slot->total);
  cyf_free(slot->cell);
  cyf_free(slot->position);
  cyf_free(slot->codes);
}
