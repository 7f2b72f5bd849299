/* SPDX-License-Identifier: MIT */
/** @file
 * model.h5: everything sampling needs in one file. */
#ifndef CYF_SAVED_MODEL_FILE_H
#define CYF_SAVED_MODEL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/h5ad/reader.h"
#include "data/tables/labels.h"
#include "model/diffusion/schedule.h"
#include "saved/settings.h"

/** An attribute of the atlas: its label names and, where it was trained, its classifier (NULL otherwise). */
typedef struct cyf_model_attribute {
  char *name;
  cyf_names categories;
  int64_t *n_cells; /**< [categories.n] cells of each category in the atlas */
  cyf_classifier *classifier;
  char *provenance; /**< atlas, time and command of a classifier that was added later; NULL: the model's */
} cyf_model_attribute;

typedef struct cyf_model {
  cyf_device *device; /**< not owned */
  cyf_settings settings;
  char *atlas_fingerprint, *created, *command_line, *version;
  char *runs; /**< what was run for it: lines of RUN/runs.jsonl (train/run_record.h); NULL in files without */
  cyf_expression_kind kind; /**< of the atlas */
  cyf_names genes;
  cyf_autoencoder *autoencoder;
  cyf_denoiser *denoiser; /**< NULL in an imported model that came without one: it encodes and decodes */
  cyf_schedule *schedule; /**< full */
  double latent_scale;
  cyf_model_attribute *attributes;
  int64_t n_attributes;
} cyf_model;

/** Reads the whole file; models are for inference. Not collective. Errors: CYF_ERR_INPUT naming the file and the part.
 */
cyf_status cyf_model_load(const char *path, cyf_device *device, cyf_model **ret_model);
void cyf_model_destroy(cyf_model **model);
/** Writes the file atomically. Errors: CYF_ERR_IO. */
cyf_status cyf_model_save(const cyf_model *model, const char *path);

/** @{ */
/** The lock of a model file, MODEL.lock beside it: whoever writes the file holds it, from before it is read where what
 * is there is kept. Readers need none. Another run that writes it is waited for, wait_s at most. *ret_lock is -1 on
 * failure, and ignored by the release. Errors: those of cyf_lock_take and cyf_output_target. */
cyf_status cyf_model_lock(const char *path, const char *command, double wait_s, int *ret_lock);
void cyf_model_unlock(const char *path, int *lock);
/** @} */

/** Frees what the attribute holds, not the struct. */
void cyf_model_attribute_destroy(cyf_model_attribute *attribute);

/** Index of the attribute, -1 when absent. */
int64_t cyf_model_attribute_index(const cyf_model *model, const char *name);
/** True when the model has a classifier for an attribute of this name. */
bool cyf_model_has_classifier(const cyf_model *model, const char *name);
/** The attribute's place, emptied, or a new one at the end; the caller fills it, with a name of its own. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_model_make_place(cyf_model *model, const char *name, cyf_model_attribute **ret_place);

/** Index of the attribute, or an error listing those there are. */
cyf_status cyf_model_find_attribute(const cyf_model *model, const char *name, int64_t *ret_index);
/** Which of the denoiser's conditions an attribute is (classifier-free guidance); -1: none. */
int cyf_model_condition(const cyf_model *model, const char *attribute);
/** The code of the one value that all cells of the atlas have, -1 where there is none: several values have cells, or
 * some cells are known to have no label. */
int64_t cyf_model_common_value(const cyf_model *model, int64_t attribute);
/** Code of a value of an attribute, found so, or an error naming the nearest and listing the known ones. */
cyf_status cyf_model_find_value(const cyf_model_attribute *attribute, const char *value, int64_t *ret_code);

#endif
