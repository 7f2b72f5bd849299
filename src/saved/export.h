/* SPDX-License-Identifier: MIT */
/** @file
 * A model's weights as files that PyTorch reads. */
#ifndef CYF_SAVED_EXPORT_H
#define CYF_SAVED_EXPORT_H

#include "saved/model_file.h"

/** How many files the weights go to, and what their tensors are called. */
typedef enum cyf_export_format {
  CYF_EXPORT_SAFETENSORS,  /**< all in model.safetensors; names begin with autoencoder., denoiser. or classifiers.N. */
  CYF_EXPORT_PYTORCH_NAMES /**< one file for each module, with exactly the names of its published state dict */
} cyf_export_format;

/** Writes the weights as safetensors with all that describes the model (saved/exported.h), the gene list, each
 * attribute's labels, cytoforge_modules.py and a README into the directory. The directory is made where it is missing;
 * files there with these names are replaced. Not collective. Errors: CYF_ERR_IO, CYF_ERR_INPUT for names that are not
 * UTF-8. */
cyf_status cyf_model_export(const cyf_model *model, cyf_export_format format, const char *directory);

#endif
