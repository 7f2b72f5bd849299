/* SPDX-License-Identifier: MIT */
#include "sample/encode_rows.h"

#include "kernels/backend.h"
#include "kernels/finite.h"

cyf_status cyf_encode_rows(const cyf_model *model, cyf_scratch *scratch, const cyf_csr_buffer *rows,
                           const cyf_encoded_rows *said, float *latent) {
  cyf_device *device = model->device;
  const int64_t n = rows->n_cells, width = model->settings.autoencoder.latent;
  float *on_device = NULL;
  cyf_csr cells = cyf_csr_view(rows);
  CYF_TRY(cyf_csr_to_device(device, scratch, &cells, &cells));
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &on_device));
  CYF_TRY(cyf_autoencoder_encode(model->autoencoder, scratch, &cells, on_device));
  CYF_TRY(device->ops->download(device, latent, on_device, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(device->ops->synchronize(device));
  const cyf_finite_rows finite = {CYF_ERR_NUMERIC, said->path, said->what, CYF_MODEL_NOT_FINITE};
  return cyf_rows_check_finite(n, width, latent, said->first, &finite);
}
