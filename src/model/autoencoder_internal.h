/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the autoencoder; not for others. */
#ifndef CYF_MODEL_AUTOENCODER_INTERNAL_H
#define CYF_MODEL_AUTOENCODER_INTERNAL_H

#include "model/autoencoder.h"
#include "model/layers.h"

/** One half: n_hidden blocks Linear, BatchNorm, PReLU, and a last Linear. */
typedef struct cyf_coder {
  cyf_linear linear[CYF_HIDDEN_MAX + 1];
  cyf_batch_norm norm[CYF_HIDDEN_MAX];
} cyf_coder;

struct cyf_autoencoder {
  cyf_autoencoder_config config;
  cyf_parameters parameters;
  cyf_coder encoder, decoder;
  cyf_linear library;   /**< counts: [2, hidden[0]], mean and log deviation of a cell's log total */
  int64_t log_theta;    /**< counts: offset of [genes] */
  cyf_scratch *scratch; /**< temporaries of training and validation */
  float *one;           /**< device scalar 1 */
};

/** The first layer over a sparse batch: y[cells, hidden[0]]. */
cyf_status cyf_autoencoder_first_layer(const cyf_autoencoder *autoencoder, const cyf_csr *cells, float *y);

/** All of an encoder or decoder between its first and its last Linear, with running statistics. y[n, norm[0].width] is
 * the first Linear's output. *ret_hidden [n, linear[n_hidden].in] is y or another array of the scratch. */
cyf_status cyf_autoencoder_hidden_layers(const cyf_autoencoder *autoencoder, const cyf_coder *coder,
                                         cyf_scratch *scratch, int64_t n, float *y, float **ret_hidden);

/** The last layer and the loss against `cells` at once. h[n, hidden[0]] is the decoder's last hidden layer; total is as
 * in cyf_autoencoder_train_step. Gradients are those of scale * the sum: d_h is replaced, the layer's are added to. d_h
 * NULL: the value only. Scratch is taken and not given back. */
cyf_status cyf_autoencoder_last_layer_loss(const cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                           const float *h, double scale, double ret_term[CYF_LOSS_TERMS], float *d_h);
/** The same for a model of counts; n > 0. */
cyf_status cyf_autoencoder_counts_loss(const cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                       const float *h, double scale, double ret_term[CYF_LOSS_TERMS], float *d_h);

/** The decoder's last hidden layer [n, hidden[0]] of latent[n, L], with running statistics, in the scratch. */
cyf_status cyf_autoencoder_decode_hidden(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                         const float *latent, float **ret_hidden);

#endif
