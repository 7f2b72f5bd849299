/* SPDX-License-Identifier: MIT */
/* Conditions from what the user asked for: the same label for all cells, the proportions of a file, or a table. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "data/h5ad/reader.h"
#include "sample/conditions.h"
#include "sample/guidance.h"
#include "sample/requests.h"

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
