/* SPDX-License-Identifier: MIT */
/** @file
 * Noise schedules and respacing (Ho et al. 2020; Nichol & Dhariwal 2021), all in double on the host. Not collective. */
#ifndef CYF_MODEL_DIFFUSION_SCHEDULE_H
#define CYF_MODEL_DIFFUSION_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"
#include "base/words.h"

/** How beta grows with t: linearly (Ho et al. 2020), or by a squared cosine of alpha_bar (Nichol & Dhariwal 2021). */
typedef enum cyf_beta_schedule { CYF_BETAS_LINEAR, CYF_BETAS_COSINE, CYF_BETA_SCHEDULES } cyf_beta_schedule;
/** The words of cyf_beta_schedule, in its order. */
static const char *const cyf_beta_schedule_words[] = {"linear", "cosine", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_beta_schedule_words) == CYF_BETA_SCHEDULES, "a word for each schedule");

/** A schedule over n steps. Respaced ones keep the original timestep of each step. All arrays [n]. */
typedef struct cyf_schedule {
  int n;
  int n_original;
  int32_t *timestep; /**< original timestep of step i, ascending */
  double *beta, *alpha_bar, *alpha_bar_prev;
  double *posterior_variance, *posterior_log_variance; /**< the first variance is 0: its log is the second's */
  double *posterior_coef_x0, *posterior_coef_xt;
  /** The variance that a DDPM reverse step draws with and scales guidance by. It is beta, the larger of the two choices
   * of Ho et al. 2020 (section 3.2) and that of the published scDiffusion. The first entry is the second step's
   * posterior variance. */
  double *reverse_variance, *reverse_log_variance;
} cyf_schedule;

/** The full schedule over T = n_steps, freed with cyf_schedule_destroy. Linear: betas from 1e-4 to 0.02, times 1000/T;
 * T >= 21, as below that a beta would reach 1. Cosine: T >= 2. Errors: CYF_ERR_CONFIG naming the least T,
 * CYF_ERR_MEMORY. */
cyf_status cyf_schedule_create(cyf_beta_schedule kind, int n_steps, cyf_schedule **ret_schedule);
/** A respaced schedule, which keeps some steps of the full one. `spacing` says which:
 * - "50": that many, evenly spaced;
 * - "10,20,30": that many of each of three equal sections;
 * - "ddimN": N at a fixed stride;
 * - "lambdaN": N from the first to the last, evenly spaced in half the log signal-to-noise ratio;
 * - "all".
 *
 * must_contain >= 0: this original timestep is added if it is missing, and later ones are dropped, so that the reverse
 * process starts exactly there; -1: none. Errors: CYF_ERR_USAGE naming what is impossible, CYF_ERR_MEMORY. */
cyf_status cyf_schedule_respace(const cyf_schedule *full, const char *spacing, int must_contain,
                                cyf_schedule **ret_schedule);
/** Frees the schedule and sets *schedule to NULL. NULL-safe. */
void cyf_schedule_destroy(cyf_schedule **schedule);

/** Half the log signal-to-noise ratio at an alpha_bar, log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)): the lambda of Lu et
 * al. 2022. */
double cyf_schedule_log_snr(double alpha_bar);

#endif
