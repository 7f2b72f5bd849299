/* SPDX-License-Identifier: MIT */
/* Files that are being written, and writing datasets and attributes of numbers. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/hdf5/hdf5_file.h"
#include "data/hdf5/hdf5_output_driver.h"
#include "data/hdf5/hdf5_seal.h"

struct cyf_h5_output {
  char *path;
  cyf_partial partial;
  bool is_sealed;
  hid_t file;
  cyf_h5_sink sink;
};

/* The driver hides failed writes from HDF5, so that closing fails only where there is no memory: a negative number
 * then.
 */
static herr_t close_hdf5(cyf_h5_output *output) {
  const herr_t closed = output->file < 0 ? 0 : H5Fclose(output->file);
  output->file = H5I_INVALID_HID;
  return closed;
}

static void close_descriptor(cyf_h5_output *output) {
  if (!cyf_close_file(&output->sink.fd) && !output->sink.error) output->sink.error = errno;
  cyf_h5_sink_clear(&output->sink);
}

static void destroy(cyf_h5_output **output) {
  if (!*output) return;
  (void)close_hdf5(*output);
  close_descriptor(*output);
  cyf_free((*output)->path);
  cyf_partial_discard(&(*output)->partial);
  cyf_free(*output);
}

static cyf_status open_hdf5(cyf_h5_output *output) {
  char reason[CYF_H5_REASON_SIZE];
  hid_t access_list = H5Pcreate(H5P_FILE_ACCESS), creation_list = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_fclose_degree(access_list, H5F_CLOSE_STRONG);
  if (output->is_sealed) H5Pset_userblock(creation_list, CYF_H5_SEAL_BYTES);
  if (cyf_h5_sink_set_driver(access_list, &output->sink) >= 0) {
    output->file = H5Fcreate(output->partial.path, H5F_ACC_TRUNC, creation_list, access_list);
  }
  if (output->file < 0) cyf_h5_reason(reason);
  H5Pclose(access_list);
  H5Pclose(creation_list);
  if (output->file < 0) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be created (HDF5: %s)", output->path, reason);
  return CYF_OK;
}

static cyf_status create(const char *path, bool is_sealed, cyf_h5_output **ret_output) {
  cyf_status status = CYF_OK;
  cyf_h5_output *output = NULL;
  *ret_output = NULL;
  CYF_TRY(CYF_NEW(&output, 1));
  output->file = H5I_INVALID_HID;
  output->is_sealed = is_sealed;
  output->sink.fd = -1;
  output->partial = CYF_PARTIAL_NONE;
  CYF_TRY_CLEANUP(cyf_strdup(path, &output->path));
  CYF_TRY_CLEANUP(cyf_partial_create(path, &output->partial, &output->sink.fd));
  CYF_TRY_CLEANUP(open_hdf5(output));
  *ret_output = output;
  return CYF_OK;
cleanup:
  destroy(&output);
  return status;
}

cyf_status cyf_h5_output_create(const char *path, cyf_h5_output **ret_output) {
  return create(path, false, ret_output);
}

cyf_status cyf_h5_output_create_sealed(const char *path, cyf_h5_output **ret_output) {
  return create(path, true, ret_output);
}

bool cyf_h5_output_is_sealed(const cyf_h5_output *output) {
  return output->is_sealed;
}

hid_t cyf_h5_output_file(const cyf_h5_output *output) {
  return output->file;
}

const char *cyf_h5_output_path(const cyf_h5_output *output) {
  return output->path;
}

cyf_status cyf_h5_output_check(const cyf_h5_output *output, int64_t result, const char *what) {
  char reason[CYF_H5_REASON_SIZE];
  if (output->sink.error) {
    return CYF_FAIL(CYF_ERR_IO, "%s: writing %s failed: %s", output->path, what, strerror(output->sink.error));
  }
  if (result < 0)
    return CYF_FAIL(CYF_ERR_IO, "%s: writing %s failed (HDF5: %s)", output->path, what, cyf_h5_reason(reason));
  return CYF_OK;
}

cyf_status cyf_h5_output_commit(cyf_h5_output **output) {
  cyf_status status = cyf_h5_output_check(*output, H5Fflush((*output)->file, H5F_SCOPE_GLOBAL), "the file");
  const herr_t closed = close_hdf5(*output);
  if (status == CYF_OK) status = cyf_h5_output_check(*output, closed, "the file");
  if (status == CYF_OK && (*output)->is_sealed) status = cyf_h5_seal_write((*output)->sink.fd, (*output)->path);
  close_descriptor(*output);
  if (status == CYF_OK) status = cyf_h5_output_check(*output, 0, "the file");
  if (status == CYF_OK) status = cyf_partial_commit(&(*output)->partial, (*output)->path);
  destroy(output);
  return status;
}

