/* SPDX-License-Identifier: MIT */
/* The measures of src/evaluate against scikit-learn, SciPy and plain NumPy (evaluate_reference.py), and on degenerate
 * input. */
#include <omp.h>

#include "base/rng.h"
#include "evaluate/measures/markers.h"
#include "evaluate/measures/metrics.h"
#include "evaluate/measures/rows.h"
#include "evaluate_check.h"

/* [n, n_dims] standard normals, shifted; by (seed, point). Freed with cyf_free. */
static double *normal_points(uint64_t seed, int64_t n, int64_t n_dims, double shift) {
  double *points = NULL;
  assert_ok(CYF_NEW(&points, n * n_dims));
  for (int64_t i = 0; i < n; i++) {
    cyf_rng_stream stream;
    cyf_rng_stream_init(&stream, cyf_rng_key_make(seed, CYF_RNG_SYNTH), 0, (uint64_t)i);
    for (int64_t k = 0; k < n_dims; k++) points[i * n_dims + k] = cyf_rng_next_normal(&stream) + shift;
  }
  return points;
}

/* ---- single measures ---- */

static void correlations_are_scipys(void **state) {
  (void)state;
  int64_t shape[4];
  double *x = reference("correlation/x", shape), *y = reference("correlation/y", NULL);
  double *expected = reference("correlation/expected", NULL), spearman;
  assert_near(cyf_pearson(shape[0], x, y), expected[0], 1e-10);
  assert_ok(cyf_spearman(shape[0], x, y, &spearman));
  assert_near(spearman, expected[1], 1e-10);
  cyf_free(x);
  cyf_free(y);
  cyf_free(expected);

  const double tied[5] = {3.0, 1.0, 3.0, 3.0, 2.0}, ranks[5] = {4.0, 1.0, 4.0, 4.0, 2.0}, constant[3] = {0.1, 0.1, 0.1};
  double got[5];
  assert_ok(cyf_average_ranks(5, tied, got));
  for (int i = 0; i < 5; i++) assert_near(got[i], ranks[i], 0.0);
  assert_true(isnan(cyf_pearson(3, constant, tied)));
  assert_ok(cyf_spearman(3, tied, constant, &spearman));
  assert_true(isnan(spearman));
  assert_true(isnan(cyf_pearson(1, tied, tied)));
  assert_ok(cyf_spearman(5, tied, tied, &spearman));
  assert_near(spearman, 1.0, 1e-15);
}

static void the_auc_is_scikit_learns(void **state) {
  (void)state;
  int64_t n_label;
  double *score = reference("auc/score", NULL), *expected = reference("auc/expected", NULL), auc;
  int32_t *code = reference_codes("auc/label", &n_label);
  uint8_t label[80], none[3] = {0, 0, 0};
  assert_int_equal(n_label, 80);
  for (int i = 0; i < 80; i++) label[i] = (uint8_t)code[i];
  assert_ok(cyf_auc(80, score, label, &auc));
  assert_near(auc, expected[0], 1e-14);
  const double order[4] = {0.1, 0.2, 0.3, 0.4}, tied[4] = {1.0, 1.0, 1.0, 1.0};
  const uint8_t later[4] = {0, 0, 1, 1}, earlier[4] = {1, 1, 0, 0};
  assert_ok(cyf_auc(4, order, later, &auc));
  assert_near(auc, 1.0, 0.0);
  assert_ok(cyf_auc(4, order, earlier, &auc));
  assert_near(auc, 0.0, 0.0);
  assert_ok(cyf_auc(4, tied, later, &auc));
  assert_near(auc, 0.5, 0.0);
  assert_ok(cyf_auc(3, order, none, &auc));
  assert_true(isnan(auc));
  cyf_free(score);
  cyf_free(expected);
  cyf_free(code);
}

static void the_mmd_is_the_references(void **state) {
  (void)state;
  double *points = reference("points/points", NULL), *expected = reference("points/mmd", NULL), mmd;
  assert_ok(cyf_mmd(70, 50, 6, points, &mmd));
  assert_near(mmd, expected[0], 1e-8);
  /* The same points twice, in another order: nothing tells the sets apart. */
  double *twice = normal_points(1, 80, 6, 0.0);
  for (int64_t i = 0; i < 40; i++) memcpy(twice + (79 - i) * 6, twice + i * 6, 6 * sizeof(double));
  assert_ok(cyf_mmd(40, 40, 6, twice, &mmd));
  assert_near(mmd, 0.0, 1e-12);
  for (int64_t i = 0; i < 80 * 6; i++) twice[i] = 3.0;
  assert_ok(cyf_mmd(30, 50, 6, twice, &mmd));
  assert_near(mmd, 0.0, 0.0);
  /* Two single points: mean d2 = d2, so the kernels are exp(-4 / 2^i) and MMD is 2 (5 - sum). */
  const double pair[2] = {0.0, 7.0};
  double sum = 0.0;
  for (int i = 0; i < 5; i++) sum += exp(-4.0 / (double)(1 << i));
  assert_ok(cyf_mmd(1, 1, 1, pair, &mmd));
  assert_near(mmd, 2.0 * (5.0 - sum), 1e-12);
  cyf_free(points);
  cyf_free(expected);
  cyf_free(twice);
}

