/* SPDX-License-Identifier: MIT */
/** @file
 * What a person sees while a stage trains: a line redrawn in place on a terminal, elsewhere a log line once a minute.
 * No function here is collective. */
#ifndef CYF_TRAIN_PROGRESS_H
#define CYF_TRAIN_PROGRESS_H

#include <stdint.h>

/** The progress of one stage. */
typedef struct cyf_progress {
  const char *name;                         /**< of the stage; not owned */
  int64_t n_steps, first_step, batch_cells; /**< batch_cells: over all ranks */
  double start_s, drawn_s, logged_s;        /**< when it began, was drawn and was logged last (cyf_clock_s) */
  double loss, accuracy, validation;        /**< as told last; NaN: not yet */
  int active;                               /**< 0 once it has ended */
} cyf_progress;

/** Begins at step first_step of n_steps; nothing is shown yet. */
void cyf_progress_begin(cyf_progress *progress, const char *name, int64_t n_steps, int64_t first_step,
                        int64_t batch_cells);

/** To be called after each update. Draws the line at most four times a second; without a terminal it logs at most once
 * a minute. */
void cyf_progress_step(cyf_progress *progress, int64_t step, int64_t epoch);
/** @{ */
/** Sets what the line says next: loss and accuracy (NaN: none) in training or over the validation cells. */
void cyf_progress_loss(cyf_progress *progress, double loss, double accuracy);
void cyf_progress_validation(cyf_progress *progress, double loss, double accuracy);
/** @} */

/** Wipes the line and logs the stage's last: steps, time, loss and, unless it is NaN, the validation loss. */
void cyf_progress_done(cyf_progress *progress, int64_t step, double validation);
/** Wipes the line; does nothing when none is drawn. */
void cyf_progress_end(cyf_progress *progress);

#endif
