/* SPDX-License-Identifier: MIT */
/** @file
 * The training loop that every stage shares: batches, updates, logging, validation, early stopping, checkpoints,
 * signals. */
#ifndef CYF_TRAIN_LOOP_H
#define CYF_TRAIN_LOOP_H

#include <stdbool.h>

#include "base/status.h"
#include "comm/comm.h"
#include "comm/gradient_plane.h"
#include "data/loader/loader.h"
#include "model/loss_sums.h"
#include "saved/settings.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/optimizer.h"

/** What is particular to a stage. Functions get `context`. */
typedef struct cyf_stage {
  const char *name;      /**< in messages and metrics: "autoencoder", "classifier:cell_type" */
  const char *file_stem; /**< of its checkpoints: "autoencoder", "classifier-0" */
  const cyf_stage_settings *settings;
  cyf_parameters *parameters;
  cyf_identity identity;
  void *context;
  int64_t cells_per_epoch, batches_per_epoch;
  /** Opens the training stream at the cursor. Collective. */
  cyf_status (*open)(void *context, cyf_cursor start);
  /** Fetches this rank's next batch; gives its cursor and global size. Not collective. */
  cyf_status (*fetch)(void *context, cyf_cursor *ret_cursor, int64_t *ret_n_global);
  /** Uploads the fetched batch: with it `train` is nothing but operations of the work queue (kernels/backend.h), so
   * that a step can be launched as one graph. NULL: `train` uploads. Not collective. */
  cyf_status (*upload)(void *context, uint32_t draw);
  /** Forward and backward of the fetched batch; adds its gradient. *ret_sums, its local sums (zero on entry), may be
   * written as late as by the device's next synchronize(). The host need not wait for the device. draw: counts batches
   * since the stage began, for random numbers. Collective (batch norm). */
  cyf_status (*train)(void *context, uint32_t draw, cyf_loss_sums *ret_sums);
  /** Adds the local sums over this rank's validation cells, one whole pass. Collective. NULL: no validation cells. */
  cyf_status (*validate)(void *context, cyf_loss_sums *sums);
} cyf_stage;

typedef struct cyf_loop_environment {
  cyf_comm *comm;
  cyf_gradient_plane *plane;
  const cyf_settings *settings;
  cyf_metrics *metrics;
  const char *checkpoint_directory;
  const char *config_path, *config_text; /**< written once a stage really starts: a refused run leaves the old file */
  bool resume;
} cyf_loop_environment;

/** Trains the stage to its end and saves STAGE-final.h5; parameters then hold the weights to use (EMA, or the best
 * validated with patience). Collective. Errors: CYF_ERR_INTERRUPTED after a signal (a checkpoint was written),
 * CYF_ERR_NUMERIC, CYF_ERR_IO, CYF_ERR_COMM. */
cyf_status cyf_loop_run(const cyf_loop_environment *environment, const cyf_stage *stage);

#endif
