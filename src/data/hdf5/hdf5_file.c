/* SPDX-License-Identifier: MIT */
#include "data/hdf5/hdf5_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "data/hdf5/hdf5_input_driver.h"
#include "data/hdf5/lzf_filter.h"

/* A global, since HDF5 has one state for the whole process, and so its lock. */
static pthread_mutex_t hdf5_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void cyf_hdf5_lock(void) {
  static int quiet = 0;
  pthread_mutex_lock(&hdf5_mutex);
  if (quiet) return;
  quiet = H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0;
  (void)cyf_lzf_register(); /* where it fails, datasets in LZF are refused by that name */
}

void cyf_hdf5_unlock(void) {
  pthread_mutex_unlock(&hdf5_mutex);
}

void cyf_hdf5_version(char *text, size_t size) {
  unsigned major = 0, minor = 0, release = 0;
  cyf_hdf5_lock();
  H5get_libversion(&major, &minor, &release);
  cyf_hdf5_unlock();
#ifdef H5_HAVE_PARALLEL
  const char *kind = "parallel";
#else
  const char *kind = "serial";
#endif
  snprintf(text, size, "%u.%u.%u (%s)", major, minor, release, kind);
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *text) {
  (void)n;
  snprintf(text, CYF_H5_REASON_SIZE, "%s", error->desc ? error->desc : "");
  return 1; /* stop: the walk upward begins at the innermost message */
}

const char *cyf_h5_reason(char text[CYF_H5_REASON_SIZE]) {
  text[0] = '\0';
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, text);
  H5Eclear2(H5E_DEFAULT);
  if (!text[0]) snprintf(text, CYF_H5_REASON_SIZE, "unknown HDF5 error");
  return text;
}

cyf_status cyf_h5_unreadable(const char *where, const char *name, const char *what, const char *reason) {
  unsigned major = 0, minor = 0, release = 0;
  const bool is_newer = strstr(reason, "version number") || strstr(reason, "'fail if unknown' flag");
  H5get_libversion(&major, &minor, &release);
  if (is_newer)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: %s is stored in a format newer than HDF5 %u.%u (this build); write the file anew without "
                    "libver=\"latest\", or h5repack it with a newer HDF5 (HDF5: %s)",
                    where, name, major, minor, reason);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s cannot be %s, the file seems damaged (HDF5: %s)", where, name, what, reason);
}

/* What cannot be looked at is another failure than what is not there or not permitted. */
static cyf_status not_readable(const char *path, int error) {
  if (error == ENOENT || error == ENOTDIR) return CYF_FAIL(CYF_ERR_INPUT, "%s: no such file", path);
  return CYF_FAIL(cyf_input_error(error), "%s: %s", path, strerror(error));
}

static cyf_status check_readable(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) return not_readable(path, errno);
  if (S_ISDIR(info.st_mode)) return CYF_FAIL(CYF_ERR_INPUT, "%s: is a folder, not an HDF5 file", path);
  if (access(path, R_OK) != 0) return not_readable(path, errno);
  if (info.st_size == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: the file is empty", path);
  return CYF_OK;
}

/* The file may have been written to before, in between or after the reads so far: nobody can tell. */
static cyf_status check(const cyf_h5_reads *reads, const char *where) {
  cyf_file_identity now;
  if (!reads) return CYF_OK;
  if (reads->error) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", where, strerror(reads->error));
  if (reads->file >= 0) {
    CYF_TRY(cyf_file_identify_open(reads->file, where, &now));
    CYF_TRY(cyf_file_check_same(where, &reads->identity, &now));
  }
  /* No change of the file explains it: what could not be read says nothing about what the file holds. */
  if (reads->ended) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: it ended before the end of the file", where);
  return CYF_OK;
}

cyf_status cyf_h5_check_reads(hid_t object, const char *where) {
  return check(cyf_h5_reads_of(object), where);
}

cyf_status cyf_h5_end_reads(hid_t object, const char *where, cyf_status status) {
  const cyf_h5_reads *reads = cyf_h5_reads_of(object);
  const bool failed = reads && (reads->error || reads->ended);
  if (failed && status == CYF_ERR_INPUT) cyf_status_clear();
  return status == CYF_OK || (failed && status == CYF_ERR_INPUT) ? check(reads, where) : status;
}

static cyf_status open_hdf5(const char *path, cyf_h5_reads *reads, hid_t *ret_file) {
  char reason[CYF_H5_REASON_SIZE] = "";
  hid_t file = H5I_INVALID_HID, access_list = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_file_locking(access_list, false, true);
  if (cyf_h5_reads_set_driver(access_list, reads) >= 0) file = H5Fopen(path, H5F_ACC_RDONLY, access_list);
  if (file < 0) cyf_h5_reason(reason);
  cyf_h5_close_id(&access_list);
  const cyf_status status = check(reads, path);
  if (file >= 0 && status != CYF_OK) cyf_h5_close_id(&file);
  CYF_TRY(status);
  if (file >= 0) {
    *ret_file = file;
    return CYF_OK;
  }
  if (strstr(reason, "signature not found"))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: not an HDF5 file (no HDF5 signature)", path);
  if (strstr(reason, "truncated"))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the file is truncated, probably an incomplete copy or download (HDF5: %s)",
                    path, reason);
  return cyf_h5_unreadable(path, "the file", "opened as HDF5", reason);
}

cyf_status cyf_h5_open_file(const char *path, hid_t *ret_file) {
  *ret_file = H5I_INVALID_HID;
  CYF_TRY(check_readable(path));
  cyf_h5_reads *reads = cyf_h5_reads_create();
  if (!reads) return CYF_FAIL(CYF_ERR_MEMORY, "%s: no memory to open it", path);
  const cyf_status status = open_hdf5(path, reads, ret_file);
  cyf_h5_reads_release(reads);
  return status;
}

