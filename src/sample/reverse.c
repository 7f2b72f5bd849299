/* SPDX-License-Identifier: MIT */
#include "sample/reverse.h"

#include "sample/choice.h"

cyf_status cyf_reverse_check(const char *command, const cyf_reverse *r) {
  if (r->seed < 0) return CYF_FAIL(CYF_ERR_USAGE, "%s: --seed cannot be negative", command);
  if (r->eta < 0 || r->eta > 1)
    return CYF_FAIL(CYF_ERR_USAGE, "%s: --eta wants a number in [0, 1], not %g", command, r->eta);
  return CYF_OK;
}

cyf_status cyf_reverse_make(const char *command, const cyf_reverse *r, const cyf_model *model, int t_last,
                            cyf_schedule **ret_schedule, cyf_sampler_config *ret_config) {
  cyf_sampler_method method;
  const char *steps = NULL;
  CYF_TRY(cyf_choose_method(command, &model->settings, r->method, r->steps, &method, &steps));
  CYF_TRY(cyf_schedule_respace(model->schedule, steps, t_last, ret_schedule));
  *ret_config = (cyf_sampler_config){.method = method,
                                     .schedule = *ret_schedule,
                                     .eta = r->eta,
                                     .clip = r->clip,
                                     .guide_below = (int)model->settings.diffusion.guide_below,
                                     .seed = (uint64_t)r->seed};
  return CYF_OK;
}
