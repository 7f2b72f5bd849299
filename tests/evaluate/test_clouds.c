/* SPDX-License-Identifier: MIT */
/* Measures of two clouds of points, against public implementations (clouds_reference.py prints their numbers). */
#include "evaluate/measures/clouds.h"
#include "evaluate_check.h"

enum { N_A = 70, N_B = 50, N_DIMS = 6 };

static void they_are_those_of_public_programs(void **state) {
  (void)state;
  double *points = reference("points/points", NULL);
  cyf_clouds c;
  assert_ok(cyf_clouds_compare(N_A, N_B, N_DIMS, points, &c));
  assert_near(c.energy, 0.4527346322333008, 1e-9);
  assert_near(c.nearest_accuracy, 71. / 120, 1e-12);
  assert_near(c.precision, 0.78, 1e-12);
  assert_near(c.recall, 67. / 70, 1e-12);
  double a[N_A], b[N_B], area, ks;
  for (int i = 0; i < N_A; i++) a[i] = points[i * N_DIMS];
  for (int i = 0; i < N_B; i++) b[i] = points[(N_A + i) * N_DIMS];
  cyf_samples_compare(N_A, a, N_B, b, &area, &ks);
  assert_near(area, 0.5187126449813111, 1e-9);
  assert_near(ks, 16. / 70, 1e-12);
  cyf_free(points);
}

/* The same cloud twice: nothing between them, and each point's nearest is its twin. Far apart: everything. */
static void the_ends_are_known(void **state) {
  (void)state;
  enum { N = 5 };
  double points[2 * N];
  cyf_clouds c;
  for (int i = 0; i < N; i++) points[i] = points[N + i] = i * i;
  assert_ok(cyf_clouds_compare(N, N, 1, points, &c));
  assert_near(c.energy, 0, 1e-12);
  assert_near(c.nearest_accuracy, 0, 0);
  assert_near(c.precision, 1, 0);
  assert_near(c.recall, 1, 0);
  for (int i = 0; i < N; i++) points[N + i] += 1e6;
  assert_ok(cyf_clouds_compare(N, N, 1, points, &c));
  assert_true(c.energy > 1e6);
  assert_near(c.nearest_accuracy, 1, 0);
  assert_near(c.precision, 0, 0);
  assert_near(c.recall, 0, 0);
}

static void too_few_points_give_no_number(void **state) {
  (void)state;
  const double points[4] = {0, 1, 2, 3};
  double none = 0, area, ks;
  cyf_clouds c;
  assert_ok(cyf_clouds_compare(0, 4, 1, points, &c));
  assert_true(isnan(c.energy) && isnan(c.nearest_accuracy) && isnan(c.precision) && isnan(c.recall));
  assert_ok(cyf_clouds_compare(2, 2, 1, points, &c));
  assert_true(isnan(c.precision) && isnan(c.recall));
  cyf_samples_compare(0, &none, 1, &none, &area, &ks);
  assert_true(isnan(area) && isnan(ks));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_are_those_of_public_programs),
      cmocka_unit_test(the_ends_are_known),
      cmocka_unit_test(too_few_points_give_no_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