static void lisi_is_the_references(void **state) {
  (void)state;
  double *points = reference("points/points", NULL), *expected = reference("points/lisi", NULL);
  double *expected_few = reference("points/lisi_few", NULL), lisi[120];
  assert_ok(cyf_lisi(70, 50, 6, points, 30.0, lisi));
  for (int i = 0; i < 120; i++) assert_near(lisi[i], expected[i], 1e-4);
  assert_ok(cyf_lisi(10, 10, 6, points + 60 * 6, 30.0, lisi));
  for (int i = 0; i < 20; i++) assert_near(lisi[i], expected_few[i], 1e-4);
  /* Far apart: each point's neighbours are of its own set. */
  double *apart = normal_points(2, 100, 3, 0.0);
  for (int64_t i = 50 * 3; i < 100 * 3; i++) apart[i] += 1000.0;
  assert_ok(cyf_lisi(50, 50, 3, apart, 10.0, lisi));
  for (int i = 0; i < 100; i++) assert_near(lisi[i], 1.0, 1e-12);
  /* All at one place: half of the others are of either set, whatever the bandwidth. */
  for (int64_t i = 0; i < 100 * 3; i++) apart[i] = 1.0;
  assert_ok(cyf_lisi(50, 50, 3, apart, 30.0, lisi));
  for (int i = 0; i < 100; i++) assert_true(lisi[i] >= 1.0 && lisi[i] <= 2.0);
  assert_ok(cyf_lisi(1, 0, 3, apart, 30.0, lisi));
  assert_true(isnan(lisi[0]));
  cyf_free(points);
  cyf_free(expected);
  cyf_free(expected_few);
  cyf_free(apart);
}

static void logistic_regression_is_scikit_learns(void **state) {
  (void)state;
  int64_t shape[4], n, n_new;
  double *points = reference("logistic/points", shape), *new_points = reference("logistic/new_points", NULL);
  double *weights = reference("logistic/weights", NULL), *intercepts = reference("logistic/intercepts", NULL);
  int32_t *code = reference_codes("logistic/class", &n), *expected = reference_codes("logistic/predicted", &n_new);
  int32_t *predicted = NULL;
  cyf_logistic model;
  assert_ok(cyf_logistic_fit(n, shape[1], points, 4, code, 1.0, &model));
  for (int64_t k = 0; k < 4 * shape[1]; k++) assert_near(model.weights[k], weights[k], 1e-5);
  for (int64_t c = 0; c < 4; c++) assert_near(model.intercepts[c], intercepts[c], 1e-5);
  assert_ok(CYF_NEW(&predicted, n_new));
  assert_ok(cyf_logistic_predict(&model, n_new, new_points, predicted));
  assert_memory_equal(predicted, expected, (size_t)n_new * sizeof(int32_t));
  cyf_logistic_destroy(&model);
  assert_null(model.weights);
  cyf_logistic_destroy(NULL);
  cyf_free(points);
  cyf_free(new_points);
  cyf_free(weights);
  cyf_free(intercepts);
  cyf_free(code);
  cyf_free(expected);
  cyf_free(predicted);
}

/* sum of x^4/4 - x + coupling (x_i - x_{i+1})^2: convex, minimum at x = 1. */
static void quartic(void *context, const double *x, double *ret_value, double *gradient) {
  int64_t n = *(const int64_t *)context;
  *ret_value = 0.0;
  for (int64_t i = 0; i < n; i++) {
    *ret_value += 0.25 * x[i] * x[i] * x[i] * x[i] - x[i];
    gradient[i] = x[i] * x[i] * x[i] - 1.0;
  }
  for (int64_t i = 0; i + 1 < n; i++) {
    double difference = x[i] - x[i + 1];
    *ret_value += 5.0 * difference * difference;
    gradient[i] += 10.0 * difference;
    gradient[i + 1] -= 10.0 * difference;
  }
}

