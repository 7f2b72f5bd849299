/* SPDX-License-Identifier: MIT */
/** @file
 * Reading safetensors files (format: data/tensors/safetensors.h). The whole header is checked before any number is
 * read: tensors must fill the rest of the file without gaps or overlaps. A file that carries a checksum
 * (safetensors_sum.h) is read once as a whole and verified. Not collective. */
#ifndef CYF_DATA_TENSORS_SAFETENSORS_FILE_H
#define CYF_DATA_TENSORS_SAFETENSORS_FILE_H

#include "data/tensors/torch_file.h"

/** An opened file. */
typedef struct cyf_safetensors_file cyf_safetensors_file;

/** True when the file begins as safetensors files do: a plausible length, then a brace. */
bool cyf_safetensors_is_one(const char *path);

/** Reads the header; numbers stay in the file. prefix: only tensors whose names begin so are listed, without it ("":
 * all of them). Memory: the header. Errors: CYF_ERR_INPUT naming the file and what is wrong. */
cyf_status cyf_safetensors_open(const char *path, const char *prefix, cyf_safetensors_file **ret_file);
/** Closes the file and sets *file to NULL. NULL-safe. */
void cyf_safetensors_close(cyf_safetensors_file **file);

/** The value under "__metadata__", owned by the file; NULL: there is none. */
const char *cyf_safetensors_metadata(const cyf_safetensors_file *file, const char *key);
/** Tensors that are listed, and all tensors of the file. */
int64_t cyf_safetensors_n_tensors(const cyf_safetensors_file *file);
int64_t cyf_safetensors_n_tensors_in_all(const cyf_safetensors_file *file);
/** The listed tensor of that place, in the file's order; owned by the file. */
const cyf_torch_tensor *cyf_safetensors_tensor(const cyf_safetensors_file *file, int64_t index);
/** Place of the listed tensor of that name, -1 when absent. */
int64_t cyf_safetensors_find(const cyf_safetensors_file *file, const char *name);
/** The numbers as float32, as cyf_torch_file_read_floats gives them. values[count]. Errors: CYF_ERR_INPUT, also for a
 * file that shrank since it was opened. */
cyf_status cyf_safetensors_read_floats(cyf_safetensors_file *file, int64_t index, float *values);

#endif
