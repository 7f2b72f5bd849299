/* Stored words to int32 and float32: loops that compilers turn into byte shuffles and wide conversions. */
#include <string.h>

#include "data/loader_shard.h"

int64_t cyf_stored_width(cyf_stored_as stored_as) {
  return stored_as == CYF_STORED_BE8 ? 1 : stored_as == CYF_STORED_BE16 ? 2 : 4;
}

static inline uint16_t load_be16(const uint8_t *bytes) {
  uint16_t word;
  memcpy(&word, bytes, sizeof(word));
  return __builtin_bswap16(word);
}

void cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n,
                        int32_t *restrict ret_indices) {
  switch (stored_as) {
    case CYF_STORED_BE8:
      for (int64_t i = 0; i < n; i++) ret_indices[i] = bytes[i];
      break;
    case CYF_STORED_BE16:
      for (int64_t i = 0; i < n; i++) ret_indices[i] = load_be16(bytes + 2 * i);
      break;
    default:
      memcpy(ret_indices, bytes, (size_t)n * sizeof(*ret_indices));
  }
}

void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, float *restrict ret_values) {
  switch (stored_as) {
    case CYF_STORED_BE8:
      for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)bytes[i];
      break;
    case CYF_STORED_BE16:
      for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)load_be16(bytes + 2 * i);
      break;
    case CYF_STORED_LE32:
      for (int64_t i = 0; i < n; i++) {
        int32_t word;
        memcpy(&word, bytes + 4 * i, sizeof(word));
        ret_values[i] = (float)word;
      }
      break;
    case CYF_STORED_FLOAT32:
      memcpy(ret_values, bytes, (size_t)n * sizeof(*ret_values));
      break;
  }
}
