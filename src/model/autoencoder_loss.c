/* SPDX-License-Identifier: MIT */
/* The loss of the decoder's output, with the last layer that makes it. */
#include "model/autoencoder_internal.h"

static cyf_status squared_error(const cyf_autoencoder *a, const cyf_csr *cells, const float *h, double scale,
                                double *ret_sum, float *d_h) {
  cyf_device *d = a->parameters.device;
  const cyf_linear *linear = &a->decoder.linear[a->config.n_hidden];
  const float *value = a->parameters.value;
  float *d_w = d_h != NULL ? a->parameters.gradient + linear->weight : NULL;
  float *d_bias = d_h != NULL ? a->parameters.gradient + linear->bias : NULL;
  return d->ops->gene_mse(d, CYF_GENE_AUTO, cells, linear->in, h, value + linear->weight, value + linear->bias, scale,
                          ret_sum, d_h, d_w, d_bias);
}

cyf_status cyf_autoencoder_last_layer_loss(const cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                           const float *h, double scale, double ret_term[CYF_LOSS_TERMS], float *d_h) {
  for (int i = 0; i < CYF_LOSS_TERMS; i++) ret_term[i] = 0.0;
  if (cells->n_cells == 0) return CYF_OK;
  if (autoencoder->config.likelihood == CYF_LIKELIHOOD_NB)
    return cyf_autoencoder_counts_loss(autoencoder, cells, total, h, scale, ret_term, d_h);
  return squared_error(autoencoder, cells, h, scale, &ret_term[0], d_h);
}
