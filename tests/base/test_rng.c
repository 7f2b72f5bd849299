/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers: Philox itself, then the distributions drawn from it. Seeds are fixed, so each
 * statistical check either always passes or always fails; bounds are five standard errors unless stated. */
#include <math.h>

#include "base/rng.h"
#include "check.h"

/* The philox4x32-10 lines of Random123's own tests/kat_vectors: counter, key, result. */
static void philox_gives_the_published_answers(void **state) {
  (void)state;
  static const uint32_t vectors[3][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                          {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                           0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                          {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                           0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (int i = 0; i < 3; ++i) {
    const uint32_t *v = vectors[i];
    uint32_t words[4];
    /* The counter is block, step, and the two halves of the position. */
    cyf_rng_block((cyf_rng_key){{v[4], v[5]}}, v[1], (uint64_t)v[3] << 32 | v[2], v[0], words);
    for (int j = 0; j < 4; ++j) assert_int_equal(words[j], v[6 + j]);
  }
}

static void a_key_is_a_block_of_its_purpose_under_the_seed(void **state) {
  (void)state;
  const uint64_t seed = UINT64_C(0x123456789abcdef0);
  const cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_NOISE);
  uint32_t words[4];
  cyf_rng_block((cyf_rng_key){{0x9abcdef0, 0x12345678}}, 0, 0, CYF_RNG_NOISE, words);
  assert_int_equal(key.word[0], words[0]);
  assert_int_equal(key.word[1], words[1]);
  /* Every seed and purpose has its own. */
  for (int purpose = CYF_RNG_INIT; purpose <= CYF_RNG_BALANCE; ++purpose) {
    const cyf_rng_key next_seed = cyf_rng_key_make(seed + 1, (cyf_rng_purpose)purpose);
    const cyf_rng_key other = cyf_rng_key_make(seed, (cyf_rng_purpose)purpose);
    assert_memory_not_equal(&next_seed, &key, sizeof key);
    if (purpose != CYF_RNG_NOISE) assert_memory_not_equal(&other, &key, sizeof key);
  }
}

static void a_stream_is_the_blocks_in_order(void **state) {
  (void)state;
  const cyf_rng_key key = cyf_rng_key_make(7, CYF_RNG_SYNTH);
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, key, 3, UINT64_C(1) << 40);
  for (uint32_t block = 0; block < 5; ++block) {
    uint32_t words[4];
    cyf_rng_block(key, 3, UINT64_C(1) << 40, block, words);
    for (int i = 0; i < 4; ++i) assert_int_equal(cyf_rng_next(&stream), words[i]);
  }
}

static void units_and_integers_stay_in_range(void **state) {
  (void)state;
  assert_true(cyf_rng_unit(0) > 0.0 && cyf_rng_unit(UINT32_MAX) < 1.0);
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, cyf_rng_key_make(1, CYF_RNG_SPLIT), 0, 0);
  enum { N = 100000, BOUND = 7 };
  int counts[BOUND] = {0};
  for (int i = 0; i < N; ++i) ++counts[cyf_rng_next_below(&stream, BOUND)];
  for (int i = 0; i < BOUND; ++i) assert_true(fabs(counts[i] - (double)N / BOUND) < 5 * sqrt((double)N / BOUND));
  /* Bounds beyond 32 bits are covered to the top. */
  const uint64_t bound = UINT64_C(3) << 60;
  uint64_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = cyf_rng_next_below(&stream, bound);
    assert_true(value < bound);
    if (value > most) most = value;
  }
  assert_true(most > bound / 100 * 98);
  assert_int_equal(cyf_rng_next_below(&stream, 1), 0);
}

enum { N_DRAWS = 200000 };

/* Mean and variance against the truth, given the fourth central moment. */
static void check_moments(const double *draws, double mean, double variance, double fourth) {
  double sum = 0, squares = 0;
  for (int i = 0; i < N_DRAWS; ++i) sum += draws[i] - mean;
  for (int i = 0; i < N_DRAWS; ++i) squares += (draws[i] - mean) * (draws[i] - mean);
  assert_true(fabs(sum / N_DRAWS) < 5 * sqrt(variance / N_DRAWS));
  assert_true(fabs(squares / N_DRAWS - variance) < 5 * sqrt((fourth - variance * variance) / N_DRAWS));
}

/* Greatest distance between the empirical distribution and `cdf` on a grid; Kolmogorov's bound for p = 1e-6 is 2.69. */
static void check_distribution(const double *draws, double (*cdf)(double), double from, double to) {
  for (int i = 0; i <= 40; ++i) {
    const double x = from + (to - from) * i / 40;
    int below = 0;
    for (int j = 0; j < N_DRAWS; ++j) below += draws[j] <= x;
    assert_true(fabs((double)below / N_DRAWS - cdf(x)) < 2.69 / sqrt(N_DRAWS));
  }
}

