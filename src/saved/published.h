/* SPDX-License-Identifier: MIT */
/** @file
 * Published weights: PyTorch state dicts of scDiffusion and SCimilarity, and exported files with such names. The
 * functions infer a model's shape from them, check that every tensor is there, and copy the numbers into a model. No
 * function here is collective. */
#ifndef CYF_SAVED_PUBLISHED_H
#define CYF_SAVED_PUBLISHED_H

#include "data/tables/labels.h"
#include "data/tensors/weights_file.h"
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/denoiser.h"

/** One file, or two, whose tensors together make one model. */
typedef struct cyf_published {
  struct {
    cyf_weights_file *file; /**< owned */
    const char *prefix;     /**< what the file's names lack of the model's: "encoder."; static */
  } part[2];                /**< [n_parts] */
  int n_parts;
} cyf_published;

/** Opens one state dict, whose names are the model's own; behind `prefix` where the file is an export that holds every
 * module of a model. Not collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_published_open(const char *path, const char *prefix, cyf_published *ret_published);
/** What the (first) file carries about the model that it was exported from (saved/exported.h), and which of its modules
 * it holds; NULL: nothing. Owned by the file. */
const char *cyf_published_model(const cyf_published *published);
const char *cyf_published_module(const cyf_published *published);
/** The (first) file's path, as it was given. */
const char *cyf_published_path(const cyf_published *published);
/** Opens encoder.ckpt and decoder.ckpt of a SCimilarity directory, whose names lack "encoder." and "decoder.". Errors:
 * CYF_ERR_INPUT. */
cyf_status cyf_published_open_scimilarity(const char *directory, cyf_published *ret_published);
/** Reads gene_order.tsv of a SCimilarity directory. The caller frees the names with cyf_names_destroy. Errors:
 * CYF_ERR_INPUT. */
cyf_status cyf_published_scimilarity_genes(const char *directory, cyf_names *ret_genes);
/** Closes the files and zeroes the struct. NULL-safe. */
void cyf_published_close(cyf_published *published);

/** @{ */
/** Infers the model's shape from the tensors, also that of models of counts and of conditioned denoisers. Every tensor
 * of such a model must be there with its shape, and no other. The classifier's dropout, which weights do not tell, is
 * the published 0.1. Errors: CYF_ERR_INPUT naming file, tensor and both shapes. */
cyf_status cyf_published_autoencoder(const cyf_published *published, cyf_autoencoder_config *ret_config);
cyf_status cyf_published_denoiser(const cyf_published *published, cyf_denoiser_config *ret_config);
cyf_status cyf_published_classifier(const cyf_published *published, cyf_classifier_config *ret_config);
/** @} */

/** Reads one tensor of a layout into values[tensor->count], in PyTorch's order of axes. Errors: CYF_ERR_INPUT, also for
 * a value that is not finite. */
cyf_status cyf_published_read(const cyf_published *published, const cyf_named_tensor *tensor, float *values);
/** Copies all parameters and buffers into a model of the shape that was inferred. Errors: CYF_ERR_INPUT,
 * CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_published_load(const cyf_published *published, cyf_parameters *parameters);

/** Writes widths[n] as "[1024, 1024]" into text[size]. */
void cyf_widths_text(int n, const int64_t *widths, char *text, size_t size);

#endif
