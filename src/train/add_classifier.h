/* SPDX-License-Identifier: MIT */
/** @file
 * A classifier for a model that is finished already: trained on the model's own latents and put into its file. */
#ifndef CYF_TRAIN_ADD_CLASSIFIER_H
#define CYF_TRAIN_ADD_CLASSIFIER_H

#include <stdbool.h>

#include "base/status.h"
#include "comm/comm.h"
#include "kernels/device.h"

typedef struct cyf_add_classifier_options {
  const char *model;            /**< model.h5, replaced at the end */
  const char *atlas;            /**< directory; its genes are the model's */
  const char *attribute;        /**< label column of the atlas */
  const char *directory;        /**< for latents and checkpoints, kept; NULL: beside the model, removed at the end */
  int64_t n_overrides;          /**< "classifier.steps=5000"; what belongs to the model is refused */
  const char *const *overrides; /**< [n_overrides] */
  bool resume, force;           /**< force: also replaces a classifier that the model has */
  const char *command_line;     /**< provenance */
} cyf_add_classifier_options;

/** Encodes the atlas with the model's autoencoder, trains the classifier with the model's settings and the overrides,
 * and writes the model file anew, atomically: autoencoder, denoiser and the other classifiers stay bit for bit. A model
 * that gained or lost another classifier meanwhile keeps that. Collective. Errors: CYF_ERR_USAGE (attribute),
 * CYF_ERR_CONFIG (an override that belongs to the model), CYF_ERR_INPUT (another gene list; the model's autoencoder has
 * changed meanwhile), CYF_ERR_IO (the model has this classifier and no force), and those of the stages. */
cyf_status cyf_add_classifier(cyf_comm *comm, cyf_device *device, const cyf_add_classifier_options *options);

#endif
