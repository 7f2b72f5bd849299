/* SPDX-License-Identifier: MIT */
/* Which strength of guidance is chosen from accuracies. */
#include "calibrate/strengths.h"
#include "check.h"

enum { N_STRENGTHS = 4 };
static const double strength[N_STRENGTHS] = {1, 2, 3, 4};

/* One class of 100 real cells, of which `real` are told; `right` of 100 generated ones are at each strength. */
static cyf_strength_chosen choose_one(int64_t real, const int64_t right[N_STRENGTHS]) {
  const int64_t n = 100;
  cyf_strength_chosen chosen;
  const cyf_told told = {.n_classes = 1,
                         .n_strengths = N_STRENGTHS,
                         .strength = strength,
                         .n_real = &n,
                         .real_right = &real,
                         .generated = &n,
                         .generated_right = right};
  assert_ok(cyf_choose_strengths(&told, &chosen));
  return chosen;
}

static void it_is_where_generated_cells_are_told_as_often(void **state) {
  (void)state;
  static const int64_t right[] = {50, 70, 90, 100};
  assert_float_equal(choose_one(70, right).strength, 2, 1e-12);
  assert_float_equal(choose_one(80, right).strength, 2.5, 1e-12);
  assert_float_equal(choose_one(85, right).strength, 2.75, 1e-12);
  assert_float_equal(choose_one(85, right).reached, 0.85, 1e-12);
}

static void it_stays_within_those_tried(void **state) {
  (void)state;
  static const int64_t good[] = {90, 95, 97, 99}, poor[] = {20, 40, 60, 80}, flat[] = {20, 59, 60, 60};
  assert_float_equal(choose_one(50, good).strength, 1, 1e-12);
  assert_float_equal(choose_one(50, good).reached, 0.9, 1e-12);
  /* Never as well told as real cells: nearly the best will do, and more strength than that is not taken. */
  assert_float_equal(choose_one(95, poor).strength, 3.9, 1e-12);
  assert_true(choose_one(95, flat).strength <= 2);
}

/* An accuracy that falls again, by chance or by leading out of the data, is no reason for more guidance. */
static void accuracies_rise(void **state) {
  (void)state;
  static const int64_t right[] = {50, 80, 60, 85};
  assert_float_equal(choose_one(80, right).strength, 2, 1e-12);
  assert_float_equal(choose_one(65, right).strength, 1.5, 1e-12);
}

/* Classes of 10 and 20 cells are known together with that of 30; the one of 200 by itself; one has no cell. */
static void small_classes_are_taken_together(void **state) {
  (void)state;
  enum { N_CLASSES = 5 };
  static const int64_t n_real[N_CLASSES] = {20, 200, 10, 0, 30}, real_right[N_CLASSES] = {10, 100, 10, 0, 15};
  static const int64_t generated[N_CLASSES] = {100, 100, 100, 100, 100};
  /* Mean of the group over its classes: real 2/3; generated 1/3, 2/3, 1, 1. */
  static const int64_t right[N_STRENGTHS * N_CLASSES] = {40,  50, 20,  0, 40,  80,  60, 60,  0, 60,
                                                         100, 70, 100, 0, 100, 100, 80, 100, 0, 100};
  cyf_strength_chosen chosen[N_CLASSES];
  const cyf_told told = {.n_classes = N_CLASSES,
                         .n_strengths = N_STRENGTHS,
                         .strength = strength,
                         .n_real = n_real,
                         .real_right = real_right,
                         .generated = generated,
                         .generated_right = right};
  assert_ok(cyf_choose_strengths(&told, chosen));
  for (int c = 0; c < N_CLASSES; c++) {
    if (c == 1 || c == 3) continue;
    assert_int_equal(chosen[c].n_group_classes, 3);
    assert_float_equal(chosen[c].real_accuracy, 2. / 3, 1e-12);
    assert_float_equal(chosen[c].strength, 2, 1e-12);
  }
  assert_int_equal(chosen[1].n_group_classes, 1);
  assert_float_equal(chosen[1].strength, 1, 1e-12);
  assert_int_equal(chosen[3].n_group_classes, 0);
  assert_float_equal(chosen[3].strength, 0, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_where_generated_cells_are_told_as_often),
      cmocka_unit_test(it_stays_within_those_tried),
      cmocka_unit_test(accuracies_rise),
      cmocka_unit_test(small_classes_are_taken_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
