/* SPDX-License-Identifier: MIT */
#include "sample/requests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/tables/csv.h"
#include "sample/guidance.h"

enum { COLUMN_COUNT = -1, COLUMN_GUIDANCE = -2 };

typedef struct table {
  const cyf_model *model;
  const char *path;
  cyf_csv csv;
  int64_t *meaning;      /* [n_columns] condition, or one of the above */
  cyf_guidance guidance; /* of the command line */
  int64_t *count;        /* [n_rows] */
} table;

static const char *field(const table *t, int64_t row, int64_t column) {
  return t->csv.field[row * t->csv.n_columns + column];
}

/* The failure, its message with file and line in front. */
static cyf_status at_line(const table *t, int64_t row, cyf_status status) {
  char *message = NULL;
  if (status == CYF_OK) return CYF_OK;
  if (cyf_format(&message, "%s:%lld: %s", t->path, (long long)t->csv.line[row], cyf_status_message()) == CYF_OK)
    cyf_status_set(status, message);
  cyf_free(message);
  return status;
}

static int64_t column_of(const table *t, int64_t meaning) {
  for (int64_t c = 0; c < t->csv.n_columns; c++)
    if (t->meaning[c] == meaning) return c;
  return -1;
}

static cyf_status read_count(table *t, int64_t row, int64_t column) {
  const char *text = field(t, row, column);
  char *end = NULL;
  const double count = strtod(text, &end);
  if (end == text || *end != '\0' || count != floor(count) || count < 1 || count > 1e12)
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: count wants a whole number of at least 1, not '%s'", t->path,
                    (long long)t->csv.line[row], text);
  t->count[row] = (int64_t)count;
  return CYF_OK;
}

