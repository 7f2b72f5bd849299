/* SPDX-License-Identifier: MIT */
/* Compressed sparse rows that grow, views of them, and log-normalisation. */
#include "kernels/csr.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/backend.h"

enum { FIRST_CELLS = 64, FIRST_NNZ = 4096 };

static int64_t grown(int64_t capacity, int64_t least, int64_t first) {
  int64_t wanted = capacity + capacity / 2;
  if (wanted < first) wanted = first;
  return wanted > least ? wanted : least;
}

cyf_status cyf_csr_buffer_reserve(cyf_csr_buffer *buffer, int64_t n_cells, int64_t nnz) {
  if (!buffer->indptr || n_cells > buffer->cells_capacity) {
    CYF_TRY(cyf_realloc((void **)&buffer->indptr, (size_t)n_cells + 1, sizeof *buffer->indptr));
    buffer->cells_capacity = n_cells;
  }
  if (!buffer->indices || nnz > buffer->nnz_capacity) {
    /* The capacity is raised only once both arrays have it: a failure in between leaves a valid buffer. */
    CYF_TRY(cyf_realloc((void **)&buffer->indices, (size_t)nnz, sizeof *buffer->indices));
    CYF_TRY(cyf_realloc((void **)&buffer->values, (size_t)nnz, sizeof *buffer->values));
    buffer->nnz_capacity = nnz;
  }
  return CYF_OK;
}

void cyf_csr_buffer_clear(cyf_csr_buffer *buffer, int64_t n_genes) {
  buffer->n_cells = 0;
  buffer->n_genes = n_genes;
  if (buffer->indptr) buffer->indptr[0] = 0;
}

cyf_status cyf_csr_buffer_append(cyf_csr_buffer *buffer, int64_t nnz, const int32_t *indices, const float *values) {
  const int64_t used = buffer->indptr ? buffer->indptr[buffer->n_cells] : 0;
  int64_t cells = buffer->cells_capacity, entries = buffer->nnz_capacity;
  if (buffer->n_cells + 1 > cells) cells = grown(cells, buffer->n_cells + 1, FIRST_CELLS);
  if (used + nnz > entries) entries = grown(entries, used + nnz, FIRST_NNZ);
  CYF_TRY(cyf_csr_buffer_reserve(buffer, cells, entries));
  if (nnz > 0) {
    memcpy(buffer->indices + used, indices, (size_t)nnz * sizeof *indices);
    memcpy(buffer->values + used, values, (size_t)nnz * sizeof *values);
  }
  buffer->indptr[++buffer->n_cells] = used + nnz;
  return CYF_OK;
}

void cyf_csr_buffer_destroy(cyf_csr_buffer *buffer) {
  if (!buffer) return;
  cyf_free(buffer->indptr);
  cyf_free(buffer->indices);
  cyf_free(buffer->values);
  *buffer = (cyf_csr_buffer){0};
}

cyf_csr cyf_csr_view(const cyf_csr_buffer *buffer) {
  static const int64_t no_rows[1] = {0};
  return (cyf_csr){.n_cells = buffer->n_cells,
                   .n_genes = buffer->n_genes,
                   .indptr = buffer->indptr ? buffer->indptr : no_rows,
                   .indices = buffer->indices,
                   .values = buffer->values};
}

cyf_csr cyf_csr_rows(const cyf_csr *matrix, int64_t first, int64_t n) {
  cyf_csr rows = *matrix;
  rows.indptr += first;
  rows.n_cells = n;
  return rows;
}

void cyf_csr_log_normalize(int64_t n_cells, const int64_t *indptr, float *values, double target_sum) {
  for (int64_t i = 0; i < n_cells; ++i) {
    double total = 0.0;
    for (int64_t k = indptr[i]; k < indptr[i + 1]; ++k) total += values[k];
    if (total == 0.0) continue;
    const float factor = (float)(target_sum / total);
    for (int64_t k = indptr[i]; k < indptr[i + 1]; ++k) values[k] = cyf_log_normalized(values[k], factor);
  }
}

/* ---- on their way to a device ---- */

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
