/* SPDX-License-Identifier: MIT */
#include "sample/start_cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/rng.h"
#include "data/tables/label_bins.h"
#include "model/diffusion/sampler.h"
#include "sample/blocks.h"
#include "sample/encode_rows.h"

/* ---- which cells ---- */

void cyf_start_codes(const cyf_model_attribute *attribute, const cyf_names *categories, int64_t *ret_code) {
  cyf_label_bins bins = {0};
  const bool binned = cyf_label_bins_from_names(&attribute->categories, &bins);
  for (int64_t c = 0; c < categories->n; c++) {
    ret_code[c] = cyf_names_find_value(&attribute->categories, categories->name[c]);
    if (ret_code[c] < 0 && binned && cyf_label_bins_find(&bins, categories->name[c], &ret_code[c]) != CYF_OK) {
      cyf_status_clear(); /* a name that is no number is none of the bins */
      ret_code[c] = -1;
    }
  }
}

/* Fails with a list of the classes that have cells. */
static cyf_status no_cells(const cyf_model_attribute *attribute, const cyf_start_asked *asked,
                           const cyf_label_column *column) {
  bool *has_cells = NULL;
  const char **names = NULL;
  char list[CYF_NAMES_LIST_BYTES];
  int64_t n = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&has_cells, column->categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&names, column->categories.n));
  for (int64_t i = 0; i < column->n_cells; i++)
    if (column->code[i] >= 0) has_cells[column->code[i]] = true;
  for (int64_t c = 0; c < column->categories.n; c++)
    if (has_cells[c]) names[n++] = column->categories.name[c];
  status =
      CYF_FAIL(CYF_ERR_INPUT, "%s has no cell of %s '%s' to start from; known: %s", asked->cells.path, attribute->name,
               attribute->categories.name[asked->code], cyf_list_names(n, names, list, sizeof list));
cleanup:
  cyf_free(has_cells);
  cyf_free(names);
  return status;
}

/* Finds the rows of the class, ascending; rows has room for all cells of the file. */
static cyf_status find_class(const cyf_model *model, const cyf_start_asked *asked, cyf_h5ad *file, int64_t *rows,
                             int64_t *ret_n) {
  const cyf_model_attribute *attribute = &model->attributes[asked->attribute];
  cyf_label_column column = {0};
  int64_t *code = NULL;
  CYF_TRY(cyf_h5ad_read_labels(file, attribute->name, &column));
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&code, column.categories.n));
  cyf_start_codes(attribute, &column.categories, code);
  for (int64_t i = 0; i < column.n_cells; i++)
    if (column.code[i] >= 0 && code[column.code[i]] == asked->code) rows[(*ret_n)++] = i;
  if (*ret_n == 0) status = no_cells(attribute, asked, &column);
cleanup:
  cyf_free(code);
  cyf_label_column_destroy(&column);
  return status;
}

static int by_row(const void *left, const void *right) {
  const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

/* Takes asked->n of the n rows, all where that is 0, ascending. */
static cyf_status draw_rows(const cyf_start_asked *asked, int64_t n, const int64_t *rows, cyf_start_cells *cells) {
  cells->n = asked->n > 0 ? asked->n : n;
  if (cells->n > n)
    cyf_info("%s has %lld cells to start from; they are taken in turn", asked->cells.path, (long long)n);
  CYF_TRY(CYF_NEW(&cells->row, cells->n));
  const cyf_rng_key key = cyf_rng_key_make(asked->seed, CYF_RNG_CONDITION);
  for (int64_t i = 0; i < cells->n; i++) cells->row[i] = rows[cyf_rng_permute(key, (uint64_t)n, (uint64_t)(i % n))];
  qsort(cells->row, (size_t)cells->n, sizeof *cells->row, by_row);
  return CYF_OK;
}

static cyf_status choose_rows(const cyf_model *model, const cyf_start_asked *asked, cyf_h5ad *file,
                              cyf_start_cells *cells) {
  int64_t *rows = NULL, n = 0;
  if (asked->row != NULL) return draw_rows(asked, asked->n_rows, asked->row, cells);
  CYF_TRY(CYF_NEW(&rows, cyf_h5ad_n_cells(file)));
  cyf_status status = find_class(model, asked, file, rows, &n);
  if (status == CYF_OK) status = draw_rows(asked, n, rows, cells);
  cyf_free(rows);
  return status;
}

static cyf_status take_names(cyf_h5ad *file, cyf_start_cells *cells) {
  char **names = NULL;
  const int64_t n_file = cyf_h5ad_n_cells(file);
  CYF_TRY(cyf_h5ad_read_cell_names(file, &names));
  cyf_status status = CYF_NEW(&cells->name, cells->n);
  for (int64_t i = 0; i < cells->n && status == CYF_OK; i++) status = cyf_strdup(names[cells->row[i]], &cells->name[i]);
  for (int64_t i = 0; i < n_file; i++) cyf_free(names[i]);
  cyf_free(names);
  return status;
}

/* ---- encoding ---- */

typedef struct encoding {
  const cyf_model *model;
  cyf_cells_in in;
  cyf_start_cells *cells;
  int64_t width;
  cyf_scratch **scratch; /* [threads] */
} encoding;

/* Rows that follow each other in the file are read together. */
static cyf_status read_rows(encoding *e, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  const int64_t *row = e->cells->row + first;
  for (int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && row[end] == row[end - 1] + 1; end++) continue;
    CYF_TRY(cyf_cells_in_read(&e->in, row[i], end - i, rows));
  }
  return CYF_OK;
}

