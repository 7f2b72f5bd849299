/* Stored words to int32 and float32: loops that compilers turn into byte shuffles and wide conversions. */
#include <string.h>

#include "data/loader_shard.h"
#include "kernels/csr.h"

int64_t cyf_stored_width(cyf_stored_as stored_as) {
  return stored_as == CYF_STORED_BE8 ? 1 : stored_as == CYF_STORED_BE16 ? 2 : 4;
}

static inline uint32_t load_8(const uint8_t *bytes, int64_t i) {
  return bytes[i];
}

static inline uint32_t load_be16(const uint8_t *bytes, int64_t i) {
  uint16_t word;
  memcpy(&word, bytes + 2 * i, sizeof(word));
  return __builtin_bswap16(word);
}

static inline uint32_t load_le32(const uint8_t *bytes, int64_t i) {
  uint32_t word;
  memcpy(&word, bytes + 4 * i, sizeof(word));
  return word;
}

/* One loop, compiled for each stored form. */
#define WITH_LOAD(stored_as, LOOP)           \
  do {                                       \
    if ((stored_as) == CYF_STORED_BE8)       \
      LOOP(load_8)                           \
    else if ((stored_as) == CYF_STORED_BE16) \
      LOOP(load_be16)                        \
    else                                     \
      LOOP(load_le32)                        \
  } while (0)

uint32_t cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n,
                            int32_t *restrict ret_indices) {
  uint32_t largest = 0;
#define WIDEN(load)                                \
  {                                                \
    for (int64_t i = 0; i < n; i++) {              \
      const uint32_t index = load(bytes, i);       \
      ret_indices[i] = (int32_t)index;             \
      largest = index > largest ? index : largest; \
    }                                              \
  }
  WITH_LOAD(stored_as, WIDEN);
#undef WIDEN
  return largest;
}

void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, float *restrict ret_values) {
  if (stored_as == CYF_STORED_FLOAT32) {
    memcpy(ret_values, bytes, (size_t)n * sizeof(*ret_values));
    return;
  }
#define WIDEN(load)                                                                 \
  {                                                                                 \
    for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)load(bytes, i); \
  }
  WITH_LOAD(stored_as, WIDEN);
#undef WIDEN
}

void cyf_decode_sum(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, int64_t *total,
                    uint32_t *largest) {
  uint32_t most = *largest;
  int64_t sum = 0;
  /* Pieces whose sum fits 32 bits whatever the 16-bit words: half the width, twice the speed. */
  enum { PIECE = 32768 };
#define ADD(load)                                                \
  {                                                              \
    for (int64_t start = 0; start < n; start += PIECE) {         \
      const int64_t end = n - start < PIECE ? n : start + PIECE; \
      uint32_t part = 0;                                         \
      for (int64_t i = start; i < end; i++) {                    \
        const uint32_t count = load(bytes, i);                   \
        part += count;                                           \
        most = count > most ? count : most;                      \
      }                                                          \
      sum += part;                                               \
    }                                                            \
  }
  if (stored_as == CYF_STORED_LE32) {
    for (int64_t i = 0; i < n; i++) {
      const uint32_t count = load_le32(bytes, i);
      sum += count;
      most = count > most ? count : most;
    }
  } else {
    WITH_LOAD(stored_as, ADD);
  }
#undef ADD
  *total += sum;
  *largest = most;
}

/* Hides where a number came from: the compiler would make gathered loads of the look-ups, which are slower. */
#define ONE_BY_ONE(count) __asm__("" : "+r"(count))

/* table[count], counts beyond it clamped; no branches. */
static void look_up_8(const uint8_t *restrict bytes, int64_t n, const float *restrict table, uint32_t last,
                      float *restrict piece) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t count = bytes[i];
    ONE_BY_ONE(count);
    piece[i] = table[count < last ? count : last];
  }
}

static void look_up_be16(const uint8_t *restrict bytes, int64_t n, const float *restrict table, uint64_t last,
                         float *restrict piece) {
  int64_t i = 0;
  /* Four at a time by shifts of one word: swaps of 16-bit registers would wait for one another. */
  for (; i + 4 <= n; i += 4) {
    uint64_t words;
    memcpy(&words, bytes + 2 * i, sizeof(words));
    words = __builtin_bswap64(words);
    uint64_t a = words >> 48, b = words >> 32 & 0xffff, c = words >> 16 & 0xffff, d = words & 0xffff;
    ONE_BY_ONE(a);
    ONE_BY_ONE(b);
    ONE_BY_ONE(c);
    ONE_BY_ONE(d);
    piece[i] = table[a < last ? a : last];
    piece[i + 1] = table[b < last ? b : last];
    piece[i + 2] = table[c < last ? c : last];
    piece[i + 3] = table[d < last ? d : last];
  }
  for (; i < n; i++) {
    const uint64_t count = load_be16(bytes, i);
    piece[i] = table[count < last ? count : last];
  }
}

static void look_up_le32(const uint8_t *restrict bytes, int64_t n, const float *restrict table, uint32_t last,
                         float *restrict piece) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t count = load_le32(bytes, i);
    ONE_BY_ONE(count);
    piece[i] = table[count < last ? count : last];
  }
}

/* The few counts that are not in the table. */
static void mend(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, float factor, uint32_t n_table,
                 float *restrict piece) {
#define MEND(load)                                                                        \
  {                                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                     \
      const uint32_t count = load(bytes, i);                                              \
      if (count >= n_table) piece[i] = cyf_log_normalized((float)(int32_t)count, factor); \
    }                                                                                     \
  }
  WITH_LOAD(stored_as, MEND);
#undef MEND
}

void cyf_decode_log_counts(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, uint32_t largest,
                           float factor, const float *restrict table, uint32_t n_table, float *restrict ret_values) {
  /* Scalar stores to memory that is not in the cache keep too few cache lines on their way (a store buffer's worth of
   * four bytes each); wide copies of finished pieces keep ten times as many. */
  enum { PIECE = 512 };
  float piece[PIECE];
  for (int64_t start = 0; start < n; start += PIECE) {
    const int64_t now = n - start < PIECE ? n - start : PIECE;
    const uint8_t *from = bytes + start * cyf_stored_width(stored_as);
    if (stored_as == CYF_STORED_BE16) {
      look_up_be16(from, now, table, n_table - 1, piece);
    } else if (stored_as == CYF_STORED_BE8) {
      look_up_8(from, now, table, n_table - 1, piece);
    } else {
      look_up_le32(from, now, table, n_table - 1, piece);
    }
    int64_t total = 0;
    uint32_t most = 0;
    if (largest >= n_table) cyf_decode_sum(stored_as, from, now, &total, &most);
    if (most >= n_table) mend(stored_as, from, now, factor, n_table, piece);
    memcpy(ret_values + start, piece, (size_t)now * sizeof(*piece));
  }
}
