/* SPDX-License-Identifier: MIT */
#include "sample/guidance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const double PUBLISHED_GUIDANCE = 2, FREE_GUIDANCE = 1.5;

cyf_status cyf_guidance_create(const cyf_model *model, bool by_classifiers, cyf_guidance *ret_guidance) {
  *ret_guidance = (cyf_guidance){.common = NAN};
  cyf_status status = CYF_NEW(&ret_guidance->of, model->n_attributes);
  if (status == CYF_OK) status = CYF_NEW(&ret_guidance->usual, model->n_attributes);
  for (int64_t i = 0; i < model->n_attributes && status == CYF_OK; i++) {
    const bool is_told = !by_classifiers && cyf_model_condition(model, model->attributes[i].name) >= 0;
    ret_guidance->of[i] = NAN;
    ret_guidance->usual[i] = is_told ? FREE_GUIDANCE : PUBLISHED_GUIDANCE;
  }
  if (status != CYF_OK) cyf_guidance_destroy(ret_guidance);
  return status;
}

cyf_status cyf_guidance_copy(const cyf_model *model, const cyf_guidance *from, cyf_guidance *ret_guidance) {
  CYF_TRY(cyf_guidance_create(model, false, ret_guidance));
  ret_guidance->common = from->common;
  memcpy(ret_guidance->usual, from->usual, sizeof(double) * (size_t)model->n_attributes);
  memcpy(ret_guidance->of, from->of, sizeof(double) * (size_t)model->n_attributes);
  return CYF_OK;
}

void cyf_guidance_destroy(cyf_guidance *guidance) {
  if (guidance == NULL) return;
  cyf_free(guidance->of);
  cyf_free(guidance->usual);
}

static cyf_status read_weight(const char *whole, const char *text, double *ret_weight) {
  char *end = NULL;
  *ret_weight = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(*ret_weight))
    return CYF_FAIL(CYF_ERR_USAGE, "guidance '%s': '%s' is no number; it is W or ATTRIBUTE=W,ATTRIBUTE=W", whole, text);
  if (*ret_weight < 0) return CYF_FAIL(CYF_ERR_USAGE, "guidance '%s' cannot be negative; 0 switches it off", whole);
  return CYF_OK;
}

static cyf_status read_common(const char *whole, const char *text, cyf_guidance *g) {
  if (g->has_common)
    return CYF_FAIL(CYF_ERR_USAGE, "guidance '%s' contradicts an earlier %g; give one number, or ATTRIBUTE=W for each",
                    whole, g->common);
  g->has_common = true;
  return read_weight(whole, text, &g->common);
}

/* said[n_attributes] marks those that these texts have named already. It is not part of `g`, whose values may come from
 * elsewhere: a row of a table may differ from the command line. */
static cyf_status read_one(const cyf_model *model, const char *whole, char *text, bool *said, cyf_guidance *g) {
  char *equals = strrchr(text, '=');
  if (equals == NULL) return read_common(whole, text, g);
  int64_t attribute = 0;
  *equals = '\0';
  CYF_TRY(cyf_model_find_attribute(model, text, &attribute));
  if (said[attribute]) return CYF_FAIL(CYF_ERR_USAGE, "guidance '%s': '%s' has a weight already", whole, text);
  said[attribute] = true;
  return read_weight(whole, equals + 1, &g->of[attribute]);
}

static cyf_status read_all(const cyf_model *model, const char *whole, bool *said, cyf_guidance *g) {
  char *copy = NULL;
  CYF_TRY(cyf_strdup(whole, &copy));
  cyf_status status = CYF_OK;
  for (char *part = copy, *next = NULL; part != NULL && status == CYF_OK; part = next) {
    next = strchr(part, ',');
    if (next != NULL) *next++ = '\0';
    status = read_one(model, whole, part, said, g);
  }
  cyf_free(copy);
  return status;
}

cyf_status cyf_guidance_read(const cyf_model *model, const char *text, cyf_guidance *guidance) {
  bool *said = NULL;
  CYF_TRY(CYF_NEW(&said, model->n_attributes));
  const cyf_status status = read_all(model, text, said, guidance);
  cyf_free(said);
  return status;
}

cyf_status cyf_guidance_make(const cyf_model *model, const cyf_texts *texts, bool by_classifiers,
                             cyf_guidance *ret_guidance) {
  bool *said = NULL;
  cyf_status status;
  CYF_TRY(cyf_guidance_create(model, by_classifiers, ret_guidance));
  CYF_TRY_CLEANUP(CYF_NEW(&said, model->n_attributes));
  for (int64_t i = 0; i < texts->n; i++) CYF_TRY_CLEANUP(read_all(model, texts->item[i], said, ret_guidance));
cleanup:
  cyf_free(said);
  if (status != CYF_OK) cyf_guidance_destroy(ret_guidance);
  return status;
}

double cyf_guidance_of(const cyf_guidance *guidance, int64_t attribute) {
  if (!isnan(guidance->of[attribute])) return guidance->of[attribute];
  return isnan(guidance->common) ? guidance->usual[attribute] : guidance->common;
}
