/* SPDX-License-Identifier: MIT */
/* Planning and fetching a block of cells as stored chunks. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/atlas/shard.h"

enum { GAP_BYTES_MAX = 128 * 1024 }; /* reading over a gap this small is cheaper than a second read */

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Makes room for `more` elements beyond n. */
static cyf_status reserve(void *memory, int64_t n, int64_t more, size_t size, int64_t *capacity) {
  if (n + more <= *capacity) return CYF_OK;
  /* At first exactly as much as is needed: blocks that stay in memory between epochs are filled once. */
  const int64_t wanted = *capacity == 0 ? n + more : n + more + (n + more) / 8;
  CYF_TRY(cyf_realloc(memory, (size_t)wanted, size));
  *capacity = wanted;
  return CYF_OK;
}

/* ---- planning ---- */

static int by_address(const void *left, const void *right) {
  const cyf_block_chunk *a = *(const cyf_block_chunk *const *)left, *b = *(const cyf_block_chunk *const *)right;
  return (a->address > b->address) - (a->address < b->address);
}

/* Lists the chunks of an array that hold the entries [first, end). */
static cyf_status list_chunks(const cyf_shard_part *part, const cyf_stored_array *array, int64_t first, int64_t end,
                              cyf_block *block, int64_t *ret_first_chunk, int64_t *ret_first_slot) {
  const int64_t first_chunk = first / array->chunk_values;
  const int64_t end_chunk = first == end ? first_chunk : (end - 1) / array->chunk_values + 1;
  *ret_first_chunk = first_chunk;
  *ret_first_slot = block->n_chunks;
  CYF_TRY(
      reserve(&block->chunk, block->n_chunks, end_chunk - first_chunk, sizeof(*block->chunk), &block->chunks_capacity));
  for (int64_t c = first_chunk; c < end_chunk; c++) {
    cyf_block_chunk *chunk = &block->chunk[block->n_chunks++];
    *chunk = (cyf_block_chunk){.part = part, .array = array, .chunk = c};
    chunk->address = cyf_chunk_address(array, c, &chunk->bytes);
  }
  return CYF_OK;
}

/* Groups the chunks of one shard, from first_slot on, into contiguous reads, and places these in the block's memory.
 * Reads begin at multiples of `alignment`. */
static cyf_status group_chunks(cyf_shard_part *part, int64_t first_slot, int64_t alignment, cyf_block *block) {
  const int64_t n = block->n_chunks - first_slot;
  if (n == 0) return CYF_OK;
  cyf_block_chunk **sorted = NULL;
  CYF_TRY(CYF_NEW(&sorted, n));
  for (int64_t i = 0; i < n; i++) sorted[i] = &block->chunk[first_slot + i];
  qsort(sorted, (size_t)n, sizeof(*sorted), by_address);
  cyf_status status = CYF_OK;
  cyf_block_run *run = NULL;
  for (int64_t i = 0; i < n; i++) {
    cyf_block_chunk *chunk = sorted[i];
    const int64_t end = run ? run->address + run->bytes : 0;
    if (!run || chunk->address < end || chunk->address - end > GAP_BYTES_MAX) {
      CYF_TRY_CLEANUP(reserve(&block->run, block->n_runs, 1, sizeof(*block->run), &block->runs_capacity));
      run = &block->run[block->n_runs++];
      *run = (cyf_block_run){part, chunk->address / alignment * alignment, 0, block->n_bytes};
    }
    chunk->at = run->at + (chunk->address - run->address);
    run->bytes = chunk->address + chunk->bytes - run->address;
    block->n_bytes = run->at + (run->bytes + alignment - 1) / alignment * alignment;
  }
cleanup:
  cyf_free(sorted);
  return status;
}

/* Adds the part of the block that lies in one shard. */
static cyf_status plan_piece(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end, cyf_block *block) {
  CYF_TRY(reserve(&block->piece, block->n_pieces, 1, sizeof(*block->piece), &block->pieces_capacity));
  CYF_TRY(reserve(&block->bound, block->n_bounds, end - first + 1, sizeof(*block->bound), &block->bounds_capacity));
  cyf_block_piece *piece = &block->piece[block->n_pieces++];
  *piece = (cyf_block_piece){.part = part, .first_cell = first, .end_cell = end, .first_bound = block->n_bounds};
  CYF_TRY(cyf_shard_read_bounds(set, part, first, end, block->bound + block->n_bounds));
  const int64_t entry = block->bound[block->n_bounds], entry_end = block->bound[block->n_bounds + end - first];
  block->n_bounds += end - first + 1;
  const int64_t first_slot = block->n_chunks;
  CYF_TRY(
      list_chunks(part, &part->indices, entry, entry_end, block, &piece->first_index_chunk, &piece->first_index_slot));
  CYF_TRY(list_chunks(part, &part->data, entry, entry_end, block, &piece->first_data_chunk, &piece->first_data_slot));
  return group_chunks(part, first_slot, set->io == CYF_LOADER_DIRECT ? CYF_DIRECT_ALIGNMENT : 1, block);
}

static cyf_status plan_codes(cyf_shard_set *set, cyf_block *block) {
  const int64_t n_attributes = set->atlas->n_attributes, n = block->end_cell - block->first_cell;
  CYF_TRY(reserve(&block->codes, 0, n_attributes * n, sizeof(*block->codes), &block->codes_capacity));
  for (int64_t a = 0; a < n_attributes; a++)
    CYF_TRY(cyf_shard_read_codes(set, a, block->first_cell, block->end_cell, block->codes + a * n));
  return CYF_OK;
}

