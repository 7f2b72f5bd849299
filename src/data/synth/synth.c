/* SPDX-License-Identifier: MIT */
#include "data/synth/synth.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad/writer.h"
#include "data/synth/synth_model.h"

enum {
  BLOCK_CELLS = 2048, /* cells that are drawn in parallel and then written */
  PIECE_CELLS = 32    /* cells of a block that a thread draws at a time */
};
enum { N_PIECES = BLOCK_CELLS / PIECE_CELLS };

/* One file that is being written. */
typedef struct synth_run {
  const cyf_synth_options *options;
  const cyf_synth_model *model;
  int64_t first_cell, n_cells;
  cyf_h5ad_writer *writer;
  cyf_csr_buffer *piece; /* [N_PIECES] */
  int32_t *type, *donor; /* [n_cells] */
  double *pseudotime;    /* [n_cells] */
  int64_t nnz;
} synth_run;

/* Totals over all files of a rank. */
typedef struct synth_total {
  int64_t n_cells, nnz;
  double seconds;
} synth_total;

static cyf_status check_options(const cyf_synth_options *options) {
  if (options->n_cells < 1 || options->n_genes < 1 || options->n_types < 1 || options->n_donors < 1)
    return CYF_FAIL(CYF_ERR_USAGE, "cells, genes, types and donors must be at least 1");
  if (options->n_genes > CYF_SYNTH_GENES_MAX || options->n_types > INT16_MAX || options->n_donors > INT16_MAX)
    return CYF_FAIL(CYF_ERR_USAGE, "at most 10000000 genes, 32767 types and 32767 donors can be simulated");
  if (!(options->mean_counts > 0 && options->mean_counts <= 1e6))
    return CYF_FAIL(CYF_ERR_USAGE, "mean counts %g are not in (0, 1e6]", options->mean_counts);
  if (!(options->expressed_fraction > 0 && options->expressed_fraction < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "expressed fraction %g is not in (0, 1)", options->expressed_fraction);
  return CYF_OK;
}

static cyf_status check_output(const cyf_synth_options *options, const char *path) {
  bool exists = false;
  CYF_TRY(cyf_file_exists(path, &exists));
  if (exists && !options->force) return CYF_FAIL(CYF_ERR_IO, "%s: exists already; --force replaces it", path);
  return CYF_OK;
}

/* Draws the cells [first, first + n) of the file. */
static cyf_status draw_piece(synth_run *run, int64_t first, int64_t n, cyf_synth_scratch *scratch,
                             cyf_csr_buffer *piece) {
  cyf_csr_buffer_clear(piece, run->options->n_genes);
  for (int64_t i = first; i < first + n; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0;
    cyf_synth_draw_cell(run->model, run->first_cell + i, scratch, &cell, &nnz);
    CYF_TRY(cyf_csr_buffer_append(piece, nnz, scratch->indices, scratch->values));
    run->type[i] = cell.type;
    run->donor[i] = cell.donor;
    run->pseudotime[i] = cell.pseudotime;
  }
  return CYF_OK;
}

/* Draws the cells [first, first + n) of the file by all threads, and writes them. */
static cyf_status draw_block(synth_run *run, int64_t first, int64_t n) {
  cyf_failure failure = CYF_FAILURE_NONE;
  const int n_threads = run->options->n_threads > 0 ? run->options->n_threads : omp_get_max_threads();
  const int64_t n_pieces = (n + PIECE_CELLS - 1) / PIECE_CELLS;
#pragma omp parallel num_threads(n_threads)
  {
    cyf_synth_scratch scratch = {0};
    cyf_status status = cyf_synth_scratch_make(run->model, &scratch);
#pragma omp for schedule(dynamic)
    for (int64_t p = 0; p < n_pieces; p++) {
      const int64_t start = p * PIECE_CELLS, left = n - start;
      if (status == CYF_OK)
        status = draw_piece(run, first + start, left < PIECE_CELLS ? left : PIECE_CELLS, &scratch, &run->piece[p]);
    }
    cyf_failure_note(&failure, status);
    cyf_synth_scratch_destroy(&scratch);
  }
  CYF_TRY(cyf_failure_raise(&failure));
  for (int64_t p = 0; p < n_pieces; p++) {
    const cyf_csr rows = cyf_csr_view(&run->piece[p]);
    CYF_TRY(cyf_h5ad_writer_append_csr(run->writer, &rows));
    run->nnz += rows.indptr[rows.n_cells];
  }
  return CYF_OK;
}

static cyf_status write_genes(cyf_h5ad_writer *writer, int64_t n) {
  cyf_names genes = {0};
  cyf_status status = CYF_OK;
  for (int64_t g = 0; g < n && status == CYF_OK; g++) {
    char name[32];
    snprintf(name, sizeof(name), "GENE%06lld", (long long)g + 1);
    status = cyf_names_add(&genes, name, NULL);
  }
  if (status == CYF_OK) status = cyf_h5ad_writer_set_genes(writer, &genes);
  cyf_names_destroy(&genes);
  return status;
}

static cyf_status write_labels(cyf_h5ad_writer *writer, char *attribute, const char *stem, int64_t n_categories,
                               int32_t *codes, int64_t n_cells) {
  cyf_label_column column = {.attribute = attribute, .code = codes, .n_cells = n_cells};
  cyf_status status = CYF_OK;
  for (int64_t c = 0; c < n_categories && status == CYF_OK; c++) {
    char name[32];
    snprintf(name, sizeof(name), "%s_%lld", stem, (long long)c + 1);
    status = cyf_names_add(&column.categories, name, NULL);
  }
  if (status == CYF_OK) status = cyf_h5ad_writer_add_labels(writer, &column);
  cyf_names_destroy(&column.categories);
  return status;
}

/* Names cells by their numbers over all files. */
static cyf_status write_cell_names(const synth_run *run) {
  enum { DIGITS = 21 };
  char *digits = NULL;
  const char **names = NULL;
  cyf_status status = CYF_OK;
  if (run->first_cell == 0) return cyf_h5ad_writer_set_cell_names(run->writer, NULL, run->n_cells);
  CYF_TRY_CLEANUP(CYF_NEW(&digits, run->n_cells * DIGITS));
  CYF_TRY_CLEANUP(CYF_NEW(&names, run->n_cells));
  for (int64_t i = 0; i < run->n_cells; i++) {
    names[i] = digits + i * DIGITS;
    snprintf(digits + i * DIGITS, DIGITS, "%lld", (long long)(run->first_cell + i));
  }
  status = cyf_h5ad_writer_set_cell_names(run->writer, names, run->n_cells);
cleanup:
  cyf_free(digits);
  cyf_free(names);
  return status;
}

static cyf_status write_annotations(const synth_run *run) {
  const cyf_synth_options *options = run->options;
  char type_name[] = "cell_type", donor_name[] = "donor";
  CYF_TRY(write_genes(run->writer, options->n_genes));
  CYF_TRY(write_cell_names(run));
  CYF_TRY(write_labels(run->writer, type_name, "type", options->n_types, run->type, run->n_cells));
  CYF_TRY(write_labels(run->writer, donor_name, "donor", options->n_donors, run->donor, run->n_cells));
  CYF_TRY(cyf_h5ad_writer_add_numbers(run->writer, "pseudotime", run->pseudotime, run->n_cells));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(run->writer, "source", "cytoforge synth"));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(run->writer, "seed", (int64_t)options->seed));
  return cyf_h5ad_writer_set_uns_real(run->writer, "mean_counts", options->mean_counts);
}

