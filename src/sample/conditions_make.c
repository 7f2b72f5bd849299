/* SPDX-License-Identifier: MIT */
/* Conditions from what the user asked for: the same label for all cells, the proportions of a file, or a table. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/h5ad/reader.h"
#include "sample/conditions.h"
#include "sample/guidance.h"
#include "sample/requests.h"
#include "sample/start_cells.h"

static cyf_status add_where(const cyf_model *model, const char *text, cyf_conditions *c) {
  int64_t attribute = 0, code = 0;
  cyf_condition *condition = NULL;
  CYF_TRY(cyf_conditions_find_where(model, "--where", text, &attribute, &code));
  CYF_TRY(cyf_conditions_add(model, attribute, c, &condition));
  for (int64_t i = 0; i < c->n_cells; i++) condition->code[i] = (int32_t)code;
  return CYF_OK;
}

/* Counts the file's cells that have each of the model's values. */
static cyf_status count_values(const cyf_model *model, int64_t attribute, const char *like, const char *by,
                               int64_t *counts, int64_t *ret_total) {
  cyf_h5ad *file = NULL;
  cyf_label_column column = {0};
  int64_t *code = NULL;
  *ret_total = 0;
  CYF_TRY(cyf_h5ad_open(like, NULL, &file));
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, by, &column));
  CYF_TRY_CLEANUP(CYF_NEW(&code, column.categories.n));
  for (int64_t k = 0; k < column.categories.n; k++) code[k] = -1;
  for (int64_t i = 0; i < column.n_cells; i++) {
    int32_t k = column.code[i];
    if (k < 0) continue;
    if (code[k] < 0) {
      CYF_TRY_CLEANUP(cyf_conditions_find_value(model, attribute, column.categories.name[k], &code[k]));
    }
    counts[code[k]]++;
    ++*ret_total;
  }
  if (*ret_total == 0) status = CYF_FAIL(CYF_ERR_INPUT, "%s: no cell has a label in '%s'", like, by);
cleanup:
  cyf_h5ad_close(&file);
  cyf_label_column_destroy(&column);
  cyf_free(code);
  return status;
}

typedef struct share_rest {
  double fraction;
  int64_t code;
} share_rest;

static int by_fraction(const void *left, const void *right) {
  const share_rest *a = left, *b = right;
  if (a->fraction != b->fraction) return a->fraction > b->fraction ? -1 : 1;
  return a->code < b->code ? -1 : a->code > b->code;
}

/* Shares n cells in proportion to counts by largest remainders: counts become numbers of cells that sum to n. */
static cyf_status share_out(int64_t n_codes, int64_t *counts, int64_t total, int64_t n) {
  share_rest *left = NULL;
  CYF_TRY(CYF_NEW(&left, n_codes));
  int64_t given = 0;
  for (int64_t k = 0; k < n_codes; k++) {
    double exact = (double)counts[k] * (double)n / (double)total;
    counts[k] = (int64_t)floor(exact);
    left[k] = (share_rest){exact - floor(exact), k};
    given += counts[k];
  }
  qsort(left, (size_t)n_codes, sizeof *left, by_fraction);
  for (int64_t i = 0; given < n; i++, given++) counts[left[i % n_codes].code]++;
  cyf_free(left);
  return CYF_OK;
}

static cyf_status add_like(const cyf_model *model, const char *like, const char *by, uint64_t seed, cyf_conditions *c) {
  int64_t attribute = 0, total = 0, *counts = NULL;
  CYF_TRY(cyf_model_find_attribute(model, by, &attribute));
  const cyf_model_attribute *a = &model->attributes[attribute];
  CYF_TRY(CYF_NEW(&counts, a->categories.n));
  cyf_status status;
  CYF_TRY_CLEANUP(count_values(model, attribute, like, by, counts, &total));
  if (c->n_cells == 0) c->n_cells = total;
  CYF_TRY_CLEANUP(share_out(a->categories.n, counts, total, c->n_cells));
  cyf_condition *condition = NULL;
  CYF_TRY_CLEANUP(cyf_conditions_add(model, attribute, c, &condition));
  cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_CONDITION);
  int64_t i = 0;
  for (int64_t k = 0; k < a->categories.n; k++)
    for (int64_t j = 0; j < counts[k]; j++, i++)
      condition->code[cyf_rng_permute(key, (uint64_t)c->n_cells, (uint64_t)i)] = (int32_t)k;
cleanup:
  cyf_free(counts);
  return status;
}

