/* SPDX-License-Identifier: MIT */
#include "model/diffusion/schedule.h"

#include <math.h>

#include "base/memory.h"
#include "model/diffusion/schedule_internal.h"

static const double PI = 3.14159265358979323846;
static const double LINEAR_BETA_FIRST = 1e-4, LINEAR_BETA_LAST = 0.02; /* at 1000 steps */
static const double COSINE_BETA_MAX = 0.999;
static const double COSINE_OFFSET = 0.008;

cyf_status cyf_schedule_allocate(int n, int n_original, cyf_schedule **ret_schedule) {
  cyf_schedule *s = NULL;
  cyf_status status = CYF_OK;
  *ret_schedule = NULL;
  CYF_TRY(CYF_NEW(&s, 1));
  s->n = n;
  s->n_original = n_original;
  CYF_TRY_CLEANUP(CYF_NEW(&s->timestep, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->beta, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->alpha_bar, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->alpha_bar_prev, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->posterior_variance, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->posterior_log_variance, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->posterior_coef_x0, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->posterior_coef_xt, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->reverse_variance, n));
  CYF_TRY_CLEANUP(CYF_NEW(&s->reverse_log_variance, n));
  *ret_schedule = s;
  s = NULL;
cleanup:
  cyf_schedule_destroy(&s);
  return status;
}

/* Ho et al. 2020, eqs. 4 and 7. The first posterior variance is zero and has no logarithm, so the second step's is
 * taken in its place (Nichol & Dhariwal 2021). A schedule of one step has no second and takes its beta. */
void cyf_schedule_derive(cyf_schedule *s) {
  double alpha_bar = 1.0;
  for (int i = 0; i < s->n; i++) {
    const double beta = s->beta[i], before = alpha_bar;
    alpha_bar *= 1.0 - beta;
    s->alpha_bar[i] = alpha_bar;
    s->alpha_bar_prev[i] = before;
    s->posterior_variance[i] = beta * (1.0 - before) / (1.0 - alpha_bar);
    s->posterior_coef_x0[i] = beta * sqrt(before) / (1.0 - alpha_bar);
    s->posterior_coef_xt[i] = (1.0 - before) * sqrt(1.0 - beta) / (1.0 - alpha_bar);
  }
  const double first_variance = s->n > 1 ? s->posterior_variance[1] : s->beta[0];
  for (int i = 0; i < s->n; i++) {
    s->posterior_log_variance[i] = log(i > 0 ? s->posterior_variance[i] : first_variance);
    s->reverse_variance[i] = i > 0 ? s->beta[i] : first_variance;
    s->reverse_log_variance[i] = log(s->reverse_variance[i]);
  }
}

static cyf_status linear_betas(int n, double *beta) {
  const double scale = 1000.0 / n;
  const double first = scale * LINEAR_BETA_FIRST, last = scale * LINEAR_BETA_LAST;
  if (last >= 1.0) {
    return CYF_FAIL(CYF_ERR_CONFIG, "a linear schedule of %d steps would need a beta of %g; it takes at least 21 steps",
                    n, last);
  }
  for (int i = 0; i < n; i++) beta[i] = first + (last - first) * i / (n - 1);
  return CYF_OK;
}

static double cosine_alpha_bar(double time) {
  const double c = cos((time + COSINE_OFFSET) / (1.0 + COSINE_OFFSET) * PI / 2.0);
  return c * c;
}

static void cosine_betas(int n, double *beta) {
  for (int i = 0; i < n; i++) {
    const double ratio = cosine_alpha_bar((i + 1.0) / n) / cosine_alpha_bar((double)i / n);
    beta[i] = fmin(1.0 - ratio, COSINE_BETA_MAX);
  }
}

cyf_status cyf_schedule_create(cyf_beta_schedule kind, int n_steps, cyf_schedule **ret_schedule) {
  cyf_schedule *s = NULL;
  cyf_status status = CYF_OK;
  *ret_schedule = NULL;
  if (n_steps < 2) return CYF_FAIL(CYF_ERR_CONFIG, "a noise schedule of %d steps; it takes at least 2", n_steps);
  CYF_TRY(cyf_schedule_allocate(n_steps, n_steps, &s));
  if (kind == CYF_BETAS_LINEAR) {
    CYF_TRY_CLEANUP(linear_betas(n_steps, s->beta));
  } else {
    cosine_betas(n_steps, s->beta);
  }
  for (int i = 0; i < n_steps; i++) s->timestep[i] = i;
  cyf_schedule_derive(s);
  *ret_schedule = s;
  s = NULL;
cleanup:
  cyf_schedule_destroy(&s);
  return status;
}

double cyf_schedule_log_snr(double alpha_bar) {
  return 0.5 * log(alpha_bar / (1.0 - alpha_bar));
}

void cyf_schedule_destroy(cyf_schedule **schedule) {
  if (schedule == NULL || *schedule == NULL) return;
  cyf_schedule *s = *schedule;
  cyf_free(s->timestep);
  cyf_free(s->beta);
  cyf_free(s->alpha_bar);
  cyf_free(s->alpha_bar_prev);
  cyf_free(s->posterior_variance);
  cyf_free(s->posterior_log_variance);
  cyf_free(s->posterior_coef_x0);
  cyf_free(s->posterior_coef_xt);
  cyf_free(s->reverse_variance);
  cyf_free(s->reverse_log_variance);
  cyf_free(*schedule);
}
