#include "data/synth.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad_writer.h"
#include "data/synth_model.h"

enum {
  BLOCK_CELLS = 2048, /* drawn in parallel, then written */
  PIECE_CELLS = 32    /* one thread's share of a block at a time */
};
enum { N_PIECES = BLOCK_CELLS / PIECE_CELLS };

typedef struct synth_run {
  const cyf_synth_options *options;
  cyf_synth_model *model;
  cyf_h5ad_writer *writer;
  cyf_csr_buffer *piece; /* [N_PIECES] */
  int32_t *type, *donor; /* [n_cells] */
  double *pseudotime;    /* [n_cells] */
  int64_t nnz;
} synth_run;

static cyf_status check_options(const cyf_synth_options *options) {
  if (options->n_cells < 1 || options->n_genes < 1 || options->n_types < 1 || options->n_donors < 1)
    return CYF_FAIL(CYF_ERR_USAGE, "cells, genes, types and donors must be at least 1");
  if (options->n_genes > INT32_MAX || options->n_types > INT16_MAX || options->n_donors > INT16_MAX)
    return CYF_FAIL(CYF_ERR_USAGE, "at most 2147483647 genes, 32767 types and 32767 donors can be simulated");
  if (!(options->mean_counts > 0 && options->mean_counts <= 1e6))
    return CYF_FAIL(CYF_ERR_USAGE, "mean counts %g are not in (0, 1e6]", options->mean_counts);
  if (!(options->expressed_fraction > 0 && options->expressed_fraction < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "expressed fraction %g is not in (0, 1)", options->expressed_fraction);
  if (!options->force && cyf_file_exists(options->output))
    return CYF_FAIL(CYF_ERR_IO, "%s: exists already; --force replaces it", options->output);
  return CYF_OK;
}

static cyf_status draw_piece(synth_run *run, int64_t first, int64_t n, cyf_synth_scratch *scratch,
                             cyf_csr_buffer *piece) {
  cyf_csr_buffer_clear(piece, run->options->n_genes);
  for (int64_t i = first; i < first + n; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0;
    cyf_synth_draw_cell(run->model, i, scratch, &cell, &nnz);
    CYF_TRY(cyf_csr_buffer_append(piece, nnz, scratch->indices, scratch->values));
    run->type[i] = cell.type;
    run->donor[i] = cell.donor;
    run->pseudotime[i] = cell.pseudotime;
  }
  return CYF_OK;
}

/* Draws the cells [first, first + n) by all threads. A failure can only be one of memory; its message is the drawing
 * thread's. */
static cyf_status draw_block(synth_run *run, int64_t first, int64_t n) {
  int failed = 0;
  const int64_t n_pieces = (n + PIECE_CELLS - 1) / PIECE_CELLS;
#pragma omp parallel
  {
    cyf_synth_scratch scratch = {0};
    cyf_status status = cyf_synth_scratch_make(run->model, &scratch);
#pragma omp for schedule(dynamic)
    for (int64_t p = 0; p < n_pieces; p++) {
      const int64_t start = p * PIECE_CELLS, left = n - start;
      if (status == CYF_OK)
        status = draw_piece(run, first + start, left < PIECE_CELLS ? left : PIECE_CELLS, &scratch, &run->piece[p]);
    }
    if (status != CYF_OK) {
#pragma omp atomic write
      failed = 1;
    }
    cyf_synth_scratch_destroy(&scratch);
  }
  if (failed) return CYF_FAIL(CYF_ERR_MEMORY, "not enough memory to draw %lld cells", (long long)n);
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

static cyf_status write_annotations(const synth_run *run) {
  const cyf_synth_options *options = run->options;
  char type_name[] = "cell_type", donor_name[] = "donor";
  CYF_TRY(write_genes(run->writer, options->n_genes));
  CYF_TRY(cyf_h5ad_writer_set_cell_names(run->writer, NULL, options->n_cells));
  CYF_TRY(write_labels(run->writer, type_name, "type", options->n_types, run->type, options->n_cells));
  CYF_TRY(write_labels(run->writer, donor_name, "donor", options->n_donors, run->donor, options->n_cells));
  CYF_TRY(cyf_h5ad_writer_add_numbers(run->writer, "pseudotime", run->pseudotime, options->n_cells));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(run->writer, "source", "cytoforge synth"));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(run->writer, "seed", (int64_t)options->seed));
  return cyf_h5ad_writer_set_uns_real(run->writer, "mean_counts", options->mean_counts);
}

static cyf_status write_cells(synth_run *run) {
  const int64_t n_cells = run->options->n_cells;
  const double start_s = cyf_clock_s();
  for (int64_t first = 0; first < n_cells; first += BLOCK_CELLS) {
    if (cyf_interrupt_requested() != 0)
      return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal; nothing was written");
    CYF_TRY(draw_block(run, first, n_cells - first < BLOCK_CELLS ? n_cells - first : BLOCK_CELLS));
    cyf_log_progress("simulating: %.0f %%", 100.0 * (double)first / (double)n_cells);
  }
  cyf_log_progress_end();
  const double elapsed_s = cyf_clock_s() - start_s;
  cyf_info("%lld cells x %lld genes, %.2f %% of the values not zero, %.0f cells/s", (long long)n_cells,
           (long long)run->options->n_genes,
           100.0 * (double)run->nnz / ((double)n_cells * (double)run->options->n_genes),
           (double)n_cells / (elapsed_s > 0 ? elapsed_s : 1e-9));
  return CYF_OK;
}

cyf_status cyf_synth(const cyf_synth_options *options) {
  const cyf_h5ad_options format = {.format = CYF_MATRIX_CSR_FLOAT32};
  synth_run run = {.options = options};
  cyf_status status = CYF_OK;
  CYF_TRY(check_options(options));
  CYF_TRY_CLEANUP(cyf_synth_model_create(options, &run.model));
  CYF_TRY_CLEANUP(CYF_NEW(&run.piece, N_PIECES));
  CYF_TRY_CLEANUP(CYF_NEW(&run.type, options->n_cells));
  CYF_TRY_CLEANUP(CYF_NEW(&run.donor, options->n_cells));
  CYF_TRY_CLEANUP(CYF_NEW(&run.pseudotime, options->n_cells));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(options->output, options->n_genes, &format, &run.writer));
  CYF_TRY_CLEANUP(write_cells(&run));
  CYF_TRY_CLEANUP(write_annotations(&run));
  status = cyf_h5ad_writer_commit(&run.writer);
cleanup:
  cyf_h5ad_writer_abandon(&run.writer);
  for (int64_t p = 0; run.piece && p < N_PIECES; p++) cyf_csr_buffer_destroy(&run.piece[p]);
  cyf_free(run.piece);
  cyf_free(run.type);
  cyf_free(run.donor);
  cyf_free(run.pseudotime);
  cyf_synth_model_destroy(&run.model);
  return status;
}
