/* SPDX-License-Identifier: MIT */
/* After the HDF5 file format specification, version 3: III.E, global heaps, and IV.B, variable-length data. */
#include "data/hdf5/hdf5_heap.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

/* An element of a dataset or an attribute: the text's length, the address of its heap, and its number there. Of a heap:
 * a head, and objects that each have a head. With addresses and sizes of 8 bytes. */
enum { ELEMENT_BYTES = 16, HEAP_HEAD_BYTES = 16, OBJECT_HEAD_BYTES = 16, HEAP_BYTES_MAX = 1 << 26 };

struct cyf_text_heap {
  int file;
  uint64_t base; /* of addresses */
  /* The heap that was read last: texts of a dataset lie in few, one after the other. */
  uint64_t address;
  uint8_t *bytes;
  uint64_t n_bytes; /* 0: cannot be read, which HDF5 will say */
  uint64_t last;    /* where the object lies that was asked for last */
};
typedef cyf_text_heap heap;

static uint64_t number(const uint8_t *bytes, int n) {
  uint64_t value = 0;
  for (int i = n - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

static void read_heap(heap *h, uint64_t address) {
  uint8_t head[HEAP_HEAD_BYTES];
  h->address = address;
  h->n_bytes = 0;
  h->last = HEAP_HEAD_BYTES;
  if (pread(h->file, head, sizeof head, (off_t)(h->base + address)) != (ssize_t)sizeof head) return;
  const uint64_t n = number(head + 8, 8);
  if (memcmp(head, "GCOL", 4) != 0 || n < HEAP_HEAD_BYTES || n > HEAP_BYTES_MAX) return;
  uint8_t *bytes = realloc(h->bytes, n);
  if (!bytes) return;
  h->bytes = bytes;
  if (pread(h->file, bytes, n, (off_t)(h->base + address)) == (ssize_t)n) h->n_bytes = n;
}

/* Looks for an object of the heap from `from` on, and before `end`. *ret_fits: whether it lies within the heap and
 * takes no more than `room` bytes. */
static bool find_object(heap *h, uint64_t index, uint64_t room, uint64_t from, uint64_t end, bool *ret_fits) {
  for (uint64_t at = from; at < end && at + OBJECT_HEAD_BYTES <= h->n_bytes;) {
    const uint64_t size = number(h->bytes + at + 8, 8), found = number(h->bytes + at, 2);
    if (found == 0 || (found != index && size > h->n_bytes)) break; /* the free space at the end, or damage */
    if (found == index) {
      *ret_fits = size <= room && size <= h->n_bytes - at - OBJECT_HEAD_BYTES;
      h->last = at;
      return true;
    }
    at += OBJECT_HEAD_BYTES + (size + 7) / 8 * 8;
  }
  return false;
}

/* An object that the heap lacks does not fit. HDF5 reads beyond the heap's list of objects for it, or finds one behind
 * free space in the middle. What is no heap, HDF5 refuses itself. Texts mostly lie in the order in which they are asked
 * for. */
static bool object_fits(heap *h, uint64_t index, uint64_t room) {
  bool fits = true;
  const uint64_t last = h->last;
  if (h->n_bytes == 0 || find_object(h, index, room, last, h->n_bytes, &fits)) return fits;
  return find_object(h, index, room, HEAP_HEAD_BYTES, last, &fits) && fits;
}

/* unit: bytes of what the length counts. */
static bool element_fits(heap *h, const uint8_t *element, uint64_t unit) {
  const uint64_t length = number(element, 4), address = number(element + 4, 8), index = number(element + 12, 4);
  if (length == 0 || address == 0) return true;
  if (address != h->address) read_heap(h, address);
  return object_fits(h, index, length * unit);
}

/* ---- elements as they are stored ---- */

/* HDF5 undoes layouts and filters, and then converts what is stored into pointers. This takes the place of the latter:
 * the bytes stay. */
static herr_t keep_as_stored(hid_t from, hid_t to, H5T_cdata_t *conversion, size_t n, size_t stride,
                             size_t background_stride, void *elements, void *background, hid_t list) {
  (void)n, (void)stride, (void)background_stride, (void)elements, (void)background, (void)list;
  if (conversion->command != H5T_CONV_INIT) return 0;
  conversion->need_bkg = H5T_BKG_NO;
  return H5Tget_size(from) == ELEMENT_BYTES && H5Tget_size(to) == ELEMENT_BYTES ? 0 : -1;
}

static bool learn_conversion(void) {
  hid_t from = H5Tvlen_create(H5T_NATIVE_CHAR), to = H5Tcreate(H5T_OPAQUE, ELEMENT_BYTES);
  const bool learnt = H5Tregister(H5T_PERS_SOFT, "as stored", from, to, keep_as_stored) >= 0;
  H5Tclose(from);
  H5Tclose(to);
  return learnt;
}

/* Bytes of what the lengths of a type count; 0: it has none, or texts within texts. */
static uint64_t unit_of(hid_t type) {
  if (H5Tis_variable_str(type) > 0) return 1;
  if (H5Tget_class(type) != H5T_VLEN) return 0;
  hid_t base = H5Tget_super(type);
  const bool is_plain = H5Tdetect_class(base, H5T_VLEN) == 0 && H5Tis_variable_str(base) == 0;
  const uint64_t bytes = is_plain ? H5Tget_size(base) : 0;
  H5Tclose(base);
  return bytes;
}

/* A compound of the members that have texts. */
static void take_members(hid_t type, hid_t stored, cyf_stored_texts *texts) {
  const int n = H5Tget_nmembers(type);
  for (int i = 0; i < n && texts->n < CYF_STORED_TEXTS_MAX; i++) {
    hid_t member = H5Tget_member_type(type, (unsigned)i);
    const uint64_t unit = unit_of(member);
    char *name = unit > 0 ? H5Tget_member_name(type, (unsigned)i) : NULL;
    if (name && H5Tinsert(texts->type, name, (size_t)texts->n * ELEMENT_BYTES, stored) >= 0)
      texts->unit[texts->n++] = unit;
    H5free_memory(name);
    H5Tclose(member);
  }
  if (texts->n > 0) H5Tset_size(texts->type, (size_t)texts->n * ELEMENT_BYTES);
}

void cyf_stored_texts_of(hid_t type, cyf_stored_texts *ret_texts) {
  *ret_texts = (cyf_stored_texts){.type = H5I_INVALID_HID};
  hid_t stored = H5Tcreate(H5T_OPAQUE, ELEMENT_BYTES);
  const uint64_t unit = unit_of(type);
  if (unit > 0) {
    ret_texts->type = H5Tcopy(stored);
    ret_texts->unit[ret_texts->n++] = unit;
  } else if (H5Tget_class(type) == H5T_COMPOUND) {
    ret_texts->type = H5Tcreate(H5T_COMPOUND, CYF_STORED_TEXTS_MAX * ELEMENT_BYTES);
    take_members(type, stored, ret_texts);
  }
  ret_texts->bytes = (size_t)ret_texts->n * ELEMENT_BYTES;
  H5Tclose(stored);
}

void cyf_stored_texts_destroy(cyf_stored_texts *texts) {
  if (texts->type >= 0) H5Tclose(texts->type);
}

bool cyf_stored_texts_fit(cyf_text_heap *h, const cyf_stored_texts *texts, uint64_t n, const uint8_t *elements) {
  for (uint64_t i = 0; i < n; i++)
    for (int k = 0; k < texts->n; k++, elements += ELEMENT_BYTES)
      if (!element_fits(h, elements, texts->unit[k])) return false;
  return true;
}

/* ---- the file ---- */

/* Addresses are counted from behind a user block, and of 8 bytes in all files but very old ones. */
static bool describe_file(hid_t file, uint64_t *ret_base) {
  size_t address_bytes = 0, size_bytes = 0;
  hsize_t user_block = 0;
  hid_t creation = H5Fget_create_plist(file);
  const bool known = H5Pget_sizes(creation, &address_bytes, &size_bytes) >= 0 && address_bytes == 8 &&
                     size_bytes == 8 && H5Pget_userblock(creation, &user_block) >= 0;
  *ret_base = user_block;
  H5Pclose(creation);
  return known;
}

cyf_text_heap *cyf_text_heap_open(hid_t file, const char *path) {
  heap *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->address = UINT64_MAX;
  h->file = describe_file(file, &h->base) && learn_conversion() ? cyf_open_file(path, O_RDONLY) : -1;
  if (h->file >= 0) return h;
  free(h);
  return NULL;
}

void cyf_text_heap_close(cyf_text_heap **h) {
  if (!*h) return;
  close((*h)->file);
  free((*h)->bytes);
  free(*h);
  *h = NULL;
}
