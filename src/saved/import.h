/* SPDX-License-Identifier: MIT */
/** @file
 * A model from published weights. */
#ifndef CYF_SAVED_IMPORT_H
#define CYF_SAVED_IMPORT_H

#include "saved/model_file.h"

typedef struct cyf_import_classifier {
  const char *attribute; /**< "cell_type" */
  const char *weights;   /**< state dict */
  const char *labels;    /**< one label a line, in the order of the classes */
} cyf_import_classifier;

typedef struct cyf_import_options {
  const char *autoencoder; /**< state dict of encoder and decoder, or NULL */
  const char *scimilarity; /**< directory, or NULL; exactly one of the two */
  const char *denoiser;    /**< NULL: the model encodes and decodes only */
  const char *genes;       /**< one a line; NULL: gene_order.tsv of the SCimilarity directory */
  const cyf_import_classifier *classifiers;
  int64_t n_classifiers;
  const char *command_line; /**< provenance */
} cyf_import_options;

/** Makes a model of PyTorch checkpoints: infers the shapes, checks them against each other and reports them in the log;
 * diffusion settings are the published ones (configs/paper.yaml). The caller destroys the model. Not collective.
 * Errors: CYF_ERR_INPUT naming file and tensor or both numbers that disagree. */
cyf_status cyf_model_import(const cyf_import_options *options, cyf_device *device, cyf_model **ret_model);

#endif
