/* SPDX-License-Identifier: MIT */
/* Tensor files: flat arrays, scalars, strings and lists of strings. */
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "data/tensors/tensor_file_internal.h"

static cyf_status write_locked(cyf_tensor_file *file, const char *path, cyf_element element, int n_dims, int64_t count,
                               const void *values) {
  cyf_hdf5_lock();
  cyf_status status = cyf_tensor_array_write(file, path, &element, n_dims, &count, values);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status read_locked(cyf_tensor_file *file, const char *path, cyf_element element, int n_dims, int64_t count,
                              void *values) {
  cyf_hdf5_lock();
  cyf_status status = cyf_tensor_array_read(file, path, &element, n_dims, &count, values);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  return status;
}

cyf_status cyf_tensor_file_write_floats(cyf_tensor_file *file, const char *path, const float *values, int64_t count) {
  return write_locked(file, path, cyf_element_float32(), 1, count, values);
}

cyf_status cyf_tensor_file_read_floats(cyf_tensor_file *file, const char *path, float *values, int64_t count) {
  return read_locked(file, path, cyf_element_float32(), 1, count, values);
}

cyf_status cyf_tensor_file_write_int(cyf_tensor_file *file, const char *path, int64_t value) {
  return write_locked(file, path, cyf_element_int64(), 0, 0, &value);
}

cyf_status cyf_tensor_file_read_int(cyf_tensor_file *file, const char *path, int64_t *ret_value) {
  return read_locked(file, path, cyf_element_int64(), 0, 0, ret_value);
}

cyf_status cyf_tensor_file_write_real(cyf_tensor_file *file, const char *path, double value) {
  return write_locked(file, path, cyf_element_float64(), 0, 0, &value);
}

cyf_status cyf_tensor_file_read_real(cyf_tensor_file *file, const char *path, double *ret_value) {
  return read_locked(file, path, cyf_element_float64(), 0, 0, ret_value);
}

cyf_status cyf_tensor_file_write_ints(cyf_tensor_file *file, const char *path, const int64_t *values, int64_t count) {
  return write_locked(file, path, cyf_element_int64(), 1, count, values);
}

static cyf_status read_ints(cyf_tensor_file *file, const char *path, int64_t **ret_values, int64_t *ret_count) {
  hid_t dataset = H5I_INVALID_HID;
  int n_dims = 0;
  int64_t shape[4] = {0};
  cyf_element element = cyf_element_int64();
  CYF_TRY(cyf_tensor_dataset_open(file, path, &dataset, &n_dims, shape));
  cyf_h5_close_id(&dataset);
  CYF_TRY(CYF_NEW(ret_values, n_dims == 1 ? shape[0] : 0));
  cyf_status status = cyf_tensor_array_read(file, path, &element, 1, shape, *ret_values);
  *ret_count = status == CYF_OK ? shape[0] : 0;
  if (status != CYF_OK) cyf_free(*ret_values);
  return status;
}

cyf_status cyf_tensor_file_read_ints(cyf_tensor_file *file, const char *path, int64_t **ret_values,
                                     int64_t *ret_count) {
  *ret_values = NULL;
  *ret_count = 0;
  cyf_hdf5_lock();
  cyf_status status = read_ints(file, path, ret_values, ret_count);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) {
    cyf_free(*ret_values);
    *ret_count = 0;
  }
  return status;
}

/* Checksum of strings in order. Each counts with its terminating zero, so that different lists are different bytes. */
static uint64_t texts_checksum(char *const *texts, int64_t n) {
  uint64_t checksum = 0;
  for (int64_t i = 0; i < n; i++) checksum = cyf_checksum(checksum, texts[i], strlen(texts[i]) + 1);
  return checksum;
}

/* Writes texts[n]; n < 0: texts[0] as a scalar. */
static cyf_status write_texts(cyf_tensor_file *file, const char *path, char *const *texts, int64_t n) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  if (!file->output) return CYF_FAIL(CYF_ERR_INTERNAL, "%s: is open for reading", file->path);
  if (n < 0) {
    CYF_TRY_CLEANUP(cyf_h5_write_text(file->output, file->file, path, texts[0], &dataset));
  } else {
    static char *const none[1] = {NULL};
    CYF_TRY_CLEANUP(cyf_h5_write_strings(file->output, file->file, path, n ? texts : none, n, &dataset));
  }
  CYF_TRY_CLEANUP(cyf_tensor_checksum_write(file, dataset, path, texts_checksum(texts, n < 0 ? 1 : n)));
cleanup:
  if (status != CYF_OK) file->failed = true;
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_tensor_file_write_text(cyf_tensor_file *file, const char *path, const char *text) {
  char *one = (char *)(uintptr_t)text; /* it is only read */
  cyf_hdf5_lock();
  cyf_status status = write_texts(file, path, &one, -1);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status read_text(cyf_tensor_file *file, const char *path, char **ret_text) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  int n_dims = 0;
  int64_t shape[4] = {0};
  CYF_TRY(cyf_tensor_dataset_open(file, path, &dataset, &n_dims, shape));
  CYF_TRY_CLEANUP(cyf_h5_read_text(dataset, file->path, path, ret_text));
  CYF_TRY_CLEANUP(cyf_tensor_checksum_verify(file, dataset, path, texts_checksum(ret_text, 1)));
cleanup:
  if (status != CYF_OK) cyf_free(*ret_text);
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_tensor_file_read_text(cyf_tensor_file *file, const char *path, char **ret_text) {
  *ret_text = NULL;
  cyf_hdf5_lock();
  cyf_status status = read_text(file, path, ret_text);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_free(*ret_text);
  return status;
}

cyf_status cyf_tensor_file_write_names(cyf_tensor_file *file, const char *path, const cyf_names *names) {
  cyf_hdf5_lock();
  cyf_status status = write_texts(file, path, names->name, names->n);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status read_names(cyf_tensor_file *file, const char *path, cyf_names *ret_names) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  char **texts = NULL;
  int n_dims = 0;
  int64_t shape[4] = {0};
  CYF_TRY(cyf_tensor_dataset_open(file, path, &dataset, &n_dims, shape));
  if (n_dims != 1) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' is not a list of names", file->path, path);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(CYF_NEW(&texts, shape[0]));
  CYF_TRY_CLEANUP(cyf_h5_read_strings(dataset, NULL, 0, shape[0], file->path, path, texts));
  CYF_TRY_CLEANUP(cyf_tensor_checksum_verify(file, dataset, path, texts_checksum(texts, shape[0])));
  for (int64_t i = 0; i < shape[0]; i++) CYF_TRY_CLEANUP(cyf_names_add(ret_names, texts[i], NULL));
  if (ret_names->n != shape[0]) status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' holds a name twice", file->path, path);
cleanup:
  cyf_h5_free_strings(&texts, shape[0]);
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_tensor_file_read_names(cyf_tensor_file *file, const char *path, cyf_names *ret_names) {
  *ret_names = (cyf_names){0};
  cyf_hdf5_lock();
  cyf_status status = read_names(file, path, ret_names);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_names_destroy(ret_names);
  return status;
}
