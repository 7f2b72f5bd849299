/* SPDX-License-Identifier: MIT */
#include "data/tensors/weights_file.h"

#include "base/memory.h"
#include "data/tensors/safetensors_file.h"

/* One of the two is there. */
struct cyf_weights_file {
  char *path;
  cyf_torch_file *torch;
  cyf_safetensors_file *safetensors;
};

cyf_status cyf_weights_open(const char *path, const char *prefix, cyf_weights_file **ret_file) {
  cyf_weights_file *f = NULL;
  cyf_status status;
  *ret_file = NULL;
  CYF_TRY(CYF_NEW(&f, 1));
  CYF_TRY_CLEANUP(cyf_strdup(path, &f->path));
  CYF_TRY_CLEANUP(cyf_safetensors_is_one(path) ? cyf_safetensors_open(path, prefix, &f->safetensors)
                                               : cyf_torch_file_open(path, &f->torch));
  *ret_file = f;
cleanup:
  if (status != CYF_OK) cyf_weights_close(&f);
  return status;
}

void cyf_weights_close(cyf_weights_file **file) {
  if (file == NULL || *file == NULL) return;
  cyf_torch_file_close(&(*file)->torch);
  cyf_safetensors_close(&(*file)->safetensors);
  cyf_free((*file)->path);
  cyf_free(*file);
}

const char *cyf_weights_path(const cyf_weights_file *file) {
  return file->path;
}
const char *cyf_weights_metadata(const cyf_weights_file *file, const char *key) {
  return file->safetensors != NULL ? cyf_safetensors_metadata(file->safetensors, key) : NULL;
}
int64_t cyf_weights_n_tensors(const cyf_weights_file *file) {
  return file->torch != NULL ? cyf_torch_file_n_tensors(file->torch) : cyf_safetensors_n_tensors(file->safetensors);
}
int64_t cyf_weights_n_tensors_in_all(const cyf_weights_file *file) {
  return file->torch != NULL ? cyf_torch_file_n_tensors(file->torch)
                             : cyf_safetensors_n_tensors_in_all(file->safetensors);
}
const cyf_torch_tensor *cyf_weights_tensor(const cyf_weights_file *file, int64_t index) {
  return file->torch != NULL ? cyf_torch_file_tensor(file->torch, index)
                             : cyf_safetensors_tensor(file->safetensors, index);
}
int64_t cyf_weights_find(const cyf_weights_file *file, const char *name) {
  return file->torch != NULL ? cyf_torch_file_find(file->torch, name) : cyf_safetensors_find(file->safetensors, name);
}
cyf_status cyf_weights_read_floats(cyf_weights_file *file, int64_t index, float *values) {
  return file->torch != NULL ? cyf_torch_file_read_floats(file->torch, index, values)
                             : cyf_safetensors_read_floats(file->safetensors, index, values);
}
