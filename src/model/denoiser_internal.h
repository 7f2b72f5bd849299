/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the denoiser; not for others. */
#ifndef CYF_MODEL_DENOISER_INTERNAL_H
#define CYF_MODEL_DENOISER_INTERNAL_H

#include "model/denoiser.h"
#include "model/layers.h"

/** Linear(x) + Linear(SiLU(time)) + one row for each condition, then LayerNorm, then SiLU. */
typedef struct cyf_denoiser_block {
  cyf_linear fc, time;
  cyf_layer_norm norm;
  int64_t table[CYF_DENOISER_CONDITIONS_MAX]; /**< offsets into value and gradient, [n_classes + 1, fc.out] each */
} cyf_denoiser_block;

struct cyf_denoiser {
  cyf_denoiser_config config;
  cyf_parameters parameters;
  cyf_time_path time_path;
  cyf_denoiser_block down[CYF_HIDDEN_MAX]; /**< layers.I: to hidden[I] */
  cyf_denoiser_block
      up[CYF_HIDDEN_MAX - 1]; /**< reverse_layers.I: to hidden[n_hidden - 2 - I], plus that layer's output */
  cyf_linear out1, out2;
  cyf_layer_norm norm_out;
  cyf_scratch *scratch; /**< temporaries of training */
};

/** What a Linear -> LayerNorm -> SiLU keeps for its backward pass; inference keeps only y. */
typedef struct cyf_denoiser_saved {
  float *z;              /**< [n, width] before the norm */
  float *mean, *inv_std; /**< [n] */
  float *y;              /**< [n, width] output; of an `up` block with the skip added */
} cyf_denoiser_saved;

/** What a forward pass over a batch works on and keeps, in scratch. */
typedef struct cyf_denoiser_state {
  cyf_denoiser_rows rows;
  cyf_time_state time;
  cyf_denoiser_saved down[CYF_HIDDEN_MAX], up[CYF_HIDDEN_MAX - 1], out1;
} cyf_denoiser_state;

/** @{ */
/** Declares or initialises the conditions' tables of the block named `block`; table[k] is the offset of condition k's.
 */
cyf_status cyf_denoiser_labels_declare(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *block,
                                       int64_t width, int64_t table[CYF_DENOISER_CONDITIONS_MAX]);
cyf_status cyf_denoiser_labels_init(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *block,
                                    uint64_t seed);
/** @} */

/** y[n, fc.out] += the rows of all conditions. */
cyf_status cyf_denoiser_labels_add(const cyf_denoiser *denoiser, const cyf_denoiser_block *block,
                                   const cyf_denoiser_state *state, int64_t n, float *y);
/** Adds the tables' gradients from d_y[n, fc.out]. */
cyf_status cyf_denoiser_labels_backward(const cyf_denoiser *denoiser, const cyf_denoiser_block *block,
                                        const cyf_denoiser_state *state, cyf_scratch *scratch, int64_t n,
                                        const float *d_y);

/** out[n, latent] of x_t[n, latent] at the timesteps and labels of state->rows. Fills the rest of the state, in
 * scratch; keep: everything that a backward pass needs. */
cyf_status cyf_denoiser_forward(const cyf_denoiser *denoiser, cyf_scratch *scratch, bool keep, int64_t n,
                                const float *x_t, cyf_denoiser_state *state, float *out);

#endif
