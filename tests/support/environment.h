/* SPDX-License-Identifier: MIT */
/* What a test may take from its environment. No other file calls getenv (tests/scripts/environment.sh checks this), so
 * that one rule holds for every variable. One that is unset or empty is not given, and a folder or program that is not
 * there is missing. What is missing skips a test, which says so in one line, and scripts/test.sh counts it in its
 * closing table. */
#ifndef CYF_TESTS_ENVIRONMENT_H
#define CYF_TESTS_ENVIRONMENT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The variable's value; NULL where it is unset or empty. */
static inline const char *test_variable(const char *variable) {
  const char *value = getenv(variable);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The value of a variable that ctest sets for every test; the test fails without it. */
static inline const char *test_variable_of_ctest(const char *variable) {
  const char *value = test_variable(variable);
  if (value == NULL) fail_msg("%s is not set: run this test by ctest", variable);
  return value;
}

/* The checkout. */
static inline const char *test_source(void) {
  return test_variable_of_ctest("CYTOFORGE_SOURCE");
}

/* The built program. */
static inline const char *test_binary(void) {
  return test_variable_of_ctest("CYTOFORGE_BINARY");
}

/* Where temporary folders are made. */
static inline const char *test_temporary(void) {
  const char *parent = test_variable("TMPDIR");
  return parent != NULL ? parent : "/tmp";
}

/* Skips the running test and says why in one line, which scripts/test-table.sh reads. */
#define test_skip(...)                                        \
  do {                                                        \
    char test_reason_[512];                                   \
    snprintf(test_reason_, sizeof test_reason_, __VA_ARGS__); \
    print_message("skipped: %s\n", test_reason_);             \
    skip();                                                   \
  } while (0)

static inline bool test_is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The folder that the variable names. The running test is skipped where it names none that is there; `what` says what
 * the folder would hold. */
static inline const char *test_folder_or_skip(const char *variable, const char *what) {
  const char *path = test_variable(variable);
  if (path == NULL || !test_is_folder(path)) test_skip("%s names no %s", variable, what);
  return path;
}

/* The folder of real data sets. scripts/test.sh --without-real-data finds the tests that need it by this macro (their
 * program's label) and by their own name, which therefore begins with real_. */
#define test_real_data_or_skip() \
  (assert_memory_equal(__func__, "real_", 5), test_folder_or_skip("CYTOFORGE_REAL_DATA", "folder of real data sets"))

/* A Python interpreter with anndata and scanpy: a path or a name that the shell finds. The running test is skipped
 * where there is none. */
static inline const char *test_python_or_skip(void) {
  const char *python = test_variable("CYTOFORGE_PYTHON");
  char command[1024];
  if (python != NULL) snprintf(command, sizeof command, "command -v '%s' >/dev/null", python);
  if (python == NULL || system(command) != 0) test_skip("CYTOFORGE_PYTHON names no Python with anndata and scanpy");
  return python;
}

/* Before a group is run: CYTOFORGE_TEST_FILTER, a pattern of names, leaves out every other test. */
static inline void test_choose_checks(void) {
  const char *pattern = test_variable("CYTOFORGE_TEST_FILTER");
  if (pattern != NULL) cmocka_set_test_filter(pattern);
}

#endif