static cyf_status write_cells(synth_run *run) {
  for (int64_t first = 0; first < run->n_cells; first += BLOCK_CELLS) {
    if (cyf_interrupt_requested() != 0)
      return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal; nothing was written");
    CYF_TRY(draw_block(run, first, run->n_cells - first < BLOCK_CELLS ? run->n_cells - first : BLOCK_CELLS));
    cyf_log_progress("simulating: %.0f %% of %lld cells", 100.0 * (double)first / (double)run->n_cells,
                     (long long)run->n_cells);
  }
  cyf_log_progress_end();
  return CYF_OK;
}

static cyf_h5ad_options format_of(const cyf_synth_options *options, const cyf_synth_model *model) {
  if (!options->compact) return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_FLOAT32};
  return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_NBIT,
                            .data_bits = cyf_synth_count_bound(model) > INT16_MAX ? 32 : 16};
}

/* Writes the cells [first, first + n) as one file. */
static cyf_status write_file(const cyf_synth_options *options, const cyf_synth_model *model, const char *path,
                             int64_t first, int64_t n, synth_total *total) {
  const cyf_h5ad_options format = format_of(options, model);
  synth_run run = {.options = options, .model = model, .first_cell = first, .n_cells = n};
  const double start_s = cyf_clock_s();
  cyf_status status = CYF_OK;
  CYF_TRY(check_output(options, path));
  CYF_TRY_CLEANUP(CYF_NEW(&run.piece, N_PIECES));
  CYF_TRY_CLEANUP(CYF_NEW(&run.type, n));
  CYF_TRY_CLEANUP(CYF_NEW(&run.donor, n));
  CYF_TRY_CLEANUP(CYF_NEW(&run.pseudotime, n));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, options->n_genes, &format, &run.writer));
  CYF_TRY_CLEANUP(write_cells(&run));
  CYF_TRY_CLEANUP(write_annotations(&run));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_commit(&run.writer));
  total->n_cells += n;
  total->nnz += run.nnz;
  total->seconds += cyf_clock_s() - start_s;
cleanup:
  cyf_h5ad_writer_abandon(&run.writer);
  for (int64_t p = 0; run.piece && p < N_PIECES; p++) cyf_csr_buffer_destroy(&run.piece[p]);
  cyf_free(run.piece);
  cyf_free(run.type);
  cyf_free(run.donor);
  cyf_free(run.pseudotime);
  return status;
}

static void report(const cyf_synth_options *options, const synth_total *total) {
  cyf_info("%lld cells x %lld genes, %.2f %% of the values not zero, %.0f cells/s", (long long)total->n_cells,
           (long long)options->n_genes,
           100.0 * (double)total->nnz / ((double)total->n_cells * (double)options->n_genes),
           (double)total->n_cells / (total->seconds > 0 ? total->seconds : 1e-9));
}

