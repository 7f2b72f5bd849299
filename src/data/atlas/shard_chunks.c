/* SPDX-License-Identifier: MIT */
/* Where stored chunks lie. A few runs take less memory than an address for each chunk. */
#include "base/memory.h"
#include "data/atlas/shard.h"

int64_t cyf_stored_bytes(const cyf_stored_array *array) {
  int64_t bytes = 0;
  for (int64_t r = 0; r < array->n_runs; r++) bytes += array->run[r].n_chunks * array->run[r].bytes;
  return bytes;
}

int64_t cyf_chunk_address(const cyf_stored_array *array, int64_t chunk, int64_t *ret_bytes) {
  int64_t low = 0, high = array->n_runs - 1; /* the last run that begins at or before the chunk */
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (array->run[middle].first_chunk <= chunk) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const cyf_chunk_run *run = &array->run[low];
  *ret_bytes = run->bytes;
  return run->address + (chunk - run->first_chunk) * run->stride;
}

cyf_status cyf_stored_add_chunk(cyf_stored_array *array, int64_t chunk, int64_t address, int64_t bytes) {
  cyf_chunk_run *last = array->n_runs > 0 ? &array->run[array->n_runs - 1] : NULL;
  if (last && last->bytes == bytes) {
    if (last->n_chunks == 1) last->stride = address - last->address;
    if (address == last->address + last->n_chunks * last->stride) {
      last->n_chunks++;
      return CYF_OK;
    }
  }
  if (array->n_runs == array->runs_capacity) {
    const int64_t capacity = array->runs_capacity ? 2 * array->runs_capacity : 8;
    CYF_TRY(cyf_realloc((void **)&array->run, (size_t)capacity, sizeof(*array->run)));
    array->runs_capacity = capacity;
  }
  array->run[array->n_runs++] = (cyf_chunk_run){chunk, 1, address, 0, bytes};
  return CYF_OK;
}
