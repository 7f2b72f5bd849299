/* SPDX-License-Identifier: MIT */
/* Counted memory, and time as text. */
#include <time.h>

#include "base/clock.h"
#include "check.h"

/* Under the address sanitizer an impossible size is to give NULL, as it does without. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "allocator_may_return_null=1";
}

static void blocks_are_zeroed_aligned_and_counted(void **state) {
  (void)state;
  const int64_t before = cyf_memory_bytes_now();
  for (size_t count = 0; count < 300; count += 7) {
    double *values = NULL;
    assert_ok(CYF_NEW(&values, count));
    assert_non_null(values);
    assert_int_equal((uintptr_t)values % 64, 0);
    for (size_t i = 0; i < count; ++i) assert_true(values[i] == 0.0);
    assert_int_equal(cyf_memory_bytes_now() - before, (int64_t)(8 * count));
    cyf_free(values);
    assert_null(values);
    cyf_free(values); /* twice is fine */
  }
  assert_int_equal(cyf_memory_bytes_now(), before);
  cyf_free_at(NULL);
}

static void the_peak_is_remembered(void **state) {
  (void)state;
  char *block = NULL;
  const int64_t size = (int64_t)50 << 20, before = cyf_memory_bytes_now();
  assert_ok(CYF_NEW(&block, size));
  cyf_free(block);
  assert_true(cyf_memory_bytes_peak() >= before + size);
  assert_int_equal(cyf_memory_bytes_now(), before);
}

static void realloc_keeps_and_zeroes(void **state) {
  (void)state;
  int32_t *values = NULL;
  assert_ok(cyf_realloc((void **)&values, 10, sizeof *values));
  for (int i = 0; i < 10; ++i) values[i] = i + 1;
  assert_ok(cyf_realloc((void **)&values, 1000, sizeof *values));
  assert_int_equal((uintptr_t)values % 64, 0);
  for (int i = 0; i < 1000; ++i) assert_int_equal(values[i], i < 10 ? i + 1 : 0);
  assert_ok(cyf_realloc((void **)&values, 4, sizeof *values));
  for (int i = 0; i < 4; ++i) assert_int_equal(values[i], i + 1);
  /* A failure leaves the block as it was. */
  assert_int_equal(cyf_realloc((void **)&values, SIZE_MAX / 2, sizeof *values), CYF_ERR_MEMORY);
  assert_int_equal(values[3], 4);
  cyf_free(values);
}

static void impossible_sizes_are_errors(void **state) {
  (void)state;
  double *values = (double *)state;
  assert_int_equal(CYF_NEW(&values, SIZE_MAX / 4), CYF_ERR_MEMORY); /* count * size overflows */
  assert_null(values);
  assert_non_null(strstr(cyf_status_message(), "out of memory"));
  char *bytes;
  assert_int_equal(CYF_NEW(&bytes, SIZE_MAX - 8), CYF_ERR_MEMORY); /* the sum with our header overflows */
  assert_int_equal(CYF_NEW(&bytes, (size_t)PTRDIFF_MAX - 4096), CYF_ERR_MEMORY);
}

static void texts_are_copied_and_formatted(void **state) {
  (void)state;
  char *copy = NULL, *text = NULL;
  assert_ok(cyf_strdup("CD8+ T", &copy));
  assert_string_equal(copy, "CD8+ T");
  assert_ok(cyf_format(&text, "%s/%05d.h5ad", copy, 42));
  assert_string_equal(text, "CD8+ T/00042.h5ad");
  cyf_free(text);
  assert_ok(cyf_format(&text, "%5000d", 7));
  assert_int_equal(strlen(text), 5000);
  cyf_free(text);
  cyf_free(copy);
}

static void the_clock_runs_forward(void **state) {
  (void)state;
  const double start_s = cyf_clock_s();
  const struct timespec pause = {.tv_nsec = 20000000};
  nanosleep(&pause, NULL);
  const double waited_s = cyf_clock_s() - start_s;
  assert_true(waited_s >= 0.0199 && waited_s < 10.0);
}

static void times_are_written_for_readers(void **state) {
  (void)state;
  char text[32];
  static const struct {
    double seconds;
    const char *text;
  } cases[] = {{0, "0s"},         {12.4, "12s"},   {59.6, "1m00s"},     {187, "3m07s"},
               {3599.7, "1h00m"}, {3720, "1h02m"}, {360000, "100h00m"}, {-1, "unknown"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    cyf_clock_duration(cases[i].seconds, text, 16);
    assert_string_equal(text, cases[i].text);
  }
  cyf_clock_utc(text, 21);
  struct tm utc = {0};
  assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc));
  assert_int_equal(strlen(text), 20);
  const double off_s = difftime(time(NULL), timegm(&utc));
  assert_true(off_s >= 0 && off_s < 60);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(blocks_are_zeroed_aligned_and_counted, check_clear),
      cmocka_unit_test_setup(the_peak_is_remembered, check_clear),
      cmocka_unit_test_setup(realloc_keeps_and_zeroes, check_clear),
      cmocka_unit_test_setup(impossible_sizes_are_errors, check_clear),
      cmocka_unit_test_setup(texts_are_copied_and_formatted, check_clear),
      cmocka_unit_test_setup(the_clock_runs_forward, check_clear),
      cmocka_unit_test_setup(times_are_written_for_readers, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
