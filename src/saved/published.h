/* SPDX-License-Identifier: MIT */
/** @file
 * Published weights (PyTorch state dicts of scDiffusion and SCimilarity): which shape of model they are, whether every
 * tensor of it is there, and their way into a model. The numbers come from one file or from two halves. */
#ifndef CYF_SAVED_PUBLISHED_H
#define CYF_SAVED_PUBLISHED_H

#include "data/tables/labels.h"
#include "data/tensors/torch_file.h"
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/denoiser.h"

/** Files whose tensors together make one model; each file's names lack its prefix. */
typedef struct cyf_published {
  struct {
    cyf_torch_file *file;
    const char *prefix;
  } part[2];
  int n_parts;
} cyf_published;

/** One state dict with the model's own names. Not collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_published_open(const char *path, cyf_published *ret_published);
/** encoder.ckpt and decoder.ckpt of a SCimilarity directory, whose names lack "encoder." and "decoder.". */
cyf_status cyf_published_open_scimilarity(const char *directory, cyf_published *ret_published);
/** gene_order.tsv of the directory; freed with cyf_names_destroy. */
cyf_status cyf_published_scimilarity_genes(const char *directory, cyf_names *ret_genes);
void cyf_published_close(cyf_published *published); /**< NULL-safe, zeroes */

/** @{ */
/** The shapes, inferred from the tensors. Every tensor of such a model must be there with its shape, and no other
 * tensor. The classifier's dropout, which weights do not tell, is the published 0.1. Errors: CYF_ERR_INPUT naming
 * file, tensor and both shapes. */
cyf_status cyf_published_autoencoder(const cyf_published *published, cyf_autoencoder_config *ret_config);
cyf_status cyf_published_denoiser(const cyf_published *published, cyf_denoiser_config *ret_config);
cyf_status cyf_published_classifier(const cyf_published *published, cyf_classifier_config *ret_config);
/** @} */

/** One tensor of a layout in PyTorch's order; values[tensor->count]. Errors: CYF_ERR_INPUT, also for a value that is
 * not finite. */
cyf_status cyf_published_read(const cyf_published *published, const cyf_named_tensor *tensor, float *values);
/** All parameters and buffers of a model whose shape was checked. Not collective. */
cyf_status cyf_published_load(const cyf_published *published, cyf_parameters *parameters);

/** "[1024, 1024]" into text[size]. */
void cyf_widths_text(int n, const int64_t *widths, char *text, size_t size);

#endif
