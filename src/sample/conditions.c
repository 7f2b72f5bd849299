/* SPDX-License-Identifier: MIT */
#include "sample/conditions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "model/diffusion/sampler.h"

cyf_status cyf_conditions_add(const cyf_model *model, int64_t attribute, cyf_conditions *c,
                              cyf_condition **ret_condition) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  for (int64_t i = 0; i < c->n; i++)
    if (c->item[i].attribute == attribute) return CYF_FAIL(CYF_ERR_USAGE, "'%s' is asked for twice", a->name);
  const bool is_guided = a->classifier != NULL || cyf_model_condition(model, a->name) >= 0;
  if (!is_guided && cyf_model_common_value(model, attribute) < 0 && !cyf_model_has_classes(model, attribute))
    return CYF_FAIL(CYF_ERR_USAGE,
                    "'%s' cannot be asked for: the model's cells have one value of it or none, so that no classifier "
                    "can learn it; prepare an atlas of the cells that have it (--keep), or leave it out",
                    a->name);
  if (!is_guided && cyf_model_common_value(model, attribute) < 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "the model has no classifier for '%s' and its denoiser is not told it, so it cannot be asked for; "
                    "train one with --stage classifier:%s",
                    a->name, a->name);
  if (c->n == CYF_GUIDES_MAX) return CYF_FAIL(CYF_ERR_USAGE, "at most %d conditions at once", CYF_GUIDES_MAX);
  CYF_TRY(cyf_realloc((void **)&c->item, (size_t)c->n + 1, sizeof *c->item));
  cyf_condition *added = *ret_condition = &c->item[c->n++];
  *added = (cyf_condition){.attribute = attribute, .is_of_all = !is_guided};
  CYF_TRY(CYF_NEW(&added->code, c->n_cells));
  CYF_TRY(CYF_NEW(&added->weight, c->n_cells));
  for (int64_t i = 0; i < c->n_cells; i++) added->code[i] = -1;
  return CYF_OK;
}

/* Fails with a list of the categories that have cells. */
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

/* A category that no training cell has cannot have been learnt; all its cells may have been held out. Imported models
 * have no numbers of cells at all. */
static cyf_status need_cells(const cyf_model_attribute *attribute, int64_t code) {
  int64_t n_counted = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n_counted += attribute->n_cells[c];
  return n_counted == 0 || attribute->n_cells[code] > 0 ? CYF_OK : fail_empty_category(attribute, code);
}

cyf_status cyf_conditions_find_value(const cyf_model *model, int64_t attribute, const char *value, int64_t *ret_code) {
  CYF_TRY(cyf_model_find_value(&model->attributes[attribute], value, ret_code));
  return need_cells(&model->attributes[attribute], *ret_code);
}

cyf_status cyf_conditions_find_where(const cyf_model *model, const char *option, const char *text,
                                     int64_t *ret_attribute, int64_t *ret_code) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text)
    return CYF_FAIL(CYF_ERR_USAGE, "%s wants ATTRIBUTE=VALUE, not '%s'", option, text);
  char *name = NULL;
  CYF_TRY(cyf_strdup(text, &name));
  name[equals - text] = '\0';
  const cyf_status status = cyf_model_find_attribute(model, name, ret_attribute);
  cyf_free(name);
  CYF_TRY(status);
  return cyf_conditions_find_value(model, *ret_attribute, equals + 1, ret_code);
}

enum { FEW_CELLS = 20 };

/* Whether some cell is asked to have the class. */
static bool is_asked_for(const cyf_condition *condition, int64_t n_cells, int64_t code) {
  for (int64_t i = 0; i < n_cells; i++)
    if (condition->code[i] == code) return true;
  return false;
}

void cyf_conditions_warn_of_few(const cyf_model *model, const cyf_conditions *conditions) {
  for (int64_t k = 0; k < conditions->n; k++) {
    const cyf_model_attribute *a = &model->attributes[conditions->item[k].attribute];
    for (int64_t c = 0; c < a->categories.n; c++)
      if (a->n_cells[c] > 0 && a->n_cells[c] < FEW_CELLS && is_asked_for(&conditions->item[k], conditions->n_cells, c))
        cyf_warn(
            "the model was trained on %lld cell%s of %s '%s' alone: what it generates of them may be copies of "
            "these, or cells of a like class",
            (long long)a->n_cells[c], a->n_cells[c] == 1 ? "" : "s", a->name, a->categories.name[c]);
  }
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

/* "2", or "1.1 to 2.5" where classes differ, over the cells that are asked for one. */
static void describe_weights(const cyf_condition *condition, int64_t n_cells, char span[64]) {
  double least = INFINITY, most = 0;
  for (int64_t i = 0; i < n_cells; i++) {
    if (condition->code[i] < 0) continue;
    least = fmin(least, (double)condition->weight[i]);
    most = fmax(most, (double)condition->weight[i]);
  }
  if (least < most) {
    snprintf(span, 64, "%g to %g", least, most);
  } else {
    snprintf(span, 64, "%g", most);
  }
}

cyf_status cyf_conditions_describe_guidance(const cyf_model *model, const cyf_conditions *conditions, char **ret_text) {
  if (conditions->request != NULL) return cyf_strdup("of each request", ret_text);
  char *text = NULL, *longer = NULL;
  for (int64_t k = 0; k < conditions->n; k++) {
    const cyf_condition *c = &conditions->item[k];
    char span[64];
    if (c->is_of_all) continue;
    describe_weights(c, conditions->n_cells, span);
    cyf_status status = cyf_format(&longer, "%s%s%s=%s", text != NULL ? text : "", text != NULL ? ", " : "",
                                   model->attributes[c->attribute].name, span);
    cyf_free(text);
    CYF_TRY(status);
    text = longer;
  }
  if (text == NULL) return cyf_strdup("none", ret_text);
  *ret_text = text;
  return CYF_OK;
}
