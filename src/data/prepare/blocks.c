/* SPDX-License-Identifier: MIT */
/* Reading the inputs in blocks, over the genes in use. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/job.h"
#include "kernels/finite.h"

enum { BLOCK_CELLS_MOST = 8192 };

/* Larger integers are not exact in float32. */
static const float count_max = 16777216.0F;

struct cyf_block_reader {
  cyf_prepare_job *job;
  bool with_obs;
  const cyf_prepare_input *input; /* whose file is open; NULL: none */
  cyf_h5ad *file;
  int64_t block_cells;
  bool same_genes; /* the file's genes are those in use, in order */
  cyf_csr_buffer rows;
  cyf_label_column *column; /* [n_labels] of the whole file */
  char **names;             /* of the range of cells that is being read */
  int64_t names_first, n_names;
  int32_t **codes;          /* [n_labels][block_cells] the atlas' codes */
  uint64_t *pairs, *sorted; /* scratch for sorting a row */
  int64_t pairs_capacity;
};

static void free_names(cyf_block_reader *reader) {
  for (int64_t i = 0; i < reader->n_names; i++) cyf_free(reader->names[i]);
  cyf_free(reader->names);
  reader->n_names = 0;
}

static void close_input(cyf_block_reader *reader) {
  const int64_t n_labels = reader->job->options->n_labels;
  free_names(reader);
  for (int64_t a = 0; a < n_labels; a++) {
    if (reader->column) cyf_label_column_destroy(&reader->column[a]);
    if (reader->codes) cyf_free(reader->codes[a]);
  }
  cyf_free(reader->column);
  cyf_free(reader->codes);
  cyf_h5ad_close(&reader->file);
  reader->input = NULL;
}

/* Cells of a block: as many as hold the planned number of values on average. */
static int64_t choose_block_cells(const cyf_block_reader *reader) {
  const int64_t n_cells = reader->input->n_cells, nnz = cyf_h5ad_nnz(reader->file);
  const int64_t cell_values = nnz < 0 ? reader->input->n_genes : nnz / (n_cells > 0 ? n_cells : 1) + 1;
  const int64_t cells = reader->job->plan.block_values / (cell_values > 0 ? cell_values : 1);
  return cells < 1 ? 1 : cells > BLOCK_CELLS_MOST ? BLOCK_CELLS_MOST : cells;
}

static cyf_status open_input(cyf_block_reader *reader, const cyf_prepare_input *input) {
  const cyf_prepare_options *options = reader->job->options;
  close_input(reader);
  reader->input = input;
  CYF_TRY(cyf_h5ad_open(input->path, options->matrix, &reader->file));
  if (cyf_h5ad_n_cells(reader->file) != input->n_cells || cyf_h5ad_n_genes(reader->file) != input->n_genes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read", input->path);
  reader->block_cells = choose_block_cells(reader);
  reader->same_genes = true;
  for (int64_t g = 0; g < input->n_genes; g++) reader->same_genes = reader->same_genes && input->gene[g] == g;
  if (!reader->with_obs) return CYF_OK;
  CYF_TRY(CYF_NEW(&reader->column, options->n_labels));
  CYF_TRY(CYF_NEW(&reader->codes, options->n_labels));
  for (int64_t a = 0; a < options->n_labels; a++) {
    if (input->label_column[a]) CYF_TRY(cyf_h5ad_read_labels(reader->file, input->label_column[a], &reader->column[a]));
    CYF_TRY(CYF_NEW(&reader->codes[a], reader->block_cells));
  }
  return CYF_OK;
}

static cyf_status read_names(cyf_block_reader *reader, int64_t first, int64_t n) {
  free_names(reader);
  CYF_TRY(CYF_NEW(&reader->names, n));
  CYF_TRY(cyf_h5ad_read_ids(reader->file, NULL, first, n, reader->names));
  reader->names_first = first;
  reader->n_names = n;
  return CYF_OK;
}

static bool fits_count(float value) {
  return value <= count_max;
}

static cyf_status check_counts(const cyf_block_reader *reader, int64_t first) {
  const cyf_csr_buffer *rows = &reader->rows;
  const int64_t nnz = rows->indptr[rows->n_cells];
  int bad = 0; /* without branches, so that the loop runs at memory speed */
  for (int64_t e = 0; e < nnz; e++) bad |= !fits_count(rows->values[e]);
  if (!bad) return CYF_OK;
  int64_t e = 0, cell = 0;
  while (fits_count(rows->values[e])) e++;
  while (rows->indptr[cell + 1] <= e) cell++;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: cell %lld has the value %g among counts; expected up to %.0f",
                  reader->input->path, (long long)(first + cell), (double)rows->values[e], (double)count_max);
}

/* Sorts one row by gene: a radix sort of (gene << 32 | value bits) over the bytes that genes need. */
static cyf_status sort_row(cyf_block_reader *reader, int64_t n, int32_t *indices, float *values) {
  if (n > reader->pairs_capacity) {
    CYF_TRY(cyf_realloc((void **)&reader->pairs, (size_t)n, sizeof(*reader->pairs)));
    CYF_TRY(cyf_realloc((void **)&reader->sorted, (size_t)n, sizeof(*reader->sorted)));
    reader->pairs_capacity = n;
  }
  uint64_t *from = reader->pairs, *to = reader->sorted;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof(bits));
    from[i] = (uint64_t)(uint32_t)indices[i] << 32 | bits;
  }
  for (int shift = 32; shift < 64 && (reader->job->genes.n - 1) >> (shift - 32) > 0; shift += 8) {
    int64_t start[257] = {0};
    for (int64_t i = 0; i < n; i++) start[(from[i] >> shift & 255) + 1]++;
    for (int b = 0; b < 256; b++) start[b + 1] += start[b];
    for (int64_t i = 0; i < n; i++) to[start[from[i] >> shift & 255]++] = from[i];
    uint64_t *swapped = from;
    from = to;
    to = swapped;
  }
  for (int64_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)from[i];
    indices[i] = (int32_t)(from[i] >> 32);
    memcpy(&values[i], &bits, sizeof(bits));
  }
  return CYF_OK;
}

