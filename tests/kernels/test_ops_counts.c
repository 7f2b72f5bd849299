/* SPDX-License-Identifier: MIT */
/* What models of counts need, with tolerances: integers from log-normalised cells (exact), the log-normal of totals
 * (1e-6 against double and finite differences), and scaled softmax (1e-6). Negative-binomial draws are tested against
 * the distribution's own probabilities. */
#include <math.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/math/normalisation.h"
#include "support.h"

static cyf_device *device;

static int set_up(void **state) {
  (void)state;
  return cyf_device_create_cpu(2, &device) != CYF_OK;
}

static int tear_down(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  return 0;
}

/* Every count up to 70,000 and some to 2^19, in cells of few and of many counts; a window that does not begin at 0. */
static void counts_come_back_exactly(void **state) {
  (void)state;
  const int64_t n = 70100;
  float *counts = TEST_NEW(float, n), *values = TEST_NEW(float, n), *back = TEST_NEW(float, n);
  int32_t *indices = TEST_NEW(int32_t, n);
  for (int64_t k = 0; k < n; k++) {
    counts[k] = (float)(k < 70000 ? k + 1 : 524287 - 41 * (k - 70000));
    indices[k] = (int32_t)k;
  }
  const double totals[] = {524288, 16777215, 2.5e9};
  for (int t = 0; t < 3; t++) {
    const int64_t indptr[] = {0, 100, n};
    const float total[] = {(float)totals[t], (float)totals[t]};
    for (int64_t k = 0; k < n; k++)
      values[k] = cyf_log_normalized(counts[k], (float)(CYF_NORMALISED_TOTAL / totals[t]));
    const cyf_csr cells = {.n_cells = 2, .n_genes = n, .indptr = indptr, .indices = indices, .values = values};
    assert_ok(device->ops->csr_counts(device, &cells, total, CYF_NORMALISED_TOTAL, back));
    assert_memory_equal(back, counts, sizeof(float) * (size_t)n);
    const cyf_csr window = cyf_csr_rows(&cells, 1, 1);
    memset(back, 0, sizeof(float) * (size_t)n);
    assert_ok(device->ops->csr_counts(device, &window, total, CYF_NORMALISED_TOTAL, back));
    assert_true(back[99] == 0);
    assert_memory_equal(back + 100, counts + 100, sizeof(float) * (size_t)(n - 100));
  }
  free(counts), free(values), free(back), free(indices);
}

static double library_nll(double m, double s, double total) {
  const double r = (log(total) - m) * exp(-s);
  return log(total) + s + 0.5 * log(2 * M_PI) + 0.5 * r * r;
}

static void totals_are_log_normal(void **state) {
  (void)state;
  enum { N = 6 };
  const float head[2 * N] = {7, -1, 8.5F, 0.3F, 3, -2.5F, 7, 0, 6, -6, 5, 3}, total[N] = {1000, 9000, 25, 0, 403, 300};
  float gradient[2 * N];
  double sum = -1, expected = 0;
  assert_ok(device->ops->library_nll(device, N, head, total, 0.25, &sum, gradient));
  for (int i = 0; i < N; i++) {
    const double m = head[2 * i], s = fmin(fmax(head[2 * i + 1], -4), 2), h = 1e-4;
    if (total[i] == 0) {
      assert_true(gradient[2 * i] == 0 && gradient[2 * i + 1] == 0);
      continue;
    }
    expected += library_nll(m, s, total[i]);
    const double by_m = (library_nll(m + h, s, total[i]) - library_nll(m - h, s, total[i])) / (2 * h);
    const double by_s = (library_nll(m, s + h, total[i]) - library_nll(m, s - h, total[i])) / (2 * h);
    TEST_AT_MOST(fabs(gradient[2 * i] - 0.25 * by_m) / (1 + fabs(by_m)), 1e-5);
    /* Held at a bound only where the gradient would lead further out. */
    const bool held = (head[2 * i + 1] < -4 && by_s > 0) || (head[2 * i + 1] > 2 && by_s < 0);
    TEST_AT_MOST(fabs(gradient[2 * i + 1] - (held ? 0 : 0.25 * by_s)) / (1 + fabs(by_s)), 1e-5);
  }
  TEST_AT_MOST(fabs(sum - expected) / expected, 1e-6);
  assert_ok(device->ops->library_nll(device, N, head, total, 0.25, &sum, NULL));
  TEST_AT_MOST(fabs(sum - expected) / expected, 1e-6);
  float size[N];
  const float normal[N] = {0, 1, -2, 0.5F, 1, 1};
  assert_ok(device->ops->library_size(device, N, head, normal, size));
  for (int i = 0; i < N; i++)
    TEST_AT_MOST(fabs(size[i] / exp(head[2 * i] + exp(fmin(fmax(head[2 * i + 1], -4), 2)) * normal[i]) - 1), 3e-6);
  assert_ok(device->ops->library_size(device, N, head, NULL, size));
  for (int i = 0; i < N; i++) TEST_AT_MOST(fabs(size[i] / exp(head[2 * i]) - 1), 3e-6);
}

