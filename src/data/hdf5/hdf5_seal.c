/* SPDX-License-Identifier: MIT */
#include "data/hdf5/hdf5_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"

enum { MAGIC_BYTES = 16, VERSION = 1, PIECE_BYTES = 1 << 20 };

/* As PNG's: a transfer as text, or one that drops the eighth bit, is found at once. */
static const unsigned char magic[MAGIC_BYTES] = {0x89, 'C', 'Y', 'T',  'O',  'F',  'O',  'R',
                                                 'G',  'E', ' ', '\r', '\n', 0x1A, '\n', 0};

/* Places in the seal of 64-bit numbers, little-endian. Of every version: the magic, `version`, and `own`. */
enum { AT_VERSION = 16, AT_FILE_BYTES = 24, AT_CHECKSUM = 32, AT_OWN = CYF_H5_SEAL_BYTES - 8 };

static void put(unsigned char *seal, int at, uint64_t number) {
  for (int i = 0; i < 8; i++) seal[at + i] = (unsigned char)(number >> 8 * i);
}

static uint64_t get(const unsigned char *seal, int at) {
  uint64_t number = 0;
  for (int i = 0; i < 8; i++) number |= (uint64_t)seal[at + i] << 8 * i;
  return number;
}

/* Reads `size` bytes from `at` on; *ret_n: fewer at the end of the file. */
static cyf_status read_at(int file, const char *path, void *bytes, size_t size, int64_t at, size_t *ret_n) {
  for (*ret_n = 0; *ret_n < size;) {
    const ssize_t now = pread(file, (char *)bytes + *ret_n, size - *ret_n, (off_t)at + (off_t)*ret_n);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", path, strerror(errno));
    if (now == 0) break;
    *ret_n += (size_t)now;
  }
  return CYF_OK;
}

/* Of what follows the seal, in pieces of PIECE_BYTES, each of which seeds the next. */
static cyf_status sum_file(int file, const char *path, int64_t *ret_bytes, uint64_t *ret_checksum) {
  char *piece = NULL;
  size_t n = PIECE_BYTES;
  *ret_bytes = CYF_H5_SEAL_BYTES;
  *ret_checksum = 0;
  CYF_TRY(CYF_NEW(&piece, PIECE_BYTES));
  cyf_status status = CYF_OK;
  while (n == PIECE_BYTES && status == CYF_OK) {
    status = read_at(file, path, piece, PIECE_BYTES, *ret_bytes, &n);
    if (status != CYF_OK || n == 0) break;
    *ret_checksum = cyf_checksum(*ret_checksum, piece, n);
    *ret_bytes += (int64_t)n;
  }
  cyf_free(piece);
  return status;
}

cyf_status cyf_h5_seal_write(int file, const char *path) {
  unsigned char seal[CYF_H5_SEAL_BYTES] = {0};
  int64_t bytes = 0;
  uint64_t checksum = 0;
  CYF_TRY(sum_file(file, path, &bytes, &checksum));
  memcpy(seal, magic, MAGIC_BYTES);
  put(seal, AT_VERSION, VERSION);
  put(seal, AT_FILE_BYTES, (uint64_t)bytes);
  put(seal, AT_CHECKSUM, checksum);
  put(seal, AT_OWN, cyf_checksum(0, seal, AT_OWN));
  for (size_t done = 0; done < sizeof seal;) {
    const ssize_t now = pwrite(file, seal + done, sizeof seal - done, (off_t)done);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0)
      return CYF_FAIL(CYF_ERR_IO, "%s: writing its checksum failed: %s", path, strerror(now < 0 ? errno : EIO));
    done += (size_t)now;
  }
  return CYF_OK;
}

/* Most of the magic: one damaged byte of it makes no other file of ours. */
static bool looks_sealed(const unsigned char *seal, size_t n) {
  int n_same = 0;
  for (size_t i = 0; i < MAGIC_BYTES && i < n; i++) n_same += seal[i] == magic[i];
  return n_same >= MAGIC_BYTES - 4;
}

static cyf_status compare(int file, const char *path, const unsigned char *seal, size_t n) {
  int64_t bytes = 0;
  uint64_t checksum = 0;
  if (n < CYF_H5_SEAL_BYTES)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: it ends after %zu bytes, probably an incomplete copy", path, n);
  if (memcmp(seal, magic, MAGIC_BYTES) != 0 || get(seal, AT_OWN) != cyf_checksum(0, seal, AT_OWN))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: its first %d bytes are not what was written", path,
                    (int)CYF_H5_SEAL_BYTES);
  if (get(seal, AT_VERSION) > VERSION)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: was written by a newer cytoforge (file version %llu; this one reads versions up to %d)", path,
                    (unsigned long long)get(seal, AT_VERSION), (int)VERSION);
  CYF_TRY(sum_file(file, path, &bytes, &checksum));
  if ((uint64_t)bytes != get(seal, AT_FILE_BYTES))
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: damaged: it has %lld bytes where %llu were written, probably an incomplete copy", path,
                    (long long)bytes, (unsigned long long)get(seal, AT_FILE_BYTES));
  if (checksum != get(seal, AT_CHECKSUM))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: its checksum is %016llx where %016llx was written", path,
                    (unsigned long long)checksum, (unsigned long long)get(seal, AT_CHECKSUM));
  return CYF_OK;
}

/* Opens the file and reads as much of a seal as there is; *ret_n is 0 where there is none. */
static cyf_status open_seal(const char *path, int *ret_file, unsigned char *seal, size_t *ret_n) {
  *ret_n = 0;
  *ret_file = cyf_open_file(path, O_RDONLY);
  if (*ret_file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return CYF_FAIL(CYF_ERR_INPUT, "%s: no such file", path);
    return CYF_FAIL(cyf_input_error(errno), "%s: %s", path, strerror(errno));
  }
  struct stat info;
  if (fstat(*ret_file, &info) == 0 && !S_ISREG(info.st_mode)) return CYF_OK; /* a folder, a pipe: never sealed */
  CYF_TRY(read_at(*ret_file, path, seal, CYF_H5_SEAL_BYTES, 0, ret_n));
  if (!looks_sealed(seal, *ret_n)) *ret_n = 0;
  return CYF_OK;
}

cyf_status cyf_h5_seal_verify(const char *path, bool *ret_is_sealed) {
  unsigned char seal[CYF_H5_SEAL_BYTES];
  size_t n = 0;
  int file = -1;
  *ret_is_sealed = false;
  cyf_status status = open_seal(path, &file, seal, &n);
  if (status == CYF_OK && n > 0) {
    *ret_is_sealed = true;
    status = compare(file, path, seal, n);
  }
  (void)cyf_close_file(&file); /* was only read */
  return status;
}
