/* Reading the inputs in blocks, over the genes in use. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

/* Larger integers are not exact in float32. */
static const float count_max = 16777216.0F;

typedef struct block_reader {
  cyf_prepare_job *job;
  const cyf_prepare_input *input;
  cyf_h5ad *file;
  cyf_csr_buffer rows;
  cyf_label_column *column; /* [n_labels] of the whole file */
  char **names;             /* of the whole file */
  int32_t **codes;          /* [n_labels][block_cells] merged */
  uint64_t *pairs, *sorted; /* [row] scratch for sorting */
  int64_t pairs_capacity;
} block_reader;

static void close_input(block_reader *reader) {
  const int64_t n_labels = reader->job->options->n_labels;
  for (int64_t i = 0; reader->names && i < reader->input->n_cells; i++) cyf_free(reader->names[i]);
  cyf_free(reader->names);
  for (int64_t a = 0; a < n_labels; a++) {
    if (reader->column) cyf_label_column_destroy(&reader->column[a]);
    if (reader->codes) cyf_free(reader->codes[a]);
  }
  cyf_free(reader->column);
  cyf_free(reader->codes);
  cyf_h5ad_close(&reader->file);
}

static cyf_status open_input(block_reader *reader, const cyf_prepare_input *input, bool with_obs) {
  const cyf_prepare_options *options = reader->job->options;
  reader->input = input;
  CYF_TRY(cyf_h5ad_open(input->path, options->matrix, &reader->file));
  if (cyf_h5ad_n_cells(reader->file) != input->n_cells || cyf_h5ad_n_genes(reader->file) != input->n_genes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read", input->path);
  if (!with_obs) return CYF_OK;
  CYF_TRY(cyf_h5ad_read_cell_names(reader->file, &reader->names));
  CYF_TRY(CYF_NEW(&reader->column, options->n_labels));
  CYF_TRY(CYF_NEW(&reader->codes, options->n_labels));
  for (int64_t a = 0; a < options->n_labels; a++) {
    CYF_TRY(cyf_h5ad_read_labels(reader->file, options->labels[a], &reader->column[a]));
    CYF_TRY(CYF_NEW(&reader->codes[a], input->block_cells));
  }
  return CYF_OK;
}

static cyf_status check_counts(const block_reader *reader, int64_t first) {
  const cyf_csr_buffer *rows = &reader->rows;
  for (int64_t i = 0; i < rows->n_cells; i++)
    for (int64_t e = rows->indptr[i]; e < rows->indptr[i + 1]; e++) {
      const float value = rows->values[e];
      if (value == rintf(value) && value <= count_max) continue;
      return CYF_FAIL(CYF_ERR_INPUT, "%s: cell %lld has the value %g among counts; expected integers up to %.0f",
                      reader->input->path, (long long)(first + i), (double)value, (double)count_max);
    }
  return CYF_OK;
}

/* Sorts one row by gene: a radix sort of (gene << 32 | value bits) over the bytes that genes need. */
static cyf_status sort_row(block_reader *reader, int64_t n, int32_t *indices, float *values) {
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
static cyf_status map_rows(block_reader *reader) {
  cyf_csr_buffer *rows = &reader->rows;
  const int32_t *gene = reader->input->gene;
  int64_t used = 0, start = 0;
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const int64_t end = rows->indptr[i + 1], row = used;
    for (int64_t e = start; e < end; e++) {
      const int32_t mapped = gene[rows->indices[e]];
      if (mapped < 0) continue;
      rows->indices[used] = mapped;
      rows->values[used++] = rows->values[e];
    }
    start = end;
    rows->indptr[i + 1] = used;
    if (!reader->input->ascending) CYF_TRY(sort_row(reader, used - row, rows->indices + row, rows->values + row));
  }
  rows->n_genes = reader->job->genes.n;
  return CYF_OK;
}

static void map_codes(block_reader *reader, int64_t first, int64_t n) {
  for (int64_t a = 0; a < reader->job->options->n_labels; a++) {
    const int32_t *code = reader->column[a].code + first;
    for (int64_t i = 0; i < n; i++) reader->codes[a][i] = code[i] < 0 ? -1 : reader->input->category[a][code[i]];
  }
}

/* Reads one block of the open input and hands it over. */
static cyf_status visit_block(block_reader *reader, int64_t first, bool with_obs, cyf_prepare_visitor visit,
                              void *context) {
  const cyf_prepare_input *input = reader->input;
  const int64_t left = input->n_cells - first, n = left < input->block_cells ? left : input->block_cells;
  cyf_csr_buffer_clear(&reader->rows, input->n_genes);
  CYF_TRY(cyf_h5ad_read_rows(reader->file, first, n, &reader->rows));
  if (reader->job->kind == CYF_EXPRESSION_COUNTS) CYF_TRY(check_counts(reader, first));
  CYF_TRY(map_rows(reader));
  if (with_obs) map_codes(reader, first, n);
  const cyf_prepare_block block = {.input = input,
                                   .first_cell = input->first_cell + first,
                                   .cells = cyf_csr_view(&reader->rows),
                                   .codes = with_obs ? (const int32_t *const *)reader->codes : NULL,
                                   .names = with_obs ? reader->names + first : NULL};
  return visit(reader->job, &block, context);
}

cyf_status cyf_prepare_visit_blocks(cyf_prepare_job *job, bool with_obs, const char *what, cyf_prepare_visitor visit,
                                    void *context) {
  block_reader reader = {.job = job};
  cyf_status status = CYF_OK;
  for (int64_t f = 0; f < job->options->n_inputs; f++) {
    const cyf_prepare_input *input = &job->input[f];
    const int64_t n_blocks = (input->n_cells + input->block_cells - 1) / input->block_cells;
    /* The first block of this file whose number over all inputs is this rank's. */
    const int64_t ahead = (job->rank - input->first_block % job->size + job->size) % job->size;
    if (ahead >= n_blocks) continue;
    CYF_TRY_CLEANUP(open_input(&reader, input, with_obs));
    for (int64_t b = ahead; b < n_blocks; b += job->size) {
      const int64_t first = b * input->block_cells;
      CYF_TRY_CLEANUP(cyf_prepare_check_signal());
      CYF_TRY_CLEANUP(visit_block(&reader, first, with_obs, visit, context));
      cyf_log_progress("%s: %.0f %%", what,
                       100.0 * (double)(input->first_cell + first) / (double)job->summary.n_cells_in);
    }
    close_input(&reader);
  }
cleanup:
  cyf_log_progress_end();
  close_input(&reader);
  cyf_csr_buffer_destroy(&reader.rows);
  cyf_free(reader.pairs);
  cyf_free(reader.sorted);
  return status;
}
