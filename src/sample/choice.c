/* SPDX-License-Identifier: MIT */
#include "sample/choice.h"

#include <stdio.h>
#include <string.h>

/* "ddpm, ddim or dpm++" */
static cyf_status unknown_method(const char *command, const char *method) {
  char known[256] = "";
  size_t at = 0;
  for (int m = 0; m < CYF_SAMPLER_N_METHODS && at < sizeof known; m++)
    at += (size_t)snprintf(known + at, sizeof known - at, "%s%s",
                           m == 0                           ? ""
                           : m + 1 == CYF_SAMPLER_N_METHODS ? " or "
                                                            : ", ",
                           cyf_methods[m].name);
  return CYF_FAIL(CYF_ERR_USAGE, "%s: --method wants %s, not '%s'", command, known, method);
}

cyf_status cyf_choose_method(const char *command, const cyf_settings *settings, const char *method, const char *steps,
                             cyf_sampler_method *ret_method, const char **ret_steps) {
  *ret_method = settings->sample.method;
  if (method != NULL) {
    const int chosen = cyf_words_find(cyf_sampler_method_words, method);
    if (chosen < 0) return unknown_method(command, method);
    *ret_method = chosen;
  }
  if (steps == NULL) steps = *ret_method == settings->sample.method ? settings->sample.steps : "auto";
  *ret_steps = strcmp(steps, "auto") == 0 ? cyf_methods[*ret_method].steps : steps;
  return CYF_OK;
}

cyf_status cyf_guidance_mode_parse(const char *command, const char *text, cyf_guidance_mode *ret_mode) {
  static const char *const modes[] = {
      [CYF_GUIDANCE_AUTO] = "auto", [CYF_GUIDANCE_CLASSIFIER] = "classifier", [CYF_GUIDANCE_FREE] = "free"};
  *ret_mode = CYF_GUIDANCE_AUTO;
  if (text == NULL) return CYF_OK;
  for (int i = 0; i < 3; i++) {
    if (strcmp(modes[i], text) != 0) continue;
    *ret_mode = (cyf_guidance_mode)i;
    return CYF_OK;
  }
  return CYF_FAIL(CYF_ERR_USAGE, "%s: --guidance-mode wants auto, classifier or free, not '%s'", command, text);
}

cyf_status cyf_choose_guide(const cyf_model *model, int64_t attribute, cyf_guidance_mode mode, cyf_guide *ret_guide) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  const int condition = cyf_model_condition(model, a->name);
  *ret_guide = (cyf_guide){.n_terms = 1};
  if (mode != CYF_GUIDANCE_CLASSIFIER && condition >= 0) {
    ret_guide->condition = condition;
    return CYF_OK;
  }
  if (mode == CYF_GUIDANCE_FREE)
    return CYF_FAIL(
        CYF_ERR_USAGE,
        "the model's denoiser is not conditioned on '%s', so it cannot be guided without a classifier; train "
        "it with --set denoiser.conditions=[%s]",
        a->name, a->name);
  ret_guide->classifier = a->classifier;
  if (a->classifier != NULL) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "the model has no classifier for '%s'; train one with --stage classifier:%s", a->name,
                  a->name);
}
