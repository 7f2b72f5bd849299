/* SPDX-License-Identifier: MIT */
#include "sample/cells_in.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/finite.h"
#include "saved/model_scale.h"

enum { JUDGED_CELLS_MOST = 2000 };

static cyf_status match_genes(const char *path, const cyf_names *theirs, const cyf_names *ours, cyf_cells_in *cells) {
  CYF_TRY(CYF_NEW(&cells->gene_of_column, theirs->n));
  for (int64_t i = 0; i < theirs->n; i++) {
    int64_t gene = cyf_names_find(ours, theirs->name[i]);
    cells->gene_of_column[i] = (int32_t)gene;
    cells->n_matched += gene >= 0;
  }
  if (cells->n_matched == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: none of its %lld genes is one of the model's %lld (its first is '%s', the model's '%s'); "
                    "--gene-column may name another var column",
                    path, (long long)theirs->n, (long long)ours->n, theirs->n > 0 ? theirs->name[0] : "",
                    ours->n > 0 ? ours->name[0] : "");
  cyf_log(2 * cells->n_matched < ours->n ? CYF_LOG_WARN : CYF_LOG_INFO,
          "%s: %lld cells; %lld of the model's %lld genes are there, the others are zero", path,
          (long long)cells->n_cells, (long long)cells->n_matched, (long long)ours->n);
  return CYF_OK;
}

/* Judges the values, or takes what is stated of them, and holds them to the model's scale. */
static cyf_status find_scale(const cyf_cells_asked *asked, const cyf_model *model, cyf_cells_in *cells) {
  char text[CYF_VALUES_TEXT_SIZE];
  cyf_values stated;
  CYF_TRY(cyf_h5ad_judge_values(cells->file, JUDGED_CELLS_MOST, &cells->values));
  if (asked->values != NULL) {
    CYF_TRY(cyf_values_parse(asked->values, &stated));
    if (cyf_values_can_be_stated(&cells->values)) cyf_values_state(asked->path, &stated, &cells->values);
  }
  CYF_TRY(cyf_values_settle(asked->path, asked->matrix, &cells->values));
  cyf_info("%s: %s", asked->path, cyf_values_text(&cells->values, text));
  if (cells->values.kind == CYF_VALUES_COUNTS && cells->values.n_odd > 0)
    cyf_warn("%s: cell %lld has the value %g among counts; %lld of %lld values looked at are no whole numbers",
             asked->path, (long long)cells->values.odd_cell, cells->values.odd_value, (long long)cells->values.n_odd,
             (long long)cells->values.n_values);
  return cyf_model_rescaling(model, asked->path, &cells->values, &cells->rescaling);
}

