/* SPDX-License-Identifier: MIT */
/* The autoencoder as a model of counts: its loss, what training starts from, expected counts and drawn ones. */
#include <math.h>

#include "base/memory.h"
#include "kernels/math/normalisation.h"
#include "model/autoencoder.h"
#include "model/autoencoder_internal.h"

/* The loss of the genes' counts, by the negative binomial. */
static cyf_status genes_loss(const cyf_autoencoder *a, const cyf_csr *cells, const float *total, const float *h,
                             double scale, double *ret_sum, float *d_h) {
  const cyf_parameters *p = &a->parameters;
  cyf_device *d = p->device;
  const cyf_linear *linear = &a->decoder.linear[a->config.n_hidden];
  float *gradient = d_h != NULL ? p->gradient : NULL, *counts = NULL;
  int64_t nnz = 0;
  CYF_TRY(cyf_csr_entries(d, cells, &nnz));
  CYF_TRY(cyf_scratch_floats(a->scratch, nnz, &counts));
  CYF_TRY(d->ops->csr_counts(d, cells, total, CYF_NORMALISED_TOTAL, counts));
  cyf_csr raw = *cells;
  raw.values = counts;
  return d->ops->gene_nb(
      d, &raw, total, linear->in, h, p->value + linear->weight, p->value + linear->bias, p->value + a->log_theta, scale,
      ret_sum, d_h, gradient != NULL ? gradient + linear->weight : NULL,
      gradient != NULL ? gradient + linear->bias : NULL, gradient != NULL ? gradient + a->log_theta : NULL);
}

/* The loss of the cells' total counts, by the log-normal; its gradient is added to d_h. */
static cyf_status library_loss(const cyf_autoencoder *a, int64_t n, const float *total, const float *h, double scale,
                               double *ret_sum, float *d_h) {
  const cyf_parameters *p = &a->parameters;
  cyf_device *d = p->device;
  float *head = NULL, *d_head = NULL;
  CYF_TRY(cyf_scratch_floats(a->scratch, 2 * n, &head));
  CYF_TRY(cyf_linear_forward(p, &a->library, n, h, false, head));
  if (d_h != NULL) CYF_TRY(cyf_scratch_floats(a->scratch, 2 * n, &d_head));
  CYF_TRY(d->ops->library_nll(d, n, head, total, scale, ret_sum, d_head));
  return d_h != NULL ? cyf_linear_backward(p, &a->library, n, h, d_head, true, d_h) : CYF_OK;
}

cyf_status cyf_autoencoder_counts_loss(const cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                       const float *h, double scale, double ret_term[CYF_LOSS_TERMS], float *d_h) {
  CYF_TRY(genes_loss(autoencoder, cells, total, h, scale, &ret_term[0], d_h));
  return library_loss(autoencoder, cells->n_cells, total, h, scale, &ret_term[1], d_h);
}

/* ---- the start ---- */

static cyf_status put(cyf_autoencoder *a, int64_t offset, const double *values, int64_t count, bool logarithm) {
  cyf_device *d = a->parameters.device;
  float *host = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&host, count));
  for (int64_t i = 0; i < count; i++) host[i] = (float)(logarithm ? log(values[i]) : values[i]);
  CYF_TRY_CLEANUP(d->ops->upload(d, a->parameters.value + offset, host, (size_t)count * sizeof(*host)));
  status = d->ops->synchronize(d);
cleanup:
  cyf_free(host);
  return status;
}

cyf_status cyf_autoencoder_start_counts(cyf_autoencoder *autoencoder, const double *share, const double *log_theta,
                                        double library_mean, double library_deviation) {
  const cyf_linear *last = &autoencoder->decoder.linear[autoencoder->config.n_hidden];
  const int64_t n_genes = autoencoder->config.n_genes;
  const double library[2] = {library_mean, log(library_deviation)};
  CYF_TRY(put(autoencoder, last->bias, share, n_genes, true));
  CYF_TRY(put(autoencoder, autoencoder->log_theta, log_theta, n_genes, false));
  return put(autoencoder, autoencoder->library.bias, library, 2, false);
}

/* ---- decoding ---- */

/* means[n, genes] = size[i] * shares of the cell with decoder's last hidden layer `hidden`. */
static cyf_status means_of(const cyf_autoencoder *a, int64_t n, const float *hidden, const float *size, float *means) {
  const cyf_linear *last = &a->decoder.linear[a->config.n_hidden];
  cyf_device *d = a->parameters.device;
  CYF_TRY(cyf_linear_forward(&a->parameters, last, n, hidden, false, means));
  return d->ops->softmax_rows(d, n, last->out, size, means);
}

static cyf_status decode_means(const cyf_autoencoder *a, cyf_scratch *scratch, int64_t n, const float *latent,
                               double target_sum, float *means) {
  cyf_device *d = a->parameters.device;
  float *hidden = NULL;
  CYF_TRY(cyf_autoencoder_decode_hidden(a, scratch, n, latent, &hidden));
  CYF_TRY(means_of(a, n, hidden, NULL, means));
  return d->ops->scale(d, n * a->config.n_genes, target_sum, means);
}

static cyf_status decode_counts(const cyf_autoencoder *a, cyf_scratch *scratch, int64_t n, const float *latent,
                                uint64_t seed, const int64_t *position, float *counts) {
  const cyf_parameters *p = &a->parameters;
  cyf_device *d = p->device;
  float *hidden = NULL, *head = NULL, *normal = NULL, *size = NULL;
  void *at = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, 2 * n, &head));
  CYF_TRY(cyf_scratch_floats(scratch, n, &normal));
  CYF_TRY(cyf_scratch_floats(scratch, n, &size));
  CYF_TRY(cyf_scratch_bytes(scratch, (size_t)n * sizeof(*position), &at));
  CYF_TRY(d->ops->upload(d, at, position, (size_t)n * sizeof(*position)));
  CYF_TRY(cyf_autoencoder_decode_hidden(a, scratch, n, latent, &hidden));
  CYF_TRY(cyf_linear_forward(p, &a->library, n, hidden, false, head));
  CYF_TRY(d->ops->fill_normal(d, n, 1, cyf_rng_key_make(seed, CYF_RNG_LIBRARY), 0, at, 0, normal));
  CYF_TRY(d->ops->library_size(d, n, head, normal, size));
  CYF_TRY(means_of(a, n, hidden, size, counts));
  return d->ops->nb_draw(d, n, a->config.n_genes, counts, p->value + a->log_theta,
                         cyf_rng_key_make(seed, CYF_RNG_COUNTS), at, 0, counts);
}

static cyf_status check_counts(const cyf_autoencoder *a) {
  if (a->config.likelihood == CYF_LIKELIHOOD_NB) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "this autoencoder decodes to log-normalised expression, not to counts");
}

cyf_status cyf_autoencoder_decode_means(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                        const float *latent, double target_sum, float *means) {
  CYF_TRY(check_counts(autoencoder));
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = decode_means(autoencoder, scratch, n, latent, target_sum, means);
  cyf_scratch_release(scratch, mark);
  return status;
}

cyf_status cyf_autoencoder_decode_counts(const cyf_autoencoder *autoencoder, cyf_scratch *scratch, int64_t n,
                                         const float *latent, uint64_t seed, const int64_t *position, float *counts) {
  CYF_TRY(check_counts(autoencoder));
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = decode_counts(autoencoder, scratch, n, latent, seed, position, counts);
  cyf_scratch_release(scratch, mark);
  return status;
}