static void softmax_has_the_sizes(void **state) {
  (void)state;
  const int64_t n = 5, widths[] = {1, 7, 28231};
  for (int w = 0; w < 3; w++) {
    const int64_t c = widths[w];
    test_random random = {(uint64_t)c};
    float *y = test_normals(&random, n * c, 4), *x = TEST_NEW(float, n *c);
    const float size[] = {1, 2000, 0.5F, 1e4F, 7};
    memcpy(x, y, sizeof(float) * (size_t)(n * c));
    assert_ok(device->ops->softmax_rows(device, n, c, size, y));
    for (int64_t i = 0; i < n; i++) {
      double sum = 0;
      for (int64_t j = 0; j < c; j++) sum += exp((double)x[i * c + j]);
      for (int64_t j = 0; j < c; j++)
        TEST_AT_MOST(fabs(y[i * c + j] / (size[i] * exp((double)x[i * c + j]) / sum) - 1), 3e-6);
    }
    x[0] = NAN; /* must not look like a cell */
    assert_ok(device->ops->softmax_rows(device, 1, c, NULL, x));
    assert_true(isnan(x[0]));
    free(y), free(x);
  }
}

/* ---- draws ---- */

static double nb_probability(double k, double mu, double theta) {
  return exp(lgamma(k + theta) - lgamma(theta) - lgamma(k + 1) + theta * log(theta / (theta + mu)) +
             (k > 0 ? k * log(mu / (theta + mu)) : 0));
}

enum { DRAWS = 200000 };

static float *draw(double mu, double theta, int64_t n_genes, int64_t first_position) {
  const int64_t n = DRAWS / n_genes;
  float *mean = TEST_NEW(float, DRAWS), *log_theta = TEST_NEW(float, n_genes);
  for (int64_t k = 0; k < DRAWS; k++) mean[k] = (float)mu;
  for (int64_t g = 0; g < n_genes; g++) log_theta[g] = (float)log(theta);
  assert_ok(device->ops->nb_draw(device, n, n_genes, mean, log_theta, cyf_rng_key_make(5, CYF_RNG_COUNTS), NULL,
                                 first_position, mean));
  free(log_theta);
  return mean;
}

/* Pearson's chi-square over the counts 0, 1, ... that are expected at least 20 times each, and the rest together. With
 * k classes its mean is k - 1 and its standard deviation sqrt(2 (k - 1)). Five deviations are allowed. */
