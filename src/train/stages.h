/* SPDX-License-Identifier: MIT */
/** @file
 * The stages of a run as a table. Each is a file stage_NAME.c, which ends with the stage's row, and a line in the table
 * of stages.c. A run (train/run.h) knows no stage by name: it asks the rows. */
#ifndef CYF_TRAIN_STAGES_H
#define CYF_TRAIN_STAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inputs.h"
#include "base/names.h"
#include "data/atlas/atlas.h"
#include "kernels/device.h"
#include "saved/model_file.h"
#include "saved/settings.h"
#include "train/checkpoint.h"
#include "train/loop.h"

/** What all stages of one run share; nothing is owned. */
typedef struct cyf_stage_environment {
  cyf_loop_environment loop;
  const cyf_atlas *atlas;
  cyf_device *device;
  const char *latents_directory;
  cyf_inputs *latent_parts;      /**< rank 0's: the files there that were read, as they were at first */
  const cyf_model *init;         /**< the model that training starts from, in host memory; NULL: none */
  uint64_t autoencoder_checksum; /**< of the weights that gave the latents there; set by whoever encodes */
} cyf_stage_environment;

/** Stands in place of an attribute of the atlas where a stage is run once, not for a label column. */
enum { CYF_NO_COLUMN = -1 };

/** One stage. Functions get the label column it is run for as an attribute of the atlas, or CYF_NO_COLUMN. */
typedef struct cyf_stage_type {
  /** Its name in --stage, messages and metrics, and the stem of its checkpoints' names. A stage that is run for a
   * column is "NAME:COLUMN" in the former. Its files are "NAME-N", N being the column's place in the atlas, since a
   * column's name may hold any character. */
  const char *name;
  bool per_column;                     /**< run for label columns, once for each */
  const struct cyf_stage_type *before; /**< a stage that is always run before it, asked for or not: one that keeps what
                                          is done already; NULL: none */
  bool in_every_model;                 /**< there is no model.h5 until it is finished */
  bool updates_model;     /**< RUN/model.h5 is written anew after it, once every stage it needs is finished */
  size_t settings_offset; /**< where its cyf_stage_settings lie in cyf_settings, if it is trained */

  /** Refuses settings that the atlas cannot serve, before anything is trained and whichever stages are run. NULL: there
   * are none. Not collective. Errors: CYF_ERR_CONFIG. */
  cyf_status (*check)(const cyf_settings *settings, const cyf_atlas *atlas);
  /** Whether `--stage all` takes this column; logs why not. Only with per_column. */
  bool (*takes_column)(const cyf_attribute *attribute);
  /** Finds the column of this name, which the user asked for. Only with per_column. Errors: CYF_ERR_USAGE where there
   * is none, or nothing to learn from it. */
  cyf_status (*find_column)(const cyf_atlas *atlas, const char *name, int64_t *ret_attribute);
  /** What its checkpoints belong to. NULL: it is not trained and leaves no checkpoints. */
  cyf_identity (*identity)(const cyf_stage_environment *environment, int64_t attribute);
  /** Runs it and leaves its result in the run's folder. Collective. Errors: CYF_ERR_USAGE when what it reads is not
   * finished, and those of the loop. */
  cyf_status (*run)(cyf_stage_environment *environment, int64_t attribute);
  /** Puts its finished result into a model. The autoencoder's also sets environment->autoencoder_checksum, which is
   * part of the later stages' identities. NULL: its result is not part of model.h5. Not collective. Errors:
   * CYF_ERR_CONFIG when it was trained with other settings. */
  cyf_status (*collect)(cyf_stage_environment *environment, int64_t attribute, cyf_model *model);
} cyf_stage_type;

/** @{ */
/** The rows of the table, each in its stage_NAME.c. */
extern const cyf_stage_type cyf_stage_autoencoder;
extern const cyf_stage_type cyf_stage_encode;
extern const cyf_stage_type cyf_stage_denoiser;
extern const cyf_stage_type cyf_stage_classifier;
/** @} */

/** @{ */
/** The table, in the order in which a run takes the stages, and its length. */
extern const cyf_stage_type *const cyf_stages[];
extern const int cyf_n_stages;
/** @} */

/** A stage to be run, with its label column as an attribute of the atlas, or CYF_NO_COLUMN. */
typedef struct cyf_stage_job {
  const cyf_stage_type *type;
  int64_t attribute;
} cyf_stage_job;

/** Lists what `--stage WORD` asks for, in the table's order: a stage, "NAME:COLUMN" or "all", and the stages that these
 * are always run after. Logs which columns "all" leaves out. The caller frees *ret_jobs, [*ret_n], with cyf_free. Not
 * collective. Errors: CYF_ERR_USAGE for an unknown word or column. */
cyf_status cyf_stages_plan(const char *word, const cyf_atlas *atlas, cyf_stage_job **ret_jobs, int64_t *ret_n);
/** The COLUMN in a `word` that is "NAME:COLUMN" of this stage, else NULL. It points into word. */
const char *cyf_stage_column(const cyf_stage_type *type, const char *word);
/** Writes what `--stage` takes: "'autoencoder', 'encode', 'denoiser', 'classifier:COLUMN', 'all'". Returns `text`. */
const char *cyf_stages_text(char text[CYF_NAMES_LIST_BYTES]);

#endif
