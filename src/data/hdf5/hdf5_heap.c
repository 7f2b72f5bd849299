/* SPDX-License-Identifier: MIT */
/* After the HDF5 file format specification, version 3: III.E, global heaps, and IV.B, variable-length data. */
#include "data/hdf5/hdf5_heap.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

/* An element of a dataset: the text's length, the address of its heap, and its number there. Of a heap: a head, and
 * objects that each have a head. With addresses and sizes of 8 bytes. */
enum {
  ELEMENT_BYTES = 16,
  HEAP_HEAD_BYTES = 16,
  OBJECT_HEAD_BYTES = 16,
  HEAP_BYTES_MAX = 1 << 26,
  ELEMENTS_AT_ONCE = 4096
};

/* The heap that was read last: texts of a dataset lie in few, one after the other. */
typedef struct heap {
  int file;
  uint64_t base; /* of addresses */
  uint64_t address;
  uint8_t *bytes;
  uint64_t n_bytes; /* 0: cannot be read, which HDF5 will say */
} heap;

static uint64_t number(const uint8_t *bytes, int n) {
  uint64_t value = 0;
  for (int i = n - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

static void read_heap(heap *h, uint64_t address) {
  uint8_t head[HEAP_HEAD_BYTES];
  h->address = address;
  h->n_bytes = 0;
  if (pread(h->file, head, sizeof head, (off_t)(h->base + address)) != (ssize_t)sizeof head) return;
  const uint64_t n = number(head + 8, 8);
  if (memcmp(head, "GCOL", 4) != 0 || n < HEAP_HEAD_BYTES || n > HEAP_BYTES_MAX) return;
  uint8_t *bytes = realloc(h->bytes, n);
  if (!bytes) return;
  h->bytes = bytes;
  if (pread(h->file, bytes, n, (off_t)(h->base + address)) == (ssize_t)n) h->n_bytes = n;
}

/* Whether an object of the heap lies within it and takes no more than `room` bytes; also where there is none. */
static bool object_fits(const heap *h, uint64_t index, uint64_t room) {
  for (uint64_t at = HEAP_HEAD_BYTES; at + OBJECT_HEAD_BYTES <= h->n_bytes;) {
    const uint64_t size = number(h->bytes + at + 8, 8), found = number(h->bytes + at, 2);
    if (found == 0) break; /* the free space at the end */
    if (found == index) return size <= room && size <= h->n_bytes - at - OBJECT_HEAD_BYTES;
    if (size > h->n_bytes) break;
    at += OBJECT_HEAD_BYTES + (size + 7) / 8 * 8;
  }
  return true;
}

static bool element_fits(heap *h, const uint8_t *element) {
  const uint64_t length = number(element, 4), address = number(element + 4, 8), index = number(element + 12, 4);
  if (length == 0 || address == 0) return true;
  if (address != h->address) read_heap(h, address);
  return object_fits(h, index, length);
}

static bool elements_fit(heap *h, uint64_t address, uint64_t n) {
  static uint8_t elements[ELEMENTS_AT_ONCE * ELEMENT_BYTES]; /* one thread walks */
  for (uint64_t first = 0; first < n; first += ELEMENTS_AT_ONCE) {
    const uint64_t now = n - first < ELEMENTS_AT_ONCE ? n - first : ELEMENTS_AT_ONCE;
    const ssize_t bytes = (ssize_t)(now * ELEMENT_BYTES);
    if (pread(h->file, elements, (size_t)bytes, (off_t)(address + first * ELEMENT_BYTES)) != bytes) return true;
    for (uint64_t i = 0; i < now; i++)
      if (!element_fits(h, elements + i * ELEMENT_BYTES)) return false;
  }
  return true;
}

/* Addresses are counted from behind a user block, and of 8 bytes in all files but very old ones. */
static bool describe_file(hid_t dataset, uint64_t *ret_base) {
  size_t address_bytes = 0, size_bytes = 0;
  hsize_t user_block = 0;
  hid_t file = H5Iget_file_id(dataset), creation = H5Fget_create_plist(file);
  const bool known = H5Pget_sizes(creation, &address_bytes, &size_bytes) >= 0 && address_bytes == 8 &&
                     size_bytes == 8 && H5Pget_userblock(creation, &user_block) >= 0;
  *ret_base = user_block;
  H5Pclose(creation);
  H5Fclose(file);
  return known;
}

bool cyf_h5_texts_fit(hid_t dataset, const char *path) {
  heap h = {.file = -1, .address = UINT64_MAX};
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  const haddr_t address = H5Dget_offset(dataset); /* undefined where it is in chunks */
  const hssize_t n = H5Sget_simple_extent_npoints(space);
  bool fit = true;
  if (H5Tis_variable_str(type) > 0 && address != HADDR_UNDEF && n > 0 && describe_file(dataset, &h.base)) {
    h.file = cyf_open_file(path, O_RDONLY);
    if (h.file >= 0) fit = elements_fit(&h, address, (uint64_t)n);
    if (h.file >= 0) close(h.file);
  }
  free(h.bytes);
  H5Sclose(space);
  H5Tclose(type);
  return fit;
}
