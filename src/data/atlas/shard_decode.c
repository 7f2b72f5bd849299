/* SPDX-License-Identifier: MIT */
/* Stored words to int32 and float32. Results are written a cache line at a time: 16 numbers, two vectors of eight. */
#include <immintrin.h>
#include <string.h>

#include "data/atlas/shard.h"
#include "kernels/csr.h"

enum { LINE_BYTES = 64, LINE_VALUES = LINE_BYTES / 4, HALF_LINE = LINE_VALUES / 2 };

int64_t cyf_stored_width(cyf_stored_as stored_as) {
  return stored_as == CYF_STORED_BE8 ? 1 : stored_as == CYF_STORED_BE16 ? 2 : 4;
}

/* A function whose first argument is `form` is compiled once for each stored form, without branches on it. */
#define FOR_A_FORM static inline __attribute__((always_inline))

FOR_A_FORM uint32_t load(const cyf_stored_as form, const uint8_t *bytes, int64_t i) {
  uint16_t half;
  uint32_t word;
  if (form == CYF_STORED_BE8) return bytes[i];
  if (form == CYF_STORED_BE16) {
    memcpy(&half, bytes + 2 * i, sizeof(half));
    return __builtin_bswap16(half);
  }
  memcpy(&word, bytes + 4 * i, sizeof(word));
  return word;
}

/* The stored numbers i to i + 7. */
FOR_A_FORM __m256i load_x8(const cyf_stored_as form, const uint8_t *bytes, int64_t i) {
  const __m128i swap = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  if (form == CYF_STORED_BE8) return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(bytes + i)));
  if (form == CYF_STORED_BE16)
    return _mm256_cvtepu16_epi32(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 2 * i)), swap));
  return _mm256_loadu_si256((const __m256i *)(bytes + 4 * i));
}

/* How many numbers of four bytes come before the first whole cache line of `to`; at most n. */
static inline int64_t before_line(const void *to, int64_t n) {
  const int64_t before = (int64_t)(-(uintptr_t)to % LINE_BYTES) / 4;
  return before < n ? before : n;
}

/* Writes eight numbers, half a cache line. Batches that are larger than the caches are written past them. A plain store
 * first reads the line that it is about to overwrite, which doubles the traffic of most of the loader's bytes. It also
 * drives out of the caches what decoding needs. */
static inline void put(const bool past_caches, __m256i numbers, void *to) {
  if (past_caches) {
    _mm256_stream_si256((__m256i *)to, numbers);
  } else {
    _mm256_storeu_si256((__m256i *)to, numbers);
  }
}

void cyf_decode_flush(void) {
  _mm_sfence();
}

/* Calls a FOR_A_FORM function that takes (form, ..., past_caches). */
#define CALL_FOR_FORM(function, stored_as, past_caches, ...)                                                          \
  ((stored_as) == CYF_STORED_BE8                                                                                      \
       ? ((past_caches) ? function(CYF_STORED_BE8, __VA_ARGS__, true) : function(CYF_STORED_BE8, __VA_ARGS__, false)) \
   : (stored_as) == CYF_STORED_BE16 ? ((past_caches) ? function(CYF_STORED_BE16, __VA_ARGS__, true)                   \
                                                     : function(CYF_STORED_BE16, __VA_ARGS__, false))                 \
                                    : ((past_caches) ? function(CYF_STORED_LE32, __VA_ARGS__, true)                   \
                                                     : function(CYF_STORED_LE32, __VA_ARGS__, false)))

/* ---- gene indices ---- */

static uint32_t largest_of(__m256i numbers) {
  uint32_t number[HALF_LINE], largest = 0;
  _mm256_storeu_si256((__m256i *)number, numbers);
  for (int k = 0; k < HALF_LINE; k++) largest = number[k] > largest ? number[k] : largest;
  return largest;
}

FOR_A_FORM uint32_t widen_one(const cyf_stored_as form, const uint8_t *bytes, int64_t i, int32_t *to) {
  const uint32_t index = load(form, bytes, i);
  to[i] = (int32_t)index;
  return index;
}

/* Widens indices. What `ahead` points to is prefetched line by line between the numbers. All at once would be
 * more loads than the core can have in flight, and the core would wait. */
