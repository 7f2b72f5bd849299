/* Stored words to int32 and float32: loops that compilers turn into byte shuffles and wide conversions. */
#include <immintrin.h>
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

/* Numbers are made in pieces that stay in the first cache and sent on from there. Batches that exceed the caches are
 * written past them: a plain store first reads the line it is about to overwrite, which doubles the traffic of what is
 * most of a loader's bytes, and drives out what decoding needs. */
enum { PIECE_VALUES = 512, LINE_BYTES = 64, LINE_VALUES = LINE_BYTES / 4 };

/* How many of `left` numbers the next piece takes, so that all pieces but the first begin with a line of `to`. */
static int64_t piece_values(const void *to, int64_t left) {
  const int64_t room = PIECE_VALUES - (int64_t)((uintptr_t)to % LINE_BYTES) / 4;
  return left < room ? left : room;
}

/* n numbers of four bytes; whole lines of `to` by stores that bypass the caches. */
static void send_past_caches(const void *from, int64_t n, void *to) {
  const char *source = from;
  char *target = to;
  const int64_t before = (int64_t)(-(uintptr_t)to % LINE_BYTES) / 4, head = before < n ? before : n;
  memcpy(target, source, (size_t)head * 4);
  int64_t i = head;
  for (; i + LINE_VALUES <= n; i += LINE_VALUES) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(source + 4 * i));
    const __m256i b = _mm256_loadu_si256((const __m256i *)(source + 4 * i + 32));
    _mm256_stream_si256((__m256i *)(target + 4 * i), a);
    _mm256_stream_si256((__m256i *)(target + 4 * i + 32), b);
  }
  memcpy(target + 4 * i, source + 4 * i, (size_t)(n - i) * 4);
}

static void send(const void *from, int64_t n, bool past_caches, void *to) {
  if (past_caches) {
    send_past_caches(from, n, to);
  } else {
    memcpy(to, from, (size_t)n * 4);
  }
}

/* Asks for the n numbers of `width` bytes at `ahead`, which a later call is to decode, while this one is at work: all
 * at once they would be more than the core keeps on its way, and it would wait. */
static void prefetch(const uint8_t *ahead, int64_t n, int64_t width) {
  for (int64_t at = 0; ahead && at < n * width; at += LINE_BYTES) __builtin_prefetch(ahead + at);
}

void cyf_decode_flush(void) {
  _mm_sfence();
}

uint32_t cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, bool past_caches,
                            const uint8_t *ahead, int32_t *ret_indices) {
  const int64_t width = cyf_stored_width(stored_as);
  int32_t piece[PIECE_VALUES];
  uint32_t largest = 0;
  for (int64_t start = 0, now; start < n; start += now) {
    const uint8_t *from = bytes + start * width;
    now = piece_values(ret_indices + start, n - start);
    prefetch(ahead ? ahead + start * width : NULL, now, width);
#define WIDEN(load)                                \
  {                                                \
    for (int64_t i = 0; i < now; i++) {            \
      const uint32_t index = load(from, i);        \
      piece[i] = (int32_t)index;                   \
      largest = index > largest ? index : largest; \
    }                                              \
  }
    WITH_LOAD(stored_as, WIDEN);
#undef WIDEN
    send(piece, now, past_caches, ret_indices + start);
  }
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

/* ---- logarithms of counts ---- */

static inline __m256i load_8x8(const uint8_t *bytes, int64_t i) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(bytes + i)));
}

static inline __m256i load_be16x8(const uint8_t *bytes, int64_t i) {
  const __m128i swap = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return _mm256_cvtepu16_epi32(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 2 * i)), swap));
}

static inline __m256i load_le32x8(const uint8_t *bytes, int64_t i) {
  return _mm256_loadu_si256((const __m256i *)(bytes + 4 * i));
}

static inline float log_of_count(uint32_t count, const cyf_log_table *table) {
  return count < CYF_LOG_TABLE ? table->log[count] : cyf_log_normalized((float)(int32_t)count, table->factor);
}

/* Most counts are below 16: their logarithms are picked from four registers, eight at a time, and the others one by
 * one. */
#define LOOK_UP(load, load_x8)                                                                        \
  {                                                                                                   \
    const __m256 low = _mm256_loadu_ps(table->log), high = _mm256_loadu_ps(table->log + 8);           \
    int64_t i = 0;                                                                                    \
    for (; i + 8 <= n; i += 8) {                                                                      \
      const __m256i count = load_x8(bytes, i);                                                        \
      const __m256 eight = _mm256_castsi256_ps(_mm256_slli_epi32(count, 28)); /* bit 3 as the sign */ \
      _mm256_storeu_ps(piece + i, _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, count),              \
                                                   _mm256_permutevar8x32_ps(high, count), eight));    \
      const __m256i small = _mm256_cmpeq_epi32(_mm256_srli_epi32(count, 4), _mm256_setzero_si256());  \
      uint32_t others = ~(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(small)) & 0xff;             \
      for (; others != 0; others &= others - 1) {                                                     \
        const int64_t k = i + __builtin_ctz(others);                                                  \
        piece[k] = log_of_count(load(bytes, k), table);                                               \
      }                                                                                               \
    }                                                                                                 \
    for (; i < n; i++) piece[i] = log_of_count(load(bytes, i), table);                                \
  }

static void look_up(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                    float *piece) {
  if (stored_as == CYF_STORED_BE8) {
    LOOK_UP(load_8, load_8x8)
  } else if (stored_as == CYF_STORED_BE16) {
    LOOK_UP(load_be16, load_be16x8)
  } else {
    LOOK_UP(load_le32, load_le32x8)
  }
}

void cyf_log_table_make(uint32_t largest, float factor, cyf_log_table *table) {
  const uint32_t wanted = largest < CYF_LOG_TABLE ? largest + 1 : CYF_LOG_TABLE, n = (wanted + 15) / 16 * 16;
  table->factor = factor;
  for (uint32_t k = 0; k < n; k++) table->log[k] = cyf_log_normalized((float)(int32_t)k, factor);
}

void cyf_decode_log_counts(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                           bool past_caches, const uint8_t *ahead, float *ret_values) {
  const int64_t width = cyf_stored_width(stored_as);
  float piece[PIECE_VALUES];
  for (int64_t start = 0, now; start < n; start += now) {
    now = piece_values(ret_values + start, n - start);
    prefetch(ahead ? ahead + start * width : NULL, now, width);
    look_up(stored_as, bytes + start * width, now, table, piece);
    send(piece, now, past_caches, ret_values + start);
  }
}
