/* SPDX-License-Identifier: MIT */
/** @file
 * Noise schedules and respacing (Ho et al. 2020; Nichol & Dhariwal 2021), all in double on the host. */
#ifndef CYF_MODEL_DIFFUSION_SCHEDULE_H
#define CYF_MODEL_DIFFUSION_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"
#include "base/words.h"

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
  double *posterior_variance, *posterior_log_variance; /**< log clipped: first entry replaced by the second */
  double *posterior_coef_x0, *posterior_coef_xt;
  /** What a DDPM reverse step draws with, and scales guidance by: beta, the larger of the two choices of Ho et al. 2020
   * (section 3.2) and the one of the published scDiffusion; the first entry is the second's posterior variance. */
  double *reverse_variance, *reverse_log_variance;
} cyf_schedule;

/** The full schedule over T = n_steps: linear betas scaled 1000/T (1e-4..0.02; T >= 21, below which a beta would reach
 * 1), or cosine (T >= 2). Errors: CYF_ERR_CONFIG naming the least T. */
cyf_status cyf_schedule_create(cyf_beta_schedule kind, int n_steps, cyf_schedule **ret_schedule);
/** A respaced schedule: `spacing` is "50", "10,20,30" (steps a section) or "ddimN" (fixed stride),
 * "lambdaN" (N steps from the first to the last, evenly spaced in half the log signal-to-noise ratio) or "all".
 * must_contain >= 0: this original timestep is added if it is not in the grid and later ones are dropped, so that the
 * reverse process starts exactly there; -1: none. Errors: CYF_ERR_USAGE naming what is impossible. */
cyf_status cyf_schedule_respace(const cyf_schedule *full, const char *spacing, int must_contain,
                                cyf_schedule **ret_schedule);
void cyf_schedule_destroy(cyf_schedule **schedule);

/** Half the log signal-to-noise ratio at an alpha_bar, log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)): the lambda of Lu et
 * al. 2022. */
double cyf_schedule_log_snr(double alpha_bar);

#endif
