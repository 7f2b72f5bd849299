/* SPDX-License-Identifier: MIT */
#include "train/progress.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

static const double DRAW_EVERY_S = 0.25, LOG_EVERY_S = 60;

void cyf_progress_begin(cyf_progress *progress, const char *name, int64_t n_steps, int64_t first_step,
                        int64_t batch_cells) {
  *progress = (cyf_progress){.name = name, .n_steps = n_steps, .first_step = first_step, .batch_cells = batch_cells};
  progress->start_s = progress->logged_s = cyf_clock_s();
  progress->loss = progress->accuracy = progress->validation = NAN;
  progress->active = 1;
}

static void describe(const cyf_progress *progress, int64_t step, int64_t epoch, double now_s, char *text, size_t size) {
  double per_step_s = (now_s - progress->start_s) / (double)(step - progress->first_step);
  double rate = (double)progress->batch_cells / per_step_s;
  char left[32], extra[96] = "";
  cyf_clock_duration(per_step_s * (double)(progress->n_steps - step), left, sizeof left);
  int n = 0;
  if (!isnan(progress->loss)) n += snprintf(extra, sizeof extra, "  loss %.5g", progress->loss);
  if (!isnan(progress->accuracy))
    n += snprintf(extra + n, sizeof extra - (size_t)n, "  accuracy %.3f", progress->accuracy);
  if (!isnan(progress->validation))
    snprintf(extra + n, sizeof extra - (size_t)n, "  validation %.5g", progress->validation);
  snprintf(text, size, "%s  step %lld/%lld  epoch %lld%s  %.0f cells/s  %s left", progress->name, (long long)step,
           (long long)progress->n_steps, (long long)epoch, extra, rate, left);
}

void cyf_progress_step(cyf_progress *progress, int64_t step, int64_t epoch) {
  double now_s = cyf_clock_s();
  char text[320];
  if (cyf_log_progress_wanted()) {
    if (now_s - progress->drawn_s < DRAW_EVERY_S) return;
    describe(progress, step, epoch, now_s, text, sizeof text);
    cyf_log_progress("%s", text);
    progress->drawn_s = now_s;
  } else if (now_s - progress->logged_s >= LOG_EVERY_S) {
    describe(progress, step, epoch, now_s, text, sizeof text);
    cyf_info("%s", text);
    progress->logged_s = now_s;
  }
}

void cyf_progress_loss(cyf_progress *progress, double loss, double accuracy) {
  progress->loss = loss;
  progress->accuracy = accuracy;
}

void cyf_progress_validation(cyf_progress *progress, double loss, double accuracy) {
  progress->validation = loss;
  if (!isnan(accuracy)) progress->accuracy = accuracy;
}

void cyf_progress_done(cyf_progress *progress, int64_t step, double validation) {
  char took[32], extra[64] = "";
  cyf_clock_duration(cyf_clock_s() - progress->start_s, took, sizeof took);
  cyf_progress_end(progress);
  if (!isnan(validation)) snprintf(extra, sizeof extra, ", validation loss %.5g", validation);
  if (!isnan(progress->accuracy))
    cyf_info("%s: done after %lld steps in %s: loss %.5g%s, accuracy %.3f", progress->name, (long long)step, took,
             progress->loss, extra, progress->accuracy);
  else
    cyf_info("%s: done after %lld steps in %s: loss %.5g%s", progress->name, (long long)step, took, progress->loss,
             extra);
}

void cyf_progress_end(cyf_progress *progress) {
  if (!progress->active) return;
  progress->active = 0;
  cyf_log_progress_end();
}
