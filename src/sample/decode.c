/* SPDX-License-Identifier: MIT */
#include "sample/decode.h"

#include "base/memory.h"
#include "base/names.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "kernels/math/normalisation.h"

/* Tells of -o as well, which others call output. */
static cyf_status unknown_output(const char *command, const char *output) {
  char known[CYF_NAMES_LIST_BYTES];
  return CYF_FAIL(CYF_ERR_USAGE, "%s: --output wants one of %s, not '%s' (the file to write is -o)", command,
                  cyf_list_names(CYF_OUTPUTS, cyf_expression_output_words, known, sizeof known), output);
}

cyf_status cyf_decoding_make(const char *command, const cyf_model *model, const char *output, int64_t seed,
                             cyf_decoding *ret_decoding) {
  const bool has_counts = model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_NB;
  int chosen = has_counts ? CYF_OUTPUT_COUNTS : CYF_OUTPUT_LOG;
  if (output != NULL) {
    chosen = cyf_words_find(cyf_expression_output_words, output);
    if (chosen < 0) return unknown_output(command, output);
  }
  if (!has_counts && chosen != CYF_OUTPUT_LOG)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "%s: --output %s needs a model trained on counts (--set autoencoder.likelihood=nb); this one "
                    "decodes to log-normalised expression: log",
                    command, output);
  *ret_decoding = (cyf_decoding){.model = model, .output = (cyf_expression_output)chosen, .seed = (uint64_t)seed};
  return CYF_OK;
}

/* Fails, naming the first cell of expression[n, genes] that has a value which is not finite. */
static cyf_status fail_not_finite(const cyf_model *model, cyf_scratch *scratch, int64_t n, const float *expression,
                                  const int64_t *position) {
  cyf_device *device = model->device;
  int32_t *found = NULL, *found_host = NULL;
  int64_t i = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&found_host, n));
  CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, n, &found));
  CYF_TRY_CLEANUP(device->ops->zero(device, found, sizeof(int32_t) * (size_t)n));
  CYF_TRY_CLEANUP(device->ops->note_not_finite(device, n, model->genes.n, expression, 1, found));
  CYF_TRY_CLEANUP(device->ops->download(device, found_host, found, sizeof(int32_t) * (size_t)n));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  while (i < n - 1 && found_host[i] == 0) i++;
  status = CYF_FAIL(CYF_ERR_NUMERIC, "%s: cell %lld has decoded values that are not finite: " CYF_GUIDED_NOT_FINITE,
                    model->path, (long long)position[i]);
cleanup:
  cyf_free(found_host);
  return status;
}

/* Appends the positive entries of expression[n, genes] (device). Only these are copied to the host. */
static cyf_status append_positive(const cyf_model *model, cyf_scratch *scratch, int64_t n, const float *expression,
                                  const int64_t *position, cyf_csr_buffer *rows) {
  cyf_device *device = model->device;
  const int64_t n_genes = model->genes.n;
  const cyf_ops *ops = device->ops;
  const size_t bounds_bytes = sizeof(int64_t) * (size_t)(n + 1);
  void *indptr = NULL;
  int64_t *bounds = NULL, n_not_finite = 0;
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&bounds, n + 1));
  CYF_TRY_CLEANUP(cyf_scratch_bytes(scratch, bounds_bytes, &indptr));
  CYF_TRY_CLEANUP(ops->sparse_count(device, n, n_genes, expression, indptr, &n_not_finite));
  CYF_TRY_CLEANUP(ops->download(device, bounds, indptr, bounds_bytes));
  CYF_TRY_CLEANUP(ops->synchronize(device));
  if (n_not_finite > 0) CYF_TRY_CLEANUP(fail_not_finite(model, scratch, n, expression, position));
  CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, bounds[n], &indices));
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, bounds[n], &values));
  CYF_TRY_CLEANUP(ops->sparse_fill(device, n, n_genes, expression, indptr, indices, values));
  const int64_t used = rows->n_cells > 0 ? rows->indptr[rows->n_cells] : 0;
  CYF_TRY_CLEANUP(cyf_csr_buffer_reserve(rows, rows->n_cells + n, used + bounds[n]));
  CYF_TRY_CLEANUP(ops->download(device, rows->indices + used, indices, sizeof(int32_t) * (size_t)bounds[n]));
  CYF_TRY_CLEANUP(ops->download(device, rows->values + used, values, sizeof(float) * (size_t)bounds[n]));
  CYF_TRY_CLEANUP(ops->synchronize(device));
  rows->indptr[rows->n_cells] = used;
  for (int64_t i = 0; i < n; i++) rows->indptr[rows->n_cells + i + 1] = used + bounds[i + 1];
  rows->n_cells += n;
cleanup:
  cyf_free(bounds);
  return status;
}

/* The decoder's own output, [n, genes] on the device. */
static cyf_status decode(const cyf_decoding *c, cyf_scratch *scratch, int64_t n, const float *latent,
                         const int64_t *position, float *expression) {
  const cyf_autoencoder *autoencoder = c->model->autoencoder;
  if (c->model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_MSE)
    return cyf_autoencoder_decode(autoencoder, scratch, n, latent, expression);
  if (c->output == CYF_OUTPUT_MEAN)
    return cyf_autoencoder_decode_means(autoencoder, scratch, n, latent, CYF_NORMALISED_TOTAL, expression);
  return cyf_autoencoder_decode_counts(autoencoder, scratch, n, latent, c->seed, position, expression);
}

/* Makes the values of the rows from `first` on what X is to hold. */
static void finish_values(const cyf_decoding *c, int64_t first, cyf_csr_buffer *rows) {
  if (c->model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_MSE) return;
  if (c->output == CYF_OUTPUT_LOG)
    cyf_csr_log_normalize(rows->n_cells - first, rows->indptr + first, rows->values, CYF_NORMALISED_TOTAL);
  if (c->output == CYF_OUTPUT_MEAN)
    for (int64_t k = rows->indptr[first]; k < rows->indptr[rows->n_cells]; k++)
      rows->values[k] = cyf_log_normalized(rows->values[k], 1);
}

cyf_status cyf_decode_rows(const cyf_decoding *decoding, cyf_scratch *scratch, int64_t n, const float *latent,
                           const int64_t *position, cyf_csr_buffer *rows) {
  const int64_t n_genes = decoding->model->genes.n, first = rows->n_cells;
  const size_t mark = cyf_scratch_mark(scratch);
  float *expression = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, n * n_genes, &expression));
  CYF_TRY_CLEANUP(decode(decoding, scratch, n, latent, position, expression));
  CYF_TRY_CLEANUP(append_positive(decoding->model, scratch, n, expression, position, rows));
  finish_values(decoding, first, rows);
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}