cyf_status cyf_synth(const cyf_synth_options *options) {
  cyf_synth_model *model = NULL;
  synth_total total = {0};
  CYF_TRY(check_options(options));
  CYF_TRY(check_output(options, options->output));
  CYF_TRY(cyf_synth_model_create(options, &model));
  const cyf_status status = write_file(options, model, options->output, 0, options->n_cells, &total);
  cyf_synth_model_destroy(&model);
  if (status == CYF_OK) report(options, &total);
  return status;
}

static cyf_status file_path(const cyf_synth_options *options, int64_t file, char **ret_path) {
  char name[40];
  snprintf(name, sizeof(name), "cells-%05lld.h5ad", (long long)file);
  return cyf_path_join(options->output, name, ret_path);
}

/* Writes one of the files. Each holds n_cells / n_files cells, and the first n_cells mod n_files of them one more. */
static cyf_status write_numbered(const cyf_synth_options *options, const cyf_synth_model *model, int64_t file,
                                 int64_t n_files, synth_total *total) {
  const int64_t least = options->n_cells / n_files, more = options->n_cells % n_files;
  const int64_t first = file * least + (file < more ? file : more);
  char *path = NULL;
  CYF_TRY(file_path(options, file, &path));
  const cyf_status status = write_file(options, model, path, first, least + (file < more), total);
  cyf_free(path);
  return status;
}

static cyf_status make_way(const cyf_synth_options *options, const char *path) {
  char *target = NULL;
  CYF_TRY(check_output(options, path));
  CYF_TRY(cyf_output_target(path, &target)); /* fails for a FIFO or a device, which no simulation wrote */
  cyf_free(target);
  return cyf_remove_file(path);
}

/* Before the first file is written, makes the folder, takes its lock, and sees to it that it holds no file of an
 * earlier simulation. With force these are removed, also where there were more of them, so that the folder holds what
 * was asked for. */
static cyf_status check_folder(const cyf_synth_options *options, int64_t n_files, int *ret_lock) {
  CYF_TRY(cyf_make_directory(options->output));
  CYF_TRY(cyf_lock_folder(options->output, "synth", ret_lock));
  for (int64_t file = 0;; file++) {
    char *path = NULL;
    CYF_TRY(file_path(options, file, &path));
    bool exists = false;
    cyf_status status = cyf_file_exists(path, &exists);
    if (status == CYF_OK && exists) status = make_way(options, path);
    cyf_free(path);
    CYF_TRY(status);
    if (!exists && file >= n_files) return CYF_OK;
  }
}

static void remove_written(const cyf_synth_options *options, int64_t first, int64_t end, int64_t step) {
  for (int64_t file = first; file < end; file += step) {
    char *path = NULL;
    if (file_path(options, file, &path) == CYF_OK) (void)cyf_remove_file(path);
    cyf_free(path);
  }
}

/* Writes the files in rounds of one a rank, so that after a failure the other ranks stop when their file is done. */
static cyf_status write_rounds(cyf_comm *comm, const cyf_synth_options *options, const cyf_synth_model *model,
                               int64_t n_files, synth_total *total) {
  const int64_t size = cyf_comm_size(comm), rank = cyf_comm_rank(comm);
  for (int64_t round = 0; round < n_files; round += size) {
    cyf_status status = CYF_OK;
    const int64_t file = round + rank;
    if (file < n_files) status = write_numbered(options, model, file, n_files, total);
    status = cyf_comm_agree(comm, status);
    if (status != CYF_OK) {
      remove_written(options, rank, file + 1 < n_files ? file + 1 : n_files, size);
      return status;
    }
  }
  return CYF_OK;
}

cyf_status cyf_synth_files(cyf_comm *comm, const cyf_synth_options *options, int64_t n_files) {
  cyf_synth_model *model = NULL;
  synth_total total = {0};
  const double start_s = cyf_clock_s();
  int lock = -1;
  cyf_status status = check_options(options);
  if (status == CYF_OK && (n_files < 1 || n_files > options->n_cells))
    status = CYF_FAIL(CYF_ERR_USAGE, "%lld files for %lld cells: 1 to %lld are possible", (long long)n_files,
                      (long long)options->n_cells, (long long)options->n_cells);
  if (status == CYF_OK && cyf_comm_rank(comm) == 0) status = check_folder(options, n_files, &lock);
  if (status == CYF_OK) status = cyf_synth_model_create(options, &model);
  status = cyf_comm_agree(comm, status);
  if (status == CYF_OK) status = write_rounds(comm, options, model, n_files, &total);
  cyf_synth_model_destroy(&model);
  cyf_lock_release_folder(options->output, &lock);
  CYF_TRY(status);
  int64_t sums[2] = {total.n_cells, total.nnz};
  CYF_TRY(cyf_comm_sum_int64(comm, sums, 2));
  total = (synth_total){.n_cells = sums[0], .nnz = sums[1], .seconds = cyf_clock_s() - start_s};
  report(options, &total);
  return CYF_OK;
}
