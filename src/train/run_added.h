/* SPDX-License-Identifier: MIT */
/** @file
 * Classifiers that were added to a run's model.h5 (train -m). They outlive a later write of that file. Not collective:
 * rank 0 calls. */
#ifndef CYF_TRAIN_RUN_ADDED_H
#define CYF_TRAIN_RUN_ADDED_H

#include "saved/model_file.h"

/** Whether the model.h5 at `path` can be read, where there is one: what was added to it would be lost otherwise.
 * Errors: CYF_ERR_INPUT (it cannot be read; the message says what to do), CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_added_check(const char *path);

/** Moves into `model` the classifiers that were added to the model.h5 at `path`, for attributes for which `model` has
 * none. Nothing moves where there is no such file, or where its latents are other ones. Errors: as above. */
cyf_status cyf_added_keep(const char *path, cyf_model *model);

#endif
