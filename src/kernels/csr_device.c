/* SPDX-License-Identifier: MIT */
/* Sparse batches on their way to a device. */
#include "kernels/backend.h"
#include "kernels/csr.h"

cyf_status cyf_csr_to_device(cyf_device *device, cyf_scratch *scratch, const cyf_csr *matrix, cyf_csr *ret_matrix) {
  const int64_t n = matrix->n_cells, nnz = matrix->indptr[n];
  int32_t *indices = NULL;
  float *values = NULL;
  void *indptr = NULL;
  if (device->host_memory) {
    *ret_matrix = *matrix;
    return CYF_OK;
  }
  if (matrix->indptr[0] != 0) return CYF_FAIL(CYF_ERR_INTERNAL, "a window of a sparse matrix cannot be uploaded");
  CYF_TRY(cyf_scratch_bytes(scratch, sizeof(int64_t) * (size_t)(n + 1), &indptr));
  CYF_TRY(cyf_scratch_int32(scratch, nnz, &indices));
  CYF_TRY(cyf_scratch_floats(scratch, nnz, &values));
  CYF_TRY(device->ops->upload(device, indptr, matrix->indptr, sizeof(int64_t) * (size_t)(n + 1)));
  CYF_TRY(device->ops->upload(device, indices, matrix->indices, sizeof(int32_t) * (size_t)nnz));
  CYF_TRY(device->ops->upload(device, values, matrix->values, sizeof(float) * (size_t)nnz));
  *ret_matrix = (cyf_csr){n, matrix->n_genes, indptr, indices, values, nnz};
  return CYF_OK;
}

cyf_status cyf_csr_entries(cyf_device *device, const cyf_csr *matrix, int64_t *ret_nnz) {
  const int64_t *last = matrix->indptr + matrix->n_cells;
  *ret_nnz = device->host_memory ? *last : matrix->nnz;
  if (device->host_memory || matrix->nnz > 0) return CYF_OK;
  CYF_TRY(device->ops->download(device, ret_nnz, last, sizeof(*last)));
  return device->ops->synchronize(device);
}
