/* SPDX-License-Identifier: MIT */
/** @file
 * Checkpoints of one training stage: RUN/checkpoints/STAGE-00001000.h5 while it runs, STAGE-final.h5 when it is done.
 * Each is written to a temporary name, fsynced and renamed; every dataset carries a checksum. Rank 0 writes, every rank
 * reads. `stage` is the stem of the files' names (cyf_stage_stem). Functions are not collective, but for
 * cyf_checkpoint_load. */
#ifndef CYF_TRAIN_CHECKPOINT_H
#define CYF_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/loader/loader.h"
#include "train/optimizer.h"

/** The most items that an identity has, and the bytes of a value with its final zero. */
enum { CYF_IDENTITY_ITEMS_MAX = 32, CYF_IDENTITY_TEXT_MAX = 128 };
/** What a checkpoint belongs to: settings by name, as text. Items of the model (shapes, diffusion, what it was trained
 * on) must agree wherever its weights are used. Items of the stream of batches (seed, lanes, batches) must agree only
 * where training goes on; otherwise it would not get the same batches. */
typedef struct cyf_identity {
  char computed_in[16]; /**< "cuda, bf16": kept in the file for the record, never compared; "": unknown */
  int n;
  struct {
    const char *key;    /**< as in the configuration, or "atlas", "autoencoder weights", "label column" */
    const char *absent; /**< the value that files from before there was this key stand for; "none" unless changed */
    bool of_model;      /**< an item of the model; false: of the stream */
    char value[CYF_IDENTITY_TEXT_MAX];
  } item[CYF_IDENTITY_ITEMS_MAX]; /**< [n] */
} cyf_identity;

/** Appends an item, its value as printf makes it, cut off at CYF_IDENTITY_TEXT_MAX. key must outlive the identity. */
void cyf_identity_add(cyf_identity *identity, bool of_model, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The state of a stage beside its parameters. */
typedef struct cyf_stage_state {
  int64_t step;      /**< updates done */
  cyf_cursor cursor; /**< of the next batch */
  double best_loss;  /**< best validation loss, INFINITY before the first */
  int64_t n_worse;   /**< validations since the best one */
} cyf_stage_state;

/** Writes the weights, the optimiser's moments and the stage's state; call it on rank 0. A final checkpoint has the
 * weights to use, the moving average (EMA) if there is one, and no moments. Of the ordinary checkpoints the newest
 * `keep` stay. Errors: CYF_ERR_IO, CYF_ERR_NUMERIC where a number is not finite (the old checkpoints stay). */
cyf_status cyf_checkpoint_save(const char *directory, const char *stage, const cyf_identity *identity,
                               const cyf_stage_state *state, const cyf_optimizer *optimizer, bool final, int64_t keep);
/** Loads the newest undamaged checkpoint of the stage, the same one on every rank; damaged ones are passed over with a
 * warning. *ret_found false: there is no checkpoint. Collective. Errors: CYF_ERR_CONFIG when the identity differs,
 * naming the setting and both values; CYF_ERR_INPUT when all are damaged. */
cyf_status cyf_checkpoint_load(cyf_comm *comm, const char *directory, const char *stage, const cyf_identity *identity,
                               cyf_stage_state *ret_state, cyf_optimizer *optimizer, bool *ret_found);
/** Loads STAGE-final.h5 into parameters (value and buffer). identity (NULL: not checked): its items of the model must
 * agree. Errors: CYF_ERR_CONFIG on another identity (nothing is loaded), CYF_ERR_INPUT when damaged. */
cyf_status cyf_checkpoint_load_final(const char *directory, const char *stage, const cyf_identity *identity,
                                     cyf_parameters *parameters);

/** *ret_complete: STAGE-final.h5 is there and was planned for at least `steps` updates. A run whose steps were raised
 * goes on from its last checkpoint instead. Errors: CYF_ERR_CONFIG on another identity, CYF_ERR_INPUT when damaged. */
cyf_status cyf_checkpoint_is_complete(const char *directory, const char *stage, const cyf_identity *identity,
                                      int64_t steps, bool *ret_complete);
/** Whether STAGE-final.h5 is there, whatever it belongs to. Errors: CYF_ERR_IO where that cannot be told. */
cyf_status cyf_checkpoint_has_final(const char *directory, const char *stage, bool *ret_has);

/** How far the stage has come. *ret_steps: updates by its newest ordinary checkpoint; of a finished stage those that it
 * was finished with; -1 where it left no checkpoint. Errors: CYF_ERR_INPUT when the final file is damaged, CYF_ERR_IO
 * where that cannot be told. Not collective. */
cyf_status cyf_checkpoint_reached(const char *directory, const char *stage, int64_t *ret_steps, bool *ret_is_final);

/** Whether the stage has any checkpoint. Errors: CYF_ERR_IO where that cannot be told. */
cyf_status cyf_checkpoint_has_any(const char *directory, const char *stage, bool *ret_has);
/** Removes all checkpoints of the stage. Errors: CYF_ERR_IO. */
cyf_status cyf_checkpoint_remove(const char *directory, const char *stage);

#endif
