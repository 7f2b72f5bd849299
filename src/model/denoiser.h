/* SPDX-License-Identifier: MIT */
/** @file
 * The skip-connected MLP denoiser of scDiffusion, predicting epsilon. Blocks: Linear + Linear(SiLU(time)) -> LayerNorm
 * -> SiLU over `hidden`, mirrored with skip sums, then Linear to 2*hidden[1], LayerNorm, SiLU, Linear. Time: sinusoid
 * of width hidden[0] -> Linear -> SiLU -> Linear. For classifier-free guidance (Ho & Salimans 2021) a block may also
 * add a row of a table for each of some conditions (attributes), picked by the cell's label; the time path then still
 * depends on t alone. */
#ifndef CYF_MODEL_DENOISER_H
#define CYF_MODEL_DENOISER_H

#include "kernels/backend.h"
#include "model/autoencoder.h"
#include "model/parameters.h"
#include "model/time_path.h"

enum { CYF_DENOISER_CONDITIONS_MAX = 8 };

typedef struct cyf_denoiser_config {
  int64_t latent;                 /**< 128 */
  int n_hidden;                   /**< 4 (at least 2) */
  int64_t hidden[CYF_HIDDEN_MAX]; /**< [512, 512, 256, 128] */
  int n_conditions;               /**< 0 (as published) to CYF_DENOISER_CONDITIONS_MAX */
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX];
} cyf_denoiser_config;

typedef struct cyf_denoiser cyf_denoiser;

/** Tensor names: layers.I.{fc,norm,emb_layer.1}.*, reverse_layers.I.*, out1, norm_out, out2,
 * time_embedding.time_embed.{0,2}.*; with conditions also layers.I.label_layer.K.weight and the same of reverse_layers,
 * [n_classes[K] + 1, width], whose last row is that of cells without a label. */
cyf_status cyf_denoiser_create(cyf_device *device, const cyf_denoiser_config *config, int with_gradient,
                               cyf_denoiser **ret_denoiser);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_denoiser_layouts(const cyf_denoiser_config *config, cyf_parameters *ret_parameters);
void cyf_denoiser_destroy(cyf_denoiser **denoiser);
cyf_status cyf_denoiser_init(cyf_denoiser *denoiser, uint64_t seed);
cyf_parameters *cyf_denoiser_parameters(cyf_denoiser *denoiser);
const cyf_denoiser_config *cyf_denoiser_get_config(const cyf_denoiser *denoiser);
cyf_device *cyf_denoiser_get_device(const cyf_denoiser *denoiser);

/** What a batch tells the denoiser beside x_t, in device memory. */
typedef struct cyf_denoiser_rows {
  cyf_time_rows time;
  const int32_t *label[CYF_DENOISER_CONDITIONS_MAX]; /**< [n] of each condition: the row of its table */
} cyf_denoiser_rows;

/** The rows of n cells, uploaded into `scratch`: t_host[n] and label_host [n_conditions][n] are on the host, label -1:
 * without a label, label_host NULL: all are. Errors: CYF_ERR_INTERNAL for a negative timestep or a label that is no
 * class. */
cyf_status cyf_denoiser_rows_find(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const int32_t *t_host,
                                  const int32_t *label_host, cyf_denoiser_rows *ret_rows);
/** The labels' part of that. */
cyf_status cyf_denoiser_rows_find_labels(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n,
                                         const int32_t *label_host, cyf_denoiser_rows *ret_rows);

/** Adds the gradient of sum_local (out - eps)^2 / (n_global * latent); x_t, eps [n, latent] on the device. The time
 * path runs once per distinct timestep of the batch (at most T rows). *ret_sum_squared, the local sum of squares, is
 * written by the device's next synchronize() and must live until then. n may be 0. Operations of the work queue alone,
 * so that it can be part of a graph (kernels/backend.h). */
cyf_status cyf_denoiser_train_rows(cyf_denoiser *denoiser, int64_t n, const float *x_t, const cyf_denoiser_rows *rows,
                                   const float *eps, int64_t n_global, double *ret_sum_squared);
/** out[n, latent] with a timestep a cell and labels as cyf_denoiser_rows_find takes them: for validation. Thread-safe
 * with one's own scratch. */
cyf_status cyf_denoiser_eval_many(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const int32_t *t_host, const int32_t *label_host, float *out);
/** The same of rows that were found before: operations of the work queue alone. */
cyf_status cyf_denoiser_eval_rows(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const cyf_denoiser_rows *rows, float *out);

#endif
