/* SPDX-License-Identifier: MIT */
/** @file
 * Named tensors in one flat float32 array: the parameters (or buffers) of a model. Not collective. */
#ifndef CYF_KERNELS_TENSOR_H
#define CYF_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Bytes of a tensor's name, with its final NUL. */
enum { CYF_TENSOR_NAME_MAX = 96 };

/** How a tensor lies in memory, compared with its PyTorch shape. */
typedef enum cyf_tensor_kind {
  CYF_TENSOR_PLAIN,      /**< row-major, as PyTorch */
  CYF_TENSOR_TRANSPOSED, /**< 2-D [rows, columns] in files, [columns, rows] in memory (gene-major first layer) */
  CYF_TENSOR_COUNTER     /**< 0-D int64 in files (num_batches_tracked), one float in memory, exact to 2^24 */
} cyf_tensor_kind;

/** One tensor: its name, shape and place in the flat array. */
typedef struct cyf_named_tensor {
  char name[CYF_TENSOR_NAME_MAX]; /**< as in the PyTorch state dict */
  cyf_tensor_kind kind;
  int n_dims;       /**< 0, 1 or 2 */
  int64_t shape[2]; /**< PyTorch shape */
  int64_t offset;   /**< in floats into the flat buffer; a multiple of 16 (64 bytes) */
  int64_t count;    /**< floats */
} cyf_named_tensor;

/** An ordered list of tensors and the size of the flat array that holds them, padding (always zero) included.
 * Zero-initialise before use. */
typedef struct cyf_layout {
  cyf_named_tensor *tensors;
  int64_t n_tensors;
  int64_t capacity;
  int64_t total; /**< floats in the flat buffer */
} cyf_layout;

/** Appends a tensor; n_dims 0: shape ignored, count 1. *ret_offset (may be NULL) is where it lies. Errors:
 * CYF_ERR_MEMORY, CYF_ERR_INTERNAL on a name twice or too long. */
cyf_status cyf_layout_add(cyf_layout *layout, const char *name, cyf_tensor_kind kind, int n_dims, int64_t rows,
                          int64_t columns, int64_t *ret_offset);
/** Floats from the start of a tensor of `count` floats to the start of the next: count, padded. */
int64_t cyf_layout_room(int64_t count);
/** The tensor of that name, the layout's own; NULL when absent. */
const cyf_named_tensor *cyf_layout_find(const cyf_layout *layout, const char *name);
/** Frees the list and zeroes the struct, which is the caller's. NULL-safe. */
void cyf_layout_destroy(cyf_layout *layout);

/** @{ */
/** Copies one tensor between its memory form (at flat_host + offset) and PyTorch's row-major order. torch_order holds
 * `count` floats. Host memory only. */
void cyf_tensor_to_torch_order(const cyf_named_tensor *tensor, const float *flat_host, float *torch_order);
void cyf_tensor_from_torch_order(const cyf_named_tensor *tensor, const float *torch_order, float *flat_host);
/** @} */

#endif
