/* From the spill to shards: each is put in order in memory and written by one rank. */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas_manifest.h"
#include "data/h5ad_writer.h"
#include "data/prepare_internal.h"

enum { APPEND_CELLS = 2048 };

/* One shard's cells, found in the spilled bytes. */
typedef struct shard_cells {
  int64_t first_cell, n_cells;
  uint8_t *bytes;
  int64_t n_bytes;
  int64_t *offset; /* [n_cells] of each cell's record, -1 until found */
  char **names;    /* [n_cells] pointers into bytes */
  int32_t **codes; /* [n_labels][n_cells] */
  float largest;
} shard_cells;

static void shard_cells_destroy(const cyf_prepare_job *job, shard_cells *cells) {
  for (int64_t a = 0; cells->codes && a < job->options->n_labels; a++) cyf_free(cells->codes[a]);
  cyf_free(cells->codes);
  cyf_free(cells->names);
  cyf_free(cells->offset);
  cyf_free(cells->bytes);
}

/* Enters one record at its place. */
static cyf_status place_record(const cyf_prepare_job *job, const cyf_spill_record *record, int64_t offset,
                               shard_cells *cells) {
  const int64_t place = (int64_t)record->key - cells->first_cell;
  if (place < 0 || place >= cells->n_cells || cells->offset[place] >= 0)
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: cell %lld of the atlas came twice or to the wrong shard", job->partial,
                    (long long)record->key);
  cells->offset[place] = offset;
  cells->names[place] = (char *)record->name;
  for (int64_t a = 0; a < job->options->n_labels; a++) cells->codes[a][place] = record->codes[a];
  for (int64_t e = 0; e < record->nnz; e++)
    if (record->values[e] > cells->largest && job->gene_new[record->indices[e]] >= 0)
      cells->largest = record->values[e];
  return CYF_OK;
}

static cyf_status gather_cells(const cyf_prepare_job *job, const cyf_spill *spill, int64_t shard, shard_cells *cells) {
  const int64_t end = (shard + 1) * job->cells_per_shard;
  cells->first_cell = shard * job->cells_per_shard;
  cells->n_cells = (end < job->summary.n_cells_train ? end : job->summary.n_cells_train) - cells->first_cell;
  CYF_TRY(cyf_spill_read_bin(spill, shard, &cells->bytes, &cells->n_bytes));
  CYF_TRY(CYF_NEW(&cells->offset, cells->n_cells));
  CYF_TRY(CYF_NEW(&cells->names, cells->n_cells));
  CYF_TRY(CYF_NEW(&cells->codes, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++) CYF_TRY(CYF_NEW(&cells->codes[a], cells->n_cells));
  for (int64_t i = 0; i < cells->n_cells; i++) cells->offset[i] = -1;
  int64_t n_found = 0;
  for (int64_t offset = 0; offset < cells->n_bytes; n_found++) {
    const int64_t start = offset;
    cyf_spill_record record;
    CYF_TRY(cyf_spill_parse(spill, cells->bytes, cells->n_bytes, &offset, &record));
    CYF_TRY(place_record(job, &record, start, cells));
  }
  if (n_found != cells->n_cells)
    return CYF_FAIL(CYF_ERR_IO, "%s: %lld of the %lld cells of shard %lld arrived in the spill files", job->partial,
                    (long long)n_found, (long long)cells->n_cells, (long long)shard);
  return CYF_OK;
}

int64_t cyf_prepare_atlas_row(const cyf_prepare_job *job, const cyf_spill_record *record, int32_t *ret_indices,
                              float *ret_values) {
  int64_t n = 0;
  for (int64_t e = 0; e < record->nnz; e++) {
    const int32_t gene = job->gene_new[record->indices[e]];
    if (gene < 0) continue;
    ret_indices[n] = gene;
    ret_values[n++] = record->values[e];
  }
  return n;
}

/* Appends all cells in order, some at a time. */
static cyf_status append_cells(const cyf_prepare_job *job, const cyf_spill *spill, const shard_cells *cells,
                               cyf_h5ad_writer *writer, int64_t *ret_nnz) {
  cyf_csr_buffer rows = {0};
  cyf_status status = CYF_OK;
  *ret_nnz = 0;
  for (int64_t first = 0; first < cells->n_cells; first += APPEND_CELLS) {
    const int64_t end = first + APPEND_CELLS < cells->n_cells ? first + APPEND_CELLS : cells->n_cells;
    int64_t used = 0;
    CYF_TRY_CLEANUP(cyf_prepare_check_signal());
    CYF_TRY_CLEANUP(cyf_csr_buffer_reserve(&rows, APPEND_CELLS, 0));
    cyf_csr_buffer_clear(&rows, job->atlas_genes.n);
    for (int64_t i = first; i < end; i++) {
      int64_t offset = cells->offset[i];
      cyf_spill_record record;
      CYF_TRY_CLEANUP(cyf_spill_parse(spill, cells->bytes, cells->n_bytes, &offset, &record));
      if (used + record.nnz > rows.nnz_capacity)
        CYF_TRY_CLEANUP(cyf_csr_buffer_reserve(&rows, APPEND_CELLS, (used + record.nnz) * 2));
      used += cyf_prepare_atlas_row(job, &record, rows.indices + used, rows.values + used);
      rows.indptr[++rows.n_cells] = used;
    }
    const cyf_csr view = cyf_csr_view(&rows);
    CYF_TRY_CLEANUP(cyf_h5ad_writer_append_csr(writer, &view));
    *ret_nnz += used;
  }
cleanup:
  cyf_csr_buffer_destroy(&rows);
  return status;
}

cyf_status cyf_prepare_finish_file(const cyf_prepare_job *job, cyf_h5ad_writer **writer, int64_t n_cells,
                                   char *const *names, int32_t *const *codes) {
  /* Barcodes may repeat between inputs; anndata warns of names that are not unique. */
  cyf_names unique = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_names_add_unique(&unique, names, n_cells, NULL));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_genes(*writer, &job->atlas_genes));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_cell_names(*writer, (const char *const *)unique.name, n_cells));
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    const cyf_label_column column = {job->attribute[a].name, job->attribute[a].categories, codes[a], n_cells};
    CYF_TRY_CLEANUP(cyf_h5ad_writer_add_labels(*writer, &column));
  }
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_uns_text(*writer, "expression", cyf_expression_kind_name(job->kind)));
  status = cyf_h5ad_writer_commit(writer);
