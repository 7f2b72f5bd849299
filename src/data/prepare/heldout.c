/* SPDX-License-Identifier: MIT */
/* heldout.h5ad and train.h5ad: held-out and training cells in input order, as AnnData files for evaluation. They stream
 * from the spill, so that neither values nor names nor labels of all cells are in memory at once. */
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "data/hdf5/file_sums.h"
#include "data/prepare/job.h"

enum { APPEND_CELLS = 2048, APPEND_VALUES = 1 << 18 };

/* Cells on their way into the file. */
typedef struct file_cells {
  const cyf_prepare_job *job;
  const cyf_spill *spill;
  cyf_h5ad_writer *writer;
  const uint8_t *repeat; /* [cells of the file] how often the name has occurred before */
  bool train;
  int64_t n_done;   /* cells in the file */
  int64_t checksum; /* of the labels written */
  cyf_csr_buffer rows;
  char *names[APPEND_CELLS];
  int32_t **codes; /* [n_labels][APPEND_CELLS] */
} file_cells;

static void cells_destroy(file_cells *cells) {
  for (int64_t i = 0; i < APPEND_CELLS; i++) cyf_free(cells->names[i]);
  for (int64_t a = 0; cells->codes && a < cells->job->options->n_labels; a++) cyf_free(cells->codes[a]);
  cyf_free(cells->codes);
  cyf_csr_buffer_destroy(&cells->rows);
}

static cyf_status flush_cells(file_cells *cells) {
  const int64_t n = cells->rows.n_cells;
  CYF_TRY(cyf_prepare_check_signal(cells->job));
  const cyf_csr view = cyf_csr_view(&cells->rows);
  CYF_TRY(cyf_h5ad_writer_append_csr(cells->writer, &view));
  CYF_TRY(cyf_h5ad_writer_append_obs(cells->writer, (const char *const *)cells->names,
                                     (const int32_t *const *)cells->codes, n));
  for (int64_t i = 0; i < n; i++) cyf_free(cells->names[i]);
  cells->n_done += n;
  cyf_csr_buffer_clear(&cells->rows, cells->job->atlas_genes.n);
  return CYF_OK;
}

/* Makes a cell's name unique in the file. Names repeat where inputs share barcodes: the second becomes NAME-1, the
 * third NAME-2. From the 256th on, the cell's number in the file is appended instead. */
static cyf_status make_name(const file_cells *cells, const char *name, int64_t cell, char **ret_name) {
  const uint8_t repeat = cells->repeat[cell];
  if (repeat == 0) return cyf_strdup(name, ret_name);
  return cyf_format(ret_name, "%s-%lld", name, repeat < UINT8_MAX ? (long long)repeat : (long long)cell);
}

static cyf_status take_cell(file_cells *cells, const cyf_spill_record *record) {
  cyf_csr_buffer *rows = &cells->rows;
  const int64_t i = rows->n_cells, used = rows->indptr[i];
  if (used + record->nnz > rows->nnz_capacity)
    CYF_TRY(cyf_csr_buffer_reserve(rows, APPEND_CELLS, (used + record->nnz) * 5 / 4));
  CYF_TRY(cyf_spill_unpack(cells->spill, record, rows->indices + used, rows->values + used));
  const int64_t n = cyf_prepare_atlas_row(cells->job, record->nnz, rows->indices + used, rows->values + used);
  CYF_TRY(make_name(cells, record->name, cells->n_done + i, &cells->names[i]));
  const int64_t place = cells->n_done + i;
  const uint64_t key = cells->train ? cyf_prepare_train_place(cells->job, place) : (uint64_t)place;
  for (int64_t a = 0; a < cells->job->options->n_labels; a++) {
    cells->codes[a][i] = cyf_spill_code(record, a);
    cells->checksum = cyf_checksum_add(cells->checksum, cyf_label_checksum(key, a, cells->codes[a][i]));
  }
  rows->indptr[++rows->n_cells] = used + n;
  if (rows->n_cells < APPEND_CELLS && used + n < APPEND_VALUES) return CYF_OK;
  return flush_cells(cells);
}