cyf_status cyf_block_plan(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block) {
  block->first_cell = first;
  block->end_cell = end;
  block->n_pieces = block->n_chunks = block->n_runs = block->n_bounds = block->n_bytes = 0;
  block->fetched = false;
  while (first < end) {
    cyf_shard_part *part = cyf_shard_set_find(set, first);
    if (!part) return CYF_FAIL(CYF_ERR_INTERNAL, "cell %lld is not of this rank", (long long)first);
    const int64_t piece_end = smaller(end, part->first_cell + part->n_cells);
    CYF_TRY(plan_piece(set, part, first, piece_end, block));
    first = piece_end;
  }
  CYF_TRY(plan_codes(set, block));
  /* This is only advice: where the system does not take it, the read waits. */
  for (int64_t r = 0; set->io == CYF_LOADER_POSIX && r < block->n_runs; r++) {
    const cyf_block_run *run = &block->run[r];
    CYF_TRY(cyf_shard_part_acquire(set, run->part));
    (void)posix_fadvise(run->part->file, (off_t)run->address, (off_t)run->bytes, POSIX_FADV_WILLNEED);
    cyf_shard_part_release(set, run->part);
  }
  return CYF_OK;
}

/* ---- fetching ---- */

/* HDF5 has a descriptor of its own here. Ours tells whether the file still is what it was. */
static cyf_status check_part(cyf_shard_set *set, cyf_shard_part *part) {
  CYF_TRY(cyf_shard_part_acquire(set, part));
  const cyf_status status = cyf_shard_part_check(part);
  cyf_shard_part_release(set, part);
  return status;
}

static cyf_status fetch_mpio(cyf_shard_set *set, cyf_block *block) {
  for (int64_t p = 0; p < block->n_pieces; p++) {
    const cyf_block_piece *piece = &block->piece[p];
    const int64_t end = p + 1 < block->n_pieces ? block->piece[p + 1].first_index_slot : block->n_chunks;
    for (int64_t c = piece->first_index_slot; c < end; c++) {
      const cyf_block_chunk *chunk = &block->chunk[c];
      CYF_TRY(cyf_shard_read_chunk_mpio(piece->part, chunk->array, chunk->chunk, block->bytes + chunk->at));
    }
    CYF_TRY(check_part(set, piece->part));
  }
  return CYF_OK;
}

static cyf_status fetch_runs(cyf_shard_set *set, cyf_block *block) {
  for (int64_t r = 0; r < block->n_runs; r++) {
    const cyf_block_run *run = &block->run[r];
    uint8_t *to = block->bytes + run->at;
    CYF_TRY(cyf_shard_part_acquire(set, run->part));
    cyf_status status = set->io == CYF_LOADER_DIRECT
                            ? cyf_shard_read_bytes_directly(run->part, run->address, run->bytes, to)
                            : cyf_shard_read_bytes(run->part, run->address, run->bytes, to);
    const bool last = r + 1 == block->n_runs || block->run[r + 1].part != run->part;
    if (status == CYF_OK && last) status = cyf_shard_part_check(run->part);
    cyf_shard_part_release(set, run->part);
    CYF_TRY(status);
  }
  return CYF_OK;
}

/* Compares what was read with the checksums that were written with it. */
static cyf_status compare_chunks(const cyf_shard_set *set, const cyf_block *block) {
  for (int64_t p = 0; p < block->n_pieces; p++) {
    cyf_shard_part *part = block->piece[p].part;
    const int64_t end = p + 1 < block->n_pieces ? block->piece[p + 1].first_index_slot : block->n_chunks;
    for (int64_t c = block->piece[p].first_index_slot; c < end && part->sums.n > 0; c++) {
      const cyf_block_chunk *chunk = &block->chunk[c];
      CYF_TRY(cyf_file_sums_compare_chunk(&part->sums, part->path, chunk->address, chunk->bytes,
                                          block->bytes + chunk->at, set->atlas->verify == CYF_VERIFY_ALWAYS));
    }
  }
  return CYF_OK;
}

cyf_status cyf_block_fetch(cyf_shard_set *set, cyf_block *block) {
  CYF_TRY(reserve(&block->bytes, 0, block->n_bytes, 1, &block->bytes_capacity));
  return cyf_block_fetch_to(set, block, block->bytes);
}

cyf_status cyf_block_fetch_to(cyf_shard_set *set, cyf_block *block, uint8_t *bytes) {
  block->bytes = bytes;
  CYF_TRY(set->io == CYF_LOADER_MPIO ? fetch_mpio(set, block) : fetch_runs(set, block));
  CYF_TRY(compare_chunks(set, block));
  for (int64_t c = 0; c < block->n_chunks; c++) block->chunk[c].entries = block->bytes + block->chunk[c].at;
  block->fetched = true;
  return CYF_OK;
}

cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block) {
  CYF_TRY(cyf_block_plan(set, first, end, block));
  CYF_TRY(cyf_block_fetch(set, block));
  return cyf_block_inflate(block);
}

void cyf_block_destroy(cyf_block *block) {
  if (!block) return;
  cyf_free(block->piece);
  cyf_free(block->chunk);
  cyf_free(block->run);
  cyf_free(block->bound);
  cyf_free(block->codes);
  if (block->bytes_capacity > 0) cyf_free(block->bytes);
  cyf_free(block->inflated);
  memset(block, 0, sizeof(*block));
}

void cyf_block_drop_entries(cyf_block *block) {
  cyf_free(block->chunk);
  cyf_free(block->run);
  cyf_free(block->bytes);
  cyf_free(block->inflated);
  block->n_chunks = block->chunks_capacity = block->n_runs = block->runs_capacity = 0;
  block->n_bytes = block->bytes_capacity = block->inflated_capacity = 0;
}
