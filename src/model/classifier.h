/* SPDX-License-Identifier: MIT */
/** @file
 * A classifier of noisy latents: [fc1, fc2, fc3] + time (not in the third block) -> BatchNorm -> SiLU -> dropout, then
 * `out`. emb_layers3 is kept, unused, so that published checkpoints load and save strictly (its gradient is zero). */
#ifndef CYF_MODEL_CLASSIFIER_H
#define CYF_MODEL_CLASSIFIER_H

#include "base/rng.h"
#include "kernels/backend.h"
#include "model/autoencoder.h"
#include "model/loss_sums.h"
#include "model/parameters.h"
#include "model/time_path.h"

typedef struct cyf_classifier_config {
  int64_t latent;    /**< 128 */
  int64_t n_classes; /**< at least 2 */
  int64_t hidden[3]; /**< [512, 512, 256]; the time width is hidden[0] */
  double dropout;    /**< 0.1 */
} cyf_classifier_config;

typedef struct cyf_classifier cyf_classifier;

/** Tensor names: time_embed.{0,2}, fc{1,2,3}, emb_layers{1,2,3}.1, norm{1,2,3}, out. */
cyf_status cyf_classifier_create(cyf_device *device, const cyf_classifier_config *config, int with_gradient,
                                 cyf_classifier **ret_classifier);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_classifier_layouts(const cyf_classifier_config *config, cyf_parameters *ret_parameters);
void cyf_classifier_destroy(cyf_classifier **classifier);
cyf_status cyf_classifier_init(cyf_classifier *classifier, uint64_t seed);
cyf_parameters *cyf_classifier_parameters(cyf_classifier *classifier);
const cyf_classifier_config *cyf_classifier_get_config(const cyf_classifier *classifier);

typedef struct cyf_dropout_stream { /* where dropout masks come from; key of CYF_RNG_DROPOUT */
  cyf_rng_key key;
  uint32_t step;
  const int64_t *position; /**< [n] device */
} cyf_dropout_stream;

/** Adds the gradient of sum_local weight*CE / weight_global (the sum of labelled weights over all ranks, > 0). x_t[n,
 * latent] device; t host [n]; label[n] device, -1: skipped by the loss, still part of the batch statistics;
 * class_weight[classes] device or NULL. Batch statistics over n_global cells through the reducer. dropout NULL: none. n
 * may be 0. *ret_result, sums over the local labelled cells (loss: of weight * cross-entropy), is written by the
 * device's next synchronize() and must live until then. */
cyf_status cyf_classifier_train_step(cyf_classifier *classifier, int64_t n, const float *x_t, const int32_t *t_host,
                                     const int32_t *label, const float *class_weight, int64_t n_global,
                                     double weight_global, const cyf_dropout_stream *dropout,
                                     const cyf_reducer *reducer, cyf_loss_sums *ret_result);
/** logits[n, classes] with running statistics, a timestep a cell. Thread-safe with one's own scratch. */
cyf_status cyf_classifier_logits(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n, const float *x_t,
                                 const int32_t *t_host, float *logits);
/** gradient[n, latent] += d/dx_t sum_k weight[k*n+i] log p(label[k*n+i] | x_t[i], t), k < n_terms, running statistics,
 * one timestep for all (rows: one row, rows->row NULL). label, weight [n_terms][n] device; label -1: no term.
 * Operations of the work queue alone, so that it can be part of a graph (kernels/backend.h). Thread-safe with one's own
 * scratch. */
cyf_status cyf_classifier_guidance_rows(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n,
                                        const float *x_t, const cyf_time_rows *rows, int n_terms, const int32_t *label,
                                        const float *weight, float *gradient);

#endif
