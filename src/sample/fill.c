/* SPDX-License-Identifier: MIT */
#include "sample/fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "sample/carried_column.h"
#include "sample/encode_rows.h"
#include "sample/start_cells.h"

static const char ORIGIN[] = "origin";

/* ---- cells ---- */

static cyf_status open_fill(const cyf_cells_asked *asked, cyf_expression_output output, cyf_fill *f) {
  char text[CYF_VALUES_TEXT_SIZE];
  if (output == CYF_OUTPUT_MEAN)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "--fill: real cells have no means to write beside generated ones; take --output "
                    "counts or log");
  CYF_TRY(cyf_cells_in_open(asked, f->model, &f->in));
  f->is_open = true;
  f->has_counts = output == CYF_OUTPUT_COUNTS;
  if (f->has_counts && f->in.values.kind != CYF_VALUES_COUNTS)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s holds %s and the generated cells are counts; take a matrix of counts (--matrix raw/X or "
                    "layers/NAME), or logarithms of both (--output log)",
                    asked->path, cyf_values_text(&f->in.values, text));
  if (cyf_h5ad_has_column(f->in.file, ORIGIN))
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s has an obs column '%s' already, which is to say which cells are real; rename it, or fill the "
                    "file of real cells",
                    asked->path, ORIGIN);
  const int64_t n_left_out = cyf_h5ad_n_genes(f->in.file) - f->in.n_matched;
  if (n_left_out > 0)
    cyf_warn("%s: %lld of its genes are not the model's and are left out", asked->path, (long long)n_left_out);
  return CYF_OK;
}

cyf_status cyf_fill_open(const cyf_cells_asked *asked, const cyf_model *model, cyf_expression_output output,
                         cyf_fill *ret_fill) {
  *ret_fill = (cyf_fill){.model = model};
  const cyf_status status = open_fill(asked, output, ret_fill);
  if (status != CYF_OK) cyf_fill_close(ret_fill);
  return status;
}

void cyf_fill_close(cyf_fill *fill) {
  if (fill->is_open) cyf_cells_in_close(&fill->in);
  fill->is_open = false;
}

/* Encodes the rows, which hold counts, through logarithms of a copy. */
static cyf_status encode_counts(const cyf_fill *f, cyf_scratch *scratch, const cyf_encoded_rows *said,
                                cyf_cell_block *block) {
  cyf_csr_buffer logs = block->rows;
  const int64_t nnz = block->rows.indptr[block->n_cells];
  CYF_TRY(CYF_NEW(&logs.values, nnz));
  memcpy(logs.values, block->rows.values, sizeof(float) * (size_t)nnz);
  cyf_rescale(&f->in.rescaling, block->n_cells, logs.indptr, logs.values);
  const cyf_status status = cyf_encode_rows(f->model, scratch, &logs, said, block->latent);
  cyf_free(logs.values);
  return status;
}

cyf_status cyf_fill_block(cyf_fill *fill, cyf_scratch *scratch, cyf_cell_block *block) {
  const int64_t first = block->index * CYF_FILL_BLOCK_CELLS, n = block->n_cells;
  const cyf_encoded_rows said = {cyf_h5ad_path(fill->in.file), "its latent", first};
  if (fill->has_counts) {
    CYF_TRY(cyf_cells_in_read_unscaled(&fill->in, first, n, &block->rows));
    return encode_counts(fill, scratch, &said, block);
  }
  CYF_TRY(cyf_cells_in_read(&fill->in, first, n, &block->rows));
  return cyf_encode_rows(fill->model, scratch, &block->rows, &said, block->latent);
}

/* ---- obs ---- */

static cyf_status write_names(const cyf_fill *f, int64_t n_generated, cyf_h5ad_writer *writer) {
  const int64_t n_real = f->in.n_cells, n = n_real + n_generated;
  char **real = NULL, **names = NULL;
  cyf_status status;
  CYF_TRY(cyf_h5ad_read_cell_names(f->in.file, &real));
  CYF_TRY_CLEANUP(CYF_NEW(&names, n));
  memcpy(names, real, sizeof *names * (size_t)n_real);
  for (int64_t i = 0; i < n_generated; i++)
    CYF_TRY_CLEANUP(cyf_format(&names[n_real + i], "generated_%lld", (long long)i));
  status = cyf_h5ad_writer_set_cell_names(writer, (const char *const *)names, n);
cleanup:
  for (int64_t i = n_real; names != NULL && i < n; i++) cyf_free(names[i]);
  for (int64_t i = 0; i < n_real; i++) cyf_free(real[i]);
  cyf_free(real);
  cyf_free(names);
  return status;
}

