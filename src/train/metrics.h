/* SPDX-License-Identifier: MIT */
/** @file
 * RUN/metrics.jsonl: one JSON object a line, appended by rank 0. No function here is collective. */
#ifndef CYF_TRAIN_METRICS_H
#define CYF_TRAIN_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/** The open file. Owns its members. */
typedef struct cyf_metrics {
  FILE *stream; /**< NULL on ranks other than 0, where every call does nothing */
  char *path;
} cyf_metrics;

/** What a line holds; members that are NaN are left out. */
typedef struct cyf_metrics_line {
  const char *stage;
  int64_t step, epoch;
  double loss, validation_loss, accuracy;
  double learning_rate, gradient_norm, cells_per_s;
} cyf_metrics_line;

/** Opens RUN/metrics.jsonl for appending where rank is 0. Errors: CYF_ERR_IO. */
cyf_status cyf_metrics_open(const char *run_directory, int rank, cyf_metrics *ret_metrics);
/** Closes the file and frees what is held; again does nothing. Errors: CYF_ERR_IO where the file system tells only now
 * that lines are lost. */
cyf_status cyf_metrics_close(cyf_metrics *metrics);
/** Appends a line and flushes it. Errors: CYF_ERR_IO. */
cyf_status cyf_metrics_write(cyf_metrics *metrics, const cyf_metrics_line *line);
/** Removes the lines of `stage` with a step beyond `step`, and lines that were cut short. A killed run wrote them after
 * the checkpoint from which training goes on now. Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_metrics_rewind(cyf_metrics *metrics, const char *stage, int64_t step);

#endif