void cyf_h5_close_id(hid_t *id) {
  if (*id < 0) return;
  switch (H5Iget_type(*id)) {
    case H5I_FILE:
      H5Fclose(*id);
      break;
    case H5I_GROUP:
      H5Gclose(*id);
      break;
    case H5I_DATASET:
      H5Dclose(*id);
      break;
    case H5I_DATATYPE:
      H5Tclose(*id);
      break;
    case H5I_DATASPACE:
      H5Sclose(*id);
      break;
    case H5I_ATTR:
      H5Aclose(*id);
      break;
    case H5I_GENPROP_LST:
      H5Pclose(*id);
      break;
    default:
      break;
  }
  *id = H5I_INVALID_HID;
}

/* A damaged header may claim any extent. Deflate compresses at most about a thousandfold, so there cannot be more bytes
 * than that for each byte of the file. The constant leaves room for small files. */
static bool extent_is_credible(hid_t dataset, int n_dims, const hsize_t *dims) {
  hid_t type = H5Dget_type(dataset);
  hid_t file = H5Iget_file_id(dataset);
  hsize_t file_bytes = 0;
  H5Fget_filesize(file, &file_bytes);
  double bytes = (double)H5Tget_size(type), most = 16.0 * 1024 * 1024 + 4096.0 * (double)file_bytes;
  for (int d = 0; d < n_dims; d++) bytes *= (double)dims[d];
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&file);
  return bytes <= most;
}

cyf_status cyf_h5_extent(hid_t dataset, const char *where, const char *name, int *ret_n_dims, int64_t shape[4]) {
  hsize_t dims[H5S_MAX_RANK] = {0};
  hid_t space = H5Dget_space(dataset);
  int n_dims = H5Sget_simple_extent_ndims(space);
  bool simple = n_dims >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL;
  if (simple) H5Sget_simple_extent_dims(space, dims, NULL);
  cyf_h5_close_id(&space);
  if (!simple || n_dims > 4) return CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not an array of 0 to 4 dimensions", where, name);
  if (!extent_is_credible(dataset, n_dims, dims)) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s claims more elements than a file of this size can hold; the file is damaged",
                    where, name);
  }
  for (int d = 0; d < n_dims; d++) shape[d] = (int64_t)dims[d];
  *ret_n_dims = n_dims;
  return CYF_OK;
}

herr_t cyf_h5_select_range(hid_t dataset, int64_t first, int64_t n, int64_t width, hid_t *ret_file_space,
                           hid_t *ret_memory_space) {
  const hsize_t start[2] = {(hsize_t)first, 0}, count[2] = {(hsize_t)n, (hsize_t)(width < 0 ? 1 : width)};
  *ret_file_space = H5Dget_space(dataset);
  *ret_memory_space = H5Screate_simple(width < 0 ? 1 : 2, count, NULL);
  return H5Sselect_hyperslab(*ret_file_space, H5S_SELECT_SET, start, NULL, count, NULL);
}

int64_t cyf_h5_rows_at_once(size_t type_size, int64_t width) {
  int64_t row_bytes = (int64_t)type_size * (width < 0 ? 1 : width);
  return row_bytes >= CYF_H5_TRANSFER_BYTES || row_bytes == 0 ? 1 : CYF_H5_TRANSFER_BYTES / row_bytes;
}

cyf_status cyf_h5_cannot_read(hid_t object, const char *where, const char *name) {
  char reason[CYF_H5_REASON_SIZE];
  cyf_h5_reason(reason); /* now: any other call clears it */
  CYF_TRY(cyf_h5_check_reads(object, where));
  if (H5Iget_type(object) == H5I_DATASET) CYF_TRY(cyf_h5_check_filters(object, where, name));
  return cyf_h5_unreadable(where, name, "read", reason);
}

static herr_t read_rows(hid_t dataset, hid_t type, int64_t first, int64_t n, int64_t width, hid_t transfer,
                        void *values) {
  hid_t file_space = H5I_INVALID_HID, memory_space = H5I_INVALID_HID;
  herr_t result = cyf_h5_select_range(dataset, first, n, width, &file_space, &memory_space);
  if (result >= 0) result = H5Dread(dataset, type, memory_space, file_space, transfer, values);
  cyf_h5_close_id(&memory_space);
  cyf_h5_close_id(&file_space);
  return result;
}

cyf_status cyf_h5_read_range_by(hid_t dataset, hid_t type, size_t type_size, int64_t first, int64_t n, int64_t width,
                                hid_t transfer, const char *where, const char *name, void *ret_values) {
  int64_t step = cyf_h5_rows_at_once(type_size, width), row_values = width < 0 ? 1 : width;
  for (int64_t done = 0; done < n && row_values > 0; done += step) {
    int64_t now = n - done < step ? n - done : step;
    char *to = (char *)ret_values + (size_t)done * (size_t)row_values * type_size;
    if (read_rows(dataset, type, first + done, now, width, transfer, to) < 0)
      return cyf_h5_cannot_read(dataset, where, name);
  }
  return CYF_OK;
}

cyf_status cyf_h5_read_range(hid_t dataset, hid_t type, size_t type_size, int64_t first, int64_t n, int64_t width,
                             const char *where, const char *name, void *ret_values) {
  return cyf_h5_read_range_by(dataset, type, type_size, first, n, width, H5P_DEFAULT, where, name, ret_values);
}

hid_t cyf_h5_half_type(void) {
  hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  if (type >= 0 &&
      (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0))
    cyf_h5_close_id(&type);
  return type;
}
