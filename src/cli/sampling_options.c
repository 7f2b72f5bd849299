/* SPDX-License-Identifier: MIT */
#include "cli/sampling_options.h"

#include "model/diffusion/methods.h"

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

cyf_option cyf_output_option(const char **text) {
  return (cyf_option){"output",
                      0,
                      CYF_OPTION_TEXT,
                      text,
                      "counts|log|mean",
                      "what X holds: drawn counts, log1p(counts / total x 1e4), or its smooth mean (default: counts "
                      "where the model was trained on them, else log)"};
}
