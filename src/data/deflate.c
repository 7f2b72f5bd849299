#include "data/deflate.h"

#include <libdeflate.h>

bool cyf_inflate(const void *from, size_t n_from, void *to, size_t n_to) {
  struct libdeflate_decompressor *engine = libdeflate_alloc_decompressor();
  if (!engine) return false;
  /* Without a place for the real size, another size than n_to is an error. */
  const bool good = libdeflate_zlib_decompress(engine, from, n_from, to, n_to, NULL) == LIBDEFLATE_SUCCESS;
  libdeflate_free_decompressor(engine);
  return good;
}
