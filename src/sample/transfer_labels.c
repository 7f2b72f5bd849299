/* SPDX-License-Identifier: MIT */
#include "sample/transfer_labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "sample/carried_column.h"
#include "sample/guidance.h"
#include "sample/start_cells.h"

/* The column that the command itself writes, and what stands before an attribute's name for its label at the start. */
static const char START_CELL[] = "start_cell", START[] = "start_";

/* ---- the file ---- */

static const cyf_transfer_column *find_column(const cyf_transfer_labels *labels, const char *name) {
  for (int64_t c = 0; c < labels->n_columns; c++)
    if (strcmp(labels->column[c].labels.attribute, name) == 0) return &labels->column[c];
  return NULL;
}

static cyf_status read_columns(cyf_h5ad *file, cyf_transfer_labels *labels) {
  cyf_names names = {0};
  CYF_TRY(cyf_h5ad_list_columns(file, &names));
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&labels->column, names.n));
  for (int64_t c = 0; c < names.n; c++) {
    cyf_transfer_column *column = &labels->column[c];
    CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, names.name[c], &column->labels));
    labels->n_columns++;
    CYF_TRY_CLEANUP(cyf_h5ad_column_is_numeric(file, names.name[c], &column->is_numeric));
  }
cleanup:
  cyf_names_destroy(&names);
  return status;
}

/* The model's codes of the attribute for the cells that `column` has, -1 where it has none. ret_code has room for them.
 * A value that no training cell had cannot have been learnt, so it has none either. */
static cyf_status read_codes(const cyf_model_attribute *attribute, const cyf_transfer_column *column,
                             int32_t *ret_code) {
  int64_t *code = NULL, n_counted = 0;
  CYF_TRY(CYF_NEW(&code, column->labels.categories.n));
  cyf_start_codes(attribute, &column->labels.categories, code);
  for (int64_t c = 0; c < attribute->categories.n; c++) n_counted += attribute->n_cells[c];
  for (int64_t c = 0; c < column->labels.categories.n; c++)
    if (code[c] >= 0 && n_counted > 0 && attribute->n_cells[code[c]] == 0) code[c] = -1;
  for (int64_t i = 0; i < column->labels.n_cells; i++)
    ret_code[i] = column->labels.code[i] < 0 ? -1 : (int32_t)code[column->labels.code[i]];
  cyf_free(code);
  return CYF_OK;
}

/* ---- which cells ---- */

static cyf_status parse(const cyf_model *model, const char *option, const cyf_texts *texts,
                        cyf_transfer_label **ret_labels) {
  CYF_TRY(CYF_NEW(ret_labels, texts->n));
  for (int64_t i = 0; i < texts->n; i++) {
    cyf_transfer_label *label = &(*ret_labels)[i];
    CYF_TRY(cyf_conditions_find_where(model, option, texts->item[i], &label->attribute, &label->code));
    for (int64_t k = 0; k < i; k++)
      if ((*ret_labels)[k].attribute == label->attribute)
        return CYF_FAIL(CYF_ERR_USAGE, "%s gives '%s' twice", option, model->attributes[label->attribute].name);
  }
  return CYF_OK;
}

/* A cell's fate: bits that are set for each label it is asked about. */
enum { LACKS_FROM = 1, LACKS_TO = 2, UNKNOWN = 4 };

/* Marks in fate[cells of the file] those that lack the label; `is_to`: also those whose own label is unknown. */
static cyf_status mark(const cyf_model *model, const cyf_transfer_labels *labels, const char *path,
                       const cyf_transfer_label *label, bool is_to, int *fate) {
  const cyf_model_attribute *attribute = &model->attributes[label->attribute];
  const cyf_transfer_column *column = find_column(labels, attribute->name);
  int32_t *code = NULL;
  if (column == NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s has no obs column '%s', which says what the start cells are", path,
                    attribute->name);
  CYF_TRY(CYF_NEW(&code, column->labels.n_cells));
  const cyf_status status = read_codes(attribute, column, code);
  for (int64_t i = 0; i < column->labels.n_cells && status == CYF_OK; i++) {
    if (code[i] != label->code) fate[i] |= is_to ? LACKS_TO : LACKS_FROM;
    if (is_to && code[i] < 0) fate[i] |= UNKNOWN;
  }
  cyf_free(code);
  return status;
}

/* Takes the cells by their fates, and says what becomes of the others. */
static cyf_status take_by_fate(cyf_transfer_labels *labels, const char *path, int64_t n_cells, const int *fate) {
  int64_t n_there = 0, n_unknown = 0, n_other = 0;
  CYF_TRY(CYF_NEW(&labels->row, n_cells));
  for (int64_t i = 0; i < n_cells; i++) {
    if ((fate[i] & LACKS_FROM) != 0)
      n_other++;
    else if ((fate[i] & UNKNOWN) != 0)
      n_unknown++;
    else if ((fate[i] & LACKS_TO) == 0)
      n_there++;
    else
      labels->row[labels->n_rows++] = i;
  }
  if (labels->n_rows == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s has no cell to start from: of %lld, %lld have the labels of --to already, %lld have one that "
                    "the model does not know, and %lld are not of --from",
                    path, (long long)n_cells, (long long)n_there, (long long)n_unknown, (long long)n_other);
  if (n_there > 0) cyf_info("%s: %lld cells have the labels of --to already and stay out", path, (long long)n_there);
  if (n_unknown > 0)
    cyf_warn("%s: %lld cells stay out, as the model does not know their own label in an attribute of --to", path,
             (long long)n_unknown);
  return CYF_OK;
}

