/* SPDX-License-Identifier: MIT */
#include "model/diffusion/methods.h"

#include "model/diffusion/sampler_internal.h"

#define ROW(enumerator, name, steps, noise, step) \
  { name, steps, CYF_NOISE_##noise, cyf_sampler_step_##step }
const cyf_method cyf_methods[CYF_SAMPLER_N_METHODS] = {CYF_SAMPLER_METHODS(ROW, CYF_METHOD_COMMA)};

const char *cyf_method_name(cyf_sampler_method method) {
  return cyf_methods[method].name;
}