FOR_A_FORM uint32_t widen(const cyf_stored_as form, const uint8_t *bytes, int64_t n, const uint8_t *ahead, int32_t *to,
                          const bool past_caches) {
  const int64_t width = form == CYF_STORED_BE8 ? 1 : form == CYF_STORED_BE16 ? 2 : 4, head = before_line(to, n);
  __m256i largest = _mm256_setzero_si256();
  uint32_t most = 0;
  int64_t i = 0;
  for (; i < head; i++) {
    const uint32_t index = widen_one(form, bytes, i, to);
    most = index > most ? index : most;
  }
  for (; i + LINE_VALUES <= n; i += LINE_VALUES) {
    __builtin_prefetch(ahead + i * width);
    const __m256i first = load_x8(form, bytes, i), second = load_x8(form, bytes, i + HALF_LINE);
    largest = _mm256_max_epu32(largest, _mm256_max_epu32(first, second));
    put(past_caches, first, to + i);
    put(past_caches, second, to + i + HALF_LINE);
  }
  __builtin_prefetch(ahead + i * width);
  for (; i < n; i++) {
    const uint32_t index = widen_one(form, bytes, i, to);
    most = index > most ? index : most;
  }
  const uint32_t of_lines = largest_of(largest);
  return of_lines > most ? of_lines : most;
}

uint32_t cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, bool past_caches,
                            const uint8_t *ahead, int32_t *ret_indices) {
  const uint8_t *next = ahead ? ahead : bytes; /* prefetching what is in the caches already costs nothing */
  return CALL_FOR_FORM(widen, stored_as, past_caches, bytes, n, next, ret_indices);
}

/* ---- values as they are ---- */

void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, float *restrict ret_values) {
  if (stored_as == CYF_STORED_FLOAT32) {
    memcpy(ret_values, bytes, (size_t)n * sizeof(*ret_values));
  } else if (stored_as == CYF_STORED_BE8) {
    for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)load(CYF_STORED_BE8, bytes, i);
  } else if (stored_as == CYF_STORED_BE16) {
    for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)load(CYF_STORED_BE16, bytes, i);
  } else {
    for (int64_t i = 0; i < n; i++) ret_values[i] = (float)(int32_t)load(CYF_STORED_LE32, bytes, i);
  }
}

/* ---- counts of a cell ---- */

/* Sum and maximum of counts of one byte, in pieces whose sum fits 32 bits. */
static void add_bytes(const uint8_t *restrict bytes, int64_t n, int64_t *total, uint32_t *largest) {
  enum { PIECE = 1 << 23 };
  uint32_t most = *largest;
  for (int64_t start = 0; start < n; start += PIECE) {
    const int64_t end = n - start < PIECE ? n : start + PIECE;
    uint32_t part = 0;
    for (int64_t i = start; i < end; i++) {
      part += bytes[i];
      most = bytes[i] > most ? bytes[i] : most;
    }
    *total += part;
  }
  *largest = most;
}

/* Sum and maximum of counts of two bytes. High bytes and low bytes of the words are added up each by themselves. */
static void add_words(const uint8_t *restrict bytes, int64_t n, int64_t *total, uint32_t *largest) {
  const __m256i zero = _mm256_setzero_si256(), greater = _mm256_set1_epi16(0xff);
  const __m256i swap = _mm256_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 1, 0, 3, 2, 5, 4, 7, 6, 9,
                                        8, 11, 10, 13, 12, 15, 14);
  __m256i most_x16 = zero, greater_sum = zero, lesser_sum = zero; /* sums of 64 bits */
  int64_t i = 0;
  for (; i + LINE_VALUES <= n; i += LINE_VALUES) {
    const __m256i words = _mm256_loadu_si256((const __m256i *)(bytes + 2 * i)); /* the greater byte comes first */
    most_x16 = _mm256_max_epu16(most_x16, _mm256_shuffle_epi8(words, swap));
    greater_sum = _mm256_add_epi64(greater_sum, _mm256_sad_epu8(_mm256_and_si256(words, greater), zero));
    lesser_sum = _mm256_add_epi64(lesser_sum, _mm256_sad_epu8(_mm256_srli_epi16(words, 8), zero));
  }
  uint64_t sum[4];
  uint16_t most[LINE_VALUES];
  _mm256_storeu_si256((__m256i *)sum, _mm256_add_epi64(_mm256_slli_epi64(greater_sum, 8), lesser_sum));
  _mm256_storeu_si256((__m256i *)most, most_x16);
  for (int k = 0; k < 4; k++) *total += (int64_t)sum[k];
  for (int k = 0; k < LINE_VALUES; k++) *largest = most[k] > *largest ? most[k] : *largest;
  for (; i < n; i++) {
    const uint32_t count = load(CYF_STORED_BE16, bytes, i);
    *total += count;
    *largest = count > *largest ? count : *largest;
  }
}

