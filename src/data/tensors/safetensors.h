/* SPDX-License-Identifier: MIT */
/** @file
 * Writing safetensors files: 8 bytes with the length of a JSON header, the header, the numbers (little-endian,
 * row-major, without gaps). Format: the README of github.com/huggingface/safetensors. */
#ifndef CYF_DATA_TENSORS_SAFETENSORS_H
#define CYF_DATA_TENSORS_SAFETENSORS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/tensor.h"

/** The tensors of a layout with their values on the host; each name gets the prefix. Nothing is owned. */
typedef struct cyf_safetensors_part {
  const char *prefix; /**< "" for none */
  const cyf_layout *layout;
  const float *flat; /**< [layout->total] */
} cyf_safetensors_part;

/** Writes the parts' tensors atomically, in PyTorch's shapes and order: float32 bit for bit, counters as int64 scalars.
 * description: free text under "__metadata__". Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_safetensors_write(const char *path, const char *description, int n_parts,
                                 const cyf_safetensors_part *parts);

#endif
