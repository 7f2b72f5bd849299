/* SPDX-License-Identifier: MIT */
#include "data/tensors/safetensors_sum.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"

enum { BLOCK_BYTES = 1 << 20, DIGITS = sizeof CYF_SAFETENSORS_NO_SUM - 1 };

int64_t cyf_safetensors_find_sum(const char *header, int64_t n) {
  static const char key[] = "\"" CYF_SAFETENSORS_SUM "\"";
  const char *at = memmem(header, (size_t)n, key, sizeof key - 1);
  if (at == NULL) return -1;
  at += sizeof key - 1;
  while (at < header + n && (*at == ':' || *at == ' ')) at++;
  return at < header + n && *at == '"' && header + n - at > DIGITS + 1 ? at + 1 - header : -1;
}

/* Fills the block but at the end of the file; *ret_n are its bytes. */
static cyf_status read_block(const char *path, int file, int64_t offset, char *block, int64_t *ret_n) {
  *ret_n = 0;
  while (*ret_n < BLOCK_BYTES) {
    const ssize_t got = pread(file, block + *ret_n, (size_t)(BLOCK_BYTES - *ret_n), offset + *ret_n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(cyf_input_error(errno), "%s: cannot be read: %s", path, strerror(errno));
    if (got == 0) break;
    *ret_n += got;
  }
  return CYF_OK;
}

/* Puts zeros where the digits lie in a block that begins at byte `offset`. */
static void blank_digits(char *block, int64_t offset, int64_t n, int64_t digits_at) {
  for (int64_t i = 0; i < DIGITS; i++) {
    const int64_t at = digits_at + i - offset;
    if (at >= 0 && at < n) block[at] = '0';
  }
}

cyf_status cyf_safetensors_sum(const char *path, int file, int64_t digits_at, uint64_t *ret_sum) {
  char *block = NULL;
  int64_t offset = 0, n = 0;
  cyf_status status;
  *ret_sum = 0;
  CYF_TRY(CYF_NEW(&block, BLOCK_BYTES));
  do {
    CYF_TRY_CLEANUP(read_block(path, file, offset, block, &n));
    blank_digits(block, offset, n, digits_at);
    *ret_sum = cyf_checksum(*ret_sum, block, (size_t)n);
    offset += n;
  } while (n == BLOCK_BYTES);
cleanup:
  cyf_free(block);
  return status;
}
