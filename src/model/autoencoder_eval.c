/* SPDX-License-Identifier: MIT */
/* Encoding, decoding and validation with running statistics. */
#include "base/memory.h"
#include "model/autoencoder.h"
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

/* The rest of a half after its first Linear, whose output is y[n, norm[0].width]: up to, not including, the last
 * Linear. The result, [n, linear[n_hidden].in], is in y or another array of the scratch. */
static cyf_status hidden_layers(const cyf_autoencoder *a, const cyf_coder *coder, cyf_scratch *scratch, int64_t n,
                                float *y, float **ret_hidden) {
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

static cyf_status encode(const cyf_autoencoder *a, cyf_scratch *scratch, const cyf_csr *cells, float *latent) {
  cyf_device *d = a->parameters.device;
  const int64_t n = cells->n_cells;
  float *first = NULL, *hidden = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * a->config.hidden[0], &first));
  CYF_TRY(cyf_autoencoder_first_layer(a, cells, first));
  CYF_TRY(hidden_layers(a, &a->encoder, scratch, n, first, &hidden));
  CYF_TRY(cyf_linear_forward(&a->parameters, &a->encoder.linear[a->config.n_hidden], n, hidden, false, latent));
  return d->ops->l2_normalize_forward(d, n, a->config.latent, latent, latent, NULL);
}

cyf_status cyf_autoencoder_decode_hidden(const cyf_autoencoder *a, cyf_scratch *scratch, int64_t n, const float *latent,
                                         float **ret_hidden) {
  const cyf_linear *linear = &a->decoder.linear[0];
  float *first = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * linear->out, &first));
  CYF_TRY(cyf_linear_forward(&a->parameters, linear, n, latent, false, first));
  return hidden_layers(a, &a->decoder, scratch, n, first, ret_hidden);
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