static cyf_status read_counts(table *t, cyf_conditions *c) {
  CYF_TRY(CYF_NEW(&t->count, t->csv.n_rows));
  int64_t column = -1;
  for (int64_t i = 0; i < t->csv.n_columns; i++)
    if (strcmp(t->csv.header[i], "count") == 0) column = i;
  if (column < 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: there is no column 'count' (the number of cells of each row)", t->path);
  for (int64_t r = 0; r < t->csv.n_rows; r++) {
    CYF_TRY(read_count(t, r, column));
    c->n_cells += t->count[r];
  }
  return CYF_NEW(&c->request, c->n_cells);
}

/* Adds a condition for each column that is an attribute, in their order. */
static cyf_status add_columns(table *t, cyf_conditions *c) {
  CYF_TRY(CYF_NEW(&t->meaning, t->csv.n_columns));
  for (int64_t i = 0; i < t->csv.n_columns; i++) {
    const char *name = t->csv.header[i];
    t->meaning[i] = strcmp(name, "count") == 0 ? COLUMN_COUNT : COLUMN_GUIDANCE;
    if (strcmp(name, "count") == 0 || strcmp(name, "guidance") == 0) continue;
    int64_t attribute = 0;
    cyf_condition *added = NULL;
    CYF_TRY(cyf_model_find_attribute(t->model, name, &attribute));
    CYF_TRY(cyf_conditions_add(t->model, attribute, c, &added));
    t->meaning[i] = c->n - 1;
  }
  return CYF_OK;
}

/* A --where holds for every row; a column of the same attribute contradicts it. */
static cyf_status add_where(const table *t, const char *text, cyf_conditions *c) {
  int64_t attribute = 0, code = 0;
  cyf_condition *added = NULL;
  CYF_TRY(cyf_conditions_find_where(t->model, "--where", text, &attribute, &code));
  for (int64_t k = 0; k < c->n; k++)
    if (c->item[k].attribute == attribute && column_of(t, k) >= 0)
      return CYF_FAIL(CYF_ERR_USAGE, "--where %s contradicts the column '%s' of %s", text,
                      t->model->attributes[attribute].name, t->path);
  CYF_TRY(cyf_conditions_add(t->model, attribute, c, &added));
  for (int64_t i = 0; i < c->n_cells; i++) added->code[i] = (int32_t)code;
  return CYF_OK;
}

/* Guidance that a row gives to an attribute it does not ask for is a mistake. */
static cyf_status check_guidance(const table *t, const cyf_guidance *said, const cyf_conditions *c, int64_t cell) {
  for (int64_t a = 0; a < t->model->n_attributes; a++) {
    bool asked = isnan(said->of[a]);
    for (int64_t k = 0; k < c->n; k++) asked = asked || (c->item[k].attribute == a && c->item[k].code[cell] >= 0);
    if (!asked)
      return CYF_FAIL(CYF_ERR_USAGE, "guidance of '%s', which this row does not ask for", t->model->attributes[a].name);
  }
  return CYF_OK;
}

/* Puts the row's own guidance, where it has one, in place of the command line's. */
static cyf_status row_guidance(const table *t, int64_t row, const cyf_conditions *c, int64_t cell,
                               cyf_guidance *guidance) {
  const int64_t column = column_of(t, COLUMN_GUIDANCE);
  const char *text = column < 0 ? "" : field(t, row, column);
  if (text[0] == '\0') return CYF_OK;
  cyf_guidance said = {0};
  CYF_TRY(cyf_guidance_create(t->model, false, &said));
  cyf_status status = cyf_guidance_read(t->model, text, &said);
  if (status == CYF_OK) status = check_guidance(t, &said, c, cell);
  if (status == CYF_OK && said.has_common) guidance->common = said.common;
  for (int64_t a = 0; a < t->model->n_attributes && status == CYF_OK; a++)
    if (said.has_common || !isnan(said.of[a])) guidance->of[a] = said.of[a];
  cyf_guidance_destroy(&said);
  return status;
}

/* Sets codes and weights of the row's cells [first, first + count). */
static cyf_status fill_row(const table *t, int64_t row, int64_t first, cyf_conditions *c) {
  const int64_t end = first + t->count[row];
  for (int64_t i = 0; i < t->csv.n_columns; i++) {
    const char *value = field(t, row, i);
    if (t->meaning[i] < 0 || value[0] == '\0') continue;
    cyf_condition *condition = &c->item[t->meaning[i]];
    int64_t code = 0;
    CYF_TRY(cyf_conditions_find_value(t->model, condition->attribute, value, &code));
    for (int64_t cell = first; cell < end; cell++) condition->code[cell] = (int32_t)code;
  }
  cyf_guidance guidance = {0};
  CYF_TRY(cyf_guidance_copy(t->model, &t->guidance, &guidance));
  const cyf_status status = row_guidance(t, row, c, first, &guidance);
  for (int64_t k = 0; k < c->n && status == CYF_OK; k++)
    for (int64_t cell = first; cell < end; cell++)
      c->item[k].weight[cell] = c->item[k].code[cell] < 0 || c->item[k].is_of_all
                                    ? 0
                                    : (float)cyf_guidance_of(&guidance, c->item[k].attribute, c->item[k].code[cell]);
  for (int64_t cell = first; cell < end; cell++) c->request[cell] = row + 1;
  cyf_guidance_destroy(&guidance);
  return status;
}

static cyf_status read_table(table *t, const cyf_conditions_asked *asked, cyf_conditions *c) {
  CYF_TRY(cyf_csv_read(t->path, &t->csv));
  CYF_TRY(read_counts(t, c));
  CYF_TRY(add_columns(t, c));
  for (int64_t i = 0; i < asked->where->n; i++) CYF_TRY(add_where(t, asked->where->item[i], c));
  CYF_TRY(cyf_guidance_make(t->model, asked->guidance, asked->by_classifiers, &t->guidance));
  int64_t first = 0;
  for (int64_t r = 0; r < t->csv.n_rows; r++) {
    CYF_TRY(at_line(t, r, fill_row(t, r, first, c)));
    first += t->count[r];
  }
  return CYF_OK;
}

cyf_status cyf_requests_read(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *conditions) {
  table t = {.model = model, .path = asked->requests};
  const cyf_status status = read_table(&t, asked, conditions);
  cyf_csv_destroy(&t.csv);
  cyf_guidance_destroy(&t.guidance);
  cyf_free(t.meaning);
  cyf_free(t.count);
  return status;
}
