/* SPDX-License-Identifier: MIT */
/** @file
 * A classifier of noisy latents, which guides sampling (Dhariwal & Nichol 2021). Three blocks, each Linear, plus the
 * timestep's embedding in the first two, BatchNorm, SiLU, dropout; then a Linear `out`. The tensors of emb_layers3 are
 * kept though nothing uses them, so that published checkpoints load and save unchanged; their gradient is zero.
 * Functions are not collective, but training calls `reducer`, which may be. */
#ifndef CYF_MODEL_CLASSIFIER_H
#define CYF_MODEL_CLASSIFIER_H

#include "base/rng.h"
#include "kernels/backend.h"
#include "model/autoencoder.h"
#include "model/loss_sums.h"
#include "model/parameters.h"
#include "model/time_path.h"

/** The shape of a model. */
typedef struct cyf_classifier_config {
  int64_t latent;    /**< width of the latent; 128 as published */
  int64_t n_classes; /**< at least 2 */
  int64_t hidden[3]; /**< [512, 512, 256] as published; hidden[0] is also the width of the timestep's embedding */
  double dropout;    /**< rate; 0.1 as published */
} cyf_classifier_config;

/** A model with its parameters on a device, which must outlive it. */
typedef struct cyf_classifier cyf_classifier;

/** Makes a model of this shape, all parameters zero; with_gradient 0: inference only. Tensor names: time_embed.{0,2},
 * fc{1,2,3}, emb_layers{1,2,3}.1, norm{1,2,3}, out. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_classifier_create(cyf_device *device, const cyf_classifier_config *config, int with_gradient,
                                 cyf_classifier **ret_classifier);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_classifier_layouts(const cyf_classifier_config *config, cyf_parameters *ret_parameters);
/** Frees the model with its parameters and sets *classifier to NULL. NULL-safe. */
void cyf_classifier_destroy(cyf_classifier **classifier);
/** PyTorch's default initialisation, each element by the seed, the tensor's name and its index. */
cyf_status cyf_classifier_init(cyf_classifier *classifier, uint64_t seed);
/** @{ */
/** The model's parameters and its shape; both stay the model's. */
cyf_parameters *cyf_classifier_parameters(cyf_classifier *classifier);
const cyf_classifier_config *cyf_classifier_get_config(const cyf_classifier *classifier);
/** @} */

/** What dropout masks are drawn by (base/rng.h). */
typedef struct cyf_dropout_stream {
  cyf_rng_key key; /**< of CYF_RNG_DROPOUT */
  uint32_t step;
  const int64_t *position; /**< [n] device: the cells' places in the global batch */
} cyf_dropout_stream;

/** Forward and backward pass over n cells of this rank: adds the gradient of (sum over local cells of weight *
 * cross-entropy) / weight_global. weight_global > 0 is the sum of the labelled cells' weights over all ranks.
 *
 * x_t[n, latent] and label[n] are on the device, t_host[n] on the host. A cell of label -1 has no loss, but is part of
 * the batch statistics, which are taken over n_global cells by the reducer. class_weight[classes] (device) NULL: ones;
 * dropout NULL: none. n may be 0. *ret_result gets sums over the local labelled cells, the loss among them weighted.
 * The device's next synchronize() writes it, so it must live until then. */
cyf_status cyf_classifier_train_step(cyf_classifier *classifier, int64_t n, const float *x_t, const int32_t *t_host,
                                     const int32_t *label, const float *class_weight, int64_t n_global,
                                     double weight_global, const cyf_dropout_stream *dropout,
                                     const cyf_reducer *reducer, cyf_loss_sums *ret_result);
/** logits[n, classes] with running statistics; t_host[n] on the host, a timestep for each cell. Threads may call it at
 * the same time, each with its own scratch. */
cyf_status cyf_classifier_logits(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n, const float *x_t,
                                 const int32_t *t_host, float *logits);
/** gradient[n, latent] += d/dx_t sum_k weight[k*n+i] log p(label[k*n+i] | x_t[i], t), k < n_terms. Running statistics,
 * one timestep for all cells (rows: one row, rows->row NULL). label, weight [n_terms][n] are on the device; label -1:
 * no term. It uses operations of the work queue alone, so that it can be part of a graph (kernels/backend.h). Threads
 * as for logits. */
cyf_status cyf_classifier_guidance_rows(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n,
                                        const float *x_t, const cyf_time_rows *rows, int n_terms, const int32_t *label,
                                        const float *weight, float *gradient);

#endif
