/* SPDX-License-Identifier: MIT */
/** @file
 * Options of the reverse process, the same for every command that samples. */
#ifndef CYF_SAMPLE_REVERSE_H
#define CYF_SAMPLE_REVERSE_H

#include "cli/options.h"
#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

typedef struct cyf_reverse {
  const char *method, *steps; /**< NULL: the model's (sample/choice.h) */
  double eta;
  bool clip;
  int64_t seed;
} cyf_reverse;

enum { CYF_REVERSE_OPTIONS = 5 };
/** Fills CYF_REVERSE_OPTIONS rows of a table. */
void cyf_reverse_list_options(cyf_reverse *reverse, cyf_option *options);
/** Errors: CYF_ERR_USAGE, "sample: --eta wants ...". */
cyf_status cyf_reverse_check(const cyf_usage *usage, const cyf_reverse *reverse);
/** The respaced schedule (its owner destroys it), ending at timestep t_last (-1: the model's last), and the sampler's
 * configuration over it. Errors: CYF_ERR_USAGE (unknown method,
 * impossible steps). */
cyf_status cyf_reverse_make(const cyf_usage *usage, const cyf_reverse *reverse, const cyf_model *model, int t_last,
                            cyf_schedule **ret_schedule, cyf_sampler_config *ret_config);

#endif