static void lbfgs_finds_the_minimum(void **state) {
  (void)state;
  int64_t n = 30, n_iterations;
  double x[30];
  for (int i = 0; i < 30; i++) x[i] = 2.0 + 0.1 * (double)i;
  assert_ok(cyf_lbfgs_minimize(quartic, &n, n, x, 1e-9, 500, &n_iterations));
  for (int i = 0; i < 30; i++) assert_near(x[i], 1.0, 1e-8);
  assert_true(n_iterations > 1 && n_iterations < 200);
}

static void a_forest_predicts_like_scikit_learns(void **state) {
  (void)state;
  int64_t shape[4], n, n_new;
  double *points = reference("forest/points", shape), *new_points = reference("forest/new_points", NULL);
  double *expected = reference("forest/probability", NULL), *expected_auc = reference("forest/auc", NULL);
  int32_t *code = reference_codes("forest/label", &n), *new_code = reference_codes("forest/new_label", &n_new);
  double *probability = NULL, *again = NULL, auc, mean_difference = 0.0;
  uint8_t *label = NULL, *new_label = NULL;
  cyf_forest_options options = {.n_trees = 1000, .depth = 5, .seed = 3};
  assert_ok(CYF_NEW(&probability, n_new));
  assert_ok(CYF_NEW(&again, n_new));
  assert_ok(CYF_NEW(&label, n));
  assert_ok(CYF_NEW(&new_label, n_new));
  for (int64_t i = 0; i < n; i++) label[i] = (uint8_t)code[i];
  for (int64_t i = 0; i < n_new; i++) new_label[i] = (uint8_t)new_code[i];
  assert_ok(cyf_forest_predict(n, shape[1], points, label, n_new, new_points, &options, probability));
  for (int64_t i = 0; i < n_new; i++) {
    assert_near(probability[i], expected[i], 0.05);
    mean_difference += (probability[i] - expected[i]) / (double)n_new;
  }
  assert_near(mean_difference, 0.0, 0.01);
  assert_ok(cyf_auc(n_new, probability, new_label, &auc));
  assert_near(auc, expected_auc[0], 0.02);
  int n_threads = omp_get_max_threads();
  omp_set_num_threads(n_threads == 1 ? 3 : 1); /* any number of threads gives the same bits */
  assert_ok(cyf_forest_predict(n, shape[1], points, label, n_new, new_points, &options, again));
  assert_memory_equal(probability, again, (size_t)n_new * sizeof(double));
  omp_set_num_threads(n_threads);
  options.depth = 11;
  assert_fails(cyf_forest_predict(n, shape[1], points, label, n_new, new_points, &options, again), CYF_ERR_USAGE,
               "depth 11");
  cyf_free(points);
  cyf_free(new_points);
  cyf_free(expected);
  cyf_free(expected_auc);
  cyf_free(code);
  cyf_free(new_code);
  cyf_free(probability);
  cyf_free(again);
  cyf_free(label);
  cyf_free(new_label);
}

/* Forests and splits are random: AUCs over 20 seeds against scikit-learn's over 20 seeds. Means within three standard
 * errors of their difference, spreads within a factor of 2 (their own 95 % range at 20 draws is 0.63 to 1.6). */
static void forest_aucs_are_distributed_like_scikit_learns(void **state) {
  (void)state;
  int64_t shape[4];
  double *points = reference("forest/joint_points", shape), *joint = reference("together/value_joint", NULL);
  double sum = 0.0, squares = 0.0, *expected = joint + 2; /* mean, spread */
  enum { N_SEEDS = 20 };
  for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
    cyf_forest_options options = {.n_trees = 200, .depth = 5, .seed = seed};
    double auc;
    assert_ok(cyf_forest_auc(100, shape[0] - 100, shape[1], points, 0.25, &options, &auc));
    sum += auc;
    squares += auc * auc;
  }
  double mean = sum / N_SEEDS, spread = sqrt(fmax(0.0, squares / N_SEEDS - mean * mean));
  assert_near(mean, expected[0], 3.0 * sqrt((expected[1] * expected[1] + spread * spread) / N_SEEDS));
  assert_true(spread > 0.5 * expected[1] && spread < 2.0 * expected[1]);
  cyf_free(points);
  cyf_free(joint);
}

/* ---- marker genes and neighbours ---- */

