/* What was written is read back and compared with what was read from the inputs. */
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas_manifest.h"
#include "data/loader_shard.h"
#include "data/prepare_internal.h"

enum { READ_CELLS = 2048 };

/* Adds up the checksums of a block's entries, each with the cell and the gene it had on the way in. */
static cyf_status sum_block(const cyf_prepare_job *job, const int32_t *gene_old, const cyf_block *block,
                            int64_t first_cell, int32_t *indices, float *values, int64_t *checksum) {
  for (int64_t i = block->first_cell; i < block->end_cell; i++) {
    CYF_TRY(cyf_block_decode_row(block, i, job->atlas_genes.n, indices, values));
    const int64_t nnz = cyf_block_row_nnz(block, i);
    for (int64_t e = 0; e < nnz; e++)
      *checksum =
          cyf_checksum_add(*checksum, cyf_entry_checksum((uint64_t)(first_cell + i), gene_old[indices[e]], values[e]));
  }
  return CYF_OK;
}

/* Reads a shard's cells as training will: stored chunks by address, decoded by the loader (which compares its decoding
 * of a first chunk with HDF5's). HDF5's own N-bit filter would take as long as all the rest of `prepare`. */
static cyf_status sum_values(const cyf_prepare_job *job, const int32_t *gene_old, char *path, const cyf_shard *written,
                             int64_t *checksum) {
  cyf_shard shard = {.path = path, .n_cells = written->n_cells, .nnz = written->nnz};
  const cyf_atlas alone = {
      .n_cells = shard.n_cells, .n_genes = job->atlas_genes.n, .nnz = shard.nnz, .shards = &shard, .n_shards = 1};
  cyf_shard_set set = {0};
  cyf_block block = {0};
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&indices, job->atlas_genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&values, job->atlas_genes.n));
  CYF_TRY_CLEANUP(cyf_shard_set_open(&alone, 0, shard.n_cells, &set));
  for (int64_t first = 0; first < shard.n_cells; first += READ_CELLS) {
    const int64_t end = first + READ_CELLS < shard.n_cells ? first + READ_CELLS : shard.n_cells;
    CYF_TRY_CLEANUP(cyf_prepare_check_signal());
    CYF_TRY_CLEANUP(cyf_block_read(&set, first, end, &block));
    CYF_TRY_CLEANUP(sum_block(job, gene_old, &block, written->first_cell, indices, values, checksum));
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

static cyf_status read_back_shard(cyf_prepare_job *job, const int32_t *gene_old, int64_t s) {
  cyf_shard *shard = &job->shard[s];
  char name[32], *path = NULL;
  cyf_h5ad *file = NULL;
  cyf_status status = CYF_OK;
  cyf_atlas_shard_name(s, name);
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, name, &path));
  CYF_TRY_CLEANUP(cyf_h5ad_open(path, NULL, &file));
  if (cyf_h5ad_n_cells(file) != shard->n_cells || cyf_h5ad_n_genes(file) != job->atlas_genes.n) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: reads back with %lld cells where %lld were written", path,
                      (long long)cyf_h5ad_n_cells(file), (long long)shard->n_cells);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(sum_values(job, gene_old, path, shard, &job->shard_checksum[s]));
  status = sum_labels(job, file, shard->first_cell, &job->shard_checksum[s]);
cleanup:
  cyf_h5ad_close(&file);
  cyf_free(path);
  return status;
}

cyf_status cyf_prepare_read_back(cyf_prepare_job *job) {
  int32_t *gene_old = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&gene_old, job->atlas_genes.n));
  for (int64_t g = 0; g < job->genes.n; g++)
    if (job->gene_new[g] >= 0) gene_old[job->gene_new[g]] = (int32_t)g;
  for (int64_t s = job->rank; s < job->n_shards && status == CYF_OK; s += job->size) {
    status = read_back_shard(job, gene_old, s);
    cyf_log_progress("reading back: %.0f %%", 100.0 * (double)(s + 1) / (double)job->n_shards);
  }
  cyf_log_progress_end();
  cyf_free(gene_old);
  return status;
}