static cyf_status open_cells(const cyf_cells_asked *asked, const cyf_model *model, cyf_cells_in *cells) {
  cyf_names theirs = {0};
  CYF_TRY(cyf_h5ad_open(asked->path, asked->matrix, &cells->file));
  cells->n_cells = cyf_h5ad_n_cells(cells->file);
  cells->n_genes = model->genes.n;
  if (cells->n_cells == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s has no cells", asked->path);
  cyf_status status = cyf_h5ad_read_genes(cells->file, asked->gene_column, &theirs);
  if (status == CYF_OK) status = match_genes(asked->path, &theirs, &model->genes, cells);
  cyf_names_destroy(&theirs);
  return status == CYF_OK ? find_scale(asked, model, cells) : status;
}

cyf_status cyf_cells_in_open(const cyf_cells_asked *asked, const cyf_model *model, cyf_cells_in *ret_cells) {
  *ret_cells = (cyf_cells_in){0};
  pthread_mutex_init(&ret_cells->lock, NULL);
  cyf_status status = open_cells(asked, model, ret_cells);
  if (status != CYF_OK) cyf_cells_in_close(ret_cells);
  return status;
}

void cyf_cells_in_close(cyf_cells_in *cells) {
  if (cells == NULL) return;
  cyf_h5ad_close(&cells->file);
  cyf_free(cells->gene_of_column);
  pthread_mutex_destroy(&cells->lock);
}

typedef struct entry {
  int32_t gene;
  float value;
} entry;

static int by_gene(const void *left, const void *right) {
  const entry *a = left, *b = right;
  return a->gene < b->gene ? -1 : a->gene > b->gene;
}

/* Appends row i, the file's cell first + i, over the model's genes, in their order. rescaling NULL: none. entries,
 * indices, values: room for the row. */
static cyf_status append_row(const cyf_cells_in *cells, const cyf_rescaling *rescaling, const cyf_csr_buffer *raw,
                             int64_t first, int64_t i, entry *entries, int32_t *indices, float *values,
                             cyf_csr_buffer *rows) {
  int64_t n = 0;
  for (int64_t e = raw->indptr[i]; e < raw->indptr[i + 1]; e++) {
    int32_t gene = cells->gene_of_column[raw->indices[e]];
    if (gene >= 0) entries[n++] = (entry){gene, raw->values[e]};
  }
  qsort(entries, (size_t)n, sizeof *entries, by_gene);
  for (int64_t e = 0; e < n; e++) {
    indices[e] = entries[e].gene;
    values[e] = entries[e].value;
  }
  const int64_t indptr[2] = {0, n};
  if (rescaling != NULL) cyf_rescale(rescaling, 1, indptr, values);
  CYF_TRY(cyf_csr_check_finite(1, indptr, values, cyf_h5ad_path(cells->file), first + i));
  return cyf_csr_buffer_append(rows, n, indices, values);
}

static cyf_status read_rows(cyf_cells_in *cells, const cyf_rescaling *rescaling, int64_t first, int64_t n,
                            cyf_csr_buffer *rows) {
  cyf_csr_buffer raw = {0};
  entry *entries = NULL;
  int32_t *indices = NULL;
  float *values = NULL;
  int64_t width = cyf_h5ad_n_genes(cells->file);
  cyf_status status;
  cyf_csr_buffer_clear(&raw, width);
  pthread_mutex_lock(&cells->lock);
  status = cyf_h5ad_read_rows(cells->file, first, n, &raw);
  pthread_mutex_unlock(&cells->lock);
  CYF_TRY_CLEANUP(status);
  CYF_TRY_CLEANUP(CYF_NEW(&entries, width));
  CYF_TRY_CLEANUP(CYF_NEW(&indices, width));
  CYF_TRY_CLEANUP(CYF_NEW(&values, width));
  for (int64_t i = 0; i < n; i++)
    CYF_TRY_CLEANUP(append_row(cells, rescaling, &raw, first, i, entries, indices, values, rows));
cleanup:
  cyf_csr_buffer_destroy(&raw);
  cyf_free(entries);
  cyf_free(indices);
  cyf_free(values);
  return status;
}

cyf_status cyf_cells_in_read(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  return read_rows(cells, &cells->rescaling, first, n, rows);
}

cyf_status cyf_cells_in_read_unscaled(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  return read_rows(cells, NULL, first, n, rows);
}

cyf_status cyf_warn_of_unreadable(cyf_h5ad *file) {
  cyf_names columns = {0};
  CYF_TRY(cyf_h5ad_list_unreadable(file, &columns));
  for (int64_t c = 0; c < columns.n; c++)
    cyf_warn("%s: obs column %s cannot be read; it is not copied", cyf_h5ad_path(file), columns.name[c]);
  cyf_names_destroy(&columns);
  return CYF_OK;
}

cyf_status cyf_copy_obs(cyf_h5ad *file, const cyf_names *except, cyf_h5ad_writer *writer) {
  char **names = NULL;
  cyf_names columns = {0};
  int64_t n = cyf_h5ad_n_cells(file);
  CYF_TRY(cyf_h5ad_read_cell_names(file, &names));
  cyf_status status = cyf_h5ad_writer_set_cell_names(writer, (const char *const *)names, n);
  for (int64_t i = 0; i < n; i++) cyf_free(names[i]);
  cyf_free(names);
  CYF_TRY(status);
  CYF_TRY(cyf_warn_of_unreadable(file));
  CYF_TRY(cyf_h5ad_list_columns(file, &columns));
  for (int64_t c = 0; c < columns.n && status == CYF_OK; c++)
    if (except == NULL || cyf_names_find(except, columns.name[c]) < 0)
      status = cyf_h5ad_copy_column(file, columns.name[c], writer);
  cyf_names_destroy(&columns);
  return status;
}
