/* SPDX-License-Identifier: MIT */
#include "data/tensors/torch_zip_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"

enum {
  END_BYTES = 22,
  END_COMMENT_MAX = 65535,
  LOCATOR_BYTES = 20,
  END64_BYTES = 56,
  CENTRAL_BYTES = 46,
  LOCAL_BYTES = 30,
  DIRECTORY_BYTES_MAX = 64 << 20,
  FLAG_ENCRYPTED = 1,
  FLAG_SIZES_FOLLOW = 8 /* the local header has no sizes: they follow behind the contents */
};
static const uint32_t END_SIGNATURE = 0x06054b50, LOCATOR_SIGNATURE = 0x07064b50, END64_SIGNATURE = 0x06064b50,
                      CENTRAL_SIGNATURE = 0x02014b50, LOCAL_SIGNATURE = 0x04034b50;
static const uint32_t IN_ZIP64 = 0xffffffffu;

typedef struct archive {
  const char *path;
  int file;
  int64_t size;
  int64_t directory, directory_bytes, n_entries;
} archive;

static uint16_t u16(const uint8_t *p) {
  return (uint16_t)(p[0] | p[1] << 8);
}
static uint32_t u32(const uint8_t *p) {
  return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}
static uint64_t u64(const uint8_t *p) {
  return (uint64_t)u32(p) | (uint64_t)u32(p + 4) << 32;
}

static cyf_status damaged(const archive *a, const char *why) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the zip archive is damaged or not PyTorch's: %s", a->path, why);
}

static cyf_status read_at(const archive *a, int64_t at, void *bytes, int64_t n) {
  if (at < 0 || n < 0 || at > a->size - n) return damaged(a, "a record lies outside the file");
  for (int64_t done = 0; done < n;) {
    const ssize_t got = pread(a->file, (uint8_t *)bytes + done, (size_t)(n - done), at + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(CYF_ERR_IO, "%s cannot be read: %s", a->path, strerror(errno));
    if (got == 0) return damaged(a, "it cannot be read to its end");
    done += got;
  }
  return CYF_OK;
}

/* Checks that a number of 64 bits is an offset in the file or a number of its bytes. */
static cyf_status in_file(const archive *a, uint64_t value, int64_t *ret_value) {
  if (value > (uint64_t)a->size) return damaged(a, "a size or an offset is larger than the file");
  *ret_value = (int64_t)value;
  return CYF_OK;
}

static cyf_status read_end64(archive *a, int64_t end_at) {
  uint8_t locator[LOCATOR_BYTES], end[END64_BYTES];
  int64_t at = 0, n = 0;
  CYF_TRY(read_at(a, end_at - LOCATOR_BYTES, locator, LOCATOR_BYTES));
  if (u32(locator) != LOCATOR_SIGNATURE) return damaged(a, "its zip64 locator is missing");
  CYF_TRY(in_file(a, u64(locator + 8), &at));
  CYF_TRY(read_at(a, at, end, END64_BYTES));
  if (u32(end) != END64_SIGNATURE) return damaged(a, "its zip64 end record is missing");
  CYF_TRY(in_file(a, u64(end + 32), &n));
  CYF_TRY(in_file(a, u64(end + 40), &a->directory_bytes));
  CYF_TRY(in_file(a, u64(end + 48), &a->directory));
  a->n_entries = n;
  return CYF_OK;
}

/* Finds the end record: the last one whose comment reaches exactly to the end of the file. */
static cyf_status read_end(archive *a) {
  int64_t n = a->size < END_BYTES + END_COMMENT_MAX ? a->size : END_BYTES + END_COMMENT_MAX;
  uint8_t *tail = NULL;
  CYF_TRY(CYF_NEW(&tail, n));
  cyf_status status;
  CYF_TRY_CLEANUP(read_at(a, a->size - n, tail, n));
  int64_t at = n - END_BYTES;
  while (at >= 0 && !(u32(tail + at) == END_SIGNATURE && at + END_BYTES + u16(tail + at + 20) == n)) at--;
  if (at < 0) {
    status = damaged(a, "its end record is missing (was the download or the copy cut short?)");
    goto cleanup;
  }
  const uint8_t *end = tail + at;
  bool zip64 = u16(end + 10) == 0xffff || u32(end + 12) == IN_ZIP64 || u32(end + 16) == IN_ZIP64;
  if (zip64) {
    CYF_TRY_CLEANUP(read_end64(a, a->size - n + at));
  } else {
    a->n_entries = u16(end + 10);
    CYF_TRY_CLEANUP(in_file(a, u32(end + 12), &a->directory_bytes));
    CYF_TRY_CLEANUP(in_file(a, u32(end + 16), &a->directory));
  }
  if (a->n_entries > a->directory_bytes / CENTRAL_BYTES) {
    status = damaged(a, "it announces more entries than its directory holds");
    goto cleanup;
  }
  if (a->directory_bytes > DIRECTORY_BYTES_MAX || a->n_entries > CYF_ZIP_ENTRIES_MAX)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: a zip archive of %lld entries; at most %d are read", a->path,
                      (long long)a->n_entries, CYF_ZIP_ENTRIES_MAX);
cleanup:
  cyf_free(tail);
  return status;
}