static double normal_cdf(double x) {
  return 0.5 * erfc(-x / sqrt(2.0));
}

static void normals_have_their_moments(void **state) {
  (void)state;
  double *draws = NULL;
  cyf_rng_stream stream;
  assert_ok(CYF_NEW(&draws, N_DRAWS));
  cyf_rng_stream_init(&stream, cyf_rng_key_make(2, CYF_RNG_SYNTH), 0, 0);
  for (int i = 0; i < N_DRAWS; ++i) draws[i] = cyf_rng_next_normal(&stream);
  check_moments(draws, 0, 1, 3);
  check_distribution(draws, normal_cdf, -4, 4);
  double products = 0; /* neighbours are uncorrelated */
  for (int i = 1; i < N_DRAWS; ++i) products += draws[i] * draws[i - 1];
  assert_true(fabs(products / N_DRAWS) < 5 / sqrt(N_DRAWS));
  cyf_free(draws);
}

static void check_bijection(uint64_t n) {
  const cyf_rng_key key = cyf_rng_key_make(n, CYF_RNG_SHUFFLE);
  uint8_t *seen = NULL;
  assert_ok(CYF_NEW(&seen, n));
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t place = cyf_rng_permute(key, n, i);
    assert_true(place < n);
    assert_int_equal(seen[place], 0);
    seen[place] = 1;
  }
  cyf_free(seen);
}

static void permutations_are_bijective(void **state) {
  (void)state;
  for (uint64_t n = 1; n <= 300; ++n) check_bijection(n);
  static const uint64_t larger[] = {65535, 65536, 65537, 100003};
  for (int i = 0; i < 4; ++i) check_bijection(larger[i]);
  /* No narrowing beyond 32 bits. */
  const uint64_t n = (UINT64_C(1) << 40) + 7;
  const cyf_rng_key key = cyf_rng_key_make(1, CYF_RNG_SHUFFLE);
  uint64_t most = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t place = cyf_rng_permute(key, n, n - 1 - i);
    assert_true(place < n);
    if (place > most) most = place;
  }
  assert_true(most > n / 100 * 98);
}

/* Over many keys, each of the n! permutations comes up equally often. */
static void small_permutations_are_uniform(void **state) {
  (void)state;
  for (uint64_t n = 2; n <= 5; ++n) {
    enum { KEYS = 24000 };
    int counts[3125] = {0}; /* index: the images as digits of a number to base n, below n^n */
    double n_permutations = 1;
    for (uint64_t i = 2; i <= n; ++i) n_permutations *= (double)i;
    for (uint64_t seed = 0; seed < KEYS; ++seed) {
      const cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_SHUFFLE);
      uint64_t code = 0;
      for (uint64_t i = 0; i < n; ++i) code = code * n + cyf_rng_permute(key, n, i);
      ++counts[code];
    }
    const double expected = KEYS / n_permutations;
    int n_seen = 0;
    for (int i = 0; i < 3125; ++i) {
      if (counts[i] == 0) continue;
      ++n_seen;
      assert_true(fabs(counts[i] - expected) < 5 * sqrt(expected));
    }
    assert_int_equal(n_seen, (int)n_permutations);
  }
}

/* Of a large one: neighbours end up anywhere, and few values stay in place. */
static void a_large_permutation_mixes(void **state) {
  (void)state;
  enum { N = 100003, BINS = 10 };
  const cyf_rng_key key = cyf_rng_key_make(5, CYF_RNG_SHUFFLE);
  int table[BINS][BINS] = {{0}}, n_fixed = 0;
  uint64_t before = cyf_rng_permute(key, N, 0);
  for (uint64_t i = 1; i < N; ++i) {
    const uint64_t place = cyf_rng_permute(key, N, i);
    ++table[before * BINS / N][place * BINS / N];
    n_fixed += place == i;
    before = place;
  }
  const double expected = (double)N / (BINS * BINS);
  for (int a = 0; a < BINS; ++a) {
    for (int b = 0; b < BINS; ++b) assert_true(fabs(table[a][b] - expected) < 5 * sqrt(expected));
  }
  assert_true(n_fixed <= 7); /* Poisson of mean 1 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_gives_the_published_answers),
      cmocka_unit_test(a_key_is_a_block_of_its_purpose_under_the_seed),
      cmocka_unit_test(a_stream_is_the_blocks_in_order),
      cmocka_unit_test(units_and_integers_stay_in_range),
      cmocka_unit_test(normals_have_their_moments),
      cmocka_unit_test(permutations_are_bijective),
      cmocka_unit_test(small_permutations_are_uniform),
      cmocka_unit_test(a_large_permutation_mixes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
