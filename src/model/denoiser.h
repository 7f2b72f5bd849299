/* SPDX-License-Identifier: MIT */
/** @file
 * The denoiser of scDiffusion (Luo et al., Bioinformatics 2024, btae518): fully connected layers with skip connections
 * that predict the noise epsilon in a latent.
 *
 * A block is Linear(x) + Linear(SiLU(time)), LayerNorm, SiLU. Blocks go down the widths `hidden` and back up, where
 * each adds the output of the block of its width on the way down. Then follow Linear to 2 * hidden[1], LayerNorm, SiLU,
 * Linear. `time` is a sinusoid of width hidden[0] of the timestep through Linear, SiLU, Linear.
 *
 * For classifier-free guidance (Ho & Salimans 2021) a denoiser may have conditions: label columns of the cells. Then a
 * block also adds, for each condition, a row of a table, chosen by the cell's label. Not collective. */
#ifndef CYF_MODEL_DENOISER_H
#define CYF_MODEL_DENOISER_H

#include "kernels/backend.h"
#include "model/autoencoder.h"
#include "model/parameters.h"
#include "model/time_path.h"

/** The most conditions of a denoiser. */
enum { CYF_DENOISER_CONDITIONS_MAX = 8 };

/** The shape of a model. */
typedef struct cyf_denoiser_config {
  int64_t latent;                 /**< width of the latent; 128 as published */
  int n_hidden;                   /**< at least 2; 4 as published */
  int64_t hidden[CYF_HIDDEN_MAX]; /**< [512, 512, 256, 128] as published */
  int n_conditions;               /**< 0 (as published) to CYF_DENOISER_CONDITIONS_MAX */
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX];
} cyf_denoiser_config;

/** A model with its parameters on a device, which must outlive it. */
typedef struct cyf_denoiser cyf_denoiser;

/** Makes a model of this shape, all parameters zero; with_gradient 0: inference only. Tensor names:
 * layers.I.{fc,norm,emb_layer.1}.*, reverse_layers.I.*, out1, norm_out, out2, time_embedding.time_embed.{0,2}.*. With
 * conditions there is also layers.I.label_layer.K.weight [n_classes[K] + 1, width], and the same of reverse_layers; its
 * last row is for cells without a label. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_denoiser_create(cyf_device *device, const cyf_denoiser_config *config, int with_gradient,
                               cyf_denoiser **ret_denoiser);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_denoiser_layouts(const cyf_denoiser_config *config, cyf_parameters *ret_parameters);
/** Frees the model with its parameters and sets *denoiser to NULL. NULL-safe. */
void cyf_denoiser_destroy(cyf_denoiser **denoiser);
/** PyTorch's default initialisation, each element by the seed, the tensor's name and its index. */
cyf_status cyf_denoiser_init(cyf_denoiser *denoiser, uint64_t seed);
/** @{ */
/** The model's parameters, its shape, and the device it computes on; all stay as they were owned. */
cyf_parameters *cyf_denoiser_parameters(cyf_denoiser *denoiser);
const cyf_denoiser_config *cyf_denoiser_get_config(const cyf_denoiser *denoiser);
cyf_device *cyf_denoiser_get_device(const cyf_denoiser *denoiser);
/** @} */

/** Timesteps and labels of a batch of cells, in device memory. */
typedef struct cyf_denoiser_rows {
  cyf_time_rows time;
  const int32_t *label[CYF_DENOISER_CONDITIONS_MAX]; /**< [n] of each condition: the row of its table */
} cyf_denoiser_rows;

/** Uploads timesteps and labels of n cells into `scratch`. t_host[n] and label_host [n_conditions][n] are on the host.
 * Label -1: the cell has none; label_host NULL: no cell has any. Errors: CYF_ERR_INTERNAL for a negative timestep or a
 * label that is no class. */
cyf_status cyf_denoiser_rows_find(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const int32_t *t_host,
                                  const int32_t *label_host, cyf_denoiser_rows *ret_rows);
/** The same of the labels alone; ret_rows->time is left as it is. */
cyf_status cyf_denoiser_rows_find_labels(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n,
                                         const int32_t *label_host, cyf_denoiser_rows *ret_rows);

/** Forward and backward pass over n cells of this rank: adds the gradient of (sum over local cells of (out - eps)^2) /
 * (n_global * latent). x_t and eps [n, latent] are on the device. The layers of the timestep run once for each distinct
 * timestep of the batch. *ret_sum_squared gets the local sum of squares. The device's next synchronize() writes it, so
 * it must live until then. n may be 0. It uses operations of the work queue alone, so that it can be part of a graph
 * (kernels/backend.h). */
cyf_status cyf_denoiser_train_rows(cyf_denoiser *denoiser, int64_t n, const float *x_t, const cyf_denoiser_rows *rows,
                                   const float *eps, int64_t n_global, double *ret_sum_squared);
/** out[n, latent], with timesteps and labels as cyf_denoiser_rows_find takes them, for validation. Threads may call it
 * at the same time, each with its own scratch. */
cyf_status cyf_denoiser_eval_many(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const int32_t *t_host, const int32_t *label_host, float *out);
/** The same with timesteps and labels that were uploaded before; operations of the work queue alone. */
cyf_status cyf_denoiser_eval_rows(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const cyf_denoiser_rows *rows, float *out);

#endif