static cyf_status choose(const cyf_model *model, const cyf_transfer_labels_asked *asked, int64_t n_cells,
                         cyf_transfer_labels *labels) {
  cyf_transfer_label *from = NULL;
  int *fate = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(parse(model, "--from", asked->from, &from));
  CYF_TRY_CLEANUP(CYF_NEW(&fate, n_cells));
  for (int64_t k = 0; k < asked->from->n; k++) CYF_TRY_CLEANUP(mark(model, labels, asked->path, &from[k], false, fate));
  for (int64_t k = 0; k < labels->n_to; k++)
    CYF_TRY_CLEANUP(mark(model, labels, asked->path, &labels->to[k], true, fate));
  status = take_by_fate(labels, asked->path, n_cells, fate);
cleanup:
  cyf_free(from);
  cyf_free(fate);
  return status;
}

cyf_status cyf_transfer_labels_read(const cyf_model *model, const cyf_transfer_labels_asked *asked,
                                    cyf_transfer_labels *ret_labels) {
  cyf_h5ad *file = NULL;
  *ret_labels = (cyf_transfer_labels){.n_to = asked->to->n};
  cyf_status status;
  CYF_TRY_CLEANUP(parse(model, "--to", asked->to, &ret_labels->to));
  CYF_TRY_CLEANUP(cyf_h5ad_open_tables(asked->path, &file));
  CYF_TRY_CLEANUP(read_columns(file, ret_labels));
  status = choose(model, asked, cyf_h5ad_n_cells(file), ret_labels);
cleanup:
  cyf_h5ad_close(&file);
  if (status != CYF_OK) cyf_transfer_labels_destroy(ret_labels);
  return status;
}

cyf_status cyf_transfer_labels_take(cyf_transfer_labels *labels, int64_t n, const int64_t *row) {
  for (int64_t c = 0; c < labels->n_columns; c++) {
    cyf_label_column *column = &labels->column[c].labels;
    int32_t *code = NULL;
    CYF_TRY(CYF_NEW(&code, n));
    for (int64_t i = 0; i < n; i++) code[i] = column->code[row[i]];
    cyf_free(column->code);
    column->code = code;
    column->n_cells = n;
  }
  return CYF_OK;
}

/* ---- conditions ---- */

static const cyf_transfer_label *find_to(const cyf_transfer_labels *labels, int64_t attribute) {
  for (int64_t k = 0; k < labels->n_to; k++)
    if (labels->to[k].attribute == attribute) return &labels->to[k];
  return NULL;
}

/* Adds the condition of an attribute: the cells' own labels, or one label for all. */
static cyf_status add(const cyf_model *model, const cyf_transfer_labels *labels, int64_t attribute,
                      const cyf_transfer_label *all, double weight, cyf_conditions *c) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  cyf_condition *condition = NULL;
  CYF_TRY(cyf_conditions_add(model, attribute, c, &condition));
  if (all == NULL) CYF_TRY(read_codes(a, find_column(labels, a->name), condition->code));
  int64_t n_unknown = 0;
  for (int64_t i = 0; i < c->n_cells; i++) {
    if (all != NULL) condition->code[i] = (int32_t)all->code;
    condition->weight[i] = condition->code[i] < 0 ? 0 : (float)weight;
    n_unknown += condition->code[i] < 0;
  }
  if (n_unknown > 0)
    cyf_warn("%lld start cells have no '%s' that the model knows; nothing holds them to it", (long long)n_unknown,
             a->name);
  return CYF_OK;
}

static bool can_guide(const cyf_model *model, int64_t attribute) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  return a->classifier != NULL || cyf_model_condition(model, a->name) >= 0;
}

/* Unless the user has said one. Twice what a label changes is nearer to the truth where the model has not seen cells of
 * both labels (benchmarks/results/transfer.md). What is kept needs no more than it had. Start cells are real ones, as 1
 * makes them. */
static const double WEIGHT_OF_TO = 2, WEIGHT_OF_KEPT = 1, WEIGHT_AT_START = 1;

static double weight_of(const cyf_guidance *said, int64_t attribute, double otherwise) {
  return said->has_common || !isnan(said->of[attribute]) ? cyf_guidance_of(said, attribute, -1) : otherwise;
}

/* Conditions that are kept come first, since each guide's label is weighed under those before it (cyf_guide). So the
 * weight of --to acts on what its label changes in cells that have the others. */
