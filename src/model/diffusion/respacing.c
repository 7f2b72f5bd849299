/* SPDX-License-Identifier: MIT */
/* Which steps a shortened reverse process keeps (Nichol & Dhariwal 2021, section 4; "ddimN": Song et al.
 * 2021; "lambdaN": Lu et al. 2022, section 4). */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/diffusion/schedule.h"
#include "model/diffusion/schedule_internal.h"

/* A whole number of at least 1 at *text; *text moves behind it. */
static cyf_status parse_count(const char *spacing, const char **text, int *ret_count) {
  char *end = NULL;
  errno = 0;
  const long value = strtol(*text, &end, 10);
  const bool starts_with_digit = **text >= '0' && **text <= '9';
  if (!starts_with_digit || errno != 0 || value < 1 || value > INT_MAX) {
    return CYF_FAIL(CYF_ERR_USAGE,
                    "steps \"%s\": expected a number such as \"50\", numbers a section such as \"10,20,30\", "
                    "\"all\", \"ddimN\" or \"lambdaN\"",
                    spacing);
  }
  *ret_count = (int)value;
  *text = end;
  return CYF_OK;
}

/* Keeps every stride-th step, the stride being the one that gives exactly `wanted` steps. */
static cyf_status keep_fixed_stride(const char *spacing, int n, int wanted, bool *keep) {
  for (int stride = 1; stride <= n; stride++) {
    if ((n + stride - 1) / stride != wanted) continue;
    for (int t = 0; t < n; t += stride) keep[t] = true;
    return CYF_OK;
  }
  return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": no whole stride over %d steps gives exactly %d", spacing, n, wanted);
}

/* Keeps `count` steps of [start, start + size), evenly spaced from its first to its last. As in the published code, the
 * position is summed up and halves are rounded to even, so that the same steps are kept. */
static void keep_section(int start, int size, int count, bool *keep) {
  const double stride = count > 1 ? (double)(size - 1) / (count - 1) : 1.0;
  double position = 0.0;
  for (int i = 0; i < count; i++) {
    keep[start + (int)rint(position)] = true;
    position += stride;
  }
}

static cyf_status keep_sections(const char *spacing, int n, bool *keep) {
  int n_sections = 1;
  for (const char *c = spacing; *c != 0; c++) n_sections += *c == ',';
  const char *text = spacing;
  int start = 0;
  for (int section = 0; section < n_sections; section++) {
    const int size = n / n_sections + (section < n % n_sections ? 1 : 0);
    int count = 0;
    if (section > 0) text++; /* the comma */
    CYF_TRY(parse_count(spacing, &text, &count));
    if (*text != (section + 1 < n_sections ? ',' : '\0')) {
      return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": unexpected \"%s\"", spacing, text);
    }
    if (count > size) {
      return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": a section of %d steps cannot be divided into %d", spacing, size,
                      count);
    }
    keep_section(start, size, count, keep);
    start += size;
  }
  return CYF_OK;
}

/* Keeps `wanted` steps, the first and the last among them, evenly spaced in half the log signal-to-noise ratio. Each is
 * the timestep nearest to its place that still leaves one for every later step. Near 0 the ratio changes so fast from
 * one timestep to the next that the nearest ones would coincide. */
static cyf_status keep_log_snr(const char *spacing, const cyf_schedule *full, int wanted, bool *keep) {
  const int n = full->n;
  if (wanted > n) return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": there are only %d steps", spacing, n);
  const double highest = cyf_schedule_log_snr(full->alpha_bar[0]),
               lowest = cyf_schedule_log_snr(full->alpha_bar[n - 1]);
  for (int i = 0, t = 0; i < wanted; i++, t++) {
    const double place = wanted > 1 ? highest + (lowest - highest) * i / (wanted - 1) : lowest;
    while (t < n - wanted + i &&
           cyf_schedule_log_snr(full->alpha_bar[t]) + cyf_schedule_log_snr(full->alpha_bar[t + 1]) > 2.0 * place)
      t++;
    keep[t] = true;
  }
  return CYF_OK;
}

static cyf_status choose_steps(const cyf_schedule *full, const char *spacing, int must_contain, bool *keep) {
  const int n = full->n;
  if (must_contain >= n) {
    return CYF_FAIL(CYF_ERR_USAGE, "the reverse process cannot start at timestep %d: there are 0 to %d", must_contain,
                    n - 1);
  }
  if (strcmp(spacing, "all") == 0) {
    for (int t = 0; t < n; t++) keep[t] = true;
  } else if (strncmp(spacing, "ddim", 4) == 0) {
    const char *text = spacing + 4;
    int wanted = 0;
    CYF_TRY(parse_count(spacing, &text, &wanted));
    if (*text != 0) return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": unexpected \"%s\"", spacing, text);
    CYF_TRY(keep_fixed_stride(spacing, n, wanted, keep));
  } else if (strncmp(spacing, "lambda", 6) == 0) {
    const char *text = spacing + 6;
    int wanted = 0;
    CYF_TRY(parse_count(spacing, &text, &wanted));
    if (*text != 0) return CYF_FAIL(CYF_ERR_USAGE, "steps \"%s\": unexpected \"%s\"", spacing, text);
    CYF_TRY(keep_log_snr(spacing, full, wanted, keep));
  } else {
    CYF_TRY(keep_sections(spacing, n, keep));
  }
  if (must_contain < 0) return CYF_OK;
  keep[must_contain] = true;
  for (int t = must_contain + 1; t < n; t++) keep[t] = false;
  return CYF_OK;
}

cyf_status cyf_schedule_respace(const cyf_schedule *full, const char *spacing, int must_contain,
                                cyf_schedule **ret_schedule) {
  bool *keep = NULL;
  cyf_schedule *s = NULL;
  cyf_status status = CYF_OK;
  int n_kept = 0;
  *ret_schedule = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&keep, full->n));
  CYF_TRY_CLEANUP(choose_steps(full, spacing, must_contain, keep));
  for (int t = 0; t < full->n; t++) n_kept += keep[t] ? 1 : 0;
  CYF_TRY_CLEANUP(cyf_schedule_allocate(n_kept, full->n_original, &s));
  double alpha_bar_before = 1.0;
  int step = 0;
  for (int t = 0; t < full->n; t++) {
    if (!keep[t]) continue;
    s->timestep[step] = full->timestep[t];
    s->beta[step] = 1.0 - full->alpha_bar[t] / alpha_bar_before;
    alpha_bar_before = full->alpha_bar[t];
    step++;
  }
  cyf_schedule_derive(s);
  *ret_schedule = s;
  s = NULL;
cleanup:
  cyf_schedule_destroy(&s);
  cyf_free(keep);
  return status;
}
