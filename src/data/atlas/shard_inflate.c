/* SPDX-License-Identifier: MIT */
/* Shards under gzip. Chunks are fetched as they are stored; the threads that decode inflate them, so that the thread
 * that fetches can go on reading. */
#include "base/failure.h"
#include "base/memory.h"
#include "data/atlas/shard.h"
#include "data/hdf5/deflate.h"

static size_t inflated_bytes(const cyf_stored_array *array) {
  return (size_t)(array->chunk_values * cyf_stored_width(array->stored_as));
}

cyf_status cyf_chunk_inflate(const cyf_shard_part *part, const cyf_stored_array *array, const uint8_t *stored,
                             int64_t n_stored, uint8_t *ret_entries) {
  const size_t bytes = inflated_bytes(array);
  uint8_t *shuffled = NULL;
  CYF_TRY(CYF_NEW(&shuffled, bytes));
  const bool good = cyf_inflate(stored, (size_t)n_stored, shuffled, bytes);
  if (good) cyf_unshuffle_bytes(shuffled, array->chunk_values, (size_t)cyf_stored_width(array->stored_as), ret_entries);
  cyf_free(shuffled);
  if (good) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: a compressed chunk of %s cannot be inflated", part->path,
                  array == &part->indices ? "X/indices" : "X/data");
}

cyf_status cyf_block_inflate_begin(cyf_block *block) {
  size_t bytes = 0;
  for (int64_t c = 0; c < block->n_chunks; c++)
    if (block->chunk[c].array->deflated) bytes += inflated_bytes(block->chunk[c].array);
  if (bytes == 0) return CYF_OK;
  if ((int64_t)bytes > block->inflated_capacity) {
    cyf_free(block->inflated); /* rather than grow it: nothing in it is wanted any more */
    block->inflated_capacity = 0;
    CYF_TRY(CYF_NEW(&block->inflated, bytes));
    block->inflated_capacity = (int64_t)bytes;
  }
  uint8_t *next = block->inflated;
  for (int64_t c = 0; c < block->n_chunks; c++) {
    if (!block->chunk[c].array->deflated) continue;
    block->chunk[c].entries = next;
    next += inflated_bytes(block->chunk[c].array);
  }
  return CYF_OK;
}

cyf_status cyf_block_inflate_chunk(const cyf_block *block, int64_t slot) {
  const cyf_block_chunk *chunk = &block->chunk[slot];
  if (!chunk->array->deflated) return CYF_OK;
  return cyf_chunk_inflate(chunk->part, chunk->array, block->bytes + chunk->at, chunk->bytes, chunk->entries);
}

void cyf_block_inflate_end(cyf_block *block) {
  cyf_free(block->inflated);
  block->inflated_capacity = 0;
}

cyf_status cyf_block_inflate(cyf_block *block) {
  CYF_TRY(cyf_block_inflate_begin(block));
  if (block->inflated_capacity == 0) return CYF_OK;
  cyf_failure failure = CYF_FAILURE_NONE;
#pragma omp parallel for schedule(dynamic)
  for (int64_t c = 0; c < block->n_chunks; c++) cyf_failure_note(&failure, cyf_block_inflate_chunk(block, c));
  return cyf_failure_raise(&failure);
}
