/* SPDX-License-Identifier: MIT */
/* Stored words become the same numbers at every length and alignment, through the caches or past them. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "data/atlas/shard.h"

enum { N_MOST = 1200, GUARD = 16 };
static const float factor = 3.1f;

typedef struct form {
  cyf_stored_as stored_as;
  uint32_t most; /* count */
} form;

/* Counts below 16, around it, at the table's end and beyond. */
static uint32_t number(const form *f, int64_t i) {
  static const uint32_t some[] = {1, 2, 1, 1,  3,   0, 7,   8,   1, 15,    4,     1, 16,
                                  1, 9, 2, 17, 255, 1, 256, 257, 1, 30000, 65535, 1, 2};
  const uint32_t count = some[(i + i / 97) % (int64_t)(sizeof(some) / sizeof(*some))];
  return count > f->most ? f->most : count;
}

static void store(const form *f, int64_t i, uint32_t count, uint8_t *bytes) {
  if (f->stored_as == CYF_STORED_BE8) {
    bytes[i] = (uint8_t)count;
  } else if (f->stored_as == CYF_STORED_BE16) {
    bytes[2 * i] = (uint8_t)(count >> 8);
    bytes[2 * i + 1] = (uint8_t)count;
  } else {
    memcpy(bytes + 4 * i, &count, 4);
  }
}

static float log_of(uint32_t count) {
  return cyf_log_normalized((float)(int32_t)count, factor);
}

/* Bytes that may be prefetched meanwhile, or NULL. */
static const uint8_t *something_ahead(const uint8_t *bytes, bool some) {
  return some ? bytes : NULL;
}

/* Decodes to `shift` numbers of four bytes past the beginning of a cache line, and checks that nothing around is
 * changed. */
static void check(const form *f, int64_t n, int64_t shift, bool past_caches, uint8_t *bytes, int32_t *memory) {
  uint32_t largest = 0;
  int64_t total = 0, sum = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t count = number(f, i + shift);
    store(f, i, count, bytes);
    largest = count > largest ? count : largest;
    sum += count;
  }
  uint32_t most = 0;
  cyf_decode_sum(f->stored_as, bytes, n, &total, &most);
  assert_int_equal(total, sum);
  assert_int_equal(most, largest);

  int32_t *indices = memory + shift;
  memset(memory, 0x5a, sizeof(*memory) * (size_t)(n + shift + GUARD));
  assert_int_equal(
      cyf_decode_indices(f->stored_as, bytes, n, past_caches, something_ahead(bytes, past_caches), indices), largest);
  cyf_decode_flush();
  for (int64_t i = 0; i < n; i++) assert_int_equal(indices[i], number(f, i + shift));
  for (int64_t i = 0; i < shift; i++) assert_int_equal(memory[i], 0x5a5a5a5a);
  for (int64_t i = 0; i < GUARD; i++) assert_int_equal(indices[n + i], 0x5a5a5a5a);

  float *values = (float *)memory + shift;
  cyf_log_table table;
  cyf_log_table_make(largest, factor, &table);
  memset(memory, 0x5a, sizeof(*memory) * (size_t)(n + shift + GUARD));
  cyf_decode_log_counts(f->stored_as, bytes, n, &table, past_caches, something_ahead(bytes, past_caches), values);
  cyf_decode_flush();
  for (int64_t i = 0; i < n; i++) {
    const float expected = log_of(number(f, i + shift));
    assert_memory_equal(&values[i], &expected, sizeof(expected));
  }
  for (int64_t i = 0; i < shift; i++) assert_int_equal(memory[i], 0x5a5a5a5a);
  for (int64_t i = 0; i < GUARD; i++) assert_int_equal(memory[shift + n + i], 0x5a5a5a5a);
}

static void every_length_and_place_is_decoded(void **state) {
  (void)state;
  static const form forms[] = {
      {CYF_STORED_BE8, 255}, {CYF_STORED_BE8, 3}, {CYF_STORED_BE16, 65535}, {CYF_STORED_LE32, 70000}};
  static const int64_t lengths[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 495, 496, 511, 512, 513, 1023, 1024, 1040, 1199};
  uint8_t *bytes = NULL;
  int32_t *memory = NULL;
  assert_ok(CYF_NEW(&bytes, 4 * N_MOST));
  assert_ok(CYF_NEW(&memory, N_MOST + 2 * GUARD)); /* begins with a line */
  for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++)
    for (size_t n = 0; n < sizeof(lengths) / sizeof(*lengths); n++)
      for (int64_t shift = 0; shift < GUARD; shift++)
        for (int past_caches = 0; past_caches < 2; past_caches++)
          check(&forms[f], lengths[n], shift, past_caches, bytes, memory);
  cyf_free(bytes);
  cyf_free(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_length_and_place_is_decoded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
