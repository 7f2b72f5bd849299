/* SPDX-License-Identifier: MIT */
/** @file
 * A model from weights: PyTorch checkpoints of scDiffusion or SCimilarity, or an export's files. Texts belong to the
 * caller. */
#ifndef CYF_SAVED_IMPORT_H
#define CYF_SAVED_IMPORT_H

#include "saved/model_file.h"

/** The files of one classifier. */
typedef struct cyf_import_classifier {
  const char *attribute; /**< the label that it predicts: "cell_type" */
  const char *weights;   /**< path of its state dict */
  const char *labels; /**< one label a line, in the order of the classes; NULL: the file's own description names them */
} cyf_import_classifier;

/** The files that a model is made of, by path. */
typedef struct cyf_import_options {
  const char *folder;      /**< an export's folder, or its file of all modules: a whole model, nothing else is given */
  const char *autoencoder; /**< state dict of encoder and decoder, or NULL */
  const char *scimilarity; /**< directory of a SCimilarity model, or NULL; exactly one of the three is given */
  const char *denoiser;    /**< state dict; NULL: the model encodes and decodes only */
  const char *genes; /**< one a line; NULL: gene_order.tsv of the SCimilarity directory, or what the files describe */
  const cyf_import_classifier *classifiers; /**< [n_classifiers] */
  int64_t n_classifiers;
  const char *command_line; /**< kept in the model as its provenance */
} cyf_import_options;

/** Makes a model of PyTorch checkpoints and safetensors files. The layers' widths are inferred from the tensors,
 * checked against each other and logged. Files of an export describe their model (saved/exported.h), which is taken
 * over whole; otherwise the diffusion settings are the published ones (configs/paper.yaml), and a warning says so.
 * Files that describe different models are refused. The caller frees the model with cyf_model_destroy. Not collective.
 * Errors: CYF_ERR_INPUT naming file and tensor or both numbers that disagree, CYF_ERR_USAGE for an option that is
 * missing. */
cyf_status cyf_model_import(const cyf_import_options *options, cyf_device *device, cyf_model **ret_model);

#endif
