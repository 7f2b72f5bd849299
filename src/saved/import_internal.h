/* SPDX-License-Identifier: MIT */
/** @file
 * What import.c, import_described.c and import_weights.c share. Private to saved. */
#ifndef CYF_SAVED_IMPORT_INTERNAL_H
#define CYF_SAVED_IMPORT_INTERNAL_H

#include "saved/exported.h"
#include "saved/import.h"
#include "saved/published.h"

/** Bytes of a list of widths in a message. */
enum { CYF_IMPORT_WIDTHS_BYTES = 256 };

/** What is being imported: opened files and their shapes, before any model is made. */
typedef struct import {
  const cyf_import_options *options;
  cyf_device *device;
  /* The files, as the options name them or as they lie in a folder. */
  const char *autoencoder_path, *denoiser_path; /**< NULL: a SCimilarity directory; no denoiser */
  const cyf_import_classifier *from;            /**< [n_classifiers] */
  int64_t n_classifiers;
  cyf_published autoencoder, denoiser, *classifier; /**< [n_classifiers] */
  cyf_autoencoder_config autoencoder_config;
  cyf_denoiser_config denoiser_config;
  cyf_classifier_config *classifier_config; /**< [n_classifiers] */
  cyf_names genes, *labels;                 /**< [n_classifiers], from lists of their own; empty: described */
  bool described;                           /**< some file describes its model */
  cyf_exported exported;
  char *description;      /**< the text, and the file that has it */
  char *description_path; /**< owned, like all below */
  char *folder_path[2];   /**< of autoencoder and denoiser */
  cyf_import_classifier *folder_classifier;
} import;

/** @{ */
/** Finds what the files say of their model: of an export's folder (or file), whose files then become m's, or of the
 * files that the options name. Errors: CYF_ERR_INPUT where two describe different models. */
cyf_status cyf_import_find_folder(import *m);
cyf_status cyf_import_find_description(import *m);
/** @} */
void cyf_import_forget_description(import *m);
/** The model as it was described, with the files' weights; moves what it needs out of m->exported. */
cyf_status cyf_import_fill_described(import *m, cyf_model *model);

/** @{ */
/** Makes model->autoencoder and model->denoiser (where there is a file of one), or an attribute's classifier of the
 * k-th file, of the files' weights. */
cyf_status cyf_import_weights(const import *m, const cyf_autoencoder_config *autoencoder,
                              const cyf_denoiser_config *denoiser, cyf_model *model);
cyf_status cyf_import_classifier_weights(const import *m, int64_t k, const cyf_classifier_config *config,
                                         cyf_model_attribute *to);
/** @} */

#endif
