/* What was written is read back and compared with what was read from the inputs. */
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas_manifest.h"
#include "data/loader_shard.h"
#include "data/prepare_internal.h"

enum { READ_VALUES = 1 << 20 }; /* at a time */

/* Adds up a block's entries, each with the cell and the gene it had on the way in. */
static cyf_status sum_block(const cyf_prepare_job *job, const int32_t *gene_old, const cyf_block *block,
                            int64_t first_cell, int32_t *indices, float *values, cyf_shard_sums *sums) {
  const bool counts = job->kind == CYF_EXPRESSION_COUNTS;
  for (int64_t i = block->first_cell; i < block->end_cell; i++) {
    const cyf_block_row row = cyf_block_find_row(block, i);
    const int64_t nnz = row.n;
    CYF_TRY(cyf_block_decode_row(&row, job->atlas_genes.n, indices, values));
    uint64_t checksum = 0;
    for (int64_t e = 0; e < nnz; e++)
      checksum += (uint64_t)cyf_entry_checksum((uint64_t)(first_cell + i), gene_old[indices[e]], values[e]);
    for (int64_t e = 0; counts && e < nnz; e++) sums->sum += (int64_t)values[e];
    sums->checksum = cyf_checksum_add(sums->checksum, (int64_t)(checksum & INT64_MAX));
    sums->nnz += nnz;
  }
  return CYF_OK;
}

/* Reads a shard's cells as training will: stored chunks by address, decoded by the loader (which compares its decoding
 * of a first chunk with HDF5's). HDF5's own N-bit filter would take as long as all the rest of `prepare`. */
static cyf_status sum_values(const cyf_prepare_job *job, const int32_t *gene_old, char *path, int64_t first_cell,
                             int64_t n_cells, int64_t nnz, cyf_shard_sums *sums) {
  cyf_shard shard = {.path = path, .n_cells = n_cells, .nnz = nnz};
  const cyf_atlas alone = {
      .n_cells = shard.n_cells, .n_genes = job->atlas_genes.n, .nnz = shard.nnz, .shards = &shard, .n_shards = 1};
  const int64_t mean = nnz / n_cells + 1, step = mean < READ_VALUES ? READ_VALUES / mean : 1;
  cyf_shard_set set = {0};
  cyf_block block = {0};
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&indices, job->atlas_genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&values, job->atlas_genes.n));
  CYF_TRY_CLEANUP(cyf_shard_set_open(&alone, 0, shard.n_cells, &set));
  for (int64_t first = 0; first < shard.n_cells; first += step) {
    const int64_t end = first + step < shard.n_cells ? first + step : shard.n_cells;
    CYF_TRY_CLEANUP(cyf_prepare_check_signal(job));
    CYF_TRY_CLEANUP(cyf_block_read(&set, first, end, &block));
    CYF_TRY_CLEANUP(sum_block(job, gene_old, &block, first_cell, indices, values, sums));
  }
cleanup:
  cyf_block_destroy(&block);
  cyf_shard_set_close(&set);
  cyf_free(indices);
  cyf_free(values);
  return status;
}

static cyf_status sum_labels(const cyf_prepare_job *job, cyf_h5ad *file, int64_t first_cell, int64_t *checksum) {
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    cyf_label_column column = {0};
    const cyf_status status = cyf_h5ad_read_labels(file, job->attribute[a].name, &column);
    for (int64_t i = 0; status == CYF_OK && i < column.n_cells; i++)
      *checksum = cyf_checksum_add(*checksum, cyf_label_checksum((uint64_t)(first_cell + i), a, column.code[i]));
    cyf_label_column_destroy(&column);
    CYF_TRY(status);
  }
  return CYF_OK;
}

cyf_status cyf_prepare_read_back(const cyf_prepare_job *job, char *path, int64_t first_cell, int64_t n_cells,
                                 int64_t nnz, const int32_t *gene_old, cyf_shard_sums *ret_sums) {
  cyf_h5ad *file = NULL;
  cyf_status status = CYF_OK;
  *ret_sums = (cyf_shard_sums){0};
  CYF_TRY(cyf_h5ad_open(path, NULL, &file));
  if (cyf_h5ad_n_cells(file) != n_cells || cyf_h5ad_n_genes(file) != job->atlas_genes.n) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: reads back with %lld cells where %lld were written", path,
                      (long long)cyf_h5ad_n_cells(file), (long long)n_cells);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(sum_values(job, gene_old, path, first_cell, n_cells, nnz, ret_sums));
  status = sum_labels(job, file, first_cell, &ret_sums->checksum);
cleanup:
  cyf_h5ad_close(&file);
  return status;
}
