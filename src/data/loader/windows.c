/* SPDX-License-Identifier: MIT */
/* The planner goes through the lanes in the order in which batches will need their cells, and plans the windows of
 * blocks that come next. A fetcher then reads them. */
#include <string.h>

#include "base/memory.h"
#include "data/loader/loader_internal.h"

/* Each lane has one window from which cells are taken. Beside these there is one window for every AHEAD_SHARE lanes,
 * and at least AHEAD_LEAST, to read ahead into. The first window of each lane has another length, so lanes do not all
 * need a new window at the same batch. Batches of ordinary size use up no more windows than were read ahead. */
enum { AHEAD_LEAST = 4, AHEAD_SHARE = 8 };

/* ---- what lanes emit ---- */

/* Finds which of the lane's cells are in the split and, with balanced sampling, their labels: loader->in_split,
 * loader->lane_codes. */
static cyf_status survey_lane(cyf_loader *loader, const cyf_lane *lane) {
  cyf_plan_split(&loader->plan, lane->first_cell, lane->n_cells, loader->in_split);
  if (loader->balance.attribute < 0) return CYF_OK;
  return cyf_shard_read_codes(&loader->shards, loader->balance.attribute, lane->first_cell,
                              lane->first_cell + lane->n_cells, loader->lane_codes);
}

/* How often the lane's cell i, which has this code, is emitted in the epoch for which lane->extra was made. */
static int64_t times_emitted(const cyf_loader *loader, const cyf_lane *lane, int64_t i, int32_t code) {
  if (loader->balance.attribute < 0) return 1;
  return cyf_balance_whole(&loader->balance, code) + cyf_balance_has_extra(lane->extra, i);
}

/* Fills lane->block_count for an epoch. Without weights all epochs are the same. */
static cyf_status count_blocks(cyf_loader *loader, cyf_lane *lane, int64_t epoch) {
  CYF_TRY(survey_lane(loader, lane));
  if (loader->balance.attribute >= 0)
    cyf_balance_extra(&loader->balance, epoch, lane->number, lane->n_cells, loader->lane_codes, loader->in_split,
                      lane->extra);
  memset(lane->block_count, 0, (size_t)lane->n_blocks * sizeof(*lane->block_count));
  for (int64_t i = 0; i < lane->n_cells; i++)
    if (loader->in_split[i])
      lane->block_count[i / loader->plan.block_cells] +=
          (int32_t)times_emitted(loader, lane, i, loader->balance.attribute < 0 ? -1 : loader->lane_codes[i]);
  return CYF_OK;
}

static cyf_status make_lane(cyf_loader *loader, int64_t number, cyf_lane *lane) {
  const cyf_lane_plan *plan = &loader->plan;
  lane->number = number;
  lane->first_cell = cyf_lane_first_cell(plan->n_cells, plan->n_lanes, number);
  lane->n_cells = cyf_lane_first_cell(plan->n_cells, plan->n_lanes, number + 1) - lane->first_cell;
  lane->n_blocks = cyf_plan_n_blocks(plan, number);
  CYF_TRY(CYF_NEW(&lane->block_count, lane->n_blocks));
  CYF_TRY(CYF_NEW(&lane->order, lane->n_blocks));
  if (loader->balance.attribute >= 0) CYF_TRY(CYF_NEW(&lane->extra, (lane->n_cells + 7) / 8));
  if (loader->residency != CYF_RESIDENCY_STREAM) CYF_TRY(CYF_NEW(&lane->resident, lane->n_blocks));
  CYF_TRY(count_blocks(loader, lane, 0));
  if (loader->balance.attribute >= 0) {
    lane->count = cyf_balance_count(&loader->balance, lane->n_cells, loader->lane_codes, loader->in_split);
  } else {
    for (int64_t b = 0; b < lane->n_blocks; b++) lane->count += lane->block_count[b];
  }
  return CYF_OK;
}

cyf_status cyf_lanes_make(cyf_loader *loader) {
  const int64_t most = loader->plan.n_cells / loader->plan.n_lanes + 1;
  CYF_TRY(CYF_NEW(&loader->in_split, most));
  if (loader->balance.attribute >= 0) CYF_TRY(CYF_NEW(&loader->lane_codes, most));
  CYF_TRY(CYF_NEW(&loader->lane, loader->n_lanes_local));
  for (int64_t l = 0; l < loader->n_lanes_local; l++)
    CYF_TRY(make_lane(loader, loader->first_lane + l, &loader->lane[l]));
  return CYF_OK;
}

