/* SPDX-License-Identifier: MIT */
#include "sample/reverse.h"

#include "sample/choice.h"

void cyf_reverse_list_options(cyf_reverse *r, cyf_option *o) {
  const cyf_option table[CYF_REVERSE_OPTIONS] = {
      {"method", 0, CYF_OPTION_TEXT, &r->method, CYF_SAMPLER_WORDS,
       "reverse process (default: the model's, mostly dpm++)"},
      {"steps", 0, CYF_OPTION_TEXT, &r->steps, "K",
       "steps: a number, all, lambdaK, ddimK, K1,K2,.. a section, or auto (default: the model's)"},
      {"eta", 0, CYF_OPTION_REAL, &r->eta, "E", "noise of ddim (default 0: deterministic)"},
      {"clip", 0, CYF_OPTION_FLAG, &r->clip, NULL,
       "clip predicted x0 to [-1, 1] (the original's default; not for scaled latents)"},
      {"seed", 0, CYF_OPTION_INT, &r->seed, "S", "seed (default 0)"}};
  for (int i = 0; i < CYF_REVERSE_OPTIONS; i++) o[i] = table[i];
}

cyf_status cyf_reverse_check(const cyf_usage *usage, const cyf_reverse *r) {
  if (r->seed < 0) return CYF_FAIL(CYF_ERR_USAGE, "%s: --seed cannot be negative", usage->command);
  if (r->eta < 0 || r->eta > 1)
    return CYF_FAIL(CYF_ERR_USAGE, "%s: --eta wants a number in [0, 1], not %g", usage->command, r->eta);
  return CYF_OK;
}

cyf_status cyf_reverse_make(const cyf_usage *usage, const cyf_reverse *r, const cyf_model *model, int t_last,
                            cyf_schedule **ret_schedule, cyf_sampler_config *ret_config) {
  cyf_sampler_method method;
  const char *steps = NULL;
  CYF_TRY(cyf_choose_method(usage, &model->settings, r->method, r->steps, &method, &steps));
  CYF_TRY(cyf_schedule_respace(model->schedule, steps, t_last, ret_schedule));
  *ret_config = (cyf_sampler_config){.method = method,
                                     .schedule = *ret_schedule,
                                     .eta = r->eta,
                                     .clip = r->clip,
                                     .guide_below = (int)model->settings.diffusion.guide_below,
                                     .seed = (uint64_t)r->seed};
  return CYF_OK;
}
