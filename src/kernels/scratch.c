/* SPDX-License-Identifier: MIT */
/* The scratch allocator: a chain of blocks that never move. A mark is an offset into the chain, as if its blocks lay
 * end to end. */
#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/device.h"

enum { ALIGNMENT = 64, FIRST_BLOCK_BYTES = 1 << 20, MAX_BLOCKS = 64 };

typedef struct scratch_block {
  char *memory;
  size_t first; /* position of its first byte */
  size_t size;
} scratch_block;

struct cyf_scratch {
  cyf_device *device;
  scratch_block blocks[MAX_BLOCKS]; /* each at least as large as all before it together: 64 exceed any memory */
  int n_blocks;
  int current; /* the block that holds the top */
  size_t top, peak;
};

cyf_status cyf_scratch_create(cyf_device *device, cyf_scratch **ret_scratch) {
  cyf_scratch *scratch;
  *ret_scratch = NULL;
  CYF_TRY(CYF_NEW(&scratch, 1));
  scratch->device = device;
  *ret_scratch = scratch;
  return CYF_OK;
}

void cyf_scratch_destroy(cyf_scratch **scratch) {
  if (!scratch || !*scratch) return;
  cyf_device *device = (*scratch)->device;
  for (int i = 0; i < (*scratch)->n_blocks; ++i) device->ops->free(device, (*scratch)->blocks[i].memory);
  cyf_free(*scratch);
}

/* Appends a block of at least `bytes`, and at least as many as there are already. */
static cyf_status add_block(cyf_scratch *scratch, size_t bytes) {
  if (scratch->n_blocks == MAX_BLOCKS) return CYF_FAIL(CYF_ERR_MEMORY, "out of scratch blocks at %zu bytes", bytes);
  const scratch_block *last = scratch->n_blocks ? &scratch->blocks[scratch->n_blocks - 1] : NULL;
  const size_t first = last ? last->first + last->size : 0;
  size_t size = first > FIRST_BLOCK_BYTES ? first : FIRST_BLOCK_BYTES;
  if (bytes > size) size = bytes;
  void *memory;
  CYF_TRY(scratch->device->ops->alloc(scratch->device, size, &memory));
  scratch->blocks[scratch->n_blocks++] = (scratch_block){.memory = memory, .first = first, .size = size};
  return CYF_OK;
}

cyf_status cyf_scratch_bytes(cyf_scratch *scratch, size_t bytes, void **ret_bytes) {
  *ret_bytes = NULL;
  if (bytes > SIZE_MAX / 4) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory: %zu bytes of scratch asked for", bytes);
  /* A request of nothing still gets an address of its own. */
  const size_t size = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
  int block = scratch->current;
  size_t position = scratch->top;
  while (block < scratch->n_blocks && position + size > scratch->blocks[block].first + scratch->blocks[block].size) {
    position = scratch->blocks[block].first + scratch->blocks[block].size;
    ++block;
  }
  if (block == scratch->n_blocks) CYF_TRY(add_block(scratch, size));
  scratch->current = block;
  scratch->top = position + size;
  if (scratch->top > scratch->peak) scratch->peak = scratch->top;
  *ret_bytes = scratch->blocks[block].memory + (position - scratch->blocks[block].first);
  return CYF_OK;
}

static cyf_status take(cyf_scratch *scratch, int64_t count, size_t size, void **ret_memory) {
  size_t bytes;
  *ret_memory = NULL;
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) {
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory: %lld scratch elements asked for", (long long)count);
  }
  return cyf_scratch_bytes(scratch, bytes, ret_memory);
}

cyf_status cyf_scratch_floats(cyf_scratch *scratch, int64_t count, float **ret_floats) {
  return take(scratch, count, sizeof **ret_floats, (void **)ret_floats);
}

cyf_status cyf_scratch_doubles(cyf_scratch *scratch, int64_t count, double **ret_doubles) {
  return take(scratch, count, sizeof **ret_doubles, (void **)ret_doubles);
}

cyf_status cyf_scratch_int32(cyf_scratch *scratch, int64_t count, int32_t **ret_ints) {
  return take(scratch, count, sizeof **ret_ints, (void **)ret_ints);
}

size_t cyf_scratch_mark(const cyf_scratch *scratch) {
  return scratch->top;
}

void cyf_scratch_release(cyf_scratch *scratch, size_t mark) {
  if (mark > scratch->top) return;
  scratch->top = mark;
  while (scratch->current > 0 && mark < scratch->blocks[scratch->current].first) --scratch->current;
}
