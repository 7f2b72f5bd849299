/* SPDX-License-Identifier: MIT */
/* The random words of the CPU (base/rng.h) and of the kernels (kernels/math/philox.h) against cuRAND's, integer by
 * integer. cuRAND's names for the same numbers: the key is its seed, the position its subsequence, and the first word
 * of block b at step s its offset 4 (2^32 s + b). */
#include <stdio.h>

#include "base/rng.h"
#include "curand_reference.h"
#include "kernels/math/philox.h"
#include "support.h"

enum { BLOCKS = 200000, STREAMS = 2000, STREAM_WORDS = 43, SKIPPED = 77 };

static test_random bits = {11};

/* A random word, and more often than by chance one at an end of the range, where additions carry. */
static uint32_t word(void) {
  static const uint32_t ends[] = {0, 1, 2, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFEu, 0xFFFFFFFFu};
  const uint64_t draw = test_random_bits(&bits);
  return draw % 4 == 0 ? ends[(draw >> 8) % 7] : (uint32_t)(draw >> 32);
}

static void blocks_are_curands(void **state) {
  (void)state;
  for (int k = 0; k < BLOCKS; ++k) {
    const cyf_rng_key key = {{word(), word()}};
    const uint32_t counter[4] = {word(), word(), word(), word()};
    const uint64_t position = (uint64_t)counter[3] << 32 | counter[2];
    uint32_t expected[4], words[4];
    curand_reference_block(counter, key.word, expected);
    cyf_rng_block(key, counter[1], position, counter[0], words);
    assert_memory_equal(words, expected, sizeof words);
    const cyf_philox_words kernels = cyf_philox(key.word, counter[1], position, counter[0]);
    const uint32_t named[4] = {kernels.w0, kernels.w1, kernels.w2, kernels.w3};
    assert_memory_equal(named, expected, sizeof named);
  }
}

static void streams_are_curands(void **state) {
  (void)state;
  for (int k = 0; k < STREAMS; ++k) {
    const cyf_rng_key key = {{word(), word()}};
    const uint64_t seed = (uint64_t)key.word[1] << 32 | key.word[0];
    const uint64_t position = (uint64_t)word() << 32 | word();
    const uint32_t step = word() >> 2; /* an offset counts words: 64 bits of it hold steps below 2^30 */
    cyf_rng_stream stream;
    uint32_t expected[STREAM_WORDS];
    curand_reference_stream(seed, position, (uint64_t)step << 34, STREAM_WORDS, expected);
    cyf_rng_stream_init(&stream, key, step, position);
    for (int w = 0; w < STREAM_WORDS; ++w) assert_int_equal(cyf_rng_next(&stream), expected[w]);
    /* From the middle of a stream. */
    const uint32_t block = word();
    uint32_t words[4];
    curand_reference_stream(seed, position, (uint64_t)step << 34 | (uint64_t)block << 2, 4, expected);
    cyf_rng_block(key, step, position, block, words);
    assert_memory_equal(words, expected, sizeof words);
  }
}

/* The key of a purpose is the beginning of a block under the user's seed. */
static void keys_are_curands(void **state) {
  (void)state;
  for (int purpose = CYF_RNG_INIT; purpose <= CYF_RNG_LIBRARY; ++purpose) {
    const uint64_t seed = (uint64_t)word() << 32 | word();
    const cyf_rng_key key = cyf_rng_key_make(seed, (cyf_rng_purpose)purpose);
    uint32_t expected[2];
    curand_reference_stream(seed, 0, 4 * (uint64_t)purpose, 2, expected);
    assert_memory_equal(key.word, expected, sizeof expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_curands),
      cmocka_unit_test(streams_are_curands),
      cmocka_unit_test(keys_are_curands),
  };
  if (!curand_reference_is_here()) {
    printf("philox_curand: skipped: built without the headers of cuRAND (curand_kernel.h)\n");
    return SKIPPED;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