static cyf_status make(const cyf_model *model, const cyf_transfer_labels *labels, const cyf_guidance *said,
                       cyf_conditions *own, cyf_conditions *target) {
  for (int64_t a = 0; a < model->n_attributes; a++) {
    const char *name = model->attributes[a].name;
    const bool has = find_column(labels, name) != NULL;
    if (find_to(labels, a) != NULL) continue;
    if (!has || !can_guide(model, a)) {
      if (!isnan(said->of[a]))
        return CYF_FAIL(CYF_ERR_USAGE, "--guidance of '%s', which the start cells are not held to: %s", name,
                        has ? "nothing in the model guides to it" : "their file has no such column");
      if (!has) cyf_info("the start cells have no column '%s'; nothing holds them to it", name);
      continue;
    }
    CYF_TRY(add(model, labels, a, NULL, weight_of(said, a, WEIGHT_OF_KEPT), own));
    CYF_TRY(add(model, labels, a, NULL, weight_of(said, a, WEIGHT_OF_KEPT), target));
  }
  for (int64_t k = 0; k < labels->n_to; k++) {
    const int64_t a = labels->to[k].attribute;
    if (!can_guide(model, a))
      return CYF_FAIL(CYF_ERR_USAGE,
                      "the model has no classifier for '%s' and its denoiser is not told it, so cells cannot be taken "
                      "to it; train one with --stage classifier:%s",
                      model->attributes[a].name, model->attributes[a].name);
    CYF_TRY(add(model, labels, a, NULL, WEIGHT_AT_START, own));
    CYF_TRY(add(model, labels, a, &labels->to[k], weight_of(said, a, WEIGHT_OF_TO), target));
  }
  return CYF_OK;
}

cyf_status cyf_transfer_conditions(const cyf_model *model, const cyf_transfer_labels *labels, int64_t n,
                                   const cyf_transfer_labels_asked *asked, cyf_conditions *ret_own,
                                   cyf_conditions *ret_target) {
  cyf_guidance said = {0};
  *ret_own = *ret_target = (cyf_conditions){.n_cells = n};
  CYF_TRY(cyf_guidance_make(model, asked->guidance, false, &said));
  const cyf_status status = make(model, labels, &said, ret_own, ret_target);
  cyf_guidance_destroy(&said);
  if (status != CYF_OK) cyf_conditions_destroy(ret_own);
  if (status != CYF_OK) cyf_conditions_destroy(ret_target);
  return status;
}

/* ---- obs ---- */

/* Writes an attribute of --to: the label that all cells have now, and the one that each had. */
static cyf_status write_to(const cyf_model *model, const cyf_transfer_labels *labels, const cyf_transfer_label *to,
                           int64_t n, cyf_h5ad_writer *writer) {
  const cyf_model_attribute *a = &model->attributes[to->attribute];
  cyf_label_column now = {.attribute = a->name, .categories = a->categories, .n_cells = n};
  char *name = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&now.code, n));
  CYF_TRY_CLEANUP(cyf_format(&name, "%s%s", START, a->name));
  for (int64_t i = 0; i < n; i++) now.code[i] = (int32_t)to->code;
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_labels(writer, &now));
  const cyf_transfer_column *had = find_column(labels, a->name);
  status = cyf_write_carried_column(&had->labels, had->is_numeric, name, had->labels.n_cells, writer);
cleanup:
  cyf_free(now.code);
  cyf_free(name);
  return status;
}

/* Whether the command writes this column anew: one of --to, or what an earlier transfer wrote beside it. */
static bool is_written(const cyf_model *model, const cyf_transfer_labels *labels, const char *name) {
  if (strcmp(name, START_CELL) == 0) return true;
  const char *rest = strncmp(name, START, strlen(START)) == 0 ? name + strlen(START) : name;
  for (int64_t k = 0; k < labels->n_to; k++) {
    const char *attribute = model->attributes[labels->to[k].attribute].name;
    if (strcmp(name, attribute) == 0 || strcmp(rest, attribute) == 0) return true;
  }
  return false;
}

cyf_status cyf_transfer_labels_write(const cyf_model *model, const cyf_transfer_labels *labels, int64_t n,
                                     cyf_h5ad_writer *writer) {
  for (int64_t k = 0; k < labels->n_to; k++) CYF_TRY(write_to(model, labels, &labels->to[k], n, writer));
  for (int64_t c = 0; c < labels->n_columns; c++) {
    const cyf_transfer_column *column = &labels->column[c];
    const char *name = column->labels.attribute;
    if (is_written(model, labels, name)) continue;
    CYF_TRY(cyf_write_carried_column(&column->labels, column->is_numeric, name, column->labels.n_cells, writer));
  }
  return CYF_OK;
}

void cyf_transfer_labels_destroy(cyf_transfer_labels *labels) {
  if (labels == NULL) return;
  for (int64_t c = 0; c < labels->n_columns; c++) cyf_label_column_destroy(&labels->column[c].labels);
  cyf_free(labels->column);
  cyf_free(labels->to);
  cyf_free(labels->row);
  *labels = (cyf_transfer_labels){0};
}