static void check_distribution(double mu, double theta) {
  enum { MOST = 400 };
  double observed[MOST + 1] = {0}, chi = 0, left = DRAWS, left_observed = DRAWS, classes = 0;
  float *counts = draw(mu, theta, 10, 0);
  for (int64_t k = 0; k < DRAWS; k++) {
    assert_true(counts[k] >= 0 && counts[k] == rintf(counts[k]));
    if (counts[k] <= MOST) observed[(int)counts[k]]++;
  }
  for (int k = 0; k <= MOST; k++) {
    const double expected = DRAWS * nb_probability(k, mu, theta);
    if (expected < 20) continue;
    chi += (observed[k] - expected) * (observed[k] - expected) / expected;
    left -= expected;
    left_observed -= observed[k];
    classes++;
  }
  if (left >= 20) {
    chi += (left_observed - left) * (left_observed - left) / left;
    classes++;
  }
  print_message("  mean %g theta %g: chi-square %.1f over %.0f classes\n", mu, theta, chi, classes);
  TEST_AT_MOST(chi, classes - 1 + 5 * sqrt(2 * (classes - 1)) + 1e-9);
  free(counts);
}

static void draws_have_the_distribution(void **state) {
  (void)state;
  check_distribution(0.003, 0.5);
  check_distribution(0.4, 2);
  check_distribution(0.99, 30);
  check_distribution(3, 0.2);
  check_distribution(20, 5);
  check_distribution(60, 1e6); /* all but Poisson */
}

/* Where P(0) is too small for a double: mean and variance within five of their standard deviations. */
static void large_means_are_sums_of_pieces(void **state) {
  (void)state;
  const double cases[][2] = {{2000, 1000}, {5000, 1e5}, {900, 700}};
  for (int c = 0; c < 3; c++) {
    const double mu = cases[c][0], theta = cases[c][1], variance = mu + mu * mu / theta;
    float *counts = draw(mu, theta, 4, 77);
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < DRAWS; k++) {
      sum += counts[k] - mu;
      squares += (counts[k] - mu) * (counts[k] - mu);
    }
    TEST_AT_MOST(fabs(sum / DRAWS), 5 * sqrt(variance / DRAWS));
    TEST_AT_MOST(fabs(squares / DRAWS / variance - 1), 5 * sqrt(2.1 / DRAWS));
    free(counts);
  }
}

/* A cell's counts depend on the seed and its position alone, and genes are not alike. */
static void draws_go_by_position(void **state) {
  (void)state;
  enum { GENES = 33 };
  float mean[3 * GENES], log_theta[GENES] = {0}, one[GENES];
  for (int k = 0; k < 3 * GENES; k++) mean[k] = 5;
  const int64_t position[] = {9, 4, 9};
  const cyf_rng_key key = cyf_rng_key_make(1, CYF_RNG_COUNTS);
  assert_ok(device->ops->nb_draw(device, 3, GENES, mean, log_theta, key, position, 0, mean));
  assert_memory_equal(mean, mean + (ptrdiff_t)2 * GENES, sizeof one);
  assert_memory_not_equal(mean, mean + GENES, sizeof one);
  for (int g = 0; g < GENES; g++) one[g] = 5;
  assert_ok(device->ops->nb_draw(device, 1, GENES, one, log_theta, key, NULL, 4, one));
  assert_memory_equal(one, mean + GENES, sizeof one);
  int n_same = 0;
  for (int g = 1; g < GENES; g++) n_same += one[g] == one[g - 1];
  assert_true(n_same < GENES / 2);
  float bad[] = {NAN, INFINITY, -1, 0};
  assert_ok(device->ops->nb_draw(device, 1, 4, bad, log_theta, key, NULL, 0, bad));
  assert_true(isnan(bad[0]) && isnan(bad[1]) && isnan(bad[2]) && bad[3] == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_come_back_exactly),       cmocka_unit_test(totals_are_log_normal),
      cmocka_unit_test(softmax_has_the_sizes),          cmocka_unit_test(draws_have_the_distribution),
      cmocka_unit_test(large_means_are_sums_of_pieces), cmocka_unit_test(draws_go_by_position),
  };
  return cmocka_run_group_tests_name("ops_counts", tests, set_up, tear_down);
}
