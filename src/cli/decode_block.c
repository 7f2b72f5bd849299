#include "cli/decode_block.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/backend.h"

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

cyf_status cyf_decode_rows(const cyf_model *model, cyf_scratch *scratch, int64_t n, const float *latent,
                           cyf_csr_buffer *rows) {
  cyf_device *device = model->device;
  int64_t n_genes = model->genes.n;
  size_t mark = cyf_scratch_mark(scratch);
  float *expression = NULL, *host = NULL, *values = NULL;
  int32_t *indices = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, n * n_genes, &expression));
  CYF_TRY_CLEANUP(cyf_autoencoder_decode(model->autoencoder, scratch, n, latent, expression));
  CYF_TRY_CLEANUP(CYF_NEW(&host, n * n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&values, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&indices, n_genes));
  CYF_TRY_CLEANUP(device->ops->download(device, host, expression, sizeof(float) * (size_t)(n * n_genes)));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  for (int64_t i = 0; i < n; i++) CYF_TRY_CLEANUP(append_dense_row(host + i * n_genes, n_genes, indices, values, rows));
cleanup:
  cyf_scratch_release(scratch, mark);
  cyf_free(host);
  cyf_free(values);
  cyf_free(indices);
  return status;
}
