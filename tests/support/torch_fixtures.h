/* SPDX-License-Identifier: MIT */
/* The checkpoints that tests/torch/make_fixtures.py writes with PyTorch: stored in tests/torch/fixtures, or fresh ones
 * in the folder that CYTOFORGE_TORCH_FIXTURES names. */
#ifndef CYF_TESTS_TORCH_FIXTURES_H
#define CYF_TESTS_TORCH_FIXTURES_H

#include "check.h"

static inline const char *fixtures_folder(void) {
  static char folder[512];
  const char *fresh = test_variable("CYTOFORGE_TORCH_FIXTURES");
  if (fresh != NULL)
    snprintf(folder, sizeof folder, "%s", fresh);
  else
    snprintf(folder, sizeof folder, "%s/tests/torch/fixtures", test_source());
  return folder;
}

static inline const char *fixture(const char *name) {
  static char path[640];
  snprintf(path, sizeof path, "%s/%s", fixtures_folder(), name);
  return path;
}

/* A file's bytes; free() them. */
static inline unsigned char *fixture_bytes(const char *path, size_t *ret_size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("%s cannot be opened", path);
  const int64_t size = check_size(path);
  unsigned char *bytes = malloc((size_t)size + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
  bytes[size] = '\0';
  fclose(file);
  *ret_size = (size_t)size;
  return bytes;
}

/* The floats of NAME, of which there must be `count` (any number where it is negative); free() them. */
static inline float *fixture_floats(const char *name, int64_t count) {
  size_t size = 0;
  unsigned char *bytes = fixture_bytes(fixture(name), &size);
  if (count >= 0) assert_int_equal(size, (size_t)count * sizeof(float));
  return (float *)(void *)bytes;
}

/* The first number of a line of shapes.txt. */
static inline int64_t fixture_shape(const char *key) {
  char line[256];
  FILE *file = fopen(fixture("shapes.txt"), "r");
  assert_non_null(file);
  const size_t n = strlen(key);
  long long value = -1;
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, key, n) == 0 && line[n] == ' ') value = atoll(line + n);
  fclose(file);
  assert_true(value > 0);
  return value;
}

#endif
