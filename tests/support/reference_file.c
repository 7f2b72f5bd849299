/* SPDX-License-Identifier: MIT */
#include "reference_file.h"

#include "base/memory.h"
#include "data/hdf5/hdf5_file.h"

/* Reads a whole dataset of numbers as `type` (8 bytes an element). */
static cyf_status read_dataset(hid_t file, const char *path, const char *name, hid_t type, void **ret_values,
                               int *ret_n_dims, int64_t shape[4]) {
  cyf_status status = CYF_OK;
  char reason[CYF_H5_REASON_SIZE];
  hid_t file_type = H5I_INVALID_HID;
  bool is_dataset = false;
  CYF_TRY(cyf_h5_is_dataset(file, name, path, &is_dataset));
  if (!is_dataset) return CYF_FAIL(CYF_ERR_INPUT, "%s: there is no dataset '%s'", path, name);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  CYF_TRY_CLEANUP(cyf_h5_extent(dataset, path, name, ret_n_dims, shape));
  size_t count = 1;
  for (int d = 0; d < *ret_n_dims; d++) count *= (size_t)shape[d];
  file_type = H5Dget_type(dataset);
  H5T_class_t class = H5Tget_class(file_type);
  if (class != H5T_INTEGER && class != H5T_FLOAT && class != H5T_ENUM) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' does not hold numbers", path, name);
    goto cleanup;
  }
  if (count > CYF_H5_TRANSFER_BYTES / 8) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' is too large to be read at once (%zu numbers)", path, name, count);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_alloc(count, 8, ret_values));
  if (count > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *ret_values) < 0) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' cannot be read (HDF5: %s)", path, name, cyf_h5_reason(reason));
  }
cleanup:
  if (status != CYF_OK) cyf_free_at(ret_values);
  cyf_h5_close_id(&file_type);
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status open_and_read(const char *path, const char *name, hid_t type, void **ret_values, int *ret_n_dims,
                                int64_t shape[4]) {
  hid_t file = H5I_INVALID_HID;
  *ret_values = NULL;
  CYF_TRY(cyf_h5_open_file(path, &file));
  cyf_status status = read_dataset(file, path, name, type, ret_values, ret_n_dims, shape);
  cyf_h5_close_id(&file);
  return status;
}

cyf_status cyf_hdf5_read_doubles(const char *path, const char *dataset, double **ret_values, int *ret_n_dims,
                                 int64_t shape[4]) {
  cyf_hdf5_lock();
  cyf_status status = open_and_read(path, dataset, H5T_NATIVE_DOUBLE, (void **)ret_values, ret_n_dims, shape);
  cyf_hdf5_unlock();
  return status;
}

cyf_status cyf_hdf5_read_int64(const char *path, const char *dataset, int64_t **ret_values, int *ret_n_dims,
                               int64_t shape[4]) {
  cyf_hdf5_lock();
  cyf_status status = open_and_read(path, dataset, H5T_NATIVE_INT64, (void **)ret_values, ret_n_dims, shape);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status read_attribute(hid_t file, const char *path, const char *name, const char *attribute,
                                 int64_t **ret_values, int64_t *ret_count) {
  bool exists = false, has = false;
  CYF_TRY(cyf_h5_exists(file, name, path, &exists));
  hid_t object = exists ? H5Oopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
  if (object >= 0) CYF_TRY(cyf_h5_has_attribute(object, attribute, path, &has));
  hid_t id = has ? H5Aopen(object, attribute, H5P_DEFAULT) : H5I_INVALID_HID;
  cyf_status status;
  if (id < 0) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' has no attribute '%s'", path, name, attribute);
  } else {
    hid_t space = H5Aget_space(id);
    int64_t n = H5Sget_simple_extent_npoints(space);
    cyf_h5_close_id(&space);
    status = CYF_NEW(ret_values, n < 0 ? 0 : n);
    if (status == CYF_OK) status = cyf_h5_read_int_attribute(object, attribute, path, n, *ret_values, ret_count);
    if (status != CYF_OK) cyf_free(*ret_values);
  }
  cyf_h5_close_id(&id);
  cyf_h5_close_id(&object);
  return status;
}

cyf_status cyf_hdf5_read_int_attribute(const char *path, const char *object, const char *attribute,
                                       int64_t **ret_values, int64_t *ret_count) {
  hid_t file = H5I_INVALID_HID;
  *ret_values = NULL;
  *ret_count = 0;
  cyf_hdf5_lock();
  cyf_status status = cyf_h5_open_file(path, &file);
  if (status == CYF_OK) status = read_attribute(file, path, object, attribute, ret_values, ret_count);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status is_integer(hid_t file, const char *path, const char *name, bool *ret_is_integer) {
  bool is_dataset = false;
  CYF_TRY(cyf_h5_is_dataset(file, name, path, &is_dataset));
  if (!is_dataset) return CYF_FAIL(CYF_ERR_INPUT, "%s: there is no dataset '%s'", path, name);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(dataset);
  *ret_is_integer = H5Tget_class(type) == H5T_INTEGER;
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&dataset);
  return CYF_OK;
}

cyf_status cyf_hdf5_is_integer(const char *path, const char *dataset, bool *ret_is_integer) {
  hid_t file = H5I_INVALID_HID;
  cyf_hdf5_lock();
  cyf_status status = cyf_h5_open_file(path, &file);
  if (status == CYF_OK) status = is_integer(file, path, dataset, ret_is_integer);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  return status;
}
