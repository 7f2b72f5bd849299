/* SPDX-License-Identifier: MIT */
/** @file
 * PyTorch checkpoints (torch.save since PyTorch 1.6): the tensors of a state dict, which is the whole file or stands in
 * it under "state_dict". Not collective. */
#ifndef CYF_DATA_TENSORS_TORCH_FILE_H
#define CYF_DATA_TENSORS_TORCH_FILE_H

#include <stdint.h>

#include "base/status.h"
#include "data/tensors/torch_pickle.h"

/** What a tensor of the state dict is; the file owns it. */
typedef struct cyf_torch_tensor {
  const char *name;
  cyf_torch_type type;
  int n_dims;
  int64_t shape[CYF_TORCH_DIMS_MAX];
  int64_t count; /**< numbers of the tensor */
} cyf_torch_tensor;

/** An open checkpoint. */
typedef struct cyf_torch_file cyf_torch_file;

/** Reads the archive's directory and the state dict's structure, which is what memory is taken for; numbers stay in the
 * file. Entries that are no tensors, such as epochs, optimiser settings and nested dictionaries, are passed over.
 * Errors: CYF_ERR_INPUT naming the file and what is wrong, refused or missing. */
cyf_status cyf_torch_file_open(const char *path, cyf_torch_file **ret_file);
/** Closes the file; NULL-safe, sets NULL. */
void cyf_torch_file_close(cyf_torch_file **file);

/** The path as it was given to cyf_torch_file_open; the file's own. */
const char *cyf_torch_file_path(const cyf_torch_file *file);
/** How many tensors the state dict has. */
int64_t cyf_torch_file_n_tensors(const cyf_torch_file *file);
/** A tensor by its index in the order of the state dict. */
const cyf_torch_tensor *cyf_torch_file_tensor(const cyf_torch_file *file, int64_t index);
/** Index of the tensor of that name, -1 when absent. */
int64_t cyf_torch_file_find(const cyf_torch_file *file, const char *name);
/** Reads a tensor's numbers as float32, row-major, into values[count]. They are exact from float16, bfloat16, float32
 * and integers up to 2^24, and rounded from float64. Memory: the tensor's storage. Errors: CYF_ERR_INPUT. */
cyf_status cyf_torch_file_read_floats(cyf_torch_file *file, int64_t index, float *values);

#endif
