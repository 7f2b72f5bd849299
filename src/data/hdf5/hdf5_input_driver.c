/* SPDX-License-Identifier: MIT */
/* An HDF5 file driver that remembers what went wrong.
 *
 * HDF5's own driver gives zeros for what lies past the end of a file, also where the file has become shorter since it
 * was opened. Many of HDF5's functions answer a failed read as they answer an absent object. This driver fails where
 * the bytes were there at first. It keeps the first failure, so that whoever has read something can ask whether all
 * reads went well. */
#include "data/hdf5/hdf5_input_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

enum { READ_BYTES_MAX = 1 << 30 }; /* Linux moves at most 2 GiB - 4 KiB a call */

typedef struct driver_file {
  H5FD_t public_part; /* HDF5's, must be first */
  cyf_h5_reads *reads;
  int file;
  haddr_t end_of_allocated;
  haddr_t end_of_file; /* when it was opened */
} driver_file;

cyf_h5_reads *cyf_h5_reads_create(void) {
  cyf_h5_reads *reads = calloc(1, sizeof(*reads)); /* outlives its maker where an object stays open; not counted */
  if (!reads) return NULL;
  reads->n_users = 1;
  reads->file = -1;
  return reads;
}

void cyf_h5_reads_release(cyf_h5_reads *reads) {
  if (reads && --reads->n_users == 0) free(reads);
}

static void note_error(cyf_h5_reads *reads, int error) {
  if (reads->error == 0) reads->error = error;
}

/* For cyf_h5_reason: the innermost message. */
static herr_t fail(const char *what) {
  H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_IO, H5E_READERROR, "%s", what);
  return -1;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access_list, haddr_t most_address) {
  (void)most_address;
  cyf_h5_reads *const *reads = H5Pget_driver_info(access_list);
  struct stat info;
  if (!reads || (flags & H5F_ACC_RDWR)) return NULL;
  driver_file *self = calloc(1, sizeof(*self)); /* owned by HDF5's side; not counted */
  if (!self) return NULL;
  self->file = cyf_open_file(name, O_RDONLY);
  const bool opened = self->file >= 0 && fstat(self->file, &info) == 0;
  if (!opened) {
    const int error = errno;
    if (self->file >= 0) close(self->file);
    free(self);
    if (error != ENOENT && error != ENOTDIR) note_error(*reads, error); /* a link may lead to no file */
    (void)fail(strerror(error));
    return NULL;
  }
  self->end_of_file = (haddr_t)info.st_size;
  self->reads = *reads;
  self->reads->n_users++;
  if (self->reads->file < 0 && cyf_file_identify_open(self->file, name, &self->reads->identity) == CYF_OK)
    self->reads->file = self->file;
  return &self->public_part;
}

static herr_t driver_close(H5FD_t *file) {
  driver_file *self = (driver_file *)file;
  if (self->reads->file == self->file) self->reads->file = -1;
  close(self->file); /* was only read */
  cyf_h5_reads_release(self->reads);
  free(self);
  return 0;
}

/* For files that links lead to, which are opened with the list of the file that has the link. */
static void *driver_get_list(H5FD_t *file) {
  cyf_h5_reads **reads = malloc(sizeof(*reads));
  if (reads) *reads = ((driver_file *)file)->reads;
  return reads;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  /* Without H5FD_FEAT_ACCUMULATE_METADATA: HDF5 1.10 copies from outside of its accumulator where a damaged file gives
   * an address near the end of the address space. */
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
           H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)file)->end_of_allocated;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address) {
  (void)type;
  ((driver_file *)file)->end_of_allocated = address;
  return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)file)->end_of_file;
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer) {
  (void)type;
  (void)transfer;
  driver_file *self = (driver_file *)file;
  unsigned char *to = buffer;
  size_t done = 0;
  if (address > (haddr_t)INT64_MAX - size) return fail("the file gives an address that no file has");
  while (done < size) {
    const size_t left = size - done, piece = left < READ_BYTES_MAX ? left : READ_BYTES_MAX;
    const ssize_t now = pread(self->file, to + done, piece, (off_t)(address + done));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) {
      note_error(self->reads, errno);
      return fail(strerror(errno));
    }
    if (now == 0) break;
    done += (size_t)now;
  }
  if (done == size) return 0;
  if (address + done < self->end_of_file) {
    self->reads->ended = true;
    return fail("reading ended before the end of the file");
  }
  memset(to + done, 0, size - done); /* HDF5 looks past the end of small files, and expects this */
  return 0;
}

/* HDF5 takes no driver without one; files are opened for reading. */
static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                           const void *buffer) {
  (void)file, (void)type, (void)transfer, (void)address, (void)size, (void)buffer;
  return fail("the file is open for reading");
}

/* Registered once, so that its files can be told from those of other drivers; HDF5 itself is as long-lived. */
static hid_t driver_id(void) {
  static hid_t id = H5I_INVALID_HID;
  static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)510, /* from the range the HDF Group leaves to private drivers */
#endif
    .name = "cytoforge_input",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(cyf_h5_reads *),
    .fapl_get = driver_get_list,
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
  };
  if (id < 0) id = H5FDregister(&driver);
  return id;
}

herr_t cyf_h5_reads_set_driver(hid_t access_list, cyf_h5_reads *reads) {
  return driver_id() < 0 ? -1 : H5Pset_driver(access_list, driver_id(), &reads);
}

const cyf_h5_reads *cyf_h5_reads_of(hid_t object) {
  const cyf_h5_reads *reads = NULL;
  hid_t file = H5Iget_file_id(object);
  hid_t access_list = file < 0 ? H5I_INVALID_HID : H5Fget_access_plist(file);
  if (access_list >= 0 && H5Pget_driver(access_list) == driver_id()) {
    cyf_h5_reads *const *info = H5Pget_driver_info(access_list);
    if (info) reads = *info;
  }
  if (access_list >= 0) H5Pclose(access_list);
  if (file >= 0) H5Fclose(file);
  return reads;
}
