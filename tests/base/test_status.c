/* SPDX-License-Identifier: MIT */
/* Status codes and the first failure's message. */
#include <pthread.h>

#include "check.h"

static cyf_status open_gene_list(const char *path) {
  return CYF_FAIL(CYF_ERR_INPUT, "cannot open '%s'", path);
}

static cyf_status prepare(const char *path) {
  CYF_TRY(open_gene_list(path));
  return CYF_OK;
}

static cyf_status prepare_owning(const char *path, int *n_cleanups) {
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(open_gene_list(path));
cleanup:
  ++*n_cleanups;
  return status;
}

static void a_failure_travels_upward_with_its_message(void **state) {
  (void)state;
  assert_string_equal(cyf_status_message(), "");
  assert_int_equal(prepare("genes.txt"), CYF_ERR_INPUT);
  assert_string_equal(cyf_status_message(), "cannot open 'genes.txt'");
  assert_non_null(strstr(cyf_status_where(), "test_status.c:"));
  assert_null(strchr(cyf_status_where(), '/'));
  cyf_status_clear();
  assert_string_equal(cyf_status_message(), "");
  assert_string_equal(cyf_status_where(), "");
}

static void the_cleanup_label_runs_once(void **state) {
  (void)state;
  int n_cleanups = 0;
  assert_int_equal(prepare_owning("genes.txt", &n_cleanups), CYF_ERR_INPUT);
  assert_int_equal(n_cleanups, 1);
}

static void the_first_message_stays(void **state) {
  (void)state;
  assert_int_equal(CYF_FAIL(CYF_ERR_IO, "disk full"), CYF_ERR_IO);
  /* Each failure keeps its own code; only the text of the first is kept. */
  assert_int_equal(CYF_FAIL(CYF_ERR_INTERNAL, "could not close"), CYF_ERR_INTERNAL);
  assert_string_equal(cyf_status_message(), "disk full");
}

static void setting_replaces_the_message(void **state) {
  (void)state;
  (void)CYF_FAIL(CYF_ERR_IO, "disk full");
  cyf_status_set(CYF_ERR_COMM, "rank 3: disk full");
  assert_string_equal(cyf_status_message(), "rank 3: disk full");
  cyf_status_set(CYF_ERR_COMM, cyf_status_message()); /* its own buffer is fine */
  assert_string_equal(cyf_status_message(), "rank 3: disk full");
  cyf_status_set(CYF_OK, "");
  assert_string_equal(cyf_status_message(), "");
}

static void a_message_is_one_bounded_line(void **state) {
  (void)state;
  (void)CYF_FAIL(CYF_ERR_INPUT, "no label '%s'", "T\ncell\r\x1b[31m");
  assert_string_equal(cyf_status_message(), "no label 'T cell  [31m'");
  cyf_status_clear();
  char text[6001];
  for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2); /* e acute */
  text[6000] = '\0';
  (void)CYF_FAIL(CYF_ERR_INPUT, "%s", text);
  const size_t length = strlen(cyf_status_message());
  assert_in_range(length, 2000, 2047);
  assert_string_equal(cyf_status_message() + length - 5, "\xc3\xa9...");
}

static void *fail_elsewhere(void *unused) {
  (void)unused;
  (void)CYF_FAIL(CYF_ERR_MEMORY, "elsewhere");
  return strcmp(cyf_status_message(), "elsewhere") == 0 ? NULL : "wrong message";
}

static void threads_have_their_own_message(void **state) {
  (void)state;
  pthread_t thread;
  void *complaint = "not run";
  (void)CYF_FAIL(CYF_ERR_IO, "here");
  assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
  assert_int_equal(pthread_join(thread, &complaint), 0);
  assert_null(complaint);
  assert_string_equal(cyf_status_message(), "here");
}

static void every_code_has_a_name(void **state) {
  (void)state;
  static const cyf_status codes[] = {CYF_OK,          CYF_ERR_INTERNAL, CYF_ERR_USAGE,      CYF_ERR_CONFIG,
                                     CYF_ERR_INPUT,   CYF_ERR_IO,       CYF_ERR_MEMORY,     CYF_ERR_COMM,
                                     CYF_ERR_NUMERIC, CYF_ERR_DEVICE,   CYF_ERR_INTERRUPTED};
  enum { N = sizeof codes / sizeof *codes };
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < i; ++j) assert_string_not_equal(cyf_status_name(codes[i]), cyf_status_name(codes[j]));
    assert_string_not_equal(cyf_status_name(codes[i]), "unknown error");
  }
  assert_string_equal(cyf_status_name((cyf_status)999), "unknown error");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_failure_travels_upward_with_its_message, check_clear),
      cmocka_unit_test_setup(the_cleanup_label_runs_once, check_clear),
      cmocka_unit_test_setup(the_first_message_stays, check_clear),
      cmocka_unit_test_setup(setting_replaces_the_message, check_clear),
      cmocka_unit_test_setup(a_message_is_one_bounded_line, check_clear),
      cmocka_unit_test_setup(threads_have_their_own_message, check_clear),
      cmocka_unit_test_setup(every_code_has_a_name, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
