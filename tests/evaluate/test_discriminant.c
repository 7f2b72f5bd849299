/* SPDX-License-Identifier: MIT */
/* Linear discriminant analysis against its formulas, written out for two dimensions. */
#include "evaluate/measures/discriminant.h"
#include "evaluate_check.h"

enum { N = 7, N_DIMS = 2, N_CLASSES = 3 };

/* Two classes with points, a third without, and one point that is left out. */
static const double points[N * N_DIMS] = {0, 1, 2, 0, 1, 2, 100, -100, 5, 6, 7, 4, 6, 8};
static const int32_t codes[N] = {0, 0, 0, -1, 2, 2, 2};

static void weights_are_those_of_the_formula(void **state) {
  (void)state;
  cyf_discriminant d;
  assert_ok(cyf_discriminant_fit(N, N_DIMS, points, N_CLASSES, codes, &d));
  double mean[N_CLASSES][2] = {{0}}, s[2][2] = {{0}};
  int n_of[N_CLASSES] = {0};
  for (int i = 0; i < N; i++)
    for (int k = 0; codes[i] >= 0 && k < 2; k++) mean[codes[i]][k] += points[2 * i + k] / 3;
  for (int i = 0; i < N; i++) {
    if (codes[i] < 0) continue;
    n_of[codes[i]]++;
    for (int k = 0; k < 2; k++)
      for (int l = 0; l < 2; l++)
        s[k][l] += (points[2 * i + k] - mean[codes[i]][k]) * (points[2 * i + l] - mean[codes[i]][l]) / (6 - 2);
  }
  assert_int_equal(n_of[0], 3);
  assert_int_equal(n_of[2], 3);
  const double spread = (s[0][0] + s[1][1]) / 2;
  for (int k = 0; k < 2; k++)
    for (int l = 0; l < 2; l++) s[k][l] = 0.9 * s[k][l] + (k == l ? 0.1 * spread : 0);
  const double determinant = s[0][0] * s[1][1] - s[0][1] * s[1][0];
  for (int c = 0; c < N_CLASSES; c += 2) {
    const double w[2] = {(s[1][1] * mean[c][0] - s[0][1] * mean[c][1]) / determinant,
                         (s[0][0] * mean[c][1] - s[1][0] * mean[c][0]) / determinant};
    assert_near(d.weights[2 * c], w[0], 1e-12);
    assert_near(d.weights[2 * c + 1], w[1], 1e-12);
    assert_near(d.intercepts[c], -0.5 * (w[0] * mean[c][0] + w[1] * mean[c][1]), 1e-12);
  }
  cyf_discriminant_destroy(&d);
}

static void a_class_without_points_is_never_told(void **state) {
  (void)state;
  cyf_discriminant d;
  assert_ok(cyf_discriminant_fit(N, N_DIMS, points, N_CLASSES, codes, &d));
  for (int i = 0; i < N; i++)
    if (codes[i] >= 0) assert_int_equal(cyf_discriminant_class(&d, points + 2 * i), codes[i]);
  for (double x = -20; x <= 20; x++)
    for (double y = -20; y <= 20; y++) assert_int_not_equal(cyf_discriminant_class(&d, (double[]){x, y}), 1);
  cyf_discriminant_destroy(&d);
}

static void fewer_points_than_dimensions_are_enough(void **state) {
  (void)state;
  static const double few[3 * 5] = {1, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 3, 0, 0};
  static const int32_t of[3] = {0, 0, 1};
  cyf_discriminant d;
  assert_ok(cyf_discriminant_fit(3, 5, few, 2, of, &d));
  for (int i = 0; i < 3; i++) assert_int_equal(cyf_discriminant_class(&d, few + 5 * i), of[i]);
  cyf_discriminant_destroy(&d);
}

static void points_that_are_all_equal_have_none(void **state) {
  (void)state;
  static const double equal[4 * 2] = {1, 2, 1, 2, 1, 2, 1, 2};
  static const int32_t of[4] = {0, 0, 1, 1};
  cyf_discriminant d;
  assert_int_equal(cyf_discriminant_fit(4, 2, equal, 2, of, &d), CYF_ERR_NUMERIC);
  assert_null(d.weights);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_are_those_of_the_formula),
      cmocka_unit_test(a_class_without_points_is_never_told),
      cmocka_unit_test(fewer_points_than_dimensions_are_enough),
      cmocka_unit_test(points_that_are_all_equal_have_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
