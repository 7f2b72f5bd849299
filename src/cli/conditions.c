#include "cli/conditions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/h5ad_reader.h"
#include "model/diffusion/sampler.h"

static cyf_status add(const cyf_model *model, cyf_conditions *c, int64_t attribute, cyf_condition **ret_condition) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  for (int64_t i = 0; i < c->n; i++)
    if (c->item[i].attribute == attribute) return CYF_FAIL(CYF_ERR_USAGE, "sample: '%s' is asked for twice", a->name);
  if (a->classifier == NULL && cyf_model_condition(model, a->name) < 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "the model has no classifier for '%s' and its denoiser is not told it, so it cannot be asked for; "
                    "train one with --stage classifier:%s",
                    a->name, a->name);
  if (c->n == CYF_GUIDES_MAX) return CYF_FAIL(CYF_ERR_USAGE, "sample: at most %d conditions at once", CYF_GUIDES_MAX);
  CYF_TRY(cyf_realloc((void **)&c->item, (size_t)c->n + 1, sizeof *c->item));
  *ret_condition = &c->item[c->n++];
  (*ret_condition)->attribute = attribute;
  return CYF_NEW(&(*ret_condition)->code, c->n_cells);
}

/* A category that no training cell has (a hold-out may take them all) cannot have been learnt. Imported models count no
 * cells at all. */
static cyf_status need_cells(const cyf_model_attribute *attribute, int64_t code) {
  int64_t n_counted = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n_counted += attribute->n_cells[c];
  if (n_counted == 0 || attribute->n_cells[code] > 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "no training cell of the model has %s '%s', so it cannot be asked for",
                  attribute->name, attribute->categories.name[code]);
}

static cyf_status add_where(const cyf_model *model, const char *text, cyf_conditions *c) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text)
    return CYF_FAIL(CYF_ERR_USAGE, "sample: --where wants ATTRIBUTE=VALUE, not '%s'", text);
  char *name = NULL;
  int64_t attribute = 0, code = 0;
  CYF_TRY(cyf_strdup(text, &name));
  name[equals - text] = '\0';
  cyf_status status = cyf_model_find_attribute(model, name, &attribute);
  cyf_free(name);
  CYF_TRY(status);
  CYF_TRY(cyf_model_find_value(&model->attributes[attribute], equals + 1, &code));
  CYF_TRY(need_cells(&model->attributes[attribute], code));
  cyf_condition *condition = NULL;
  CYF_TRY(add(model, c, attribute, &condition));
  for (int64_t i = 0; i < c->n_cells; i++) condition->code[i] = (int32_t)code;
  return CYF_OK;
}

/* Cells of each of the model's values in the file. */
static cyf_status count_values(const cyf_model_attribute *attribute, const char *like, const char *by, int64_t *counts,
                               int64_t *ret_total) {
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
      CYF_TRY_CLEANUP(cyf_model_find_value(attribute, column.categories.name[k], &code[k]));
      CYF_TRY_CLEANUP(need_cells(attribute, code[k]));
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
  CYF_TRY_CLEANUP(count_values(a, like, by, counts, &total));
  if (c->n_cells == 0) c->n_cells = total;
  CYF_TRY_CLEANUP(share_out(a->categories.n, counts, total, c->n_cells));
  cyf_condition *condition = NULL;
  CYF_TRY_CLEANUP(add(model, c, attribute, &condition));
  cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_CONDITION);
  int64_t i = 0;
  for (int64_t k = 0; k < a->categories.n; k++)
    for (int64_t j = 0; j < counts[k]; j++, i++)
      condition->code[cyf_rng_permute(key, (uint64_t)c->n_cells, (uint64_t)i)] = (int32_t)k;
cleanup:
  cyf_free(counts);
  return status;
}

cyf_status cyf_conditions_make(const cyf_model *model, const cyf_texts *where, const char *like, const char *by,
                               int64_t n_cells, uint64_t seed, cyf_conditions *ret_conditions) {
  *ret_conditions = (cyf_conditions){.n_cells = n_cells};
  cyf_status status = CYF_OK;
  if ((like == NULL) != (by == NULL))
    status = CYF_FAIL(CYF_ERR_USAGE, "sample: --like REAL.h5ad and --by ATTRIBUTE go together");
  if (status == CYF_OK && n_cells == 0 && like == NULL)
    status = CYF_FAIL(CYF_ERR_USAGE, "sample: -n N is needed (the number of cells)");
  if (status == CYF_OK && like != NULL) status = add_like(model, like, by, seed, ret_conditions);
  for (int64_t i = 0; i < where->n && status == CYF_OK; i++) status = add_where(model, where->item[i], ret_conditions);
  if (status != CYF_OK) cyf_conditions_destroy(ret_conditions);
  return status;
}

void cyf_conditions_destroy(cyf_conditions *conditions) {
  if (conditions == NULL) return;
  for (int64_t i = 0; i < conditions->n; i++) cyf_free(conditions->item[i].code);
  cyf_free(conditions->item);
  conditions->n = 0;
}