/* Adds a condition of counts[k] cells of each value k, value by value: all cells of the run. */
static cyf_status add_counted(const cyf_model *model, int64_t attribute, const int64_t *counts, cyf_conditions *c) {
  const int64_t n_codes = model->attributes[attribute].categories.n;
  cyf_condition *condition = NULL;
  for (int64_t k = 0; k < n_codes; k++) c->n_cells += counts[k];
  CYF_TRY(cyf_conditions_add(model, attribute, c, &condition));
  int64_t i = 0;
  for (int64_t k = 0; k < n_codes; k++)
    for (int64_t j = 0; j < counts[k]; j++, i++) condition->code[i] = (int32_t)k;
  return CYF_OK;
}

static const int64_t MOST_OF_A_CLASS = 1000000000000;

/* Splits ATTR=N. */
static cyf_status parse_each(const cyf_model *model, const char *text, int64_t *ret_attribute, int64_t *ret_n) {
  const char *equals = strrchr(text, '=');
  char *name = NULL, *end = NULL;
  const double n = equals != NULL ? strtod(equals + 1, &end) : 0;
  if (equals == NULL || equals == text || end == equals + 1 || *end != '\0' || n != floor(n) || n < 1 ||
      n > (double)MOST_OF_A_CLASS)
    return CYF_FAIL(CYF_ERR_USAGE, "--each wants ATTRIBUTE=N, N a whole number of at least 1, not '%s'", text);
  *ret_n = (int64_t)n;
  CYF_TRY(cyf_strdup(text, &name));
  name[equals - text] = '\0';
  const cyf_status status = cyf_model_find_attribute(model, name, ret_attribute);
  cyf_free(name);
  return status;
}

static cyf_status add_each(const cyf_model *model, const char *text, cyf_conditions *c) {
  int64_t attribute = 0, n = 0, n_counted = 0, *counts = NULL;
  CYF_TRY(parse_each(model, text, &attribute, &n));
  const cyf_model_attribute *a = &model->attributes[attribute];
  CYF_TRY(CYF_NEW(&counts, a->categories.n));
  for (int64_t k = 0; k < a->categories.n; k++) n_counted += a->n_cells[k];
  for (int64_t k = 0; k < a->categories.n; k++) counts[k] = n_counted == 0 || a->n_cells[k] > 0 ? n : 0;
  const cyf_status status = add_counted(model, attribute, counts, c);
  cyf_free(counts);
  return status;
}

/* Makes counts[k], the file's cells of value k, what the class lacks to `to` cells. */
static cyf_status find_lacking(const cyf_model *model, int64_t attribute, const cyf_conditions_asked *asked,
                               int64_t *counts, int64_t *ret_lacking) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  int64_t n_there = 0, n_topped = 0, code = 0;
  *ret_lacking = 0;
  for (int64_t k = 0; k < a->categories.n; k++) {
    const bool lacks = counts[k] > 0 && counts[k] < asked->fill_to;
    if (lacks) CYF_TRY(cyf_conditions_find_value(model, attribute, a->categories.name[k], &code));
    n_there += counts[k] > 0;
    n_topped += lacks;
    counts[k] = lacks ? asked->fill_to - counts[k] : 0;
    *ret_lacking += counts[k];
  }
  if (*ret_lacking == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: no class of '%s' that the model knows has fewer than %lld cells, so there is "
                    "nothing to generate",
                    asked->fill, a->name, (long long)asked->fill_to);
  cyf_info("%s: %lld of %lld classes of '%s' have fewer than %lld cells; they get %lld generated ones", asked->fill,
           (long long)n_topped, (long long)n_there, a->name, (long long)asked->fill_to, (long long)*ret_lacking);
  return CYF_OK;
}

/* Counts the file's cells of each of the model's values. A value that the model knows not is a mistake where it has
 * fewer than `to` cells, since it cannot be topped up. of_category, code: room for the file's categories. */
static cyf_status count_known(const cyf_model *model, int64_t attribute, const cyf_label_column *column, int64_t to,
                              int64_t *of_category, int64_t *code, int64_t *counts) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  cyf_start_codes(a, &column->categories, code);
  for (int64_t i = 0; i < column->n_cells; i++)
    if (column->code[i] >= 0) of_category[column->code[i]]++;
  for (int64_t k = 0; k < column->categories.n; k++) {
    if (code[k] < 0 && of_category[k] > 0 && of_category[k] < to)
      CYF_TRY(cyf_conditions_find_value(model, attribute, column->categories.name[k], &code[k]));
    if (code[k] >= 0) counts[code[k]] += of_category[k];
  }
  return CYF_OK;
}

static cyf_status add_fill(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *c) {
  cyf_h5ad *file = NULL;
  cyf_label_column column = {0};
  int64_t attribute = 0, n_lacking = 0, *of_category = NULL, *code = NULL, *counts = NULL;
  cyf_status status;
  CYF_TRY(cyf_model_find_attribute(model, asked->by, &attribute));
  CYF_TRY(cyf_h5ad_open_tables(asked->fill, &file));
  CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, asked->by, &column));
  CYF_TRY_CLEANUP(CYF_NEW(&of_category, column.categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&code, column.categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&counts, model->attributes[attribute].categories.n));
  CYF_TRY_CLEANUP(count_known(model, attribute, &column, asked->fill_to, of_category, code, counts));
  CYF_TRY_CLEANUP(find_lacking(model, attribute, asked, counts, &n_lacking));
  status = add_counted(model, attribute, counts, c);
