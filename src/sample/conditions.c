/* SPDX-License-Identifier: MIT */
#include "sample/conditions.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/h5ad/reader.h"
#include "model/diffusion/sampler.h"
#include "sample/guidance.h"
#include "sample/requests.h"

cyf_status cyf_conditions_add(const cyf_model *model, int64_t attribute, cyf_conditions *c,
                              cyf_condition **ret_condition) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  for (int64_t i = 0; i < c->n; i++)
    if (c->item[i].attribute == attribute) return CYF_FAIL(CYF_ERR_USAGE, "'%s' is asked for twice", a->name);
  if (a->classifier == NULL && cyf_model_condition(model, a->name) < 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "the model has no classifier for '%s' and its denoiser is not told it, so it cannot be asked for; "
                    "train one with --stage classifier:%s",
                    a->name, a->name);
  if (c->n == CYF_GUIDES_MAX) return CYF_FAIL(CYF_ERR_USAGE, "at most %d conditions at once", CYF_GUIDES_MAX);
  CYF_TRY(cyf_realloc((void **)&c->item, (size_t)c->n + 1, sizeof *c->item));
  cyf_condition *added = *ret_condition = &c->item[c->n++];
  added->attribute = attribute;
  CYF_TRY(CYF_NEW(&added->code, c->n_cells));
  CYF_TRY(CYF_NEW(&added->weight, c->n_cells));
  for (int64_t i = 0; i < c->n_cells; i++) added->code[i] = -1;
  return CYF_OK;
}

/* The categories that have cells, as a list. */
static cyf_status fail_empty_category(const cyf_model_attribute *attribute, int64_t code) {
  const char **names = NULL;
  char list[CYF_NAMES_LIST_BYTES];
  int64_t n = 0;
  CYF_TRY(CYF_NEW(&names, attribute->categories.n));
  for (int64_t c = 0; c < attribute->categories.n; c++)
    if (attribute->n_cells[c] > 0) names[n++] = attribute->categories.name[c];
  cyf_status status =
      CYF_FAIL(CYF_ERR_USAGE, "no training cell of the model has %s '%s', so it cannot be asked for; known: %s",
               attribute->name, attribute->categories.name[code], cyf_list_names(n, names, list, sizeof list));
  cyf_free(names);
  return status;
}

/* A category that no training cell has (a hold-out may take them all) cannot have been learnt. Imported models count no
 * cells at all. */
static cyf_status need_cells(const cyf_model_attribute *attribute, int64_t code) {
  int64_t n_counted = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n_counted += attribute->n_cells[c];
  return n_counted == 0 || attribute->n_cells[code] > 0 ? CYF_OK : fail_empty_category(attribute, code);
}

cyf_status cyf_conditions_find_value(const cyf_model *model, int64_t attribute, const char *value, int64_t *ret_code) {
  CYF_TRY(cyf_model_find_value(&model->attributes[attribute], value, ret_code));
  return need_cells(&model->attributes[attribute], *ret_code);
}

cyf_status cyf_conditions_find_where(const cyf_model *model, const char *text, int64_t *ret_attribute,
                                     int64_t *ret_code) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text) return CYF_FAIL(CYF_ERR_USAGE, "--where wants ATTRIBUTE=VALUE, not '%s'", text);
  char *name = NULL;
  CYF_TRY(cyf_strdup(text, &name));
  name[equals - text] = '\0';
  const cyf_status status = cyf_model_find_attribute(model, name, ret_attribute);
  cyf_free(name);
  CYF_TRY(status);
  return cyf_conditions_find_value(model, *ret_attribute, equals + 1, ret_code);
}

static cyf_status add_where(const cyf_model *model, const char *text, cyf_conditions *c) {
  int64_t attribute = 0, code = 0;
  cyf_condition *condition = NULL;
  CYF_TRY(cyf_conditions_find_where(model, text, &attribute, &code));
  CYF_TRY(cyf_conditions_add(model, attribute, c, &condition));
  for (int64_t i = 0; i < c->n_cells; i++) condition->code[i] = (int32_t)code;
  return CYF_OK;
}

/* Cells of each of the model's values in the file. */
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

/* Each condition's cells get its attribute's weight; a table has given its rows theirs already. */
static cyf_status set_weights(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *c) {
  cyf_guidance guidance = {0};
  CYF_TRY(cyf_guidance_make(model, asked->guidance, &guidance));
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
      condition->weight[i] = condition->code[i] < 0 ? 0 : (float)cyf_guidance_of(&guidance, a);
  }
  cyf_guidance_destroy(&guidance);
  return status;
}

static cyf_status check_asked(const cyf_conditions_asked *asked) {
  if ((asked->like == NULL) != (asked->by == NULL))
    return CYF_FAIL(CYF_ERR_USAGE, "--like REAL.h5ad and --by ATTRIBUTE go together");
  if (asked->requests != NULL && (asked->like != NULL || asked->n_cells != 0))
    return CYF_FAIL(CYF_ERR_USAGE, "--requests says how many cells there are of what; -n and --like contradict it");
  if (asked->n_cells == 0 && asked->like == NULL && asked->requests == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "-n N is needed (the number of cells), or --like or --requests");
  return CYF_OK;
}

static cyf_status make(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *c) {
  CYF_TRY(check_asked(asked));
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

void cyf_conditions_destroy(cyf_conditions *conditions) {
  if (conditions == NULL) return;
  for (int64_t i = 0; i < conditions->n; i++) {
    cyf_free(conditions->item[i].code);
    cyf_free(conditions->item[i].weight);
  }
  cyf_free(conditions->item);
  cyf_free(conditions->request);
  conditions->n = 0;
}

cyf_status cyf_conditions_write_labels(const cyf_model *model, const cyf_conditions *conditions,
                                       cyf_h5ad_writer *writer) {
  for (int64_t k = 0; k < conditions->n; k++) {
    const cyf_model_attribute *attribute = &model->attributes[conditions->item[k].attribute];
    const cyf_label_column column = {.attribute = attribute->name,
                                     .categories = attribute->categories,
                                     .code = conditions->item[k].code,
                                     .n_cells = conditions->n_cells};
    CYF_TRY(cyf_h5ad_writer_add_labels(writer, &column));
  }
  return CYF_OK;
}

cyf_status cyf_conditions_describe_guidance(const cyf_model *model, const cyf_conditions *conditions, char **ret_text) {
  if (conditions->request != NULL) return cyf_strdup("of each request", ret_text);
  if (conditions->n == 0) return cyf_strdup("none", ret_text);
  char *text = NULL, *longer = NULL;
  for (int64_t k = 0; k < conditions->n; k++) {
    const cyf_condition *c = &conditions->item[k];
    double weight = 0;
    for (int64_t i = 0; i < conditions->n_cells && weight == 0; i++) weight = (double)c->weight[i];
    cyf_status status = cyf_format(&longer, "%s%s%s=%g", text != NULL ? text : "", text != NULL ? ", " : "",
                                   model->attributes[c->attribute].name, weight);
    cyf_free(text);
    CYF_TRY(status);
    text = longer;
  }
  *ret_text = text;
  return CYF_OK;
}
