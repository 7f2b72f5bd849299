/* SPDX-License-Identifier: MIT */
/* Looks up attributes of a model, and their values, by the names that a user gave; an unknown name is an error that
 * lists the known ones. */
#include <string.h>

#include "base/memory.h"
#include "saved/model_file.h"

static cyf_status unknown_name(const char *what, const char *name, int64_t n, const char *const *known) {
  char list[CYF_NAMES_LIST_BYTES];
  if (n == 0) return CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; it has none at all", what, name);
  cyf_list_names(n, known, list, sizeof list);
  const char *nearest = cyf_nearest_name(name, known, (size_t)n);
  if (nearest == NULL) return CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; known: %s", what, name, list);
  return CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; did you mean '%s'? Known: %s", what, name, nearest, list);
}

int64_t cyf_model_attribute_index(const cyf_model *model, const char *name) {
  for (int64_t i = 0; i < model->n_attributes; i++)
    if (strcmp(model->attributes[i].name, name) == 0) return i;
  return -1;
}

bool cyf_model_has_classifier(const cyf_model *model, const char *name) {
  const int64_t at = cyf_model_attribute_index(model, name);
  return at >= 0 && model->attributes[at].classifier != NULL;
}

cyf_status cyf_model_find_attribute(const cyf_model *model, const char *name, int64_t *ret_index) {
  *ret_index = cyf_model_attribute_index(model, name);
  if (*ret_index >= 0) return CYF_OK;
  const char **names = NULL;
  CYF_TRY(CYF_NEW(&names, model->n_attributes));
  for (int64_t i = 0; i < model->n_attributes; i++) names[i] = model->attributes[i].name;
  cyf_status status = unknown_name("attribute", name, model->n_attributes, names);
  cyf_free(names);
  return status;
}

static int64_t count_labelled(const cyf_model_attribute *attribute) {
  int64_t n = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n += attribute->n_cells[c];
  return n;
}

/* The file does not tell how many cells the atlas has, but no column has labels for more. */
int64_t cyf_model_common_value(const cyf_model *model, int64_t attribute) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  const int64_t n_labelled = count_labelled(a);
  for (int64_t i = 0; i < model->n_attributes; i++)
    if (count_labelled(&model->attributes[i]) > n_labelled) return -1;
  if (n_labelled == 0) return a->categories.n == 1 ? 0 : -1; /* imported models count no cells */
  for (int64_t c = 0; c < a->categories.n; c++)
    if (a->n_cells[c] == n_labelled) return c;
  return -1;
}

bool cyf_model_has_classes(const cyf_model *model, int64_t attribute) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  int64_t n = 0;
  for (int64_t c = 0; c < a->categories.n; c++) n += a->n_cells[c] > 0;
  return (n == 0 ? a->categories.n : n) > 1; /* imported models count no cells */
}

int cyf_model_condition(const cyf_model *model, const char *attribute) {
  const cyf_config_texts *conditions = &model->settings.denoiser.conditions;
  for (int k = 0; k < conditions->n && model->denoiser != NULL; k++)
    if (strcmp(conditions->value[k], attribute) == 0) return k;
  return -1;
}

cyf_status cyf_model_find_value(const cyf_model_attribute *attribute, const char *value, int64_t *ret_code) {
  *ret_code = cyf_names_find_value(&attribute->categories, value);
  if (*ret_code >= 0) return CYF_OK;
  return unknown_name(attribute->name, value, attribute->categories.n, (const char *const *)attribute->categories.name);
}
