/* SPDX-License-Identifier: MIT */
/** @file
 * What an exported file says of its model beside the weights: a JSON text in the file's metadata, the same in every
 * file of an export. It carries what model.h5 does, but for where and when the model was made, so that equal models
 * make equal files. */
#ifndef CYF_SAVED_EXPORTED_H
#define CYF_SAVED_EXPORTED_H

#include "saved/model_file.h"

/** Keys of the metadata: the text, and which module's tensors the file holds. */
#define CYF_EXPORTED_MODEL "cytoforge"
#define CYF_EXPORTED_MODULE "cytoforge_module"
/** Values of the second: all modules, or one. Classifiers are "classifier_N", N their attribute's place. */
#define CYF_EXPORTED_WHOLE "model"
#define CYF_EXPORTED_AUTOENCODER "autoencoder"
#define CYF_EXPORTED_DENOISER "denoiser"
#define CYF_EXPORTED_CLASSIFIER "classifier_%lld"
/** What stands before the names of a module's tensors in a file of all. */
#define CYF_EXPORTED_CLASSIFIER_PREFIX "classifiers.%lld."

/** Bytes of a module's name or prefix. */
enum { CYF_EXPORTED_NAME_BYTES = 64 };

/** What the text says. */
typedef struct cyf_exported {
  cyf_model *model; /**< without weights and schedule: autoencoder, denoiser and classifiers are NULL */
  bool has_denoiser;
  bool *has_classifier;     /**< [model->n_attributes] */
  uint64_t autoencoder_sum; /**< cyf_parameters_checksum of its autoencoder */
} cyf_exported;

/** Makes the text, freed with cyf_free. Not collective. Errors: CYF_ERR_INPUT for a name that JSON cannot carry. */
cyf_status cyf_exported_text(const cyf_model *model, char **ret_text);
/** Reads it; `name` stands for the file in messages. Destroyed with cyf_exported_destroy. Errors: CYF_ERR_INPUT, also
 * for a text of a later version. */
cyf_status cyf_exported_read(const char *name, const char *text, cyf_exported *ret_exported);
void cyf_exported_destroy(cyf_exported *exported); /**< NULL-safe, zeroes */

#endif
