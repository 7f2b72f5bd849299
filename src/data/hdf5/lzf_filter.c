/* SPDX-License-Identifier: MIT */
#include "data/hdf5/lzf_filter.h"

#include <lzf.h>
#include <stdint.h>

/* The filter's registered number, and which of the values that h5py stores with a dataset is a whole chunk's bytes. */
enum { LZF_FILTER = 32000, CHUNK_BYTES_VALUE = 2 };

/* LZF's longest copy is 264 bytes for 3. A chunk that claims to be more is damaged, and gets no memory. */
static const size_t LARGEST_RATIO = 264 / 3;

/* HDF5's call for one chunk, here only to expand it. Puts a new buffer in the old one's place and returns its bytes; 0:
 * failed, the old one stays.
 *
 * With texts of variable length h5py stores no bytes of a chunk, or 8 for each text, which takes 16 in a file. Whatever
 * comes back, HDF5 reads a whole chunk. So the new buffer has room for the largest that there can be, in zeros. */
static size_t filter(unsigned flags, size_t n_values, const unsigned values[], size_t n_from, size_t *buffer_bytes,
                     void **buffer) {
  const size_t least = n_values > CHUNK_BYTES_VALUE ? values[CHUNK_BYTES_VALUE] : 0;
  size_t most = least > 0 ? 2 * least : LARGEST_RATIO * n_from;
  if (!(flags & H5Z_FLAG_REVERSE) || n_from > UINT32_MAX || least / LARGEST_RATIO > n_from) return 0;
  if (most > UINT32_MAX) most = UINT32_MAX;
  void *to = H5allocate_memory(most, true);
  const size_t n = to ? lzf_decompress(*buffer, (unsigned)n_from, to, (unsigned)most) : 0;
  if (n == 0 || n < least) {
    H5free_memory(to);
    return 0;
  }
  H5free_memory(*buffer);
  *buffer = to;
  *buffer_bytes = most;
  return n;
}

herr_t cyf_lzf_register(void) {
  const H5Z_class2_t lzf = {.version = H5Z_CLASS_T_VERS,
                            .id = LZF_FILTER,
                            .encoder_present = 0,
                            .decoder_present = 1,
                            .name = "lzf",
                            .filter = filter};
  return H5Zregister(&lzf);
}
