#include "cli/decode_block.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/backend.h"

static const double TARGET_SUM = 1e4;

cyf_option cyf_output_option(const char **text) {
  return (cyf_option){"output",
                      0,
                      CYF_OPTION_TEXT,
                      text,
                      "counts|log|mean",
                      "what X holds: drawn counts, log1p(counts / total x 1e4), or its smooth mean (default: counts "
                      "where the model was trained on them, else log)"};
}

static const char *const OUTPUTS[] = {
    [CYF_OUTPUT_COUNTS] = "counts", [CYF_OUTPUT_LOG] = "log", [CYF_OUTPUT_MEAN] = "mean"};
enum { N_OUTPUTS = sizeof OUTPUTS / sizeof OUTPUTS[0] };

cyf_status cyf_decoding_make(const cyf_usage *usage, const cyf_model *model, const char *output, int64_t seed,
                             cyf_decoding *ret_decoding) {
  const bool has_counts = model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_NB;
  int chosen = has_counts ? CYF_OUTPUT_COUNTS : CYF_OUTPUT_LOG;
  if (output != NULL) {
    for (chosen = 0; chosen < N_OUTPUTS && strcmp(OUTPUTS[chosen], output) != 0; chosen++) continue;
    if (chosen == N_OUTPUTS)
      return CYF_FAIL(CYF_ERR_USAGE, "%s: --output wants counts, log or mean, not '%s' (the file to write is -o)",
                      usage->command, output);
  }
  if (!has_counts && chosen != CYF_OUTPUT_LOG)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "%s: --output %s needs a model trained on counts (--set autoencoder.likelihood=nb); this one "
                    "decodes to log-normalised expression: log",
                    usage->command, output);
  *ret_decoding = (cyf_decoding){.model = model, .output = (cyf_expression_output)chosen, .seed = (uint64_t)seed};
  return CYF_OK;
}

static cyf_status append_dense_row(const float *row, int64_t n_genes, int32_t *indices, float *values,
                                   cyf_csr_buffer *rows) {
  int64_t nnz = 0;
  float sum = 0; /* not finite iff some value is not */
  for (int64_t g = 0; g < n_genes; g++) {
    sum += row[g];
    if (row[g] > 0) {
      indices[nnz] = (int32_t)g;
      values[nnz++] = row[g];
    }
  }
  if (!isfinite(sum))
    return CYF_FAIL(CYF_ERR_NUMERIC, "a decoded cell is not finite; lower --guidance or use more --steps");
  return cyf_csr_buffer_append(rows, nnz, indices, values);
}

/* The decoder's own output, [n, genes] on the device. */
static cyf_status decode(const cyf_decoding *c, cyf_scratch *scratch, int64_t n, const float *latent,
                         const int64_t *position, float *expression) {
  const cyf_autoencoder *autoencoder = c->model->autoencoder;
  if (c->model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_MSE)
    return cyf_autoencoder_decode(autoencoder, scratch, n, latent, expression);
  if (c->output == CYF_OUTPUT_MEAN)
    return cyf_autoencoder_decode_means(autoencoder, scratch, n, latent, TARGET_SUM, expression);
  return cyf_autoencoder_decode_counts(autoencoder, scratch, n, latent, c->seed, position, expression);
}

/* Of the rows from `first` on: drawn counts to what is wanted of them. */
static void finish_values(const cyf_decoding *c, int64_t first, cyf_csr_buffer *rows) {
  if (c->model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_MSE) return;
  if (c->output == CYF_OUTPUT_LOG)
    cyf_csr_log_normalize(rows->n_cells - first, rows->indptr + first, rows->values, TARGET_SUM);
  if (c->output == CYF_OUTPUT_MEAN)
    for (int64_t k = rows->indptr[first]; k < rows->indptr[rows->n_cells]; k++)
      rows->values[k] = cyf_log_normalized(rows->values[k], 1);
}

cyf_status cyf_decode_rows(const cyf_decoding *decoding, cyf_scratch *scratch, int64_t n, const float *latent,
                           const int64_t *position, cyf_csr_buffer *rows) {
  cyf_device *device = decoding->model->device;
  const int64_t n_genes = decoding->model->genes.n, first = rows->n_cells;
  size_t mark = cyf_scratch_mark(scratch);
  float *expression = NULL, *host = NULL, *values = NULL;
  int32_t *indices = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, n * n_genes, &expression));
  CYF_TRY_CLEANUP(decode(decoding, scratch, n, latent, position, expression));
  CYF_TRY_CLEANUP(CYF_NEW(&host, n * n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&values, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&indices, n_genes));
  CYF_TRY_CLEANUP(device->ops->download(device, host, expression, sizeof(float) * (size_t)(n * n_genes)));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  for (int64_t i = 0; i < n; i++) CYF_TRY_CLEANUP(append_dense_row(host + i * n_genes, n_genes, indices, values, rows));
  finish_values(decoding, first, rows);
cleanup:
  cyf_scratch_release(scratch, mark);
  cyf_free(host);
  cyf_free(values);
  cyf_free(indices);
  return status;
}