cleanup:
  cyf_h5ad_close(&file);
  cyf_label_column_destroy(&column);
  cyf_free(of_category);
  cyf_free(code);
  cyf_free(counts);
  return status;
}

/* Gives the cells of each condition its attribute's strength of guidance. With a table the rows have theirs already. */
static cyf_status set_weights(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *c) {
  cyf_guidance guidance = {0};
  CYF_TRY(cyf_guidance_make(model, asked->guidance, asked->by_classifiers, &guidance));
  cyf_status status = CYF_OK;
  for (int64_t a = 0; a < model->n_attributes && status == CYF_OK; a++) {
    const cyf_condition *condition = NULL;
    for (int64_t k = 0; k < c->n; k++)
      if (c->item[k].attribute == a) condition = &c->item[k];
    const bool otherwise =
        asked->guided_otherwise != NULL && strcmp(asked->guided_otherwise, model->attributes[a].name) == 0;
    if (condition == NULL && !isnan(guidance.of[a]) && !otherwise)
      status = CYF_FAIL(CYF_ERR_USAGE, "--guidance of '%s', which is not asked for; add --where %s=VALUE",
                        model->attributes[a].name, model->attributes[a].name);
    if (condition == NULL || c->request != NULL) continue;
    for (int64_t i = 0; i < c->n_cells; i++)
      condition->weight[i] =
          condition->code[i] < 0 || condition->is_of_all ? 0 : (float)cyf_guidance_of(&guidance, a, condition->code[i]);
  }
  cyf_guidance_destroy(&guidance);
  return status;
}

static cyf_status check_asked(const cyf_conditions_asked *asked) {
  const bool has_fill = asked->fill != NULL;
  if (has_fill != (asked->fill_to != 0) || (has_fill && asked->by == NULL))
    return CYF_FAIL(CYF_ERR_USAGE, "--fill REAL.h5ad, --by ATTRIBUTE and --to N go together");
  if (asked->fill_to < 0) return CYF_FAIL(CYF_ERR_USAGE, "--to wants at least 1 cell of a class");
  if (!has_fill && (asked->like == NULL) != (asked->by == NULL))
    return CYF_FAIL(CYF_ERR_USAGE, "--like REAL.h5ad and --by ATTRIBUTE go together");
  if (asked->each != NULL && (has_fill || asked->like != NULL || asked->requests != NULL || asked->n_cells != 0))
    return CYF_FAIL(CYF_ERR_USAGE,
                    "--each says how many cells there are of what; -n, --like, --fill and --requests contradict it");
  if (has_fill && (asked->like != NULL || asked->requests != NULL || asked->n_cells != 0))
    return CYF_FAIL(CYF_ERR_USAGE,
                    "--fill says how many cells there are of what; -n, --like and --requests contradict it");
  if (asked->requests != NULL && (asked->like != NULL || asked->n_cells != 0))
    return CYF_FAIL(CYF_ERR_USAGE, "--requests says how many cells there are of what; -n and --like contradict it");
  if (asked->n_cells == 0 && asked->like == NULL && asked->requests == NULL && asked->each == NULL && !has_fill)
    return CYF_FAIL(CYF_ERR_USAGE, "-n N is needed (the number of cells), or --each, --fill, --like or --requests");
  return CYF_OK;
}

static cyf_status make(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *c) {
  CYF_TRY(check_asked(asked));
  if (asked->each != NULL) CYF_TRY(add_each(model, asked->each, c));
  if (asked->fill != NULL) CYF_TRY(add_fill(model, asked, c));
  if (asked->like != NULL) CYF_TRY(add_like(model, asked->like, asked->by, asked->seed, c));
  if (asked->requests != NULL) return cyf_requests_read(model, asked, c);
  for (int64_t i = 0; i < asked->where->n; i++) CYF_TRY(add_where(model, asked->where->item[i], c));
  return CYF_OK;
}

cyf_status cyf_conditions_make(const cyf_model *model, const cyf_conditions_asked *asked,
                               cyf_conditions *ret_conditions) {
  *ret_conditions = (cyf_conditions){.n_cells = asked->n_cells};
  cyf_status status = make(model, asked, ret_conditions);
  if (status == CYF_OK) status = set_weights(model, asked, ret_conditions);
  if (status != CYF_OK) cyf_conditions_destroy(ret_conditions);
  return status;
}
