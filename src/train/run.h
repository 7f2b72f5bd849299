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
#include "train/run_settings.h"

/** What to train and where; nothing is owned. */
typedef struct cyf_run_options {
  cyf_settings_said said;   /**< over the settings of RUN, or over the built-in ones */
  const char *atlas;        /**< directory */
  const char *directory;    /**< RUN */
  const char *stage;        /**< of the table in train/stages.h: its name, "NAME:COLUMN", or "all" */
  bool resume;              /**< --resume auto */
  bool force;               /**< start the stages over */
  const char *command_line; /**< kept in model.h5 as its provenance */
} cyf_run_options;

/** A run whose folder is claimed. */
typedef struct cyf_run cyf_run;

/** Opens the atlas, claims RUN (rank 0 holds RUN/lock) and finds the settings. They are RUN/config.yaml's where a stage
 * there is gone on with or stays, with what `said` changes; the built-in ones with what is said otherwise. A refused
 * command changes nothing in RUN. What the options point to must outlive the run. Collective. Errors: CYF_ERR_USAGE:
 * the stage is unknown. CYF_ERR_CONFIG: a stage was trained with another value of a setting. CYF_ERR_IO: another run is
 * at work in RUN, or RUN already holds this stage and neither resume nor force is set. */
cyf_status cyf_run_open(cyf_comm *comm, const cyf_run_options *options, cyf_run **ret_run);

/** The settings found, the run's own. */
const cyf_settings *cyf_run_settings(const cyf_run *run);

/** The run's atlas, which stays its own. */
const cyf_atlas *cyf_run_atlas(const cyf_run *run);
/** The updates that the run has left to do in this stage, those of all its label columns added up. The same on every
 * rank. Early stopping may leave some undone. */
int64_t cyf_run_updates_left(const cyf_run *run, const cyf_stage_type *type);

/** Runs the stages and writes RUN/model.h5 as soon as there are those that every model has. RUN/runs.jsonl gets a line
 * first; RUN/config.yaml gets the settings when a stage starts, with model.h5, and at the end. Collective. Errors:
 * those of the stages (CYF_ERR_USAGE where a stage's input is missing). */
cyf_status cyf_run_train(cyf_run *run, cyf_device *device);

/** Frees the run, gives the folder back and sets *run to NULL; NULL-safe. */
void cyf_run_close(cyf_run **run);

#endif