static cyf_status encode_block(encoding *e, cyf_scratch *scratch, cyf_cell_block *block) {
  const int64_t first = block->index * CYF_SAMPLER_BLOCK;
  const cyf_encoded_rows said = {cyf_h5ad_path(e->in.file), "the latent of a start cell", first};
  CYF_TRY(read_rows(e, first, block->n_cells, &block->rows));
  return cyf_encode_rows(e->model, scratch, &block->rows, &said, block->latent);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  encoding *e = context;
  const size_t mark = cyf_scratch_mark(e->scratch[thread]);
  const cyf_status status = encode_block(e, e->scratch[thread], block);
  cyf_scratch_release(e->scratch[thread], mark);
  return status;
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  const encoding *e = context;
  memcpy(e->cells->latent + block->index * CYF_SAMPLER_BLOCK * e->width, block->latent,
         sizeof(float) * (size_t)(block->n_cells * e->width));
  return CYF_OK;
}

static cyf_status open_encoding(encoding *e, const cyf_start_asked *asked) {
  const int n_threads = e->model->device->n_threads;
  CYF_TRY(cyf_cells_in_open(&asked->cells, e->model, &e->in));
  CYF_TRY(choose_rows(e->model, asked, e->in.file, e->cells));
  CYF_TRY(take_names(e->in.file, e->cells));
  CYF_TRY(CYF_NEW(&e->cells->latent, e->cells->n * e->width));
  CYF_TRY(CYF_NEW(&e->scratch, n_threads));
  for (int t = 0; t < n_threads; t++) CYF_TRY(cyf_scratch_create(e->model->device, &e->scratch[t]));
  return CYF_OK;
}

static void close_encoding(encoding *e) {
  if (e->in.file != NULL) cyf_cells_in_close(&e->in);
  for (int t = 0; e->scratch != NULL && t < e->model->device->n_threads; t++) cyf_scratch_destroy(&e->scratch[t]);
  cyf_free(e->scratch);
}

static cyf_status encode(cyf_comm *comm, encoding *e) {
  const cyf_block_job job = {.name = "encode",
                             .n_cells = e->cells->n,
                             .block_cells = CYF_SAMPLER_BLOCK,
                             .n_genes = e->model->genes.n,
                             .width = e->width,
                             .n_threads = e->model->device->n_threads,
                             .context = e,
                             .compute = compute,
                             .emit = emit};
  CYF_TRY(cyf_run_blocks(comm, &job));
  return cyf_comm_broadcast(comm, e->cells->latent, (int64_t)sizeof(float) * e->cells->n * e->width, 0);
}

cyf_status cyf_start_cells_read(cyf_comm *comm, const cyf_model *model, const cyf_start_asked *asked,
                                cyf_start_cells *ret_cells) {
  *ret_cells = (cyf_start_cells){0};
  encoding e = {.model = model, .cells = ret_cells, .width = model->settings.autoencoder.latent};
  cyf_status status = cyf_comm_agree(comm, open_encoding(&e, asked));
  if (status == CYF_OK) status = encode(comm, &e);
  close_encoding(&e);
  if (status != CYF_OK) cyf_start_cells_destroy(ret_cells);
  return status;
}

/* ---- how far they are noised ---- */

/* The share of signal that a warning recommends, and the one below which it comes. */
static const double RECOMMENDED = 0.1, ALMOST_NOTHING = 0.02;

cyf_start_noise cyf_start_cells_noise(const cyf_start_cells *cells, const cyf_model *model, int64_t t_init,
                                      double keep) {
  const cyf_schedule *full = model->schedule;
  const double rms = cyf_signal_rms(cells->latent, cells->n * model->settings.autoencoder.latent, model->latent_scale);
  cyf_start_noise chosen = {.t_init = t_init >= 0 ? (int)t_init : cyf_signal_timestep(full, rms, keep)};
  chosen.signal = cyf_signal_at(full, rms, chosen.t_init);
  cyf_info("start: %lld cells, latent rms %.3g; at t_init %d signal %.3g beside noise %.3g: a share of %.3g is left",
           (long long)cells->n, rms, chosen.t_init, chosen.signal.signal, chosen.signal.noise, chosen.signal.share);
  if (chosen.signal.share < ALMOST_NOTHING)
    cyf_warn(
        "almost nothing of the start cells survives t_init %d; with this model's latent_scale (%.3g) --t-init %d "
        "leaves "
        "a share of %.2g",
        chosen.t_init, model->latent_scale, cyf_signal_timestep(full, rms, RECOMMENDED), RECOMMENDED);
  return chosen;
}

void cyf_start_cells_destroy(cyf_start_cells *cells) {
  if (cells == NULL) return;
  for (int64_t i = 0; cells->name != NULL && i < cells->n; i++) cyf_free(cells->name[i]);
  cyf_free(cells->name);
  cyf_free(cells->row);
  cyf_free(cells->latent);
  cells->n = 0;
}
