/* SPDX-License-Identifier: MIT */
/* float16 of the latent store: every half there and back, and roundings against an independent definition. */
#include <string.h>

#include "data/latents/latents_internal.h"
#include "support.h"

/* The value of a bit pattern by the definition of IEEE 754 binary16; infinities and NaN excluded. */
static double value_of(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

static float widen(uint16_t bits) {
  _Float16 half;
  float value = 0;
  memcpy(&half, &bits, sizeof half);
  cyf_latents_widen(1, &half, &value);
  return value;
}

static uint16_t narrow(float value) {
  _Float16 half;
  uint16_t bits = 0;
  cyf_latents_narrow(1, &value, &half);
  memcpy(&bits, &half, sizeof bits);
  return bits;
}

static bool is_finite(uint32_t bits) {
  return (bits & 0x7c00) != 0x7c00;
}

static void every_half_widens_exactly_and_comes_back(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    const float value = widen((uint16_t)bits);
    if (is_finite(bits)) {
      assert_true((double)value == value_of((uint16_t)bits));
      assert_int_equal(narrow(value), bits); /* the sign of zero included */
    } else if ((bits & 1023) == 0) {
      assert_true(isinf(value) && (value < 0) == (bits >> 15 != 0));
      assert_int_equal(narrow(value), bits);
    } else {
      assert_true(isnan(value));
      assert_true((narrow(value) & 0x7c00) == 0x7c00 && (narrow(value) & 1023) != 0);
    }
  }
}

/* Between any two neighbours: a float below the middle goes down, above it up, the middle to the even one. */
static void floats_round_to_the_nearest_half_ties_to_even(void **state) {
  (void)state;
  for (uint32_t sign = 0; sign < 2; sign++) {
    for (uint32_t low = 0; low < 0x7bff; low++) {
      const uint16_t below = (uint16_t)(sign << 15 | low), above = (uint16_t)(below + 1);
      const float middle = (float)((value_of(below) + value_of(above)) / 2); /* exact: 12 bits */
      assert_int_equal(narrow(middle), below & 1 ? above : below);
      assert_int_equal(narrow(nextafterf(middle, 0)), below);
      assert_int_equal(narrow(nextafterf(middle, sign ? -INFINITY : INFINITY)), above);
    }
  }
}

static void the_ends_of_the_range_are_kept(void **state) {
  (void)state;
  assert_int_equal(narrow(65504), 0x7bff);
  assert_int_equal(narrow(nextafterf(65520, 0)), 0x7bff); /* 65520: halfway to where 2^16 would be */
  assert_int_equal(narrow(65520), 0x7c00);
  assert_int_equal(narrow(-3e38F), 0xfc00);
  assert_int_equal(narrow(0x1p-25F), 0); /* halfway to the smallest subnormal: even is zero */
  assert_int_equal(narrow(0x1.000002p-25F), 1);
  assert_int_equal(narrow(-0x1p-149F), 0x8000);
  assert_int_equal(narrow(1e-40F), 0);
  assert_int_equal(narrow(1), 0x3c00);
}

/* Long arrays, whatever instructions the compiler took for them, at every alignment of their ends. */
static void arrays_convert_as_single_values(void **state) {
  (void)state;
  enum { N = 1000 };
  float values[N], widened[N];
  _Float16 halves[N];
  test_random random = {5};
  for (int i = 0; i < N; i++) values[i] = (float)ldexp(test_normal(&random), (int)test_uniform(&random, -28, 17));
  for (int n = N - 40; n <= N; n++) {
    const int first = N - n;
    cyf_latents_narrow(n, values + first, halves + first);
    cyf_latents_widen(n, halves + first, widened + first);
    for (int i = first; i < N; i++) {
      uint16_t bits = 0;
      memcpy(&bits, &halves[i], sizeof bits);
      assert_int_equal(bits, narrow(values[i]));
      assert_true(widened[i] == widen(bits));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_half_widens_exactly_and_comes_back),
      cmocka_unit_test(floats_round_to_the_nearest_half_ties_to_even),
      cmocka_unit_test(the_ends_of_the_range_are_kept),
      cmocka_unit_test(arrays_convert_as_single_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
