/* SPDX-License-Identifier: MIT */
/* What the tests of src/evaluate share: references and comparisons. */
#ifndef CYF_TESTS_EVALUATE_CHECK_H
#define CYF_TESTS_EVALUATE_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dense_rows.h"
#include "evaluate/evaluate.h"
#include "reference_file.h"

/* Fails unless |got - expected| <= tolerance (also on NaN). */
#define assert_near(got, expected, tolerance)                                                                  \
  do {                                                                                                         \
    const double near_got_ = (got), near_expected_ = (expected);                                               \
    if (!(fabs(near_got_ - near_expected_) <= (tolerance))) {                                                  \
      fail_msg("%s is %.15g, expected %.15g within %g", #got, near_got_, near_expected_, (double)(tolerance)); \
    }                                                                                                          \
  } while (0)

static inline void reference_path(char path[1024]) {
  snprintf(path, 1024, "%s/tests/golden/evaluate_reference.h5", test_source());
}

/* A dataset of evaluate_reference.h5, freed with cyf_free. shape may be NULL. */
static inline double *reference(const char *dataset, int64_t shape[4]) {
  char path[1024];
  double *values = NULL;
  int64_t own_shape[4] = {0};
  int n_dims = 0;
  reference_path(path);
  assert_ok(cyf_hdf5_read_doubles(path, dataset, &values, &n_dims, shape ? shape : own_shape));
  return values;
}

/* A dataset of integers as int32, freed with cyf_free. */
static inline int32_t *reference_codes(const char *dataset, int64_t *ret_n) {
  char path[1024];
  int64_t *values = NULL, shape[4] = {0};
  int32_t *codes = NULL;
  int n_dims = 0;
  reference_path(path);
  assert_ok(cyf_hdf5_read_int64(path, dataset, &values, &n_dims, shape));
  assert_ok(CYF_NEW(&codes, shape[0]));
  for (int64_t i = 0; i < shape[0]; i++) codes[i] = (int32_t)values[i];
  *ret_n = shape[0];
  cyf_free(values);
  return codes;
}

/* expression/NAME with its labels "type 0", "type 1", "type 2", as a loaded set. */
static inline void reference_cells(const char *name, cyf_cell_set *set) {
  char dataset[64];
  int64_t shape[4] = {0}, code;
  *set = (cyf_cell_set){.has_labels = true, .values = {.kind = CYF_VALUES_LOG1P}};
  snprintf(dataset, sizeof(dataset), "expression/%s", name);
  double *dense = reference(dataset, shape);
  cyf_csr_buffer_clear(&set->matrix, shape[1]);
  assert_ok(append_dense(shape[0], shape[1], dense, &set->matrix));
  cyf_free(dense);
  snprintf(dataset, sizeof(dataset), "expression/%s_label", name);
  set->labels.code = reference_codes(dataset, &set->labels.n_cells);
  assert_ok(cyf_strdup("cell_type", &set->labels.attribute));
  for (int c = 0; c < 3; c++) {
    char category[16];
    snprintf(category, sizeof(category), "type %d", c);
    assert_ok(cyf_names_add(&set->labels.categories, category, &code));
  }
  for (int64_t gene = 0; gene < shape[1]; gene++) {
    char gene_name[16];
    snprintf(gene_name, sizeof(gene_name), "gene%d", (int)gene);
    assert_ok(cyf_names_add(&set->genes, gene_name, &code));
  }
  assert_ok(cyf_strdup(name, &set->path));
  set->n_cells_in_file = shape[0];
}

#endif
