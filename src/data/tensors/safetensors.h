/* SPDX-License-Identifier: MIT */
/** @file
 * Writing safetensors files: 8 bytes with the length of a JSON header, the header, and the numbers, little-endian,
 * row-major and without gaps. Format: the README of github.com/huggingface/safetensors. */
#ifndef CYF_DATA_TENSORS_SAFETENSORS_H
#define CYF_DATA_TENSORS_SAFETENSORS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/tensor.h"

/** Tensors of one layout with their values in host memory. Nothing is owned. */
typedef struct cyf_safetensors_part {
  const char *prefix; /**< put before each name; "" for none */
  const cyf_layout *layout;
  const float *flat; /**< [layout->total] */
} cyf_safetensors_part;

/** A text that the file carries under "__metadata__". */
typedef struct cyf_safetensors_text {
  const char *key, *value;
} cyf_safetensors_text;

/** Writes the tensors of parts[n_parts] to a file, which appears when it is whole. Shapes and the order of numbers are
 * PyTorch's. Parameters are written as float32 bit for bit, counters as int64 scalars. texts[n_texts] go to the
 * header's "__metadata__", behind a checksum of the whole file (safetensors_sum.h). Not collective. Errors: CYF_ERR_IO.
 */
cyf_status cyf_safetensors_write(const char *path, int n_texts, const cyf_safetensors_text *texts, int n_parts,
                                 const cyf_safetensors_part *parts);

#endif
