/* SPDX-License-Identifier: MIT */
#include "data/hdf5/file_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"

/* A file of checksums: these bytes, and then numbers of 64 bits, little-endian as this machine. First come the version,
 * the bytes of the file that is summed, and the number of ranges. Then, for each range, address, bytes (the highest bit
 * set for a chunk) and checksum. The last number is the checksum of all that. */
static const char magic[16] = "cytoforge sums\n";
enum { HEADER_NUMBERS = 3, RANGE_NUMBERS = 3 };
static const uint64_t chunk_bit = UINT64_C(1) << 63;

cyf_status cyf_file_sums_path(const char *path, char **ret_path) {
  size_t length = strlen(path);
  if (length > 5 && strcmp(path + length - 5, ".h5ad") == 0) length -= 5;
  return cyf_format(ret_path, "%.*s.sums", (int)length, path);
}

void cyf_file_sums_destroy(cyf_file_sums *sums) {
  cyf_free(sums->range);
  cyf_free(sums->seen);
  cyf_free(sums->taken);
  *sums = (cyf_file_sums){0};
}

static cyf_status read_span(int file, const char *path, int64_t address, int64_t n, uint8_t *ret_bytes) {
  for (int64_t done = 0; done < n;) {
    const ssize_t now = pread(file, ret_bytes + done, (size_t)(n - done), (off_t)(address + done));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", path, strerror(errno));
    if (now == 0)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: it ends before byte %lld", path, (long long)(address + n));
    done += now;
  }
  return CYF_OK;
}

/* ---- writing ---- */

static int by_address(const void *left, const void *right) {
  const int64_t a = ((const cyf_byte_range *)left)->address, b = ((const cyf_byte_range *)right)->address;
  return (a > b) - (a < b);
}

static cyf_status add_range(cyf_file_sums *sums, int64_t *capacity, int64_t address, int64_t bytes, bool is_chunk) {
  if (sums->n == *capacity) {
    *capacity = *capacity * 2 + 64;
    CYF_TRY(cyf_realloc((void **)&sums->range, (size_t)*capacity, sizeof *sums->range));
  }
  sums->range[sums->n++] = (cyf_byte_range){address, (uint32_t)bytes, is_chunk, 0};
  return CYF_OK;
}

/* What lies between chunks, cut at multiples of the block. */
static cyf_status add_blocks(cyf_file_sums *sums, int64_t *capacity, int64_t address, int64_t end) {
  while (address < end) {
    const int64_t cut = (address / CYF_SUM_BLOCK_BYTES + 1) * CYF_SUM_BLOCK_BYTES, to = cut < end ? cut : end;
    CYF_TRY(add_range(sums, capacity, address, to - address, false));
    address = to;
  }
  return CYF_OK;
}

static cyf_status lay_out(const char *path, int64_t n_chunks, cyf_byte_range *chunk, cyf_file_sums *sums) {
  int64_t capacity = 0, at = 0;
  if (n_chunks > 0) qsort(chunk, (size_t)n_chunks, sizeof *chunk, by_address);
  for (int64_t c = 0; c < n_chunks; c++) {
    if (chunk[c].address < at || chunk[c].address + chunk[c].bytes > sums->file_bytes)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: its stored chunks overlap or lie behind its end", path);
    CYF_TRY(add_blocks(sums, &capacity, at, chunk[c].address));
    CYF_TRY(add_range(sums, &capacity, chunk[c].address, chunk[c].bytes, true));
    at = chunk[c].address + chunk[c].bytes;
  }
  return add_blocks(sums, &capacity, at, sums->file_bytes);
}

static int64_t largest_range(const cyf_file_sums *sums) {
  int64_t largest = 1;
  for (int64_t r = 0; r < sums->n; r++)
    if (sums->range[r].bytes > largest) largest = sums->range[r].bytes;
  return largest;
}

/* Sums or compares the ranges of a file, reading it in order. */
static cyf_status go_through(cyf_file_sums *sums, const char *path, bool chunks_too, bool compare, int64_t *ret_bytes) {
  uint8_t *bytes = NULL;
  const int file = cyf_open_file(path, O_RDONLY);
  if (file < 0) return CYF_FAIL(cyf_input_error(errno), "cannot open '%s': %s", path, strerror(errno));
  cyf_status status = CYF_NEW(&bytes, largest_range(sums));
  for (int64_t r = 0; r < sums->n && status == CYF_OK; r++) {
    cyf_byte_range *range = &sums->range[r];
    if (range->is_chunk && !chunks_too) continue;
    status = read_span(file, path, range->address, range->bytes, bytes);
    if (status != CYF_OK) break;
    *ret_bytes += range->bytes;
    const uint64_t sum = cyf_checksum(0, bytes, range->bytes);
    if (!compare)
      range->checksum = sum;
    else if (sum != range->checksum)
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: bytes %lld to %lld are not what was written", path,
                        (long long)range->address, (long long)range->address + range->bytes - 1);
    else
      sums->seen[r] = 1;
  }
  cyf_free(bytes);
  close(file); /* was only read */
  return status;
}