void cyf_lanes_destroy(cyf_loader *loader) {
  for (int64_t l = 0; loader->lane && l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    for (int64_t b = 0; lane->resident && b < lane->n_blocks; b++) cyf_block_destroy(&lane->resident[b]);
    cyf_free(lane->resident);
    cyf_free(lane->block_count);
    cyf_free(lane->order);
    cyf_free(lane->extra);
  }
  cyf_free(loader->lane);
  cyf_free(loader->in_split);
  cyf_free(loader->lane_codes);
}

cyf_status cyf_windows_make(cyf_loader *loader) {
  const int64_t share = loader->n_lanes_local / AHEAD_SHARE, n_blocks = loader->plan.window_blocks;
  const int64_t n = loader->n_lanes_local + (share > AHEAD_LEAST ? share : AHEAD_LEAST);
  CYF_TRY(CYF_NEW(&loader->window, n));
  loader->n_windows = n;
  CYF_TRY(CYF_NEW(&loader->free_windows.item, n));
  CYF_TRY(CYF_NEW(&loader->unfetched_windows.item, n));
  CYF_TRY(CYF_NEW(&loader->coming_windows.item, n));
  for (int64_t w = 0; w < n; w++) {
    CYF_TRY(CYF_NEW(&loader->window[w].own, n_blocks));
    CYF_TRY(CYF_NEW(&loader->window[w].block, n_blocks));
    loader->free_windows.item[loader->free_windows.n++] = &loader->window[w];
  }
  return CYF_OK;
}

void cyf_windows_destroy(cyf_loader *loader) {
  for (int64_t w = 0; loader->window && w < loader->n_windows; w++) {
    cyf_window *window = &loader->window[w];
    for (int64_t b = 0; window->own && b < loader->plan.window_blocks; b++) cyf_block_destroy(&window->own[b]);
    cyf_free(window->own);
    cyf_free(window->memory);
    cyf_free(window->block);
    cyf_free(window->entry);
  }
  cyf_free(loader->window);
  cyf_free(loader->free_windows.item);
  cyf_free(loader->unfetched_windows.item);
  cyf_free(loader->coming_windows.item);
}

/* ---- the walk ---- */

static int64_t window_cells(const cyf_loader *loader, const cyf_lane *lane, int64_t window) {
  int64_t first = 0, end = 0, n = 0;
  cyf_plan_window(&loader->plan, lane->number, lane->n_blocks, window, &first, &end);
  for (int64_t i = first; i < end; i++) n += lane->block_count[lane->order[i]];
  return n;
}

/* Puts every lane where it stands at the cursor. Windows that lie before it are passed over without reading them, by
 * their numbers of cells. */
static cyf_status begin_walk(cyf_loader *loader, cyf_cursor cursor) {
  loader->walk = cursor;
  loader->walk_lane = 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    if (loader->balance.attribute >= 0) CYF_TRY(count_blocks(loader, lane, cursor.epoch));
    cyf_plan_block_order(&loader->plan, cursor.epoch, lane->number, lane->n_blocks, lane->order);
    lane->next_window = lane->ahead = 0;
    lane->skip = cursor.step * loader->plan.lane_batch;
    if (lane->skip > lane->count) lane->skip = lane->count;
    while (lane->skip > 0 && lane->skip >= window_cells(loader, lane, lane->next_window))
      lane->skip -= window_cells(loader, lane, lane->next_window++);
  }
  return CYF_OK;
}

/* Finds the lane that needs a window next. The walk goes on, lane by lane and batch by batch as the assembler does,
 * until a lane has fewer cells ahead than the batch takes. There is such a lane, since at least one emits cells. */
static cyf_status next_need(cyf_loader *loader, cyf_lane **ret_lane) {
  for (;;) {
    if (loader->walk_lane == loader->n_lanes_local) {
      loader->walk_lane = 0;
      loader->walk.step++;
    }
    if (loader->walk.step == loader->batches_per_epoch)
      CYF_TRY(begin_walk(loader, (cyf_cursor){loader->walk.epoch + 1, 0}));
    cyf_lane *lane = &loader->lane[loader->walk_lane];
    const int64_t need = cyf_plan_lane_cells(&loader->plan, lane->count, loader->walk.step);
    if (lane->ahead < need) {
      *ret_lane = lane;
      return CYF_OK;
    }
    lane->ahead -= need;
    loader->walk_lane++;
  }
}

/* ---- windows ---- */

/* Adds the cells that a block emits to the window. The block's labels are in memory. */
static void list_block(cyf_loader *loader, const cyf_lane *lane, int32_t slot, const cyf_block *block,
                       cyf_window *window) {
  const int64_t n = block->end_cell - block->first_cell, in_lane = block->first_cell - lane->first_cell;
  const int64_t a = loader->balance.attribute;
  cyf_plan_split(&loader->plan, block->first_cell, n, loader->in_split);
  for (int64_t i = 0; i < n; i++) {
    if (!loader->in_split[i]) continue;
    const int64_t times = times_emitted(loader, lane, in_lane + i, a < 0 ? -1 : block->codes[a * n + i]);
    for (int64_t t = 0; t < times; t++) window->entry[window->n_entries++] = (cyf_window_entry){slot, (int32_t)i};
  }
}

