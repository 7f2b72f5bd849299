/* SPDX-License-Identifier: MIT */
/** @file
 * A file of named weights, whichever of two formats it has: torch.save's (data/tensors/torch_file.h) or safetensors
 * (data/tensors/safetensors_file.h). Not collective. */
#ifndef CYF_DATA_TENSORS_WEIGHTS_FILE_H
#define CYF_DATA_TENSORS_WEIGHTS_FILE_H

#include "data/tensors/torch_file.h"

/** An opened file. */
typedef struct cyf_weights_file cyf_weights_file;

/** Opens the file by what it begins with. prefix: of a safetensors file, only tensors whose names begin so are listed,
 * without it. Errors: CYF_ERR_INPUT naming the file and what is wrong with it. */
cyf_status cyf_weights_open(const char *path, const char *prefix, cyf_weights_file **ret_file);
/** Closes the file and sets *file to NULL. NULL-safe. */
void cyf_weights_close(cyf_weights_file **file);

/** The path as it was given. */
const char *cyf_weights_path(const cyf_weights_file *file);
/** A text that a safetensors file carries under this key, owned by the file; NULL: none. */
const char *cyf_weights_metadata(const cyf_weights_file *file, const char *key);
/** Tensors that are listed, and all of the file. */
int64_t cyf_weights_n_tensors(const cyf_weights_file *file);
int64_t cyf_weights_n_tensors_in_all(const cyf_weights_file *file);
/** A listed tensor, owned by the file. */
const cyf_torch_tensor *cyf_weights_tensor(const cyf_weights_file *file, int64_t index);
/** Place of the listed tensor of that name, -1 when absent. */
int64_t cyf_weights_find(const cyf_weights_file *file, const char *name);
/** As cyf_torch_file_read_floats. */
cyf_status cyf_weights_read_floats(cyf_weights_file *file, int64_t index, float *values);

#endif
