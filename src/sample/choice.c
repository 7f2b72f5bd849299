/* SPDX-License-Identifier: MIT */
#include "sample/choice.h"

#include <string.h>

cyf_status cyf_choose_method(const char *command, const cyf_settings *settings, const char *method, const char *steps,
                             cyf_sampler_method *ret_method, const char **ret_steps) {
  *ret_method = settings->sample.method;
  if (method != NULL) {
    int chosen = 0;
    CYF_TRY(cyf_words_choose(command, "method", CYF_SAMPLER_N_METHODS, cyf_sampler_method_words, method, &chosen));
    *ret_method = (cyf_sampler_method)chosen;
  }
  if (steps == NULL) steps = *ret_method == settings->sample.method ? settings->sample.steps : "auto";
  *ret_steps = strcmp(steps, "auto") == 0 ? cyf_methods[*ret_method].steps : steps;
  return CYF_OK;
}

cyf_status cyf_guidance_mode_parse(const char *command, const char *text, cyf_guidance_mode *ret_mode) {
  int chosen = CYF_GUIDANCE_AUTO;
  if (text != NULL)
    CYF_TRY(cyf_words_choose(command, "guidance-mode", CYF_GUIDANCE_MODES, cyf_guidance_mode_words, text, &chosen));
  *ret_mode = (cyf_guidance_mode)chosen;
  return CYF_OK;
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