void cyf_h5_output_discard(cyf_h5_output **output) {
  if (!*output) return;
  destroy(output);
}

cyf_status cyf_h5_write_ints_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       hid_t file_type, hid_t memory_type, const void *values, int64_t n) {
  hsize_t dims = n < 0 ? 1 : (hsize_t)n;
  hid_t space = n < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
  hid_t id = H5Acreate2(object, attribute, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
  cyf_status status = cyf_h5_output_check(output, id < 0 ? -1 : H5Awrite(id, memory_type, values), attribute);
  cyf_h5_close_id(&id);
  cyf_h5_close_id(&space);
  return status;
}

hid_t cyf_h5_intermediate_groups(void) {
  hid_t list = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(list, 1);
  H5Pset_char_encoding(list, H5T_CSET_UTF8);
  return list;
}

/* Chunks with checksums are of about this size, in whole rows. */
enum { CHECKED_CHUNK_BYTES = 1 << 20 };

static void set_checksums(hid_t creation, hid_t file_type, int n_dims, const hsize_t *dims) {
  hsize_t chunk[4] = {0}, row_bytes = H5Tget_size(file_type);
  for (int d = 1; d < n_dims; d++) row_bytes *= chunk[d] = dims[d];
  chunk[0] = row_bytes ? CHECKED_CHUNK_BYTES / row_bytes : 0;
  if (chunk[0] > dims[0]) chunk[0] = dims[0];
  if (chunk[0] == 0) chunk[0] = 1;
  H5Pset_chunk(creation, n_dims, chunk);
  H5Pset_fletcher32(creation);
}

static cyf_status create_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                 int n_dims, const int64_t *shape, bool checked, hid_t *ret_dataset) {
  hsize_t dims[4] = {0}, n = 1;
  for (int d = 0; d < n_dims; d++) n *= dims[d] = (hsize_t)shape[d];
  hid_t links = cyf_h5_intermediate_groups(), creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(creation, false);
  if (checked && n_dims > 0 && n > 0) set_checksums(creation, file_type, n_dims, dims);
  hid_t space = n_dims == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(n_dims, dims, NULL);
  *ret_dataset = H5Dcreate2(parent, name, file_type, space, links, creation, H5P_DEFAULT);
  cyf_status status = cyf_h5_output_check(output, *ret_dataset, name);
  if (status != CYF_OK) cyf_h5_close_id(ret_dataset);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&links);
  return status;
}

cyf_status cyf_h5_create_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                 int n_dims, const int64_t *shape, hid_t *ret_dataset) {
  return create_dataset(output, parent, name, file_type, n_dims, shape, false, ret_dataset);
}

cyf_status cyf_h5_create_checked_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                         int n_dims, const int64_t *shape, hid_t *ret_dataset) {
  return create_dataset(output, parent, name, file_type, n_dims, shape, true, ret_dataset);
}

static herr_t write_rows(hid_t dataset, hid_t type, int64_t first, int64_t n, int64_t width, const void *values) {
  hid_t file_space = H5I_INVALID_HID, memory_space = H5I_INVALID_HID;
  herr_t result = cyf_h5_select_range(dataset, first, n, width, &file_space, &memory_space);
  if (result >= 0) result = H5Dwrite(dataset, type, memory_space, file_space, H5P_DEFAULT, values);
  cyf_h5_close_id(&memory_space);
  cyf_h5_close_id(&file_space);
  return result;
}

cyf_status cyf_h5_write_range(const cyf_h5_output *output, hid_t dataset, hid_t type, size_t type_size, int64_t first,
                              int64_t n, int64_t width, const char *name, const void *values) {
  int64_t step = cyf_h5_rows_at_once(type_size, width), row_values = width < 0 ? 1 : width;
  for (int64_t done = 0; done < n && row_values > 0; done += step) {
    int64_t now = n - done < step ? n - done : step;
    const char *from = (const char *)values + (size_t)done * (size_t)row_values * type_size;
    CYF_TRY(cyf_h5_output_check(output, write_rows(dataset, type, first + done, now, width, from), name));
  }
  return CYF_OK;
}
