/* SPDX-License-Identifier: MIT */
/* Layers of the autoencoder that training, encoding and decoding share. */
#include "model/autoencoder_internal.h"

cyf_status cyf_autoencoder_first_layer(const cyf_autoencoder *autoencoder, const cyf_csr *cells, float *y) {
  cyf_device *d = autoencoder->parameters.device;
  const cyf_linear *linear = &autoencoder->encoder.linear[0];
  const float *value = autoencoder->parameters.value;
  if (cells->n_genes != autoencoder->config.n_genes) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "a batch has %lld genes, the autoencoder %lld", (long long)cells->n_genes,
                    (long long)autoencoder->config.n_genes);
  }
  if (cells->n_cells == 0) return CYF_OK;
  return d->ops->gene_linear_forward(d, cells, linear->out, value + linear->weight, value + linear->bias, y);
}

cyf_status cyf_autoencoder_hidden_layers(const cyf_autoencoder *a, const cyf_coder *coder, cyf_scratch *scratch,
                                         int64_t n, float *y, float **ret_hidden) {
  const cyf_parameters *p = &a->parameters;
  for (int i = 0; i < a->config.n_hidden; i++) {
    if (i > 0) {
      float *next = NULL;
      CYF_TRY(cyf_scratch_floats(scratch, n * coder->linear[i].out, &next));
      CYF_TRY(cyf_linear_forward(p, &coder->linear[i], n, y, false, next));
      y = next;
    }
    CYF_TRY(cyf_batch_norm_eval_forward(p, &coder->norm[i], scratch, n, y, y, NULL));
  }
  *ret_hidden = y;
  return CYF_OK;
}

cyf_status cyf_autoencoder_decode_hidden(const cyf_autoencoder *a, cyf_scratch *scratch, int64_t n, const float *latent,
                                         float **ret_hidden) {
  const cyf_linear *linear = &a->decoder.linear[0];
  float *first = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * linear->out, &first));
  CYF_TRY(cyf_linear_forward(&a->parameters, linear, n, latent, false, first));
  return cyf_autoencoder_hidden_layers(a, &a->decoder, scratch, n, first, ret_hidden);
}
