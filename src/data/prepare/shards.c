/* SPDX-License-Identifier: MIT */
/* From the spill to shards. Each shard's cells are put in order in memory and written by one rank. */
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/manifest.h"
#include "data/atlas/shard.h"
#include "data/h5ad/writer.h"
#include "data/prepare/job.h"

enum {
  APPEND_VALUES = 1 << 18, /* unpacked at a time, on their way to the file */
  SHARD_NUMBERS = 6
};

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

/* What a rank needs for one shard after another. */
typedef struct shard_work {
  cyf_prepare_job *job;
  const cyf_spill *spill;
  int32_t *gene_old; /* [atlas genes] gene in use */
  int32_t *indices;  /* [genes in use] one cell */
  float *values;
} shard_work;

static void shard_cells_destroy(const cyf_prepare_job *job, shard_cells *cells) {
  for (int64_t a = 0; cells->codes && a < job->options->n_labels; a++) cyf_free(cells->codes[a]);
  cyf_free(cells->codes);
  cyf_free(cells->names);
  cyf_free(cells->offset);
  cyf_free(cells->bytes);
}

/* Raises the shard's largest value, over the genes of the atlas, to this record's. Only the few records that could hold
 * a larger one are unpacked. */
static cyf_status raise_largest(shard_work *work, const cyf_spill_record *record, shard_cells *cells) {
  if (record->largest <= cells->largest) return CYF_OK;
  CYF_TRY(cyf_spill_unpack(work->spill, record, work->indices, work->values));
  for (int64_t e = 0; e < record->nnz; e++)
    if (work->values[e] > cells->largest && work->job->gene_new[work->indices[e]] >= 0)
      cells->largest = work->values[e];
  return CYF_OK;
}

/* Enters one record at its cell's place in the shard. */
static cyf_status place_record(shard_work *work, const cyf_spill_record *record, int64_t offset, shard_cells *cells) {
  const cyf_prepare_job *job = work->job;
  const int64_t place = (int64_t)record->key - cells->first_cell;
  if (place < 0 || place >= cells->n_cells || cells->offset[place] >= 0)
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: cell %lld of the atlas came twice or to the wrong shard", job->partial,
                    (long long)record->key);
  cells->offset[place] = offset;
  cells->names[place] = (char *)(uintptr_t)record->name;
  for (int64_t a = 0; a < job->options->n_labels; a++) cells->codes[a][place] = cyf_spill_code(record, a);
  return raise_largest(work, record, cells);
}