static cyf_status write_sums(const cyf_file_sums *sums, const char *sums_path) {
  const size_t n_numbers = HEADER_NUMBERS + RANGE_NUMBERS * (size_t)sums->n, size = sizeof magic + 8 * (n_numbers + 1);
  uint8_t *text = NULL;
  CYF_TRY(cyf_alloc(size, 1, (void **)&text));
  uint64_t *number = (uint64_t *)(void *)(text + sizeof magic);
  memcpy(text, magic, sizeof magic);
  *number++ = CYF_SUMS_VERSION;
  *number++ = (uint64_t)sums->file_bytes;
  *number++ = (uint64_t)sums->n;
  for (int64_t r = 0; r < sums->n; r++) {
    *number++ = (uint64_t)sums->range[r].address;
    *number++ = sums->range[r].bytes | (sums->range[r].is_chunk ? chunk_bit : 0);
    *number++ = sums->range[r].checksum;
  }
  *number = cyf_checksum(0, text, size - 8);
  const cyf_status status = cyf_write_bytes_file(sums_path, text, size);
  cyf_free(text);
  return status;
}

cyf_status cyf_file_sums_write(const char *path, const char *sums_path, int64_t n_chunks, cyf_byte_range *chunk) {
  cyf_file_sums sums = {0};
  int64_t bytes = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_file_size_bytes(path, &sums.file_bytes));
  CYF_TRY_CLEANUP(lay_out(path, n_chunks, chunk, &sums));
  CYF_TRY_CLEANUP(go_through(&sums, path, true, false, &bytes));
  status = write_sums(&sums, sums_path);
cleanup:
  cyf_file_sums_destroy(&sums);
  return status;
}

/* ---- reading ---- */

static cyf_status damaged(const char *sums_path) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: these checksums are not what was written", sums_path);
}

static cyf_status parse(const char *sums_path, const uint8_t *text, size_t size, cyf_file_sums *sums) {
  uint64_t number[HEADER_NUMBERS], own = 0;
  if (size < sizeof magic + sizeof number + 8 || memcmp(text, magic, sizeof magic) != 0) return damaged(sums_path);
  memcpy(&own, text + size - 8, 8);
  if (own != cyf_checksum(0, text, size - 8)) return damaged(sums_path);
  memcpy(number, text + sizeof magic, sizeof number);
  if (number[0] > CYF_SUMS_VERSION)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: was written by a newer cytoforge (version %llu; this one reads versions up to %d)", sums_path,
                    (unsigned long long)number[0], (int)CYF_SUMS_VERSION);
  const uint64_t n = number[2];
  if (n != (size - sizeof magic - sizeof number - 8) / (8 * RANGE_NUMBERS)) return damaged(sums_path);
  sums->file_bytes = (int64_t)number[1];
  sums->n = (int64_t)n;
  CYF_TRY(CYF_NEW(&sums->range, sums->n));
  CYF_TRY(CYF_NEW(&sums->seen, sums->n));
  CYF_TRY(CYF_NEW(&sums->taken, sums->n));
  int64_t at = 0;
  const uint8_t *next = text + sizeof magic + sizeof number;
  for (int64_t r = 0; r < sums->n; r++, next += sizeof number) {
    memcpy(number, next, sizeof number);
    sums->range[r] = (cyf_byte_range){(int64_t)number[0], (uint32_t)number[1], (number[1] & chunk_bit) != 0, number[2]};
    if (sums->range[r].address != at) return damaged(sums_path);
    at += sums->range[r].bytes;
  }
  return at == sums->file_bytes ? CYF_OK : damaged(sums_path);
}

cyf_status cyf_file_sums_read(const char *sums_path, cyf_file_sums *ret_sums) {
  uint8_t *text = NULL;
  size_t size = 0;
  *ret_sums = (cyf_file_sums){0};
  CYF_TRY(cyf_read_bytes_file(sums_path, &text, &size));
  const cyf_status status = parse(sums_path, text, size, ret_sums);
  cyf_free(text);
  if (status != CYF_OK) cyf_file_sums_destroy(ret_sums);
  return status;
}

/* ---- comparing ---- */

