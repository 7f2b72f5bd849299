/* SPDX-License-Identifier: MIT */
#include "data/hdf5/deflate.h"

#include <libdeflate.h>
#include <string.h>

#include "base/memory.h"

struct cyf_deflater {
  struct libdeflate_compressor *engine;
};

cyf_status cyf_deflater_create(int level, cyf_deflater **ret_deflater) {
  *ret_deflater = NULL;
  cyf_deflater *deflater = NULL;
  CYF_TRY(CYF_NEW(&deflater, 1));
  deflater->engine = libdeflate_alloc_compressor(level);
  if (!deflater->engine) {
    cyf_free(deflater);
    return CYF_FAIL(CYF_ERR_MEMORY, "no memory for compressing at level %d", level);
  }
  *ret_deflater = deflater;
  return CYF_OK;
}

void cyf_deflater_destroy(cyf_deflater **deflater) {
  if (!deflater || !*deflater) return;
  libdeflate_free_compressor((*deflater)->engine);
  cyf_free(*deflater);
}

size_t cyf_deflate_bound(cyf_deflater *deflater, size_t n) {
  return libdeflate_zlib_compress_bound(deflater->engine, n);
}

size_t cyf_deflate(cyf_deflater *deflater, const void *from, size_t n_from, void *to) {
  return libdeflate_zlib_compress(deflater->engine, from, n_from, to, cyf_deflate_bound(deflater, n_from));
}

bool cyf_inflate(const void *from, size_t n_from, void *to, size_t n_to) {
  struct libdeflate_decompressor *engine = libdeflate_alloc_decompressor();
  if (!engine) return false;
  /* With NULL for the real size, libdeflate fails where it is not n_to. */
  const bool good = libdeflate_zlib_decompress(engine, from, n_from, to, n_to, NULL) == LIBDEFLATE_SUCCESS;
  libdeflate_free_decompressor(engine);
  return good;
}

void cyf_shuffle_bytes(const uint8_t *restrict from, int64_t n, size_t width, uint8_t *restrict to) {
  if (width == 4) { /* a loop that compilers vectorise */
    for (int64_t i = 0; i < n; i++) {
      uint32_t word;
      memcpy(&word, from + 4 * i, sizeof(word));
      to[i] = (uint8_t)word;
      to[n + i] = (uint8_t)(word >> 8);
      to[2 * n + i] = (uint8_t)(word >> 16);
      to[3 * n + i] = (uint8_t)(word >> 24);
    }
    return;
  }
  for (size_t j = 0; j < width; j++)
    for (int64_t i = 0; i < n; i++) to[(int64_t)j * n + i] = from[(size_t)i * width + j];
}

void cyf_unshuffle_bytes(const uint8_t *restrict from, int64_t n, size_t width, uint8_t *restrict to) {
  if (width == 4) {
    for (int64_t i = 0; i < n; i++) {
      const uint32_t word = (uint32_t)from[i] | (uint32_t)from[n + i] << 8 | (uint32_t)from[2 * n + i] << 16 |
                            (uint32_t)from[3 * n + i] << 24;
      memcpy(to + 4 * i, &word, sizeof(word));
    }
    return;
  }
  for (size_t j = 0; j < width; j++)
    for (int64_t i = 0; i < n; i++) to[(size_t)i * width + j] = from[(int64_t)j * n + i];
}