cleanup:
  cyf_names_destroy(&unique);
  cyf_h5ad_writer_abandon(writer);
  return status;
}

static cyf_h5ad_options choose_format(const cyf_prepare_job *job, float largest) {
  if (job->kind == CYF_EXPRESSION_LOG_NORMALIZED) return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_FLOAT32};
  return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_NBIT,
                            .data_bits = largest <= INT8_MAX    ? 8
                                         : largest <= INT16_MAX ? 16
                                                                : 32,
                            .index_bits = job->atlas_genes.n <= INT16_MAX ? 16 : 32};
}

static cyf_status write_shard(cyf_prepare_job *job, const cyf_spill *spill, int64_t shard) {
  shard_cells cells = {0};
  cyf_h5ad_writer *writer = NULL;
  char name[32], *path = NULL;
  cyf_status status = CYF_OK;
  cyf_atlas_shard_name(shard, name);
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, name, &path));
  CYF_TRY_CLEANUP(gather_cells(job, spill, shard, &cells));
  const cyf_h5ad_options format = choose_format(job, cells.largest);
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, job->atlas_genes.n, &format, &writer));
  CYF_TRY_CLEANUP(append_cells(job, spill, &cells, writer, &job->shard[shard].nnz));
  CYF_TRY_CLEANUP(cyf_prepare_finish_file(job, &writer, cells.n_cells, cells.names, cells.codes));
  job->shard[shard].n_cells = cells.n_cells;
  job->shard[shard].first_cell = cells.first_cell;
  job->shard_bytes[shard] = cyf_file_size_bytes(path);
cleanup:
  cyf_h5ad_writer_abandon(&writer);
  shard_cells_destroy(job, &cells);
  cyf_free(path);
  return status;
}

cyf_status cyf_prepare_write_shards(cyf_prepare_job *job, const cyf_spill *spill) {
  for (int64_t s = job->rank; s < job->n_shards; s += job->size) {
    CYF_TRY(write_shard(job, spill, s));
    cyf_log_progress("writing shards: %.0f %%", 100.0 * (double)(s + 1) / (double)job->n_shards);
  }
  cyf_log_progress_end();
  return CYF_OK;
}