void cyf_decode_sum(cyf_stored_as stored_as, const uint8_t *restrict bytes, int64_t n, int64_t *total,
                    uint32_t *largest) {
  if (stored_as == CYF_STORED_BE8) {
    add_bytes(bytes, n, total, largest);
  } else if (stored_as == CYF_STORED_BE16) {
    add_words(bytes, n, total, largest);
  } else {
    int64_t sum = 0;
    uint32_t most = *largest;
    for (int64_t i = 0; i < n; i++) {
      const uint32_t count = load(CYF_STORED_LE32, bytes, i);
      sum += count;
      most = count > most ? count : most;
    }
    *total += sum;
    *largest = most;
  }
}

void cyf_log_table_make(uint32_t largest, float factor, cyf_log_table *table) {
  const uint32_t wanted = largest < CYF_LOG_TABLE ? largest + 1 : CYF_LOG_TABLE, n = (wanted + 15) / 16 * 16;
  table->factor = factor;
  for (uint32_t k = 0; k < n; k++) table->log[k] = cyf_log_normalized((float)(int32_t)k, factor);
}

static inline float log_of_count(uint32_t count, const cyf_log_table *table) {
  return count < CYF_LOG_TABLE ? table->log[count] : cyf_log_normalized((float)(int32_t)count, table->factor);
}

/* Logarithms of eight counts of which some lie beyond the table. */
static __attribute__((noinline)) __m256 log_of_any_x8(__m256i count, const cyf_log_table *table) {
  uint32_t number[HALF_LINE];
  float log[HALF_LINE];
  _mm256_storeu_si256((__m256i *)number, count);
  for (int k = 0; k < HALF_LINE; k++) log[k] = log_of_count(number[k], table);
  return _mm256_loadu_ps(log);
}

/* Logarithms of eight counts. Most counts are below 16; where all are, two registers, `low` and `high`, hold the table.
 * Others are taken from memory. */
static inline __m256i log_x8(__m256i count, __m256 low, __m256 high, const cyf_log_table *table) {
  const __m256i sixteens = _mm256_srli_epi32(count, 4);
  if (!_mm256_testz_si256(sixteens, sixteens)) {
    const __m256i beyond = _mm256_srli_epi32(count, 8); /* of CYF_LOG_TABLE */
    return _mm256_castps_si256(_mm256_testz_si256(beyond, beyond) ? _mm256_i32gather_ps(table->log, count, 4)
                                                                  : log_of_any_x8(count, table));
  }
  const __m256 eight = _mm256_castsi256_ps(_mm256_slli_epi32(count, 28)); /* bit 3 as the sign */
  return _mm256_castps_si256(
      _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, count), _mm256_permutevar8x32_ps(high, count), eight));
}

FOR_A_FORM void look_up(const cyf_stored_as form, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                        const uint8_t *ahead, float *to, const bool past_caches) {
  const int64_t width = form == CYF_STORED_BE8 ? 1 : form == CYF_STORED_BE16 ? 2 : 4, head = before_line(to, n);
  const __m256 low = _mm256_loadu_ps(table->log), high = _mm256_loadu_ps(table->log + HALF_LINE);
  int64_t i = 0;
  for (; i < head; i++) to[i] = log_of_count(load(form, bytes, i), table);
  for (; i + LINE_VALUES <= n; i += LINE_VALUES) {
    __builtin_prefetch(ahead + i * width);
    put(past_caches, log_x8(load_x8(form, bytes, i), low, high, table), to + i);
    put(past_caches, log_x8(load_x8(form, bytes, i + HALF_LINE), low, high, table), to + i + HALF_LINE);
  }
  __builtin_prefetch(ahead + i * width);
  for (; i < n; i++) to[i] = log_of_count(load(form, bytes, i), table);
}

void cyf_decode_log_counts(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                           bool past_caches, const uint8_t *ahead, float *ret_values) {
  const uint8_t *next = ahead ? ahead : bytes;
  CALL_FOR_FORM(look_up, stored_as, past_caches, bytes, n, table, next, ret_values);
}
