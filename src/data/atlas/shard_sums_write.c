/* SPDX-License-Identifier: MIT */
/* Writing the checksums of a shard. */
#include "base/files.h"
#include "base/memory.h"
#include "data/atlas/shard.h"

/* Enters the places of an array's chunks behind chunk[n]. */
static int64_t list_chunks(const cyf_stored_array *array, int64_t nnz, cyf_byte_range *chunk, int64_t n) {
  const int64_t n_chunks = (nnz + array->chunk_values - 1) / array->chunk_values;
  for (int64_t c = 0; c < n_chunks; c++) {
    int64_t bytes = 0;
    const int64_t address = cyf_chunk_address(array, c, &bytes);
    chunk[n++] = (cyf_byte_range){.address = address, .bytes = (uint32_t)bytes, .is_chunk = 1};
  }
  return n;
}

cyf_status cyf_shard_write_sums(char *path, const char *sums_path, int64_t n_cells, int64_t n_genes, int64_t nnz) {
  cyf_shard shard = {.path = path, .n_cells = n_cells, .nnz = nnz};
  const cyf_atlas alone = {.n_cells = n_cells, .n_genes = n_genes, .nnz = nnz, .shards = &shard, .n_shards = 1};
  cyf_shard_set set = {0};
  cyf_byte_range *chunk = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_shard_set_open(&alone, 0, n_cells, &set));
  const cyf_stored_array *indices = &set.part[0].indices, *data = &set.part[0].data;
  CYF_TRY_CLEANUP(CYF_NEW(&chunk, nnz / indices->chunk_values + nnz / data->chunk_values + 2));
  int64_t n = list_chunks(indices, nnz, chunk, 0);
  n = list_chunks(data, nnz, chunk, n);
  status = cyf_file_sums_write(path, sums_path, n, chunk);
cleanup:
  cyf_free(chunk);
  cyf_shard_set_close(&set);
  return status;
}
