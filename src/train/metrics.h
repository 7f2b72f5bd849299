/* SPDX-License-Identifier: MIT */
/** @file
 * RUN/metrics.jsonl: one JSON object a line, appended by rank 0. */
#ifndef CYF_TRAIN_METRICS_H
#define CYF_TRAIN_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

typedef struct cyf_metrics {
  FILE *stream; /**< NULL on ranks other than 0: every call is then a no-op */
  char *path;
} cyf_metrics;

/** What a training line holds; NaN members are left out. */
typedef struct cyf_metrics_line {
  const char *stage;
  int64_t step, epoch;
  double loss, validation_loss, accuracy;
  double learning_rate, gradient_norm, cells_per_s;
} cyf_metrics_line;

/** Opens RUN/metrics.jsonl for appending on rank 0. Errors: CYF_ERR_IO. Not collective. */
cyf_status cyf_metrics_open(const char *run_directory, int rank, cyf_metrics *ret_metrics);
void cyf_metrics_close(cyf_metrics *metrics);
/** Appends a line and flushes it. Errors: CYF_ERR_IO. */
cyf_status cyf_metrics_write(cyf_metrics *metrics, const cyf_metrics_line *line);
/** Drops the lines of `stage` beyond `step` that a killed run wrote after the checkpoint that goes on now. */
cyf_status cyf_metrics_rewind(cyf_metrics *metrics, const char *stage, int64_t step);

#endif
