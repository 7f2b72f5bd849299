/* Shared by the files of the denoiser; not for others. */
#ifndef CYF_MODEL_DENOISER_INTERNAL_H
#define CYF_MODEL_DENOISER_INTERNAL_H

#include "model/denoiser.h"
#include "model/layers.h"
#include "model/time_path.h"

/* Linear + Linear(SiLU(time)) -> LayerNorm -> SiLU. */
typedef struct cyf_denoiser_block {
  cyf_linear fc, time;
  cyf_layer_norm norm;
} cyf_denoiser_block;

struct cyf_denoiser {
  cyf_denoiser_config config;
  cyf_parameters parameters;
  cyf_time_path time_path;
  cyf_denoiser_block down[CYF_HIDDEN_MAX]; /* layers.I: to hidden[I] */
  cyf_denoiser_block
      up[CYF_HIDDEN_MAX - 1]; /* reverse_layers.I: to hidden[n_hidden - 2 - I], plus that layer's output */
  cyf_linear out1, out2;
  cyf_layer_norm norm_out;
  cyf_scratch *scratch; /* temporaries of training */
};

/* What a Linear -> LayerNorm -> SiLU keeps for its backward pass; inference keeps only y. */
typedef struct cyf_denoiser_saved {
  float *z;              /* [n, width] before the norm */
  float *mean, *inv_std; /* [n] */
  float *y;              /* [n, width] output; of an `up` block with the skip added */
} cyf_denoiser_saved;

typedef struct cyf_denoiser_state {
  cyf_time_rows rows;
  cyf_time_state time;
  cyf_denoiser_saved down[CYF_HIDDEN_MAX], up[CYF_HIDDEN_MAX - 1], out1;
} cyf_denoiser_state;

/* out[n, latent] of x_t[n, latent] at the timesteps of state->rows. Fills the rest of the state, in scratch; keep:
 * everything that a backward pass needs. */
cyf_status cyf_denoiser_forward(const cyf_denoiser *denoiser, cyf_scratch *scratch, bool keep, int64_t n,
                                const float *x_t, cyf_denoiser_state *state, float *out);

#endif
