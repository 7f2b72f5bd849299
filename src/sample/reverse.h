/* SPDX-License-Identifier: MIT */
/** @file
 * How the reverse process is to run, as a user says it. */
#ifndef CYF_SAMPLE_REVERSE_H
#define CYF_SAMPLE_REVERSE_H

#include <stdbool.h>

#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

typedef struct cyf_reverse {
  const char *method, *steps; /**< NULL: the model's (sample/choice.h) */
  double eta;
  bool clip;
  int64_t seed;
} cyf_reverse;

/** `command` stands first in messages here and below. Errors: CYF_ERR_USAGE, "sample: --eta wants ...". */
cyf_status cyf_reverse_check(const char *command, const cyf_reverse *reverse);
/** The respaced schedule (its owner destroys it), ending at timestep t_last (-1: the model's last), and the sampler's
 * configuration over it. Errors: CYF_ERR_USAGE (unknown method,
 * impossible steps). */
cyf_status cyf_reverse_make(const char *command, const cyf_reverse *reverse, const cyf_model *model, int t_last,
                            cyf_schedule **ret_schedule, cyf_sampler_config *ret_config);

#endif
