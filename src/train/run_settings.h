/* SPDX-License-Identifier: MIT */
/** @file
 * Settings of a run that goes on. What its folder says (config.yaml) is where they start from, so that nothing has to
 * be said again. What a stage was trained with stays; some settings may change, and the change is recorded. */
#ifndef CYF_TRAIN_RUN_SETTINGS_H
#define CYF_TRAIN_RUN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "saved/settings.h"
#include "train/stage_common.h"
#include "train/stages.h"

/** A stage's checkpoints that a command keeps. */
typedef struct cyf_kept_stage {
  const cyf_stage_type *type;
  bool is_run;   /**< this command goes on with it */
  bool is_final; /**< it is finished */
  int64_t steps; /**< it has done or, where it is finished, was finished with */
} cyf_kept_stage;

/** Which stages of the folder `checkpoints` are kept: those with checkpoints, but for the jobs that `force` starts
 * over. n_attributes: of the atlas. *ret_kept[*ret_n], in the table's order, is freed with cyf_free. Not collective.
 * Errors: CYF_ERR_INPUT (a damaged file), CYF_ERR_MEMORY. */
cyf_status cyf_kept_stages_find(const char *checkpoints, int64_t n_attributes, bool force, const cyf_stage_job *jobs,
                                int64_t n_jobs, cyf_kept_stage **ret_kept, int64_t *ret_n);

/** Counts the updates that each of the jobs[n_jobs] has left to do, by its checkpoints, into ret_left[n_jobs]: 0 where
 * it makes none. Not collective. Errors: CYF_ERR_INPUT (a damaged file), CYF_ERR_IO. */
cyf_status cyf_count_updates_left(const char *checkpoints, const cyf_settings *settings, const cyf_stage_job *jobs,
                                  int64_t n_jobs, int64_t *ret_left);

/** What a command line says of the settings. */
typedef struct cyf_settings_said {
  const char *config; /**< file, or NULL */
  int64_t n_overrides;
  const char *const *overrides; /**< [n_overrides] */
} cyf_settings_said;

/** A setting that a command changed. */
typedef struct cyf_setting_change {
  char *key, *from, *to;
  char *at; /**< "denoiser step 300", "" before any step */
} cyf_setting_change;

/** All that one command changed, in the settings' order. */
typedef struct cyf_setting_changes {
  cyf_setting_change *item;
  int64_t n;
} cyf_setting_changes;
/** Frees all and empties the list. */
void cyf_setting_changes_destroy(cyf_setting_changes *changes);

/** Puts what is said over the settings of a former command. Another value is refused where a kept stage was trained
 * with the former one, but for what may change: steps, validation, logging, checkpoints, waits, threads, the device.
 * Steps below those of a kept stage are raised to them, and a log line says so. `path` names the former settings in
 * messages. On failure *settings is as it was or partly changed. Not collective. Errors: CYF_ERR_CONFIG. */
cyf_status cyf_settings_change(const char *path, const cyf_settings_said *said, const cyf_kept_stage *kept,
                               int64_t n_kept, cyf_settings *settings, cyf_setting_changes *ret_changes);

/** Gives rank 0's settings to all ranks. *text: as config.yaml has them, rank 0's on entry, all ranks' on return (freed
 * with cyf_free by the caller, also on failure). *settings, valid on entry, are replaced on the other ranks.
 * Collective. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_settings_share(cyf_comm *comm, char **text, cyf_settings *settings);

#endif
