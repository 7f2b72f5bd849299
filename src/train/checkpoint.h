/* SPDX-License-Identifier: MIT */
/** @file
 * Checkpoints of one training stage: RUN/checkpoints/STAGE-00001000.h5 while it runs, STAGE-final.h5 when it is done.
 * Each is written to a temporary name, fsynced and renamed; every dataset carries a checksum. Rank 0 writes, every rank
 * reads. */
#ifndef CYF_TRAIN_CHECKPOINT_H
#define CYF_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/loader/loader.h"
#include "train/optimizer.h"

/** What a checkpoint belongs to: settings by name, as text. The model's own (shapes, diffusion, what it was trained on)
 * must agree wherever its weights are used; the stream's (seed, lanes, batches) must agree only where training goes on,
 * or the batches would not be the same. */
enum { CYF_IDENTITY_ITEMS_MAX = 32, CYF_IDENTITY_TEXT_MAX = 128 };
typedef struct cyf_identity {
  char computed_in[16]; /**< "cuda, bf16": kept in the file for the record, never compared; "": unknown */
  int n;
  struct {
    const char *key;    /**< as in the configuration, or "atlas", "autoencoder weights", "label column" */
    const char *absent; /**< what files from before there was this key stand for; "none" unless changed */
    bool of_model;
    char value[CYF_IDENTITY_TEXT_MAX];
  } item[CYF_IDENTITY_ITEMS_MAX];
} cyf_identity;

/** Appends an item (printf style; cut off at CYF_IDENTITY_TEXT_MAX). key must outlive the identity. */
void cyf_identity_add(cyf_identity *identity, bool of_model, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The state of a stage beside its parameters. */
typedef struct cyf_stage_state {
  int64_t step;      /**< updates done */
  cyf_cursor cursor; /**< of the next batch */
  double best_loss;  /**< best validation loss, INFINITY before the first */
  int64_t n_worse;   /**< validations since */
} cyf_stage_state;

/** Writes optimizer, parameters, buffers and state. final: the stage's end, without the optimiser's moments (weights
 * are the EMA's if there is one); the newest `keep` ordinary checkpoints stay. Call on rank 0. Errors: CYF_ERR_IO (the
 * old checkpoints stay). */
cyf_status cyf_checkpoint_save(const char *directory, const char *stage, const cyf_identity *identity,
                               const cyf_stage_state *state, const cyf_optimizer *optimizer, bool final, int64_t keep);
/** Looks for the newest whole checkpoint of the stage and loads it; damaged ones are said and passed over. *ret_found
 * false: there is none. The same file on every rank (rank 0 chooses). Collective. Errors: CYF_ERR_CONFIG when the
 * identity differs (names the setting and both values). */
cyf_status cyf_checkpoint_load(cyf_comm *comm, const char *directory, const char *stage, const cyf_identity *identity,
                               cyf_stage_state *ret_state, cyf_optimizer *optimizer, bool *ret_found);
/** Loads STAGE-final.h5 into parameters (value and buffer). identity (NULL: not checked): the model's items must agree.
 * Not collective. Errors: CYF_ERR_CONFIG on another identity (nothing is loaded), CYF_ERR_INPUT when damaged. */
cyf_status cyf_checkpoint_load_final(const char *directory, const char *stage, const cyf_identity *identity,
                                     cyf_parameters *parameters);

/** @{ */
/** True when the stage's final file is there, belongs to this identity and was planned for at least `steps` updates (a
 * run whose steps were raised goes on from its last checkpoint). Errors: CYF_ERR_CONFIG on another identity,
 * CYF_ERR_INPUT when damaged. Not collective. */
cyf_status cyf_checkpoint_is_complete(const char *directory, const char *stage, const cyf_identity *identity,
                                      int64_t steps, bool *ret_complete);
bool cyf_checkpoint_has_final(const char *directory, const char *stage);
/** @} */

/** How far the stage has come: *ret_steps updates by its newest ordinary checkpoint or, where it is finished, the steps
 * that it was finished with; -1 where it left no checkpoint. Errors: CYF_ERR_INPUT when the final file is damaged. Not
 * collective. */
cyf_status cyf_checkpoint_reached(const char *directory, const char *stage, int64_t *ret_steps, bool *ret_is_final);

/** True when the stage left any checkpoint. */
bool cyf_checkpoint_has_any(const char *directory, const char *stage);
/** Removes all files of the stage. */
cyf_status cyf_checkpoint_remove(const char *directory, const char *stage);

#endif
