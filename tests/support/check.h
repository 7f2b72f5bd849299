/* SPDX-License-Identifier: MIT */
/* What all tests share: calls that must succeed or fail, and folders of their own. */
#ifndef CYF_TESTS_CHECK_H
#define CYF_TESTS_CHECK_H

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"
#include "base/status.h"
#include "environment.h"

/* Fails the running test with the library's own message. */
#define assert_ok(expression)                                                                                   \
  do {                                                                                                          \
    if ((expression) != CYF_OK) fail_msg("%s: %s (%s)", #expression, cyf_status_message(), cyf_status_where()); \
  } while (0)

/* Checks that the expression fails with this code and a message that contains the text, and clears the message. */
#define assert_fails(expression, code, text)                                            \
  do {                                                                                  \
    cyf_status_clear();                                                                 \
    assert_int_equal((expression), (code));                                             \
    if (!strstr(cyf_status_message(), (text)))                                          \
      fail_msg("message \"%s\" does not contain \"%s\"", cyf_status_message(), (text)); \
    cyf_status_clear();                                                                 \
  } while (0)

/* CMocka set-up: each test starts without a pending message. */
static inline int check_clear(void **state) {
  (void)state;
  cyf_status_clear();
  return 0;
}

static inline bool check_exists(const char *path) {
  bool exists = false;
  assert_ok(cyf_file_exists(path, &exists));
  return exists;
}

static inline bool check_is_directory(const char *path) {
  bool is_directory = false;
  assert_ok(cyf_is_directory(path, &is_directory));
  return is_directory;
}

/* Bytes of a file that is there. */
static inline int64_t check_size(const char *path) {
  int64_t bytes = 0;
  assert_ok(cyf_file_size_bytes(path, &bytes));
  return bytes;
}

/* A fresh folder of the test's own, removed by remove_folder. */
static inline void make_folder(char folder[64]) {
  const char *parent = test_temporary();
  snprintf(folder, 64, "%s/cytoforge_test_XXXXXX", strlen(parent) < 32 ? parent : "/tmp");
  assert_non_null(mkdtemp(folder));
}

static inline void remove_folder(const char *folder) {
  assert_ok(cyf_remove_tree(folder));
}

/* The folder of a group of tests (or, given to each test, of one): set-up and tear-down for CMocka. */
static char test_folder[64];

static inline int set_up_folder(void **state) {
  (void)state;
  make_folder(test_folder);
  return 0;
}

static inline int tear_down_folder(void **state) {
  (void)state;
  remove_folder(test_folder);
  return 0;
}

/* How many partial files, whole names or leftovers, stand beside `path`. */
static inline int count_partials(const char *path) {
  char pattern[512];
  glob_t found = {0};
  assert_true(snprintf(pattern, sizeof pattern, "%s.partial*", path) < (int)sizeof pattern);
  const int n = glob(pattern, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
  globfree(&found);
  return n;
}

/* A full disk, as far as a test can have one: no file of this process grows beyond this ("File too large"). -1: no
 * limit any more. */
static inline void limit_file_bytes(long bytes) {
  struct rlimit limit;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A path in test_folder, freed with cyf_free. */
static inline char *in_folder(const char *name) {
  char *path = NULL;
  assert_ok(cyf_path_join(test_folder, name, &path));
  return path;
}

#endif
