/* SPDX-License-Identifier: MIT */
/** @file
 * What a person sees while a stage trains: a line redrawn in place on a terminal, and now and then an ordinary log line
 * elsewhere. */
#ifndef CYF_TRAIN_PROGRESS_H
#define CYF_TRAIN_PROGRESS_H

#include <stdint.h>

typedef struct cyf_progress {
  const char *name;
  int64_t n_steps, first_step, batch_cells;
  double start_s, drawn_s, logged_s;
  double loss, accuracy, validation;
  int active;
} cyf_progress;

void cyf_progress_begin(cyf_progress *progress, const char *name, int64_t n_steps, int64_t first_step,
                        int64_t batch_cells);

/** @{ */
/** After each update; draws at most four times a second, logs at most once a minute where there is no terminal. */
void cyf_progress_step(cyf_progress *progress, int64_t step, int64_t epoch);
void cyf_progress_loss(cyf_progress *progress, double loss, double accuracy);
void cyf_progress_validation(cyf_progress *progress, double loss, double accuracy);
/** @} */

/** The stage's last line: steps, loss, time. */
void cyf_progress_done(cyf_progress *progress, int64_t step, double validation);
/** Wipes the line; harmless when none is drawn. */
void cyf_progress_end(cyf_progress *progress);

#endif
