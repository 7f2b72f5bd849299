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

/** What is particular to a stage. Functions get `context`. Nothing is owned. */
typedef struct cyf_stage {
  const char *name;      /**< in messages and metrics: "autoencoder", "classifier:cell_type" */
  const char *file_stem; /**< of its checkpoints: "autoencoder", "classifier-0" */
  const cyf_stage_settings *settings;
  cyf_parameters *parameters; /**< that are trained */
  cyf_identity identity;      /**< of its checkpoints */
  void *context;
  int64_t cells_per_epoch, batches_per_epoch; /**< of the training stream, over all ranks */
  /** Opens the training stream at the cursor. Collective. */
  cyf_status (*open)(void *context, cyf_cursor start);
  /** Fetches this rank's next batch; gives its cursor and its number of cells over all ranks. Not collective. */
  cyf_status (*fetch)(void *context, cyf_cursor *ret_cursor, int64_t *ret_n_global);
  /** Uploads the fetched batch, so that `train` queues operations of the work queue alone (kernels/backend.h) and a
   * step can be launched as one graph. NULL: `train` uploads. Not collective. */
  cyf_status (*upload)(void *context, uint32_t draw);
  /** Runs the fetched batch forward and backward and adds its gradient to parameters->gradient. *ret_sums, zero on
   * entry, gets the sums of this rank's cells; the device may write them as late as by its next synchronize(). draw:
   * the number of the batch since the stage began, which keys random numbers. Collective (batch norm). */
  cyf_status (*train)(void *context, uint32_t draw, cyf_loss_sums *ret_sums);
  /** Adds the sums over this rank's validation cells, each taken once. NULL: there are no such cells. Collective. */
  cyf_status (*validate)(void *context, cyf_loss_sums *sums);
} cyf_stage;

/** What all stages of a run share. Nothing is owned. */
typedef struct cyf_loop_environment {
  cyf_comm *comm;
  cyf_gradient_plane *plane; /**< sums gradients over ranks */
  const cyf_settings *settings;
  cyf_metrics *metrics;
  const char *checkpoint_directory;
  const char *config_path, *config_text; /**< written once a stage really starts: a refused run leaves the old file */
  bool resume;                           /**< go on from the newest checkpoint */
} cyf_loop_environment;

/** Trains the stage to its end and saves STAGE-final.h5. The parameters then hold the weights to use: the moving
 * average (EMA) if there is one, and with early stopping (patience) the best validated ones. Collective. Errors:
 * CYF_ERR_INTERRUPTED after a signal (a checkpoint was written), CYF_ERR_NUMERIC (a gradient is not finite),
 * CYF_ERR_CONFIG (a checkpoint of other settings), CYF_ERR_INPUT, CYF_ERR_IO, CYF_ERR_COMM. */
cyf_status cyf_loop_run(const cyf_loop_environment *environment, const cyf_stage *stage);

#endif
