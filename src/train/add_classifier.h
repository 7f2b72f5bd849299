/* SPDX-License-Identifier: MIT */
/** @file
 * A classifier for a model that is finished already: trained on the model's own latents and put into its file. */
#ifndef CYF_TRAIN_ADD_CLASSIFIER_H
#define CYF_TRAIN_ADD_CLASSIFIER_H

#include <stdbool.h>

#include "base/status.h"
#include "comm/comm.h"
#include "kernels/device.h"

/** What to train and where; texts belong to the caller. */
typedef struct cyf_add_classifier_options {
  const char *model;            /**< model.h5, replaced at the end */
  const char *atlas;            /**< directory; its genes are the model's */
  const char *attribute;        /**< label column of the atlas */
  const char *directory;        /**< for latents and checkpoints, kept; NULL: beside the model, removed at the end */
  int64_t n_overrides;          /**< "classifier.steps=5000"; what belongs to the model is refused */
  const char *const *overrides; /**< [n_overrides] */
  bool resume, force;           /**< go on from checkpoints; start over, and replace a classifier that the model has */
  const char *command_line;     /**< kept with the classifier as its provenance */
} cyf_add_classifier_options;

/** Encodes the atlas with the model's autoencoder, trains the classifier, and writes the model file anew with it. The
 * settings are the model's with the overrides. The file is replaced atomically; autoencoder, denoiser and the other
 * classifiers stay bit for bit. Classifiers that others added or removed during the training stay so. Collective.
 * Errors: those of the stages; CYF_ERR_USAGE (attribute), CYF_ERR_CONFIG (an override that belongs to the model);
 * CYF_ERR_INPUT (another gene list; the file's autoencoder has changed meanwhile). Without force also CYF_ERR_IO, where
 * the model has a classifier for the attribute. */
cyf_status cyf_add_classifier(cyf_comm *comm, cyf_device *device, const cyf_add_classifier_options *options);

#endif
