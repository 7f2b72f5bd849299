/* SPDX-License-Identifier: MIT */
/* Encoding, decoding and validation with running statistics. */
#include "base/memory.h"
#include "model/autoencoder.h"
#include "model/autoencoder_internal.h"

static cyf_status encode(const cyf_autoencoder *a, cyf_scratch *scratch, const cyf_csr *cells, float *latent) {
  cyf_device *d = a->parameters.device;
  const int64_t n = cells->n_cells;
  float *first = NULL, *hidden = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * a->config.hidden[0], &first));
  CYF_TRY(cyf_autoencoder_first_layer(a, cells, first));
  CYF_TRY(cyf_autoencoder_hidden_layers(a, &a->encoder, scratch, n, first, &hidden));
  CYF_TRY(cyf_linear_forward(&a->parameters, &a->encoder.linear[a->config.n_hidden], n, hidden, false, latent));
  return d->ops->l2_normalize_forward(d, n, a->config.latent, latent, latent, NULL);
}

static cyf_status decode(const cyf_autoencoder *a, cyf_scratch *scratch, int64_t n, const float *latent,
                         float *expression) {
  cyf_device *d = a->parameters.device;
  const cyf_linear *last = &a->decoder.linear[a->config.n_hidden];
  const float *value = a->parameters.value;
  float *hidden = NULL;
  CYF_TRY(cyf_autoencoder_decode_hidden(a, scratch, n, latent, &hidden));
  return d->ops->gene_decode(d, n, last->in, last->out, hidden, value + last->weight, value + last->bias, expression);
}

static cyf_status validate(cyf_autoencoder *a, const cyf_csr *cells, const float *total, double *ret_sum) {
  cyf_device *d = a->parameters.device;
  const int64_t n = cells->n_cells;
  float *latent = NULL, *hidden = NULL;
  double term[CYF_LOSS_TERMS];
  CYF_TRY(cyf_scratch_floats(a->scratch, n * a->config.latent, &latent));
  CYF_TRY(encode(a, a->scratch, cells, latent));
  CYF_TRY(cyf_autoencoder_decode_hidden(a, a->scratch, n, latent, &hidden));
  CYF_TRY(cyf_autoencoder_last_layer_loss(a, cells, total, hidden, 1.0, term, NULL));
  CYF_TRY(d->ops->synchronize(d));
  *ret_sum = term[0] + term[1];
  return CYF_OK;
}

cyf_status cyf_autoencoder_encode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, const cyf_csr *cells,
                                  float *latent) {
  if (cells->n_cells == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = encode(autoencoder, scratch, cells, latent);
  cyf_scratch_release(scratch, mark);
  return status;
}

cyf_status cyf_autoencoder_decode(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                  const float *latent, float *expression) {
  if (autoencoder->config.likelihood != CYF_LIKELIHOOD_MSE)
    return CYF_FAIL(CYF_ERR_INTERNAL, "this autoencoder decodes to counts");
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = decode(autoencoder, scratch, n, latent, expression);
  cyf_scratch_release(scratch, mark);
  return status;
}

cyf_status cyf_autoencoder_validate(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                    double *ret_sum) {
  *ret_sum = 0.0;
  if (cells->n_cells == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(autoencoder->scratch);
  const cyf_status status = validate(autoencoder, cells, total, ret_sum);
  cyf_scratch_release(autoencoder->scratch, mark);
  return status;
}
