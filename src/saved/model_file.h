/* SPDX-License-Identifier: MIT */
/** @file
 * model.h5: everything that sampling needs in one file. No function here is collective. */
#ifndef CYF_SAVED_MODEL_FILE_H
#define CYF_SAVED_MODEL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/h5ad/values.h"
#include "data/tables/labels.h"
#include "model/diffusion/schedule.h"
#include "saved/settings.h"

/** An attribute (label column) of the atlas that the model was trained on. Owns its members. */
typedef struct cyf_model_attribute {
  char *name;
  cyf_names categories;
  int64_t *n_cells;           /**< [categories.n] cells of each category in the atlas; all 0 in an imported model */
  cyf_classifier *classifier; /**< NULL: none was trained */
  double *guidance; /**< [categories.n] usual strength of guidance to each category (calibrate/calibrate.h), a multiple
                       of 0.01; NULL: it was not calibrated */
  char *provenance; /**< atlas, time and command of a classifier that was added later; NULL: the model's */
} cyf_model_attribute;

/** A trained model in memory. Owns its members but for the device. */
typedef struct cyf_model {
  cyf_device *device;                                         /**< that the weights lie on; not owned */
  cyf_settings settings;                                      /**< that it was trained with */
  char *atlas_fingerprint, *created, *command_line, *version; /**< provenance */
  char *runs; /**< what was run for it: lines of RUN/runs.jsonl (train/run_record.h); NULL in files without */
  char *path; /**< of the file it was read from; NULL: of none */
  cyf_expression_kind kind; /**< of the atlas' cells */
  double target;   /**< the scale that it takes and gives is log1p(x), x of a cell adding up to this; 0: unknown */
  cyf_names genes; /**< in the order of the network's input */
  cyf_autoencoder *autoencoder;
  cyf_denoiser *denoiser;          /**< NULL in an imported model that came without one: it encodes and decodes */
  cyf_schedule *schedule;          /**< of all timesteps that the denoiser was trained on */
  double latent_scale;             /**< what a unit-length latent is multiplied by before it is diffused */
  cyf_model_attribute *attributes; /**< [n_attributes] */
  int64_t n_attributes;
} cyf_model;

/** Reads the whole file into a model for inference: it has no gradients. The caller frees it with cyf_model_destroy,
 * before the device. Errors: CYF_ERR_INPUT naming the file and what is wrong in it, CYF_ERR_NUMERIC naming a tensor
 * that is not finite. */
cyf_status cyf_model_load(const char *path, cyf_device *device, cyf_model **ret_model);
/** Frees the model and sets *model to NULL. NULL-safe. */
void cyf_model_destroy(cyf_model **model);
/** Writes the file atomically: a reader finds the old file or the whole new one. Errors: CYF_ERR_IO. */
cyf_status cyf_model_save(const cyf_model *model, const char *path);

/** @{ */
/** The lock of a model file, MODEL.lock beside it: whoever writes the file holds it, from before it is read where what
 * is there is kept. Readers need none. Another run that writes it is waited for, wait_s at most. *ret_lock is -1 on
 * failure, and ignored by the release. Errors: those of cyf_lock_take and cyf_output_target. */
cyf_status cyf_model_lock(const char *path, const char *command, double wait_s, int *ret_lock);
void cyf_model_unlock(const char *path, int *lock);
/** @} */

/** Gives the attribute strengths of guidance, hundredths[n] of 1, which `source` holds. Errors: CYF_ERR_INPUT where
 * they are not one from 0 to 100 for each category, CYF_ERR_MEMORY. */
cyf_status cyf_model_set_guidance(int64_t n, const int64_t *hundredths, const char *source,
                                  cyf_model_attribute *attribute);

/** Frees what the attribute holds, not the struct. */
void cyf_model_attribute_destroy(cyf_model_attribute *attribute);

/** The place of an attribute in model->attributes, -1 when there is none of this name. */
int64_t cyf_model_attribute_index(const cyf_model *model, const char *name);
/** True when the model has a classifier for an attribute of this name. */
bool cyf_model_has_classifier(const cyf_model *model, const char *name);
/** Gives an empty entry of model->attributes for an attribute of this name. An earlier one is emptied, else one is
 * appended. The caller fills it, the name included. The pointer is valid until the next call. Errors: CYF_ERR_MEMORY.
 */
cyf_status cyf_model_make_place(cyf_model *model, const char *name, cyf_model_attribute **ret_place);

/** As cyf_model_attribute_index, but an unknown name is an error. Errors: CYF_ERR_USAGE naming the nearest attribute
 * and all known ones. */
cyf_status cyf_model_find_attribute(const cyf_model *model, const char *name, int64_t *ret_index);
/** The attribute's place among the labels that the denoiser is told (for classifier-free guidance); -1: it is none. */
int cyf_model_condition(const cyf_model *model, const char *attribute);
/** The code of the one value that all cells of the atlas have; -1 where there is none. There is none where several
 * values have cells, or some cells are known to have no label. */
int64_t cyf_model_common_value(const cyf_model *model, int64_t attribute);
/** Whether a classifier could learn to tell the attribute's values apart: cells of the atlas have two of them, or that
 * is not known. */
bool cyf_model_has_classes(const cyf_model *model, int64_t attribute);
/** The code of an attribute's value, given as text. Errors: CYF_ERR_USAGE naming the nearest value and all known ones.
 */
cyf_status cyf_model_find_value(const cyf_model_attribute *attribute, const char *value, int64_t *ret_code);

#endif
