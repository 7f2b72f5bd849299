/* SPDX-License-Identifier: MIT */
/** @file
 * SCimilarity-style autoencoder of scDiffusion: blocks Linear, BatchNorm1d(eps 1e-5, momentum 0.1), PReLU;
 * L2-normalised latent; mirrored decoder with a linear output (ReLU at inference). Luo et al., Bioinformatics 2024,
 * btae518; Heimberg et al. 2024 (SCimilarity). */
#ifndef CYF_MODEL_AUTOENCODER_H
#define CYF_MODEL_AUTOENCODER_H

#include "base/words.h"
#include "kernels/backend.h"
#include "model/loss_sums.h"
#include "model/parameters.h"

enum { CYF_HIDDEN_MAX = 16 };

/** What the decoder's output is held against: log-normalised expression by its squared error (as published), or raw
 * counts by a negative binomial whose mean is the cell's counts times exp(output) and whose dispersion is a gene's own
 * (the likelihood of scVI, Lopez et al. 2018). Then counts a cell are log-normal, predicted from the decoder's last
 * hidden layer, so that cells of any latent have a library size. The encoder sees log-normalised expression either way.
 */
typedef enum cyf_likelihood { CYF_LIKELIHOOD_MSE, CYF_LIKELIHOOD_NB, CYF_LIKELIHOODS } cyf_likelihood;
/** The words of cyf_likelihood, in its order. */
static const char *const cyf_likelihood_words[] = {"mse", "nb", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_likelihood_words) == CYF_LIKELIHOODS, "a word for each likelihood");

typedef struct cyf_autoencoder_config {
  int64_t n_genes;
  int64_t latent;                 /**< 128 */
  int n_hidden;                   /**< 3 */
  int64_t hidden[CYF_HIDDEN_MAX]; /**< encoder widths; the decoder mirrors them */
  cyf_likelihood likelihood;
} cyf_autoencoder_config;

typedef struct cyf_autoencoder cyf_autoencoder;

/** Names as in the PyTorch state dict: encoder.network.I.J.*, decoder.network.I.J.*; with counts also library.* and
 * dispersion.log_theta. with_gradient 0: inference only. Not collective. */
cyf_status cyf_autoencoder_create(cyf_device *device, const cyf_autoencoder_config *config, int with_gradient,
                                  cyf_autoencoder **ret_autoencoder);
/** The layouts alone of a model of this shape; no device, no values. Freed with cyf_parameters_destroy. */
cyf_status cyf_autoencoder_layouts(const cyf_autoencoder_config *config, cyf_parameters *ret_parameters);
void cyf_autoencoder_destroy(cyf_autoencoder **autoencoder);
cyf_status cyf_autoencoder_init(cyf_autoencoder *autoencoder, uint64_t seed);
cyf_parameters *cyf_autoencoder_parameters(cyf_autoencoder *autoencoder);
const cyf_autoencoder_config *cyf_autoencoder_get_config(const cyf_autoencoder *autoencoder);

/** Forward and backward over this rank's cells [n_local, genes] of a global batch of n_global cells, log-normalised, in
 * device memory; total[n_local]: their counts before that (used by CYF_LIKELIHOOD_NB, else may be NULL; device). Adds
 * the gradient of (sum over local cells of the loss) / (n_global * genes) to the gradients, updates the running
 * statistics (batch statistics over all ranks through `reducer`), and gives the local sum in terms, which the
 * device's next synchronize() writes (ret_term must live until then): [0] of squared errors over genes, or of -log
 * p(counts | total) with [1] of -log p(total). n_local may be 0 (the reducer is still called). */
cyf_status cyf_autoencoder_train_step(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                      int64_t n_global, const cyf_reducer *reducer, double ret_term[CYF_LOSS_TERMS]);
/** The sum of the same terms (there on return) over local cells with running statistics (validation). */
cyf_status cyf_autoencoder_validate(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                    double *ret_sum);
/** latent[n, L] (device), unit length, with running statistics. Thread-safe with a scratch of one's own. */
cyf_status cyf_autoencoder_encode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, const cyf_csr *cells,
                                  float *latent);
/** expression[n, genes] (device) = ReLU(decoder(latent[n, L])), with running statistics. Thread-safe likewise. Errors:
 * CYF_ERR_INTERNAL for a model of counts. */
cyf_status cyf_autoencoder_decode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                  const float *latent, float *expression);

/* ---- models of counts (CYF_LIKELIHOOD_NB) ---- */

/** Where training starts from, host arrays: share[genes] of each gene in all counts (the decoder's bias becomes its
 * logarithm), log_theta[genes], and mean and standard deviation of the cells' log totals. Not collective. */
cyf_status cyf_autoencoder_start_counts(cyf_autoencoder *autoencoder, const double *share, const double *log_theta,
                                        double library_mean, double library_deviation);
/** means[n, genes] (device) = target_sum * expected shares of the counts: of sum target_sum a cell. Thread-safe
 * likewise. */
cyf_status cyf_autoencoder_decode_means(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                        const float *latent, double target_sum, float *means);
/** Draws counts[n, genes] (device, whole numbers) of cells with these latents: a total from the predicted log-normal,
 * then each gene from its negative binomial. Random numbers by (seed, position[i]), position[n] host. Thread-safe
 * likewise. */
cyf_status cyf_autoencoder_decode_counts(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                         const float *latent, uint64_t seed, const int64_t *position, float *counts);

#endif
