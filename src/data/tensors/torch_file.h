/* SPDX-License-Identifier: MIT */
/** @file
 * PyTorch checkpoints (torch.save since 1.6): the tensors of a state dict, bare or under "state_dict". */
#ifndef CYF_DATA_TENSORS_TORCH_FILE_H
#define CYF_DATA_TENSORS_TORCH_FILE_H

#include <stdint.h>

#include "base/status.h"
#include "data/tensors/torch_pickle.h"

typedef struct cyf_torch_tensor {
  const char *name;
  cyf_torch_type type;
  int n_dims;
  int64_t shape[CYF_TORCH_DIMS_MAX];
  int64_t count;
} cyf_torch_tensor;

typedef struct cyf_torch_file cyf_torch_file;

/** Reads the archive's directory and the state dict's structure; numbers stay in the file. Entries that are no tensors
 * (epochs, optimiser settings, nested dictionaries) are passed over. Memory: the structure. Not collective. Errors:
 * CYF_ERR_INPUT naming the file and what is wrong, refused or missing. */
cyf_status cyf_torch_file_open(const char *path, cyf_torch_file **ret_file);
void cyf_torch_file_close(cyf_torch_file **file); /**< NULL-safe, sets NULL */

const char *cyf_torch_file_path(const cyf_torch_file *file);
int64_t cyf_torch_file_n_tensors(const cyf_torch_file *file);
/** In the order of the state dict. */
const cyf_torch_tensor *cyf_torch_file_tensor(const cyf_torch_file *file, int64_t index);
/** Place of the tensor of that name, -1 when absent. */
int64_t cyf_torch_file_find(const cyf_torch_file *file, const char *name);
/** The tensor's numbers as float32, row-major: exact from float16, bfloat16, float32 and integers to 2^24, rounded from
 * float64. values[count]. Memory: the tensor's storage. Errors: CYF_ERR_INPUT. */
cyf_status cyf_torch_file_read_floats(cyf_torch_file *file, int64_t index, float *values);

#endif