static cyf_status gather_cells(shard_work *work, int64_t shard, shard_cells *cells) {
  const cyf_prepare_job *job = work->job;
  const int64_t end = (shard + 1) * job->plan.shard_cells;
  cells->first_cell = shard * job->plan.shard_cells;
  cells->n_cells = (end < job->summary.n_cells_train ? end : job->summary.n_cells_train) - cells->first_cell;
  CYF_TRY(cyf_spill_read_bin(work->spill, shard, &cells->bytes, &cells->n_bytes));
  CYF_TRY(CYF_NEW(&cells->offset, cells->n_cells));
  CYF_TRY(CYF_NEW(&cells->names, cells->n_cells));
  CYF_TRY(CYF_NEW(&cells->codes, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++) CYF_TRY(CYF_NEW(&cells->codes[a], cells->n_cells));
  for (int64_t i = 0; i < cells->n_cells; i++) cells->offset[i] = -1;
  int64_t n_found = 0;
  for (int64_t offset = 0; offset < cells->n_bytes; n_found++) {
    const int64_t start = offset;
    cyf_spill_record record;
    CYF_TRY(cyf_spill_parse(work->spill, cells->bytes, cells->n_bytes, &offset, &record));
    CYF_TRY(place_record(work, &record, start, cells));
  }
  if (n_found != cells->n_cells)
    return CYF_FAIL(CYF_ERR_IO, "%s: %lld of the %lld cells of shard %lld arrived in the spill files", job->partial,
                    (long long)n_found, (long long)cells->n_cells, (long long)shard);
  return CYF_OK;
}

/* Adds the values of one cell, over the atlas' genes, to the shard's sums. */
static void sum_row(const shard_work *work, int64_t cell, int64_t nnz, const int32_t *indices, const float *values,
                    cyf_shard_sums *sums) {
  int64_t sum = 0;
  uint64_t checksum = (uint64_t)sums->checksum;
  for (int64_t e = 0; e < nnz; e++)
    checksum += (uint64_t)cyf_entry_checksum((uint64_t)cell, work->gene_old[indices[e]], values[e]);
  if (work->job->kind == CYF_EXPRESSION_COUNTS)
    for (int64_t e = 0; e < nnz; e++) sum += (int64_t)values[e];
  sums->checksum = cyf_checksum_add((int64_t)(checksum & INT64_MAX), 0);
  sums->sum += sum;
  sums->nnz += nnz;
}

static void sum_labels(const shard_work *work, const shard_cells *cells, cyf_shard_sums *sums) {
  for (int64_t a = 0; a < work->job->options->n_labels; a++)
    for (int64_t i = 0; i < cells->n_cells; i++)
      sums->checksum = cyf_checksum_add(sums->checksum,
                                        cyf_label_checksum((uint64_t)(cells->first_cell + i), a, cells->codes[a][i]));
}

/* Unpacks cells [first, end) of the shard into rows over the atlas' genes. */
static cyf_status unpack_rows(shard_work *work, const shard_cells *cells, int64_t first, int64_t end,
                              cyf_csr_buffer *rows, cyf_shard_sums *sums) {
  int64_t used = 0;
  CYF_TRY(cyf_csr_buffer_reserve(rows, end - first, 0));
  cyf_csr_buffer_clear(rows, work->job->atlas_genes.n);
  for (int64_t i = first; i < end; i++) {
    int64_t offset = cells->offset[i];
    cyf_spill_record record;
    CYF_TRY(cyf_spill_parse(work->spill, cells->bytes, cells->n_bytes, &offset, &record));
    if (used + record.nnz > rows->nnz_capacity)
      CYF_TRY(cyf_csr_buffer_reserve(rows, end - first, (used + record.nnz) * 5 / 4));
    CYF_TRY(cyf_spill_unpack(work->spill, &record, rows->indices + used, rows->values + used));
    const int64_t n = cyf_prepare_atlas_row(work->job, record.nnz, rows->indices + used, rows->values + used);
    sum_row(work, cells->first_cell + i, n, rows->indices + used, rows->values + used, sums);
    used += n;
    rows->indptr[++rows->n_cells] = used;
  }
  return CYF_OK;
}

/* Appends all cells in order, some at a time. */
static cyf_status append_cells(shard_work *work, const shard_cells *cells, cyf_h5ad_writer *writer,
                               cyf_shard_sums *sums) {
  cyf_csr_buffer rows = {0};
  cyf_status status = CYF_OK;
  const int64_t mean = cells->n_bytes / (cells->n_cells * 2 + 1) + 1; /* values a cell, about */
  int64_t step = APPEND_VALUES / mean;
  step = step < 1 ? 1 : step;
  for (int64_t first = 0; first < cells->n_cells; first += step) {
    const int64_t end = first + step < cells->n_cells ? first + step : cells->n_cells;
    CYF_TRY_CLEANUP(cyf_prepare_check_signal(work->job));
    CYF_TRY_CLEANUP(unpack_rows(work, cells, first, end, &rows, sums));
    const cyf_csr view = cyf_csr_view(&rows);
    CYF_TRY_CLEANUP(cyf_h5ad_writer_append_csr(writer, &view));
  }
  sum_labels(work, cells, sums);
cleanup:
  cyf_csr_buffer_destroy(&rows);
  return status;
}

/* Writes a shard to `path`, which is not yet its final name. */
static cyf_status write_unverified(shard_work *work, int64_t shard, const char *path, cyf_shard_sums *sums) {
  cyf_prepare_job *job = work->job;
  shard_cells cells = {0};
  cyf_h5ad_writer *writer = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(gather_cells(work, shard, &cells));
  const cyf_h5ad_options format = cyf_prepare_format(job, (double)cells.largest);
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, job->atlas_genes.n, &format, &writer));
  CYF_TRY_CLEANUP(append_cells(work, &cells, writer, sums));
  CYF_TRY_CLEANUP(cyf_prepare_finish_file(job, &writer, cells.n_cells, cells.names, cells.codes));