static void markers_follow_the_rank_sums(void **state) {
  (void)state;
  int64_t shape[4], n_labels, top[5];
  cyf_cell_set real;
  cyf_rows rows;
  double *expected = reference("markers/z", shape), *p = reference("markers/p", NULL), z[3 * 80];
  int32_t *code = reference_codes("expression/real_label", &n_labels);
  reference_cells("real", &real);
  cyf_csr view = cyf_csr_view(&real.matrix);
  assert_ok(cyf_rows_create(&view, NULL, 0, &rows));
  assert_int_equal(shape[0] * shape[1], 3 * 80);
  assert_ok(cyf_rank_sum(&rows, code, 3, z));
  for (int i = 0; i < 3 * 80; i++) {
    assert_near(z[i], expected[i], 1e-10);
    assert_near(erfc(fabs(z[i]) / sqrt(2.0)), p[i], 1e-12);
  }
  for (int64_t i = 0; i < n_labels; i++) code[i] = 1; /* one class: nothing to compare it with */
  assert_ok(cyf_rank_sum(&rows, code, 3, z));
  for (int i = 0; i < 3 * 80; i++) assert_near(z[i], 0.0, 0.0);
  const double scores[6] = {1.0, 5.0, -2.0, 5.0, 1.0, 7.0};
  assert_ok(cyf_top_genes(6, scores, 4, top));
  const int64_t wanted[4] = {0, 1, 3, 5}, other[4] = {1, 2, 4, 5};
  assert_memory_equal(top, wanted, sizeof(wanted));
  assert_int_equal(cyf_count_shared(4, wanted, other), 2);
  cyf_free(expected);
  cyf_free(p);
  cyf_free(code);
  cyf_rows_destroy(&rows);
  cyf_cell_set_destroy(&real);
}

static void the_two_nearest_points_are_found(void **state) {
  (void)state;
  const double points[3 * 2] = {0.0, 0.0, 3.0, 4.0, 1.0, 0.0}, base[2 * 2] = {3.0, 4.0, 0.0, 0.0};
  double distances[3 * 2];
  cyf_nearest_two(3, 2, 2, points, base, distances);
  const double wanted[3 * 2] = {0.0, 5.0, 0.0, 5.0, 1.0, sqrt(20.0)};
  for (int i = 0; i < 6; i++) assert_near(distances[i], wanted[i], 1e-15);
  cyf_nearest_two(1, 1, 2, points, base, distances);
  assert_near(distances[0], 5.0, 1e-15);
  assert_true(isinf(distances[1]));
}

static void a_forest_tells_different_sets_apart(void **state) {
  (void)state;
  cyf_forest_options options = {.n_trees = 200, .depth = 5, .seed = 0};
  double *points = normal_points(4, 800, 5, 0.0), auc;
  assert_ok(cyf_forest_auc(400, 400, 5, points, 0.25, &options, &auc));
  assert_near(auc, 0.5, 0.1); /* one law: the standard error is 0.04 */
  for (int64_t i = 400; i < 800; i++) points[i * 5 + 2] += 8.0;
  assert_ok(cyf_forest_auc(400, 400, 5, points, 0.25, &options, &auc));
  assert_near(auc, 1.0, 1e-6);
  assert_ok(cyf_forest_auc(3, 400, 5, points, 0.25, &options, &auc));
  assert_true(isnan(auc));
  assert_ok(cyf_forest_auc(400, 400, 0, points, 0.25, &options, &auc)); /* nothing to split on */
  assert_near(auc, 0.5, 0.0);
  cyf_free(points);
}

static void choices_are_ordered_and_go_by_the_seed(void **state) {
  (void)state;
  int64_t *chosen = NULL, *other = NULL;
  assert_ok(cyf_choose(7, CYF_USE_LOAD, 1000, 100, &chosen));
  assert_ok(cyf_choose(8, CYF_USE_LOAD, 1000, 100, &other));
  for (int i = 1; i < 100; i++) assert_true(chosen[i] > chosen[i - 1] && chosen[i] < 1000);
  assert_memory_not_equal(chosen, other, 100 * sizeof(int64_t));
  cyf_free(other);
  assert_ok(cyf_choose(7, CYF_USE_LOAD, 1000, 100, &other));
  assert_memory_equal(chosen, other, 100 * sizeof(int64_t));
  cyf_free(chosen);
  cyf_free(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(correlations_are_scipys),
      cmocka_unit_test(the_auc_is_scikit_learns),
      cmocka_unit_test(the_mmd_is_the_references),
      cmocka_unit_test(lisi_is_the_references),
      cmocka_unit_test(logistic_regression_is_scikit_learns),
      cmocka_unit_test(lbfgs_finds_the_minimum),
      cmocka_unit_test(a_forest_predicts_like_scikit_learns),
      cmocka_unit_test(a_forest_tells_different_sets_apart),

      cmocka_unit_test(markers_follow_the_rank_sums),
      cmocka_unit_test(the_two_nearest_points_are_found),
      cmocka_unit_test(forest_aucs_are_distributed_like_scikit_learns),

      cmocka_unit_test(choices_are_ordered_and_go_by_the_seed),
  };
  return cmocka_run_group_tests_name("evaluate: measures", tests, NULL, NULL);
}
