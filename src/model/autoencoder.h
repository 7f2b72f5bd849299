/* SCimilarity-style autoencoder of scDiffusion: blocks Linear, BatchNorm1d(eps 1e-5, momentum 0.1), PReLU;
 * L2-normalised latent; mirrored decoder with a linear output (ReLU at inference). Luo et al., Bioinformatics 2024,
 * btae518; Heimberg et al. 2024 (SCimilarity). */
#ifndef CYF_MODEL_AUTOENCODER_H
#define CYF_MODEL_AUTOENCODER_H

#include "kernels/backend.h"
#include "model/parameters.h"

enum { CYF_HIDDEN_MAX = 16 };

typedef struct cyf_autoencoder_config {
  int64_t n_genes;
  int64_t latent;                 /* 128 */
  int n_hidden;                   /* 3 */
  int64_t hidden[CYF_HIDDEN_MAX]; /* encoder widths; the decoder mirrors them */
} cyf_autoencoder_config;

typedef struct cyf_autoencoder cyf_autoencoder;

/* Names as in the PyTorch state dict: encoder.network.I.J.*, decoder.network.I.J.*. with_gradient 0: inference only.
 * Not collective. */
cyf_status cyf_autoencoder_create(cyf_device *device, const cyf_autoencoder_config *config, int with_gradient,
                                  cyf_autoencoder **ret_autoencoder);
/* The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_autoencoder_layouts(const cyf_autoencoder_config *config, cyf_parameters *ret_parameters);
void cyf_autoencoder_destroy(cyf_autoencoder **autoencoder);
cyf_status cyf_autoencoder_init(cyf_autoencoder *autoencoder, uint64_t seed);
cyf_parameters *cyf_autoencoder_parameters(cyf_autoencoder *autoencoder);
const cyf_autoencoder_config *cyf_autoencoder_get_config(const cyf_autoencoder *autoencoder);

/* Forward and backward over this rank's cells [n_local, genes] of a global batch of n_global cells. Adds the gradient
 * of (sum over local cells and genes of (recon - x)^2) / (n_global * genes) to the gradients, updates the running
 * statistics (batch statistics over all ranks through `reducer`), and gives the local sum of squares,
 * which the device's next synchronize() writes: *ret_sum_squared must live until then. n_local may be 0 (the reducer is
 * still called). cells: in device memory, as everywhere here. */
cyf_status cyf_autoencoder_train_step(cyf_autoencoder *autoencoder, const cyf_csr *cells, int64_t n_global,
                                      const cyf_reducer *reducer, double *ret_sum_squared);
/* Sum of squared errors of local cells with running statistics (validation). */
cyf_status cyf_autoencoder_validate(cyf_autoencoder *autoencoder, const cyf_csr *cells, double *ret_sum_squared);
/* latent[n, L] (device), unit length, with running statistics. Thread-safe with a scratch of one's own. */
cyf_status cyf_autoencoder_encode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, const cyf_csr *cells,
                                  float *latent);
/* expression[n, genes] (device) = ReLU(decoder(latent[n, L])), with running statistics. Thread-safe likewise. */
cyf_status cyf_autoencoder_decode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                  const float *latent, float *expression);

#endif