cleanup:
  cyf_h5ad_writer_abandon(&writer);
  shard_cells_destroy(job, &cells);
  return status;
}

static cyf_status compare_sums(const char *path, const cyf_shard_sums *written, const cyf_shard_sums *read) {
  if (cyf_shard_sums_agree(written, read)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO, "%s: the values or labels read back are not those written; is the disk sound?", path);
}

/* Writes a shard, reads it back, stores its numbers, and only then gives it its name. */
static cyf_status write_shard(shard_work *work, int64_t shard) {
  cyf_prepare_job *job = work->job;
  const int64_t first = shard * job->plan.shard_cells, left = job->summary.n_cells_train - first;
  const int64_t n_cells = left < job->plan.shard_cells ? left : job->plan.shard_cells;
  char name[32], *path = NULL, *unverified = NULL, *sums = NULL;
  int64_t bytes = 0;
  cyf_shard_sums written = {0}, read = {0};
  cyf_status status = CYF_OK;
  cyf_atlas_shard_name(shard, name);
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, name, &path));
  CYF_TRY_CLEANUP(cyf_format(&unverified, "%s.unverified", path));
  CYF_TRY_CLEANUP(write_unverified(work, shard, unverified, &written));
  CYF_TRY_CLEANUP(cyf_prepare_read_back(job, unverified, first, n_cells, written.nnz, work->gene_old, &read));
  CYF_TRY_CLEANUP(compare_sums(path, &written, &read));
  CYF_TRY_CLEANUP(cyf_file_size_bytes(unverified, &bytes));
  CYF_TRY_CLEANUP(cyf_file_sums_path(path, &sums));
  CYF_TRY_CLEANUP(cyf_shard_write_sums(unverified, sums, n_cells, job->atlas_genes.n, written.nnz));
  const int64_t numbers[SHARD_NUMBERS] = {first, n_cells, read.nnz, bytes, read.checksum, read.sum};
  CYF_TRY_CLEANUP(cyf_prepare_store_result(job, "shards", shard, numbers, SHARD_NUMBERS));
  CYF_TRY_CLEANUP(cyf_rename(unverified, path));
  cyf_spill_release_bin(work->spill, shard);
cleanup:
  cyf_free(sums);
  cyf_free(unverified);
  cyf_free(path);
  return status;
}

static cyf_status write_file(shard_work *work, int64_t bin) {
  const cyf_prepare_job *job = work->job;
  if (bin < job->n_shards) return write_shard(work, bin);
  return cyf_prepare_write_heldout(job, work->spill, bin == cyf_bin_train(job), work->gene_old);
}

/* Writes this rank's share of the files. Each goes to the rank with the fewest cells so far, the longest file first. */
static cyf_status write_share(shard_work *work, const uint8_t *done, int64_t n_bins, int64_t *load) {
  const cyf_prepare_job *job = work->job;
  for (int64_t b = n_bins - 1; b >= 0; b--) {
    if (done[b]) continue;
    int least = 0;
    for (int r = 1; r < job->size; r++)
      if (load[r] < load[least]) least = r;
    load[least] += b == cyf_bin_train(job)     ? job->summary.n_cells_train
                   : b == cyf_bin_heldout(job) ? job->summary.n_cells_heldout
                                               : job->plan.shard_cells;
    if (least != job->rank) continue;
    CYF_TRY(cyf_prepare_check_signal(job));
    CYF_TRY(write_file(work, b));
    cyf_log_progress("writing shards: %.0f %%", 100.0 * (double)(n_bins - b) / (double)n_bins);
  }
  return CYF_OK;
}