/* Streams the bin's cells into the file. */
static cyf_status copy_cells(file_cells *cells, int64_t bin, int64_t n_cells) {
  const cyf_prepare_job *job = cells->job;
  cyf_spill_stream *stream = NULL;
  cyf_status status = CYF_OK;
  bool more = true;
  CYF_TRY_CLEANUP(cyf_spill_stream_create(cells->spill, bin, &stream));
  CYF_TRY_CLEANUP(cyf_csr_buffer_reserve(&cells->rows, APPEND_CELLS, APPEND_VALUES));
  cyf_csr_buffer_clear(&cells->rows, job->atlas_genes.n);
  CYF_TRY_CLEANUP(CYF_NEW(&cells->codes, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++) CYF_TRY_CLEANUP(CYF_NEW(&cells->codes[a], APPEND_CELLS));
  while (cells->n_done + cells->rows.n_cells < n_cells) {
    cyf_spill_record record;
    CYF_TRY_CLEANUP(cyf_spill_stream_next(stream, &record, &more));
    if (!more) break;
    CYF_TRY_CLEANUP(take_cell(cells, &record));
  }
  CYF_TRY_CLEANUP(flush_cells(cells));
  if (cells->n_done != n_cells)
    status = CYF_FAIL(CYF_ERR_IO, "%s: %lld of %lld cells are in the spill files; begin anew with --fresh",
                      job->partial, (long long)cells->n_done, (long long)n_cells);
cleanup:
  cyf_spill_stream_destroy(&stream);
  return status;
}

/* Announces the file's size and labels, so that its obs can be written as the cells come. */
static cyf_status start_file(const cyf_prepare_job *job, const char *path, bool train, int64_t n_cells,
                             cyf_h5ad_writer **ret_writer) {
  const cyf_h5ad_options format = cyf_prepare_format(job, job->largest);
  const int64_t nnz = cyf_prepare_input_sums(job, !train).nnz;
  cyf_label_column *columns = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&columns, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++)
    columns[a] = (cyf_label_column){job->attribute[a].name, job->attribute[a].categories, NULL, n_cells};
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, job->atlas_genes.n, &format, ret_writer));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_stream_obs(*ret_writer, n_cells, nnz, columns, job->options->n_labels));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_genes(*ret_writer, &job->atlas_genes));
  status = cyf_prepare_write_kind(job, *ret_writer);
cleanup:
  cyf_free(columns); /* the job owns what they point to */
  return status;
}

static cyf_status write_unverified(const cyf_prepare_job *job, const char *path, int64_t n_cells, file_cells *cells) {
  uint8_t *repeat = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_prepare_count_repeats(job, cells->train, n_cells, &repeat));
  cells->repeat = repeat;
  CYF_TRY_CLEANUP(start_file(job, path, cells->train, n_cells, &cells->writer));
  CYF_TRY_CLEANUP(copy_cells(cells, cells->train ? cyf_bin_train(job) : cyf_bin_heldout(job), n_cells));
  status = cyf_h5ad_writer_commit(&cells->writer);
cleanup:
  cyf_free(repeat);
  return status;
}

cyf_status cyf_prepare_write_heldout(const cyf_prepare_job *job, const cyf_spill *spill, bool train,
                                     const int32_t *gene_old) {
  const int64_t n_cells = train ? job->summary.n_cells_train : job->summary.n_cells_heldout;
  const cyf_shard_sums wanted = cyf_prepare_input_sums(job, !train);
  file_cells cells = {.job = job, .spill = spill, .train = train};
  cyf_shard_sums read = {0};
  char *path = NULL, *unverified = NULL, *sums = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, train ? "train.h5ad" : "heldout.h5ad", &path));
  CYF_TRY_CLEANUP(cyf_format(&unverified, "%s.unverified", path));
  CYF_TRY_CLEANUP(write_unverified(job, unverified, n_cells, &cells));
  CYF_TRY_CLEANUP(cyf_prepare_read_back_values(job, unverified, train, n_cells, wanted.nnz, gene_old, &read));
  read.checksum = cyf_checksum_add(read.checksum, cells.checksum);
  if (!cyf_shard_sums_agree(&read, &wanted)) {
    status = CYF_FAIL(CYF_ERR_IO, CYF_NOT_OF_INPUTS, path);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_file_sums_path(path, &sums));
  CYF_TRY_CLEANUP(
      cyf_file_sums_write(unverified, sums, 0, NULL)); /* in blocks: nothing reads its chunks by themselves */
  CYF_TRY_CLEANUP(cyf_rename(unverified, path));
  cyf_spill_release_bin(spill, train ? cyf_bin_train(job) : cyf_bin_heldout(job));
cleanup:
  cyf_h5ad_writer_abandon(&cells.writer);
  cells_destroy(&cells);
  cyf_free(sums);
  cyf_free(unverified);
  cyf_free(path);
  return status;
}
