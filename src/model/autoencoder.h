/* SPDX-License-Identifier: MIT */
/** @file
 * The autoencoder of scDiffusion (Luo et al., Bioinformatics 2024, btae518), which has the form of SCimilarity's
 * (Heimberg et al. 2024). Its blocks are Linear, BatchNorm1d(eps 1e-5, momentum 0.1), PReLU. The latent is scaled to
 * unit length. The decoder mirrors the encoder and has a linear output, with ReLU at inference. Functions are not
 * collective, but training calls `reducer`, which may be. */
#ifndef CYF_MODEL_AUTOENCODER_H
#define CYF_MODEL_AUTOENCODER_H

#include "base/words.h"
#include "kernels/backend.h"
#include "model/loss_sums.h"
#include "model/parameters.h"

/** The most hidden layers of a model. */
enum { CYF_HIDDEN_MAX = 16 };

/** What the decoder learns to reproduce. MSE: log-normalised expression, by its squared error (as published). NB: raw
 * counts, by a negative binomial with a dispersion for each gene (the likelihood of scVI, Lopez et al. 2018). Its mean
 * is the cell's library size times exp(output). The library size is log-normal, predicted from the decoder's last
 * hidden layer, so that any latent has one. The encoder takes log-normalised expression either way. */
typedef enum cyf_likelihood { CYF_LIKELIHOOD_MSE, CYF_LIKELIHOOD_NB, CYF_LIKELIHOODS } cyf_likelihood;
/** The words of cyf_likelihood, in its order. */
static const char *const cyf_likelihood_words[] = {"mse", "nb", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_likelihood_words) == CYF_LIKELIHOODS, "a word for each likelihood");

/** The shape of a model. */
typedef struct cyf_autoencoder_config {
  int64_t n_genes;
  int64_t latent;                 /**< width of the latent; 128 as published */
  int n_hidden;                   /**< hidden layers of the encoder; 3 as published */
  int64_t hidden[CYF_HIDDEN_MAX]; /**< encoder widths; the decoder mirrors them */
  cyf_likelihood likelihood;
} cyf_autoencoder_config;

/** A model with its parameters on a device, which must outlive it. */
typedef struct cyf_autoencoder cyf_autoencoder;

/** Makes a model of this shape, all parameters zero. Tensors are named as in the PyTorch state dict:
 * encoder.network.I.J.* and decoder.network.I.J.*. Models of counts also have library.* and dispersion.log_theta.
 * with_gradient 0: inference only. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_autoencoder_create(cyf_device *device, const cyf_autoencoder_config *config, int with_gradient,
                                  cyf_autoencoder **ret_autoencoder);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_autoencoder_layouts(const cyf_autoencoder_config *config, cyf_parameters *ret_parameters);
/** Frees the model with its parameters and sets *autoencoder to NULL. NULL-safe. */
void cyf_autoencoder_destroy(cyf_autoencoder **autoencoder);
/** PyTorch's default initialisation, each element by the seed, the tensor's name and its index. */
cyf_status cyf_autoencoder_init(cyf_autoencoder *autoencoder, uint64_t seed);
/** @{ */
/** The model's parameters and its shape; both stay the model's. */
cyf_parameters *cyf_autoencoder_parameters(cyf_autoencoder *autoencoder);
const cyf_autoencoder_config *cyf_autoencoder_get_config(const cyf_autoencoder *autoencoder);
/** @} */

/** Forward and backward pass over this rank's part of a global batch of n_global cells. cells [n_local, genes] are
 * log-normalised and in device memory, as is total[n_local], their total counts (used by CYF_LIKELIHOOD_NB, else may be
 * NULL). Batch statistics are taken over all ranks by `reducer`, and move the running statistics.
 *
 * Adds the gradient of (sum over local cells of the loss) / (n_global * genes) to the gradients. ret_term gets the
 * local sums: [0] of squared errors, or of -log p(counts | total) with [1] of -log p(total). The device's next
 * synchronize() writes them, so ret_term must live until then. n_local may be 0; the reducer is still called. */
cyf_status cyf_autoencoder_train_step(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                      int64_t n_global, const cyf_reducer *reducer, double ret_term[CYF_LOSS_TERMS]);
/** The sum of the same terms over local cells, with running statistics, for validation. *ret_sum is written on return.
 */
cyf_status cyf_autoencoder_validate(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                    double *ret_sum);
/** Encodes n cells, with running statistics: latent[n, L] (device), each of unit length. Threads may call it at the
 * same time, each with its own scratch. */
cyf_status cyf_autoencoder_encode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, const cyf_csr *cells,
                                  float *latent);
/** expression[n, genes] (device) = ReLU(decoder(latent[n, L])), with running statistics. Threads as for encode. Errors:
 * CYF_ERR_INTERNAL for a model of counts. */
cyf_status cyf_autoencoder_decode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                  const float *latent, float *expression);

/* ---- models of counts (CYF_LIKELIHOOD_NB) ---- */

/** Sets what training starts from, given in host arrays. share[genes] is each gene's part of all counts; the decoder's
 * bias becomes its logarithm. log_theta[genes] are the log inverse dispersions. library_mean and library_deviation are
 * mean and standard deviation of the cells' log totals. */
cyf_status cyf_autoencoder_start_counts(cyf_autoencoder *autoencoder, const double *share, const double *log_theta,
                                        double library_mean, double library_deviation);
/** means[n, genes] (device) = target_sum * each gene's expected part of the counts, so that a cell sums to target_sum.
 * Threads as for encode. */
cyf_status cyf_autoencoder_decode_means(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                        const float *latent, double target_sum, float *means);
/** Draws counts[n, genes] (device, whole numbers) of cells with these latents: a total from the predicted log-normal,
 * then each gene from its negative binomial. Random numbers depend on seed and position[i]; position[n] is on the host.
 * Threads as for encode. */
cyf_status cyf_autoencoder_decode_counts(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                         const float *latent, uint64_t seed, const int64_t *position, float *counts);

#endif
