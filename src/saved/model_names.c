/* SPDX-License-Identifier: MIT */
/* Attributes of a model by name. Looking up what a user named in a model: attributes and values, or an error that lists
 * what there is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "saved/model_file.h"

enum { NAMES_SHOWN = 24 };

cyf_status cyf_list_names(int64_t n, const char *const *names, char **ret_text) {
  size_t length = 32;
  int64_t shown = n < NAMES_SHOWN ? n : NAMES_SHOWN;
  for (int64_t i = 0; i < shown; i++) length += strlen(names[i]) + 4;
  CYF_TRY(CYF_NEW(ret_text, length));
  size_t at = 0;
  for (int64_t i = 0; i < shown; i++)
    at += (size_t)snprintf(*ret_text + at, length - at, "%s'%s'", i == 0 ? "" : ", ", names[i]);
  if (shown < n) snprintf(*ret_text + at, length - at, ", ... (%lld in all)", (long long)n);
  return CYF_OK;
}

static cyf_status unknown_name(const char *what, const char *name, int64_t n, const char *const *known) {
  char *list = NULL;
  if (n == 0) return CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; it has none at all", what, name);
  CYF_TRY(cyf_list_names(n, known, &list));
  const char *nearest = cyf_nearest_name(name, known, (size_t)n);
  cyf_status status;
  if (nearest != NULL)
    status =
        CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; did you mean '%s'? Known: %s", what, name, nearest, list);
  else
    status = CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; known: %s", what, name, list);
  cyf_free(list);
  return status;
}

static int64_t find_attribute(const cyf_model *model, const char *name) {
  for (int64_t i = 0; i < model->n_attributes; i++)
    if (strcmp(model->attributes[i].name, name) == 0) return i;
  return -1;
}

bool cyf_model_has_classifier(const cyf_model *model, const char *name) {
  const int64_t at = find_attribute(model, name);
  return at >= 0 && model->attributes[at].classifier != NULL;
}

cyf_status cyf_model_make_place(cyf_model *model, const char *name, cyf_model_attribute **ret_place) {
  int64_t at = find_attribute(model, name);
  if (at < 0) {
    CYF_TRY(cyf_realloc((void **)&model->attributes, (size_t)model->n_attributes + 1, sizeof *model->attributes));
    at = model->n_attributes++;
  }
  *ret_place = &model->attributes[at];
  cyf_model_attribute_destroy(*ret_place);
  **ret_place = (cyf_model_attribute){0};
  return CYF_OK;
}

cyf_status cyf_model_find_attribute(const cyf_model *model, const char *name, int64_t *ret_index) {
  *ret_index = find_attribute(model, name);
  if (*ret_index >= 0) return CYF_OK;
  const char **names = NULL;
  CYF_TRY(CYF_NEW(&names, model->n_attributes));
  for (int64_t i = 0; i < model->n_attributes; i++) names[i] = model->attributes[i].name;
  cyf_status status = unknown_name("attribute", name, model->n_attributes, names);
  cyf_free(names);
  return status;
}

int cyf_model_condition(const cyf_model *model, const char *attribute) {
  const cyf_config_texts *conditions = &model->settings.denoiser.conditions;
  for (int k = 0; k < conditions->n && model->denoiser != NULL; k++)
    if (strcmp(conditions->value[k], attribute) == 0) return k;
  return -1;
}

/* "10.0" is the category "10". */
static int64_t find_number(const cyf_names *categories, const char *value) {
  char *end = NULL;
  const double wanted = strtod(value, &end);
  if (end == value || *end != '\0') return -1;
  for (int64_t i = 0; i < categories->n; i++) {
    const double number = strtod(categories->name[i], &end);
    if (end != categories->name[i] && *end == '\0' && number == wanted) return i;
  }
  return -1;
}

int64_t cyf_names_find_value(const cyf_names *categories, const char *value) {
  const int64_t code = cyf_names_find(categories, value);
  return code >= 0 ? code : find_number(categories, value);
}

cyf_status cyf_model_find_value(const cyf_model_attribute *attribute, const char *value, int64_t *ret_code) {
  *ret_code = cyf_names_find_value(&attribute->categories, value);
  if (*ret_code >= 0) return CYF_OK;
  return unknown_name(attribute->name, value, attribute->categories.n, (const char *const *)attribute->categories.name);
}