/* Writes a categorical column under a name; the column's own may be another. */
static cyf_status write_labels(const char *name, const cyf_names *categories, int32_t *code, int64_t n,
                               cyf_h5ad_writer *writer) {
  cyf_label_column column = {.categories = *categories, .code = code, .n_cells = n};
  CYF_TRY(cyf_strdup(name, &column.attribute));
  const cyf_status status = cyf_h5ad_writer_add_labels(writer, &column);
  cyf_free(column.attribute);
  return status;
}

static cyf_status write_origin(int64_t n_real, int64_t n, cyf_h5ad_writer *writer) {
  cyf_names categories = {0};
  int32_t *code = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_names_add(&categories, "real", NULL));
  CYF_TRY_CLEANUP(cyf_names_add(&categories, "generated", NULL));
  CYF_TRY_CLEANUP(CYF_NEW(&code, n));
  for (int64_t i = n_real; i < n; i++) code[i] = 1;
  status = write_labels(ORIGIN, &categories, code, n, writer);
cleanup:
  cyf_names_destroy(&categories);
  cyf_free(code);
  return status;
}

/* Puts the real cells' labels, where the file has the column, into code, in the model's categories; those that the
 * model has not are added to them. */
static cyf_status take_real(const cyf_fill *f, const cyf_model_attribute *a, cyf_names *categories, int32_t *code) {
  cyf_label_column real = {0};
  int64_t *of_category = NULL;
  cyf_status status;
  if (!cyf_h5ad_has_column(f->in.file, a->name)) return CYF_OK;
  CYF_TRY(cyf_h5ad_read_labels(f->in.file, a->name, &real));
  CYF_TRY_CLEANUP(CYF_NEW(&of_category, real.categories.n));
  cyf_start_codes(a, &real.categories, of_category);
  for (int64_t k = 0; k < real.categories.n; k++)
    if (of_category[k] < 0) CYF_TRY_CLEANUP(cyf_names_add(categories, real.categories.name[k], &of_category[k]));
  for (int64_t i = 0; i < real.n_cells; i++)
    if (real.code[i] >= 0) code[i] = (int32_t)of_category[real.code[i]];
cleanup:
  cyf_free(of_category);
  cyf_label_column_destroy(&real);
  return status;
}

/* A column that the generated cells are asked about. */
static cyf_status write_condition(const cyf_fill *f, const cyf_condition *condition, int64_t n_generated,
                                  cyf_h5ad_writer *writer) {
  const cyf_model_attribute *a = &f->model->attributes[condition->attribute];
  const int64_t n_real = f->in.n_cells;
  cyf_names categories = {0};
  int32_t *code = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_names_copy(&a->categories, &categories));
  CYF_TRY_CLEANUP(CYF_NEW(&code, n_real + n_generated));
  for (int64_t i = 0; i < n_real; i++) code[i] = -1;
  CYF_TRY_CLEANUP(take_real(f, a, &categories, code));
  memcpy(code + n_real, condition->code, sizeof *code * (size_t)n_generated);
  status = write_labels(a->name, &categories, code, n_real + n_generated, writer);
cleanup:
  cyf_names_destroy(&categories);
  cyf_free(code);
  return status;
}

/* A column that the real cells alone have. */
static cyf_status write_real(const cyf_fill *f, const char *name, int64_t n, cyf_h5ad_writer *writer) {
  cyf_label_column real = {0};
  bool is_numeric = false;
  cyf_status status;
  CYF_TRY(cyf_h5ad_read_labels(f->in.file, name, &real));
  CYF_TRY_CLEANUP(cyf_h5ad_column_is_numeric(f->in.file, name, &is_numeric));
  status = cyf_write_carried_column(&real, is_numeric, name, n, writer);
cleanup:
  cyf_label_column_destroy(&real);
  return status;
}

static bool is_condition(const cyf_fill *f, const cyf_conditions *conditions, const char *name) {
  for (int64_t k = 0; k < conditions->n; k++)
    if (strcmp(f->model->attributes[conditions->item[k].attribute].name, name) == 0) return true;
  return false;
}

cyf_status cyf_fill_write_obs(const cyf_fill *fill, const cyf_conditions *conditions, cyf_h5ad_writer *writer) {
  const int64_t n_real = fill->in.n_cells, n = n_real + conditions->n_cells;
  cyf_names columns = {0};
  CYF_TRY(write_names(fill, conditions->n_cells, writer));
  CYF_TRY(write_origin(n_real, n, writer));
  for (int64_t k = 0; k < conditions->n; k++)
    CYF_TRY(write_condition(fill, &conditions->item[k], conditions->n_cells, writer));
  CYF_TRY(cyf_warn_of_unreadable(fill->in.file));
  CYF_TRY(cyf_h5ad_list_columns(fill->in.file, &columns));
  cyf_status status = CYF_OK;
  for (int64_t c = 0; c < columns.n && status == CYF_OK; c++)
    if (!is_condition(fill, conditions, columns.name[c])) status = write_real(fill, columns.name[c], n, writer);
  cyf_names_destroy(&columns);
  return status;
}
