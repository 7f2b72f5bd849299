/* SPDX-License-Identifier: MIT */
/* What was written is read back and compared with what was read from the inputs. */
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/manifest.h"
#include "data/atlas/shard.h"
#include "data/prepare/job.h"

enum { READ_VALUES = 1 << 20 }; /* values that are read at a time */

cyf_shard_sums cyf_prepare_input_sums(const cyf_prepare_job *job, bool heldout) {
  cyf_shard_sums sums = {.checksum = heldout ? job->heldout_label_checksum : job->label_checksum};
  for (int64_t g = 0; g < job->genes.n; g++) {
    const cyf_value_counts *values = heldout ? &job->gene[g].heldout : &job->gene[g].train;
    if (job->gene_new[g] < 0) continue;
    sums.nnz += values->cells;
    sums.sum += values->sum;
    sums.checksum = cyf_checksum_add(sums.checksum, (int64_t)(values->checksum & INT64_MAX));
  }
  sums.checksum = cyf_checksum_add(sums.checksum, 0); /* a sum over ranks is still to be taken modulo 2^48 */
  return sums;
}

bool cyf_shard_sums_agree(const cyf_shard_sums *a, const cyf_shard_sums *b) {
  return a->nnz == b->nnz && a->sum == b->sum && a->checksum == b->checksum;
}

/* A file that is read back. */
typedef struct stored_cells {
  char *path;
  /* A cell's key in the checksums is first_cell and its number in the file; or, where the file is train.h5ad
   * (shuffled), the cell's place in the atlas. */
  int64_t first_cell;
  bool shuffled;
  int64_t n_cells, nnz;
} stored_cells;

static uint64_t key_of(const cyf_prepare_job *job, const stored_cells *cells, int64_t i) {
  return cells->shuffled ? cyf_prepare_train_place(job, i) : (uint64_t)(cells->first_cell + i);
}

/* Adds up a block's entries, each under the cell's key and the gene in use that it had in the inputs. */
static cyf_status sum_block(const cyf_prepare_job *job, const int32_t *gene_old, const cyf_block *block,
                            const stored_cells *cells, int32_t *indices, float *values, cyf_shard_sums *sums) {
  const bool counts = job->kind == CYF_EXPRESSION_COUNTS;
  for (int64_t i = block->first_cell; i < block->end_cell; i++) {
    const cyf_block_row row = cyf_block_find_row(block, i);
    const int64_t nnz = row.n;
    CYF_TRY(cyf_block_decode_row(&row, job->atlas_genes.n, indices, values));
    const uint64_t key = key_of(job, cells, i);
    uint64_t checksum = 0;
    for (int64_t e = 0; e < nnz; e++) checksum += (uint64_t)cyf_entry_checksum(key, gene_old[indices[e]], values[e]);
    for (int64_t e = 0; counts && e < nnz; e++) sums->sum += (int64_t)values[e];
    sums->checksum = cyf_checksum_add(sums->checksum, (int64_t)(checksum & INT64_MAX));
    sums->nnz += nnz;
  }
  return CYF_OK;
}

/* Adds up cells [from, to), which are read in the way of training: stored chunks by address, decoded by data/atlas.
 * Opening a file compares the decoding of a first chunk with HDF5's. HDF5's own N-bit filter would take as long for all
 * cells as the rest of `prepare`. */
static cyf_status sum_values(const cyf_prepare_job *job, const int32_t *gene_old, const stored_cells *cells,
                             int64_t from, int64_t to, cyf_shard_sums *sums) {
  cyf_shard shard = {.path = cells->path, .n_cells = cells->n_cells, .nnz = cells->nnz};
  const cyf_atlas alone = {
      .n_cells = shard.n_cells, .n_genes = job->atlas_genes.n, .nnz = shard.nnz, .shards = &shard, .n_shards = 1};
  const int64_t mean = cells->nnz / cells->n_cells + 1, step = mean < READ_VALUES ? READ_VALUES / mean : 1;
  cyf_shard_set set = {0};
  cyf_block block = {0};
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&indices, job->atlas_genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&values, job->atlas_genes.n));
  CYF_TRY_CLEANUP(cyf_shard_set_open(&alone, from, to, &set));
  for (int64_t first = from; first < to; first += step) {
    CYF_TRY_CLEANUP(cyf_prepare_check_signal(job));
    CYF_TRY_CLEANUP(cyf_block_read(&set, first, first + step < to ? first + step : to, &block));
    CYF_TRY_CLEANUP(sum_block(job, gene_old, &block, cells, indices, values, sums));
  }
cleanup:
  cyf_block_destroy(&block);
  cyf_shard_set_close(&set);
  cyf_free(indices);
  cyf_free(values);
  return status;
}

/* The file is opened anew for each range of cells, since the addresses of a compressed file's chunks take some bytes a
 * cell. Labels could only be read whole, so their sum is taken as they are written. */
cyf_status cyf_prepare_read_back_values(const cyf_prepare_job *job, char *path, bool train, int64_t n_cells,
                                        int64_t nnz, const int32_t *gene_old, cyf_shard_sums *sums) {
  const stored_cells cells = {.path = path, .shuffled = train, .n_cells = n_cells, .nnz = nnz};
  for (int64_t from = 0; from < n_cells; from += job->plan.shard_cells) {
    const int64_t to = from + job->plan.shard_cells;
    CYF_TRY(sum_values(job, gene_old, &cells, from, to < n_cells ? to : n_cells, sums));
  }
  return CYF_OK;
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
  const stored_cells cells = {.path = path, .first_cell = first_cell, .n_cells = n_cells, .nnz = nnz};
  CYF_TRY_CLEANUP(sum_values(job, gene_old, &cells, 0, n_cells, ret_sums));
  status = sum_labels(job, file, first_cell, &ret_sums->checksum);
cleanup:
  cyf_h5ad_close(&file);
  return status;
}
