/* SPDX-License-Identifier: MIT */
/** @file
 * A batch of cells in compressed sparse rows, the currency between data and model. */
#ifndef CYF_KERNELS_CSR_H
#define CYF_KERNELS_CSR_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/device.h"
#include "kernels/math/elementary.h"

/** [n_cells, n_genes], float32. Row i holds indices/values [indptr[i], indptr[i+1]); gene indices ascend within a row.
 * Whoever made it owns the arrays; models only read. In training, values are log1p(counts / total x
 * CYF_NORMALISED_TOTAL). */
typedef struct cyf_csr {
  int64_t n_cells;
  int64_t n_genes;
  const int64_t *indptr;  /**< [n_cells + 1], indptr[0] may be non-zero (a window of a larger matrix) */
  const int32_t *indices; /**< [nnz] */
  const float *values;    /**< [nnz] */
  int64_t nnz; /**< of a batch in device memory, whose indptr the host cannot read; 0: not known to the host */
} cyf_csr;

/** Cells as an atlas stores them, 3 to 8 bytes an entry: what is kept resident and sent to a device (struct cyf_ops,
 * csr_expand). Numbers are in the host's byte order. Row i holds entries [indptr[i], indptr[i+1]). */
typedef enum cyf_count_type { CYF_COUNT_UINT8, CYF_COUNT_UINT16, CYF_COUNT_UINT32, CYF_COUNT_FLOAT32 } cyf_count_type;
typedef enum cyf_index_type { CYF_INDEX_UINT16, CYF_INDEX_UINT32 } cyf_index_type;
typedef struct cyf_compact {
  int64_t n_cells, n_genes;
  cyf_count_type count_type; /**< UINT32: below 2^31 */
  cyf_index_type index_type;
  const int64_t *indptr; /**< [n_cells + 1] */
  const void *indices;   /**< [nnz] ascending within a row */
  const void *counts;    /**< [nnz] */
  const float *factor; /**< [n_cells] CYF_NORMALISED_TOTAL / total of the cell, see cyf_log_normalized; NULL: values are
                          stored as used */
} cyf_compact;

/** Bytes of one number. */
static inline size_t cyf_count_bytes(cyf_count_type type) {
  return type == CYF_COUNT_UINT8 ? 1 : type == CYF_COUNT_UINT16 ? 2 : 4;
}
static inline size_t cyf_index_bytes(cyf_index_type type) {
  return type == CYF_INDEX_UINT16 ? 2 : 4;
}

/** A cyf_csr with memory of its own that grows. */
typedef struct cyf_csr_buffer {
  int64_t n_cells, n_genes;
  int64_t cells_capacity, nnz_capacity;
  int64_t *indptr;
  int32_t *indices;
  float *values;
} cyf_csr_buffer;

/** Makes room for n_cells rows and nnz entries (keeps contents). Errors: CYF_ERR_MEMORY. */
cyf_status cyf_csr_buffer_reserve(cyf_csr_buffer *buffer, int64_t n_cells, int64_t nnz);
/** Empties it (keeps memory) and sets the number of genes. */
void cyf_csr_buffer_clear(cyf_csr_buffer *buffer, int64_t n_genes);
/** Appends one row of nnz entries. */
cyf_status cyf_csr_buffer_append(cyf_csr_buffer *buffer, int64_t nnz, const int32_t *indices, const float *values);
void cyf_csr_buffer_destroy(cyf_csr_buffer *buffer); /**< frees the arrays, zeroes the struct; NULL-safe */
/** A read-only view of all rows; valid until the buffer changes. */
cyf_csr cyf_csr_view(const cyf_csr_buffer *buffer);
/** A read-only view of rows [first, first + n). */
cyf_csr cyf_csr_rows(const cyf_csr *matrix, int64_t first, int64_t n);

/** The batch in device memory, in `scratch` (see kernels/device.h), until that is released; the batch itself where the
 * device's memory is the host's. matrix: in host memory, indptr[0] = 0, read before it returns. Errors: CYF_ERR_MEMORY,
 * CYF_ERR_INTERNAL. */
cyf_status cyf_csr_to_device(cyf_device *device, cyf_scratch *scratch, const cyf_csr *matrix, cyf_csr *ret_matrix);

/** The entries of a batch in device memory; waits for the device where neither indptr nor nnz tells the host. */
cyf_status cyf_csr_entries(cyf_device *device, const cyf_csr *matrix, int64_t *ret_nnz);

/** log1p(value * factor), factor = target_sum / total of the cell: the one formula of log-normalisation. */
static inline float cyf_log_normalized(float value, float factor) {
  return cyf_log1pf(value * factor);
}

/** Replaces counts by log1p(count / total x target_sum) row by row, total over the genes present in the batch; a row
 * with total 0 stays zero. Values must not be negative. In place on values[nnz]. */
void cyf_csr_log_normalize(int64_t n_cells, const int64_t *indptr, float *values, double target_sum);

#endif
