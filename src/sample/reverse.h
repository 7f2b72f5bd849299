/* SPDX-License-Identifier: MIT */
/** @file
 * How the reverse process, from noise to latents, is to run, as a user says it. `command` stands first in messages:
 * "sample: --eta wants ...". No function here is collective. */
#ifndef CYF_SAMPLE_REVERSE_H
#define CYF_SAMPLE_REVERSE_H

#include <stdbool.h>

#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

/** The options of the reverse process; texts belong to the caller. */
typedef struct cyf_reverse {
  const char *method, *steps; /**< NULL: the model's (sample/choice.h) */
  double eta;                 /**< of ddim, in [0, 1]: 0 adds no noise on the way, 1 as much as ddpm */
  bool clip;                  /**< the latent that each step predicts is clipped to [-1, 1] */
  int64_t seed;
} cyf_reverse;

/** Checks eta and seed. Errors: CYF_ERR_USAGE. */
cyf_status cyf_reverse_check(const char *command, const cyf_reverse *reverse);
/** Gives the schedule of the timesteps that are taken, up to t_last (-1: the model's last), and the sampler's
 * configuration, which refers to that schedule. The caller frees the schedule with cyf_schedule_destroy. Errors:
 * CYF_ERR_USAGE (unknown method, impossible steps). */
cyf_status cyf_reverse_make(const char *command, const cyf_reverse *reverse, const cyf_model *model, int t_last,
                            cyf_schedule **ret_schedule, cyf_sampler_config *ret_config);

#endif