/* Turns the rows, in place, from the file's genes to those in use. */
static cyf_status map_rows(cyf_block_reader *reader) {
  cyf_csr_buffer *rows = &reader->rows;
  const int32_t *gene = reader->input->gene;
  int64_t used = 0, start = 0;
  rows->n_genes = reader->job->genes.n;
  if (reader->same_genes) return CYF_OK;
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const int64_t end = rows->indptr[i + 1], row = used;
    for (int64_t e = start; e < end; e++) {
      const int32_t mapped = gene[rows->indices[e]];
      rows->indices[used] = mapped;
      rows->values[used] = rows->values[e];
      used += mapped >= 0;
    }
    start = end;
    rows->indptr[i + 1] = used;
    if (!reader->input->ascending) CYF_TRY(sort_row(reader, used - row, rows->indices + row, rows->values + row));
  }
  return CYF_OK;
}

static void map_codes(cyf_block_reader *reader, int64_t first, int64_t n) {
  for (int64_t a = 0; a < reader->job->options->n_labels; a++) {
    const int32_t *code = reader->column[a].code; /* NULL where the file lacks the label */
    for (int64_t i = 0; i < n; i++)
      reader->codes[a][i] = !code || code[first + i] < 0 ? -1 : reader->input->category[a][code[first + i]];
  }
}

/* Reads cells [first, first + n) of the open input and hands them over. */
static cyf_status visit_block(cyf_block_reader *reader, int64_t first, int64_t n, cyf_prepare_visitor visit,
                              void *context) {
  const cyf_prepare_input *input = reader->input;
  CYF_TRY(cyf_prepare_check_signal(reader->job));
  cyf_csr_buffer_clear(&reader->rows, input->n_genes);
  const int64_t n_repeating_before = cyf_h5ad_n_repeating_rows(reader->file);
  CYF_TRY(cyf_h5ad_read_rows(reader->file, first, n, &reader->rows));
  cyf_odd_values odd = {0};
  cyf_rescale(&input->rescaling, reader->rows.n_cells, reader->rows.indptr, reader->rows.values);
  if (reader->job->kind == CYF_EXPRESSION_COUNTS) CYF_TRY(check_counts(reader, first));
  CYF_TRY(cyf_csr_check_finite(n, reader->rows.indptr, reader->rows.values, input->path, first));
  CYF_TRY(map_rows(reader));
  if (reader->job->kind == CYF_EXPRESSION_COUNTS)
    cyf_prepare_round_rows(reader->job, input, input->first_cell + first, &reader->rows, &odd);
  if (reader->with_obs) map_codes(reader, first, n);
  const cyf_prepare_block block = {.input = input,
                                   .first_cell = input->first_cell + first,
                                   .cells = cyf_csr_view(&reader->rows),
                                   .odd = odd,
                                   .n_repeating = cyf_h5ad_n_repeating_rows(reader->file) - n_repeating_before,
                                   .codes = reader->with_obs ? (const int32_t *const *)reader->codes : NULL,
                                   .names = reader->with_obs ? reader->names + (first - reader->names_first) : NULL};
  return visit(reader->job, &block, context);
}

cyf_status cyf_block_reader_create(cyf_prepare_job *job, bool with_obs, cyf_block_reader **ret_reader) {
  CYF_TRY(CYF_NEW(ret_reader, 1));
  (*ret_reader)->job = job;
  (*ret_reader)->with_obs = with_obs;
  return CYF_OK;
}

void cyf_block_reader_destroy(cyf_block_reader **reader_at) {
  if (!reader_at || !*reader_at) return;
  cyf_block_reader *reader = *reader_at;
  close_input(reader);
  cyf_csr_buffer_destroy(&reader->rows);
  cyf_free(reader->pairs);
  cyf_free(reader->sorted);
  cyf_free(*reader_at);
}

cyf_status cyf_block_reader_visit(cyf_block_reader *reader, int64_t first_cell, int64_t end_cell,
                                  cyf_prepare_visitor visit, void *context) {
  const cyf_prepare_job *job = reader->job;
  for (int64_t f = 0; f < job->options->n_inputs; f++) {
    const cyf_prepare_input *input = &job->input[f];
    const int64_t input_end = input->first_cell + input->n_cells;
    const int64_t first = (first_cell > input->first_cell ? first_cell : input->first_cell) - input->first_cell;
    const int64_t end = (end_cell < input_end ? end_cell : input_end) - input->first_cell;
    if (first >= end || !cyf_cells_are_wanted(&job->fates, input->first_cell + first, end - first)) continue;
    if (reader->input != input) CYF_TRY(open_input(reader, input));
    if (reader->with_obs) CYF_TRY(read_names(reader, first, end - first));
    for (int64_t at = first; at < end; at += reader->block_cells) {
      const int64_t n = end - at < reader->block_cells ? end - at : reader->block_cells;
      if (!cyf_cells_are_wanted(&job->fates, input->first_cell + at, n)) continue;
      CYF_TRY(visit_block(reader, at, n, visit, context));
    }
  }
  return CYF_OK;
}