static cyf_status reserve_entries(cyf_window *window, int64_t n) {
  window->n_entries = window->next_entry = 0;
  if (n <= window->entries_capacity) return CYF_OK;
  CYF_TRY(cyf_realloc((void **)&window->entry, (size_t)n, sizeof(*window->entry)));
  window->entries_capacity = n;
  return CYF_OK;
}

/* Makes the lane's next window: its blocks and its cells in their order, all but the stored chunks, which a fetcher is
 * to read. */
static cyf_status plan_window(cyf_loader *loader, cyf_lane *lane, cyf_window *window) {
  const int64_t number = lane->next_window++;
  int64_t first = 0, end = 0;
  CYF_TRY(reserve_entries(window, window_cells(loader, lane, number)));
  cyf_plan_window(&loader->plan, lane->number, lane->n_blocks, number, &first, &end);
  window->lane_index = lane - loader->lane;
  window->n_blocks = end - first;
  for (int64_t i = first; i < end; i++) {
    const int64_t b = lane->order[i];
    cyf_block *block = lane->resident ? &lane->resident[b] : &window->own[i - first];
    window->block[i - first] = lane->block_count[b] > 0 ? block : NULL;
    if (lane->block_count[b] == 0) continue;
    if (!lane->resident || block->end_cell == 0) {
      int64_t first_cell = 0, end_cell = 0;
      cyf_plan_block_range(&loader->plan, lane->number, b, &first_cell, &end_cell);
      CYF_TRY(cyf_block_plan(&loader->shards, first_cell, end_cell, block));
    }
    list_block(loader, lane, (int32_t)(i - first), block, window);
  }
  cyf_plan_shuffle_window(&loader->plan, loader->walk.epoch, lane->number, number, window->n_entries, window->entry);
  window->next_entry = lane->skip;
  lane->ahead += window->n_entries - lane->skip;
  lane->skip = 0;
  return CYF_OK;
}

/* Makes room for the stored bytes of a streamed window; what the memory holds is not wanted any more. Windows that have
 * fewer blocks, as a lane's first one, take memory for all window_blocks of them and some more, so that it suffices for
 * those that follow. */
static cyf_status reserve_bytes(const cyf_loader *loader, int64_t n_bytes, cyf_window *window) {
  if (n_bytes <= window->bytes_capacity) return CYF_OK;
  const int64_t full = n_bytes / window->n_blocks * loader->plan.window_blocks,
                wanted = full + full / 16 + n_bytes / 16;
  cyf_free(window->memory);
  window->bytes_capacity = 0;
  const int64_t capacity = wanted > n_bytes ? wanted : n_bytes;
  CYF_TRY(CYF_NEW(&window->memory, capacity + CYF_DIRECT_ALIGNMENT));
  window->bytes = window->memory + (-(uintptr_t)window->memory & (CYF_DIRECT_ALIGNMENT - 1));
  window->bytes_capacity = capacity;
  return CYF_OK;
}

cyf_status cyf_window_fetch(cyf_loader *loader, cyf_window *window) {
  const bool resident = loader->residency != CYF_RESIDENCY_STREAM;
  int64_t n_bytes = 0, at = 0;
  for (int64_t i = 0; i < window->n_blocks && !resident; i++)
    n_bytes += window->block[i] ? window->block[i]->n_bytes : 0;
  CYF_TRY(reserve_bytes(loader, n_bytes, window));
  for (int64_t i = 0; i < window->n_blocks; i++) {
    cyf_block *block = window->block[i];
    if (!block || block->fetched) continue;
    CYF_TRY(resident ? cyf_block_fetch(&loader->shards, block)
                     : cyf_block_fetch_to(&loader->shards, block, window->bytes + at));
    at += block->n_bytes;
    atomic_fetch_add_explicit(&loader->bytes_read, block->n_bytes, memory_order_relaxed);
  }
  return CYF_OK;
}

cyf_status cyf_windows_plan(cyf_loader *loader) {
  int64_t emitted = 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++) emitted += loader->lane[l].count;
  if (emitted == 0) return CYF_OK; /* this rank has no cells of the split, and its batches are empty */
  CYF_TRY(begin_walk(loader, loader->cursor));
  cyf_window *window = NULL;
  while ((window = cyf_loader_take_free(loader)) != NULL) {
    cyf_lane *lane = NULL;
    CYF_TRY(next_need(loader, &lane));
    CYF_TRY(plan_window(loader, lane, window));
    cyf_loader_put_planned(loader, window);
  }
  return CYF_OK;
}
