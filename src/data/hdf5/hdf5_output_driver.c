/* SPDX-License-Identifier: MIT */
/* An HDF5 file driver that never fails to write.
 *
 * A write may fail in a flush or a close, as on a full disk. The metadata cache of HDF5 1.10 and its tables of open
 * objects are then left in an undefined state. Files stay open, closing fails again at exit, and the library may loop
 * or crash.
 *
 * This driver reports success, so that HDF5 always closes cleanly, and keeps the first failure for its owner to report.
 * What could not be written stays in memory, where HDF5 may read it back. That is little, since owners stop at the
 * first failed write. Files are plain HDF5, as those of the default driver. */
#include "data/hdf5/hdf5_output_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct driver_file {
  H5FD_t public_part; /* HDF5's own; it must come first */
  cyf_h5_sink *sink;
  haddr_t end_of_allocated;
  haddr_t end_of_file;
} driver_file;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access_list, haddr_t most_address) {
  (void)name;
  (void)flags;
  (void)most_address;
  cyf_h5_sink *const *sink = H5Pget_driver_info(access_list);
  if (!sink) return NULL;
  driver_file *file = calloc(1, sizeof(*file)); /* HDF5 owns it, so it is not of our counted memory */
  if (!file) return NULL;
  file->sink = *sink;
  return &file->public_part;
}

static herr_t driver_close(H5FD_t *file) {
  free(file);
  return 0;
}

static int driver_compare(const H5FD_t *a, const H5FD_t *b) {
  int fd_a = ((const driver_file *)a)->sink->fd, fd_b = ((const driver_file *)b)->sink->fd;
  return (fd_a > fd_b) - (fd_a < fd_b);
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
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

/* Copies the unwritten bytes of [address, address + size) over the buffer, those of older writes first. */
static void overlay(const cyf_h5_sink *sink, haddr_t address, size_t size, unsigned char *buffer) {
  for (const cyf_h5_unwritten *part = sink->unwritten; part; part = part->next) {
    uint64_t from = part->address > address ? part->address : address;
    uint64_t part_end = part->address + part->size, end = address + size;
    uint64_t to = part_end < end ? part_end : end;
    if (from < to) memcpy(buffer + (from - address), part->bytes + (from - part->address), to - from);
  }
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer) {
  (void)type;
  (void)transfer;
  const driver_file *self = (const driver_file *)file;
  unsigned char *to = buffer;
  size_t done = 0;
  while (done < size) {
    ssize_t now = pread(self->sink->fd, to + done, size - done, (off_t)(address + done));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0 && !self->sink->error) self->sink->error = errno;
    if (now < 0 && !self->sink->unwritten) return -1;
    if (now <= 0) break;
    done += (size_t)now;
  }
  memset(to + done, 0, size - done); /* this part of the file was allocated but never written */
  overlay(self->sink, address, size, buffer);
  return 0;
}

static void keep_unwritten(cyf_h5_sink *sink, haddr_t address, size_t size, const unsigned char *bytes) {
  cyf_h5_unwritten *part = malloc(sizeof(*part) + size);
  if (!part) return; /* the file is lost in any case; closing it may then fail inside HDF5 */
  *part = (cyf_h5_unwritten){.address = address, .size = size};
  memcpy(part->bytes, bytes, size);
  cyf_h5_unwritten **end = &sink->unwritten;
  while (*end) end = &(*end)->next;
  *end = part;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                           const void *buffer) {
  (void)transfer;
  driver_file *self = (driver_file *)file;
  cyf_h5_sink *sink = self->sink;
  const unsigned char *from = buffer;
  size_t done = 0;
  while (done < size && !sink->error) {
    ssize_t now = pwrite(sink->fd, from + done, size - done, (off_t)(address + done));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) {
      sink->error = now < 0 ? errno : EIO;
      break;
    }
    done += (size_t)now;
  }
  if (done < size && type != H5FD_MEM_DRAW) keep_unwritten(sink, address + done, size - done, from + done);
  if (address + size > self->end_of_file) self->end_of_file = address + size;
  return 0;
}

static herr_t driver_truncate(H5FD_t *file, hid_t transfer, hbool_t closing) {
  (void)transfer;
  (void)closing;
  driver_file *self = (driver_file *)file;
  if (self->end_of_file == self->end_of_allocated) return 0;
  int cut = 0;
  if (!self->sink->error) {
    do cut = ftruncate(self->sink->fd, (off_t)self->end_of_allocated);
    while (cut != 0 && errno == EINTR);
  }
  if (cut != 0) self->sink->error = errno;
  self->end_of_file = self->end_of_allocated;
  return 0;
}

herr_t cyf_h5_sink_set_driver(hid_t access_list, cyf_h5_sink *sink) {
  static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)511, /* of the numbers that the HDF Group leaves to private drivers */
#endif
    .name = "cytoforge_output",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(cyf_h5_sink *),
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_compare,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
  };
  hid_t id = H5FDregister(&driver);
  if (id < 0) return -1;
  herr_t result = H5Pset_driver(access_list, id, &sink);
  H5FDunregister(id); /* the access list and the file hold on to the driver */
  return result;
}

void cyf_h5_sink_clear(cyf_h5_sink *sink) {
  while (sink->unwritten) {
    cyf_h5_unwritten *next = sink->unwritten->next;
    free(sink->unwritten);
    sink->unwritten = next;
  }
}
