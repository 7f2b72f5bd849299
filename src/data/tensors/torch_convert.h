/* SPDX-License-Identifier: MIT */
/** @file
 * Numbers of PyTorch's storages as float32. A storage is PyTorch's flat array of numbers, of which tensors are views.
 */
#ifndef CYF_DATA_TENSORS_TORCH_CONVERT_H
#define CYF_DATA_TENSORS_TORCH_CONVERT_H

#include <stdint.h>

#include "data/tensors/torch_pickle.h"

/** Number `index` of a storage's bytes, which are little-endian and at any alignment. Values that float32 cannot hold
 * are rounded to nearest. */
float cyf_torch_to_float(cyf_torch_type type, const uint8_t *bytes, int64_t index);

#endif