static cyf_status write_local(cyf_prepare_job *job, const uint8_t *done, int64_t n_bins) {
  shard_work work = {.job = job};
  cyf_spill *spill = NULL;
  int64_t *load = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&load, job->size));
  CYF_TRY_CLEANUP(CYF_NEW(&work.indices, job->genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&work.values, job->genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&work.gene_old, job->atlas_genes.n));
  for (int64_t g = 0; g < job->genes.n; g++)
    if (job->gene_new[g] >= 0) work.gene_old[job->gene_new[g]] = (int32_t)g;
  CYF_TRY_CLEANUP(cyf_spill_open(job->spill_directory, job->plan.n_units, job->options->n_labels, job->genes.n,
                                 job->kind == CYF_EXPRESSION_COUNTS, &spill));
  work.spill = spill;
  CYF_TRY_CLEANUP(write_share(&work, done, n_bins, load));
cleanup:
  cyf_log_progress_end();
  cyf_spill_close(&spill);
  cyf_free(work.gene_old);
  cyf_free(work.indices);
  cyf_free(work.values);
  cyf_free(load);
  return status;
}

/* Marks the files that are there under their final names, and so were verified. */
static cyf_status find_done(const cyf_prepare_job *job, int64_t n_bins, uint8_t *done) {
  int64_t n = 0;
  for (int64_t b = 0; b < n_bins; b++) {
    char name[32] = "train.h5ad", *path = NULL;
    if (b == cyf_bin_heldout(job)) strcpy(name, "heldout.h5ad");
    if (b < job->n_shards) cyf_atlas_shard_name(b, name);
    bool exists = false;
    CYF_TRY(cyf_path_join(job->partial, name, &path));
    const cyf_status status = cyf_file_exists(path, &exists);
    cyf_free(path);
    CYF_TRY(status);
    n += done[b] = exists;
  }
  if (n > 0) cyf_info("writing shards: %lld of %lld files are there from before", (long long)n, (long long)n_bins);
  return CYF_OK;
}

/* Reads this rank's share of the shards' numbers from disk. */
static cyf_status load_numbers(cyf_prepare_job *job) {
  for (int64_t s = job->rank; s < job->n_shards; s += job->size) {
    int64_t numbers[SHARD_NUMBERS];
    CYF_TRY(cyf_prepare_load_result(job, "shards", s, numbers, SHARD_NUMBERS));
    job->shard[s].first_cell = numbers[0];
    job->shard[s].n_cells = numbers[1];
    job->shard[s].nnz = numbers[2];
    job->shard_bytes[s] = numbers[3];
    job->shard_checksum[s] = numbers[4];
    job->shard_sum[s] = numbers[5];
  }
  return CYF_OK;
}

cyf_status cyf_prepare_write_files(cyf_prepare_job *job) {
  const int64_t n_bins = job->n_shards + (job->summary.n_cells_heldout > 0 ? 2 : 0);
  uint8_t *done = NULL;
  cyf_status status = CYF_NEW(&done, n_bins);
  if (status == CYF_OK && job->rank == 0) status = find_done(job, n_bins, done);
  status = cyf_prepare_share_done(job, status, done, n_bins);
  if (status == CYF_OK) status = cyf_comm_agree(job->comm, write_local(job, done, n_bins));
  if (status == CYF_OK) status = cyf_comm_agree(job->comm, load_numbers(job));
  cyf_free(done);
  return status;
}
