/* SPDX-License-Identifier: MIT */
/** @file
 * One training run: a folder RUN with config.yaml, metrics.jsonl, checkpoints/, latents/ and at last model.h5. */
#ifndef CYF_TRAIN_RUN_H
#define CYF_TRAIN_RUN_H

#include <stdbool.h>

#include "base/status.h"
#include "comm/comm.h"
#include "kernels/device.h"
#include "saved/settings.h"

/** What to train and where; nothing is owned. */
typedef struct cyf_run_options {
  const cyf_settings *settings;
  const char *atlas;        /**< directory */
  const char *directory;    /**< RUN */
  const char *stage;        /**< of the table in train/stages.h: its name, "NAME:COLUMN", or "all" */
  bool resume;              /**< --resume auto */
  bool force;               /**< start the stages over */
  const char *command_line; /**< kept in model.h5 as its provenance */
} cyf_run_options;

/** Runs the stage, or all of them, and writes RUN/model.h5 as soon as there is a denoiser. The settings are written to
 * RUN/config.yaml when a stage starts, with model.h5, and at the end. So a command that is refused leaves that file as
 * it was. Rank 0 holds RUN/lock. Collective. Errors: CYF_ERR_USAGE (unknown stage, a stage whose input is missing) and
 * those of the stages. CYF_ERR_IO where another run is at work in RUN, or RUN already holds this stage and neither
 * resume nor force is set. */
cyf_status cyf_run(cyf_comm *comm, cyf_device *device, const cyf_run_options *options);

#endif
