/* SPDX-License-Identifier: MIT */
/** @file
 * A batch of cells in compressed sparse rows (CSR): what the data rooms give and models take. Not collective. */
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
  const int64_t *indptr;  /**< [n_cells + 1]; indptr[0] may be non-zero, where this is a range of a larger matrix */
  const int32_t *indices; /**< [nnz] */
  const float *values;    /**< [nnz] */
  int64_t nnz;            /**< entries of a batch in device memory, whose indptr the host cannot read; 0: not known */
} cyf_csr;

/** How compact cells hold their counts. */
typedef enum cyf_count_type { CYF_COUNT_UINT8, CYF_COUNT_UINT16, CYF_COUNT_UINT32, CYF_COUNT_FLOAT32 } cyf_count_type;
/** How compact cells hold their gene indices. */
typedef enum cyf_index_type { CYF_INDEX_UINT16, CYF_INDEX_UINT32 } cyf_index_type;
/** Cells as an atlas stores them, 3 to 8 bytes an entry: what stays in memory between epochs and is sent to a device
 * (struct cyf_ops, csr_expand). Numbers are in the host's byte order. Row i holds entries [indptr[i], indptr[i+1]). */
typedef struct cyf_compact {
  int64_t n_cells, n_genes;
  cyf_count_type count_type; /**< UINT32: below 2^31 */
  cyf_index_type index_type;
  const int64_t *indptr; /**< [n_cells + 1] */
  const void *indices;   /**< [nnz] ascending within a row */
  const void *counts;    /**< [nnz] */
  const float *factor;   /**< [n_cells] CYF_NORMALISED_TOTAL / total of the cell (cyf_log_normalized); NULL: numbers are
                            used as stored */
} cyf_compact;

/** @{ */
/** Bytes of one number of this type. */
static inline size_t cyf_count_bytes(cyf_count_type type) {
  return type == CYF_COUNT_UINT8 ? 1 : type == CYF_COUNT_UINT16 ? 2 : 4;
}
static inline size_t cyf_index_bytes(cyf_index_type type) {
  return type == CYF_INDEX_UINT16 ? 2 : 4;
}
/** @} */

/** Rows in memory of their own, to which more can be appended. Zero-initialise before use. */
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
/** Appends one row of nnz entries. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_csr_buffer_append(cyf_csr_buffer *buffer, int64_t nnz, const int32_t *indices, const float *values);
/** Frees the arrays and zeroes the struct, which is the caller's. NULL-safe. */
void cyf_csr_buffer_destroy(cyf_csr_buffer *buffer);
/** A read-only view of all rows; valid until the buffer changes. */
cyf_csr cyf_csr_view(const cyf_csr_buffer *buffer);
/** A read-only view of rows [first, first + n); valid as long as the matrix. */
cyf_csr cyf_csr_rows(const cyf_csr *matrix, int64_t first, int64_t n);

/** Uploads a batch to memory of `scratch` (kernels/device.h), where it stays until that is released. Where the device's
 * memory is the host's, *ret_matrix is the batch itself. matrix: in host memory, indptr[0] = 0, read before the call
 * returns. Errors: CYF_ERR_MEMORY, CYF_ERR_INTERNAL. */
cyf_status cyf_csr_to_device(cyf_device *device, cyf_scratch *scratch, const cyf_csr *matrix, cyf_csr *ret_matrix);

/** The number of entries of a batch in device memory. Waits for the device where neither indptr nor nnz tells the host.
 */
cyf_status cyf_csr_entries(cyf_device *device, const cyf_csr *matrix, int64_t *ret_nnz);

/** log1p(value * factor), factor = target_sum / total of the cell: the one formula of log-normalisation. */
static inline float cyf_log_normalized(float value, float factor) {
  return cyf_log1pf(value * factor);
}

/** Replaces counts by log1p(count / total x target_sum), in place on values[nnz]. total is the sum of a row's entries;
 * a row with total 0 stays zero. Values must not be negative. */
void cyf_csr_log_normalize(int64_t n_cells, const int64_t *indptr, float *values, double target_sum);

#endif