/* Replaces the sizes and the offset that do not fit 32 bits by those of the zip64 extra field, in their order. */
static cyf_status read_zip64_extra(const archive *a, const uint8_t *extra, int64_t n, uint64_t *values[3]) {
  while (n >= 4) {
    int64_t bytes = u16(extra + 2);
    if (bytes > n - 4) break;
    if (u16(extra) == 1) {
      const uint8_t *at = extra + 4;
      for (int i = 0; i < 3; i++) {
        if (*values[i] != IN_ZIP64) continue;
        if (bytes < 8) return damaged(a, "a zip64 field is too short");
        *values[i] = u64(at);
        at += 8;
        bytes -= 8;
      }
      return CYF_OK;
    }
    extra += 4 + bytes;
    n -= 4 + bytes;
  }
  return CYF_OK;
}

/* Reads the entry's local header, which must give the same sizes (or none yet). Its contents begin where it ends. */
static cyf_status read_local(const archive *a, uint64_t compressed, cyf_zip_extent *extent) {
  uint8_t local[LOCAL_BYTES];
  CYF_TRY(read_at(a, extent->first, local, LOCAL_BYTES));
  if (u32(local) != LOCAL_SIGNATURE) return damaged(a, "an entry's local header is missing");
  bool follow = (u16(local + 6) & FLAG_SIZES_FOLLOW) != 0;
  uint32_t sizes[2] = {u32(local + 18), u32(local + 22)};
  for (int i = 0; i < 2; i++) {
    bool same = sizes[i] == compressed || sizes[i] == IN_ZIP64 || (follow && sizes[i] == 0);
    if (!same) return damaged(a, "an entry's two headers tell different sizes");
  }
  int64_t begin = extent->first + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
  if (begin > a->directory || extent->size_bytes > a->directory - begin)
    return damaged(a, "an entry reaches beyond the space for contents");
  extent->end = begin + extent->size_bytes;
  return CYF_OK;
}

static cyf_status read_entry(const archive *a, const uint8_t *central, int64_t n, cyf_zip_extent *extent,
                             int64_t *ret_bytes) {
  if (n < CENTRAL_BYTES || u32(central) != CENTRAL_SIGNATURE) return damaged(a, "its directory is cut short");
  int64_t name = u16(central + 28), extra = u16(central + 30), comment = u16(central + 32);
  if (n - CENTRAL_BYTES < name + extra + comment) return damaged(a, "its directory is cut short");
  uint64_t compressed = u32(central + 20), plain = u32(central + 24), offset = u32(central + 42);
  uint64_t *values[3] = {&plain, &compressed, &offset};
  CYF_TRY(read_zip64_extra(a, central + CENTRAL_BYTES + name, extra, values));
  if (u16(central + 8) & FLAG_ENCRYPTED) return damaged(a, "an entry is encrypted");
  if (u16(central + 10) != 0 || compressed != plain)
    return damaged(a, "an entry is compressed; torch.save stores entries as they are (unpacked and packed again?)");
  CYF_TRY(in_file(a, plain, &extent->size_bytes));
  CYF_TRY(in_file(a, offset, &extent->first));
  CYF_TRY(read_local(a, compressed, extent));
  *ret_bytes = CENTRAL_BYTES + name + extra + comment;
  return CYF_OK;
}

static int by_place(const void *left, const void *right) {
  const cyf_zip_extent *a = left, *b = right;
  return a->first < b->first ? -1 : a->first > b->first;
}

static cyf_status check_overlap(const archive *a, const cyf_zip_extent *extents) {
  cyf_zip_extent *sorted = NULL;
  CYF_TRY(CYF_NEW(&sorted, a->n_entries));
  memcpy(sorted, extents, sizeof *sorted * (size_t)a->n_entries);
  qsort(sorted, (size_t)a->n_entries, sizeof *sorted, by_place);
  cyf_status status = CYF_OK;
  for (int64_t i = 1; i < a->n_entries && status == CYF_OK; i++)
    if (sorted[i].first < sorted[i - 1].end) status = damaged(a, "entries overlap");
  cyf_free(sorted);
  return status;
}

static cyf_status read_directory(const archive *a, cyf_zip_extent *extents) {
  uint8_t *bytes = NULL;
  CYF_TRY(CYF_NEW(&bytes, a->directory_bytes));
  cyf_status status;
  CYF_TRY_CLEANUP(read_at(a, a->directory, bytes, a->directory_bytes));
  int64_t at = 0;
  for (int64_t i = 0; i < a->n_entries; i++) {
    int64_t used = 0;
    CYF_TRY_CLEANUP(read_entry(a, bytes + at, a->directory_bytes - at, &extents[i], &used));
    extents[i].entry = i;
    at += used;
  }
  CYF_TRY_CLEANUP(check_overlap(a, extents));
cleanup:
  cyf_free(bytes);
  return status;
}

cyf_status cyf_zip_layout_read(const char *path, cyf_zip_extent **ret_extents, int64_t *ret_n) {
  *ret_extents = NULL;
  archive a = {.path = path, .file = cyf_open_file(path, O_RDONLY)};
  if (a.file < 0) return CYF_FAIL(cyf_input_error(errno), "%s cannot be opened: %s", path, strerror(errno));
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_file_size_bytes(path, &a.size));
  CYF_TRY_CLEANUP(read_end(&a));
  CYF_TRY_CLEANUP(CYF_NEW(ret_extents, a.n_entries));
  CYF_TRY_CLEANUP(read_directory(&a, *ret_extents));
  *ret_n = a.n_entries;
cleanup:
  close(a.file);
  if (status != CYF_OK) cyf_free(*ret_extents);
  return status;
}