cyf_status cyf_file_sums_compare_file(cyf_file_sums *sums, const char *path, bool chunks_too, int64_t *ret_bytes) {
  int64_t bytes = 0, read = 0;
  CYF_TRY(cyf_file_size_bytes(path, &bytes));
  if (bytes != sums->file_bytes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: it has %lld bytes where %lld were written", path, (long long)bytes,
                    (long long)sums->file_bytes);
  const cyf_status status = go_through(sums, path, chunks_too, true, &read);
  if (ret_bytes) *ret_bytes += read;
  return status;
}

/* Whether a file of that name is one of checksums of ours. One that we may not read is another's; any other error of
 * reading it is no absence. */
static cyf_status is_ours(const char *sums_path, bool *ret_is) {
  char begin[sizeof magic] = "";
  bool exists = false;
  cyf_file_identity identity;
  *ret_is = false;
  CYF_TRY(cyf_file_exists(sums_path, &exists));
  if (!exists) return CYF_OK;
  CYF_TRY(cyf_file_identify(sums_path, &identity));
  if (!identity.is_regular || identity.bytes < (int64_t)sizeof begin) return CYF_OK;
  const int file = cyf_open_file(sums_path, O_RDONLY);
  if (file < 0 && (errno == EACCES || errno == EPERM)) return CYF_OK;
  if (file < 0) return CYF_FAIL(cyf_input_error(errno), "cannot open '%s': %s", sums_path, strerror(errno));
  const cyf_status status = read_span(file, sums_path, 0, sizeof begin, (uint8_t *)begin);
  close(file); /* was only read */
  *ret_is = memcmp(begin, magic, sizeof magic) == 0;
  return status;
}

static bool has_chunks(const cyf_file_sums *sums) {
  for (int64_t r = 0; r < sums->n; r++)
    if (sums->range[r].is_chunk) return true;
  return false;
}

cyf_status cyf_file_sums_compare_cells(const char *path, bool *ret_is_ours) {
  char *sums_path = NULL;
  cyf_file_sums sums = {0};
  cyf_status status;
  *ret_is_ours = false;
  CYF_TRY_CLEANUP(cyf_file_sums_path(path, &sums_path));
  CYF_TRY_CLEANUP(is_ours(sums_path, ret_is_ours));
  if (!*ret_is_ours) goto cleanup;
  CYF_TRY_CLEANUP(cyf_file_sums_read(sums_path, &sums));
  status = cyf_file_sums_compare_file(&sums, path, !has_chunks(&sums), NULL);
cleanup:
  cyf_file_sums_destroy(&sums);
  cyf_free(sums_path);
  return status;
}

/* The range that holds a byte of the file. */
static int64_t find(const cyf_file_sums *sums, int64_t address) {
  int64_t low = 0, high = sums->n; /* ranges before low begin at or before the address */
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (sums->range[middle].address <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}

cyf_status cyf_file_sums_compare_chunk(cyf_file_sums *sums, const char *path, int64_t address, int64_t n,
                                       const void *bytes, bool again) {
  const int64_t r = find(sums, address);
  if (r < 0 || sums->range[r].address != address || sums->range[r].bytes != n || !sums->range[r].is_chunk)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: no chunk of %lld bytes was written at byte %lld", path, (long long)n,
                    (long long)address);
  /* Threads that compare the same chunk write the same; what is not yet seen is compared once more. */
  if (!again && __atomic_load_n(&sums->seen[r], __ATOMIC_RELAXED)) return CYF_OK;
  if (cyf_checksum(0, bytes, (size_t)n) != sums->range[r].checksum)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: bytes %lld to %lld are not what was written", path, (long long)address,
                    (long long)(address + n - 1));
  __atomic_store_n(&sums->seen[r], 1, __ATOMIC_RELAXED);
  return CYF_OK;
}

cyf_status cyf_file_sums_compare_span(cyf_file_sums *sums, int file, const char *path, int64_t address, int64_t n) {
  uint8_t bytes[CYF_SUM_BLOCK_BYTES];
  for (int64_t r = find(sums, address); r < sums->n && sums->range[r].address < address + n; r++) {
    const cyf_byte_range *range = &sums->range[r];
    if (range->is_chunk || range->bytes > sizeof bytes)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: an array lies where a chunk was written", path);
    sums->taken[r] += n < range->bytes ? (uint32_t)n : range->bytes;
    if (sums->taken[r] < range->bytes) continue;
    sums->taken[r] = 0;
    CYF_TRY(read_span(file, path, range->address, range->bytes, bytes));
    if (cyf_checksum(0, bytes, range->bytes) != range->checksum)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: bytes %lld to %lld are not what was written", path,
                      (long long)range->address, (long long)range->address + range->bytes - 1);
  }
  return CYF_OK;
}
