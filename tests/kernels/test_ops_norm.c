/* SPDX-License-Identifier: MIT */
/* Batch norm with its activation, and layer norm with SiLU: values against naive double, gradients against central
 * finite differences of the naive reference. Tolerance 1e-5 (max|a-b| / max|b|) unless said. */
#include <string.h>

#include "kernels/backend.h"
#include "kernels/device.h"
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

static double activation(cyf_activation act, double z, double slope) {
  if (act == CYF_PRELU) return z > 0 ? z : slope * z;
  return act == CYF_SILU ? z / (1.0 + exp(-z)) : z;
}

/* A layer in double: y[n,c], and the loss sum r . y that gradients are taken of. */
typedef struct norm_case {
  int64_t n, c;
  cyf_activation act;
  bool by_row;                          /* layer norm */
  const double *fixed_mean, *fixed_var; /* batch norm with constant statistics; NULL: the batch's own */
  double *x, *gamma, *beta, *slope, *r, *y;
} norm_case;

static double norm_loss(void *context) {
  norm_case *k = context;
  const int64_t groups = k->by_row ? k->n : k->c, members = k->by_row ? k->c : k->n;
  const int64_t group_stride = k->by_row ? k->c : 1, member_stride = k->by_row ? 1 : k->c;
  double loss = 0.0;
  for (int64_t g = 0; g < groups; ++g) {
    double mean = 0.0, variance = 0.0;
    for (int64_t m = 0; m < members; ++m) mean += k->x[g * group_stride + m * member_stride] / (double)members;
    for (int64_t m = 0; m < members; ++m) {
      variance += pow(k->x[g * group_stride + m * member_stride] - mean, 2) / (double)members;
    }
    if (k->fixed_mean) mean = k->fixed_mean[g], variance = k->fixed_var[g];
    for (int64_t m = 0; m < members; ++m) {
      const int64_t at = g * group_stride + m * member_stride, column = at % k->c;
      const double xhat = (k->x[at] - mean) / sqrt(variance + 1e-5);
      k->y[at] = activation(k->act, k->gamma[column] * xhat + k->beta[column], *k->slope);
      loss += k->r[at] * k->y[at];
    }
  }
  return loss;
}

/* Float data and its double twin. */
typedef struct norm_data {
  float *x, *gamma, *beta, *r, slope;
  double slope_d;
  norm_case reference;
} norm_data;

static norm_data make_data(int64_t n, int64_t c, cyf_activation act, bool by_row) {
  test_random random = {(uint64_t)(n * 1000 + c * 10 + (int64_t)act)};
  norm_data data = {.slope = 0.25f, .slope_d = 0.25};
  data.x = test_normals(&random, n * c, 1.5);
  data.gamma = test_normals(&random, c, 1);
  data.beta = test_normals(&random, c, 1);
  data.r = test_normals(&random, n * c, 1);
  data.reference = (norm_case){.n = n, .c = c, .act = act, .by_row = by_row};
  data.reference.x = test_to_double(data.x, n * c);
  data.reference.gamma = test_to_double(data.gamma, c);
  data.reference.beta = test_to_double(data.beta, c);
  data.reference.r = test_to_double(data.r, n * c);
  data.reference.y = TEST_NEW(double, n *c);
  return data;
}

static void free_data(norm_data *data) {
  void *all[] = {data->x,           data->gamma,           data->beta,           data->r,          data->reference.x,
                 data->reference.y, data->reference.gamma, data->reference.beta, data->reference.r};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

/* Gradients by finite differences: of x, gamma, beta and the slope, one after the other. */
static double *numeric(norm_case *k, double *variables, int64_t count) {
  double *gradient = TEST_NEW(double, count);
  test_gradient(norm_loss, k, variables, count, gradient);
  return gradient;
}

static void check_batch_norm(int64_t n, int64_t c, cyf_activation act) {
  norm_data data = make_data(n, c, act, false);
  norm_case *k = &data.reference;
  k->slope = &data.slope_d;
  double *sums = TEST_NEW(double, 2 * c);
  float *mean = TEST_NEW(float, c), *inv_std = TEST_NEW(float, c), *y = TEST_NEW(float, n *c), d_slope = 0.5f;
  float *d_gamma = TEST_NEW(float, c), *d_beta = TEST_NEW(float, c);
  const float *slope = act == CYF_PRELU ? &data.slope : NULL;
  assert_ok(device->ops->batch_norm_sums(device, n, c, data.x, sums));
  assert_ok(device->ops->batch_norm_finish(device, c, (double)n, sums, 0.1, mean, inv_std, NULL, NULL));
  assert_ok(device->ops->batch_norm_forward(device, n, c, data.x, mean, inv_std, data.gamma, data.beta, act, slope, y));
  norm_loss(k);
  TEST_AT_MOST(test_error(y, k->y, n * c), 1e-5);

  double *d_x_true = numeric(k, k->x, n * c), *d_gamma_true = numeric(k, k->gamma, c);
  double *d_beta_true = numeric(k, k->beta, c), *d_slope_true = numeric(k, k->slope, 1);
  assert_ok(device->ops->batch_norm_backward_sums(device, n, c, data.x, data.r, mean, inv_std, data.gamma, data.beta,
                                                  act, slope, sums, slope ? &d_slope : NULL));
  assert_ok(device->ops->batch_norm_param_grad(device, c, sums, d_gamma, d_beta));
  assert_ok(device->ops->batch_norm_backward(device, n, c, data.x, data.r, mean, inv_std, data.gamma, data.beta, act,
                                             slope, sums, (double)n, data.r)); /* d_x in d_y's place */
  TEST_AT_MOST(test_error(d_gamma, d_gamma_true, c), 2e-5);
  TEST_AT_MOST(test_error(d_beta, d_beta_true, c), 1e-5);
  TEST_AT_MOST(fabs((double)d_slope - 0.5 - *d_slope_true), 1e-5 * (1.0 + fabs(*d_slope_true)));
  TEST_AT_MOST(test_error(data.r, d_x_true, n * c), 2e-5);
  void *all[] = {sums, mean, inv_std, y, d_gamma, d_beta, d_x_true, d_gamma_true, d_beta_true, d_slope_true};
  for (size_t j = 0; j < sizeof all / sizeof all[0]; ++j) free(all[j]);
  free_data(&data);
}

static void batch_norm_matches_its_gradients(void **state) {
  (void)state;
  const int64_t sizes[][2] = {{7, 1}, {33, 5}, {7, 70}, {33, 33}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
    check_batch_norm(sizes[s][0], sizes[s][1], CYF_IDENTITY);
    check_batch_norm(sizes[s][0], sizes[s][1], CYF_PRELU);
    check_batch_norm(sizes[s][0], sizes[s][1], CYF_SILU);
  }
}

static void batch_norm_takes_constant_statistics(void **state) {
  (void)state;
  const int64_t n = 5, c = 33;
  norm_data data = make_data(n, c, CYF_PRELU, false);
  norm_case *k = &data.reference;
  k->slope = &data.slope_d;
  float *running_mean = TEST_NEW(float, c), *running_var = TEST_NEW(float, c);
  float *mean = TEST_NEW(float, c), *inv_std = TEST_NEW(float, c), *d_x = TEST_NEW(float, n *c);
  for (int64_t j = 0; j < c; ++j) running_mean[j] = 0.1f * (float)j, running_var[j] = 0.5f + (float)j;
  double *mean_d = test_to_double(running_mean, c), *var_d = test_to_double(running_var, c);
  k->fixed_mean = mean_d;
  k->fixed_var = var_d;
  assert_ok(device->ops->batch_norm_running(device, c, running_mean, running_var, mean, inv_std));
  double *d_x_true = numeric(k, k->x, n * c);
  assert_ok(device->ops->batch_norm_backward(device, n, c, data.x, data.r, mean, inv_std, data.gamma, data.beta,
                                             CYF_PRELU, &data.slope, NULL, 0.0, d_x));
  TEST_AT_MOST(test_error(d_x, d_x_true, n * c), 1e-5);
  norm_loss(k);
  assert_ok(device->ops->batch_norm_forward(device, n, c, data.x, mean, inv_std, data.gamma, data.beta, CYF_PRELU,
                                            &data.slope, data.x)); /* in place */
  TEST_AT_MOST(test_error(data.x, k->y, n * c), 1e-5);
  void *all[] = {running_mean, running_var, mean, inv_std, d_x, mean_d, var_d, d_x_true};
  for (size_t j = 0; j < sizeof all / sizeof all[0]; ++j) free(all[j]);
  free_data(&data);
}

/* Running statistics as torch.nn.BatchNorm1d keeps them, over sums that came from two ranks. */
static void batch_norm_statistics_add_over_ranks(void **state) {
  (void)state;
  const int64_t n = 40, c = 37;
  test_random random = {11};
  float *x = test_normals(&random, n * c, 1);
  for (int64_t k = 0; k < n * c; ++k) x[k] += 100.0f; /* far from zero: float sums of squares would lose the variance */
  double *sums = TEST_NEW(double, 2 * c), *other = TEST_NEW(double, 2 * c);
  float *mean = TEST_NEW(float, c), *inv_std = TEST_NEW(float, c);
  float running_mean[37], running_var[37];
  for (int64_t j = 0; j < c; ++j) running_mean[j] = 2.0f, running_var[j] = 3.0f;
  assert_ok(device->ops->batch_norm_sums(device, 13, c, x, sums));
  assert_ok(device->ops->batch_norm_sums(device, n - 13, c, x + 13 * c, other));
  for (int64_t j = 0; j < 2 * c; ++j) sums[j] += other[j];
  assert_ok(device->ops->batch_norm_finish(device, c, (double)n, sums, 0.1, mean, inv_std, running_mean, running_var));
  for (int64_t j = 0; j < c; ++j) {
    double m = 0.0, v = 0.0;
    for (int64_t i = 0; i < n; ++i) m += (double)x[i * c + j] / (double)n;
    for (int64_t i = 0; i < n; ++i) v += pow((double)x[i * c + j] - m, 2) / (double)n;
    TEST_AT_MOST(test_relative(mean[j], m), 1e-7);
    TEST_AT_MOST(test_relative(inv_std[j], 1.0 / sqrt(v + 1e-5)), 1e-6);
    TEST_AT_MOST(test_relative(running_mean[j], 0.9 * 2.0 + 0.1 * m), 1e-6);
    TEST_AT_MOST(test_relative(running_var[j], 0.9 * 3.0 + 0.1 * v * n / (n - 1.0)), 1e-6);
  }
  assert_ok(device->ops->batch_norm_sums(device, 0, c, x, sums)); /* a rank without cells */
  for (int64_t j = 0; j < 2 * c; ++j) assert_true(sums[j] == 0.0);
  assert_ok(device->ops->batch_norm_backward_sums(device, 0, c, x, x, mean, inv_std, x, x, CYF_SILU, NULL, sums, NULL));
  for (int64_t j = 0; j < 2 * c; ++j) assert_true(sums[j] == 0.0);
  assert_ok(device->ops->batch_norm_finish(device, c, 1.0, sums, 0.1, mean, inv_std, running_mean, running_var));
  for (int64_t j = 0; j < c; ++j) assert_true(isfinite(running_var[j]) && isfinite(inv_std[j]));
  void *all[] = {x, sums, other, mean, inv_std};
  for (size_t j = 0; j < sizeof all / sizeof all[0]; ++j) free(all[j]);
}

static void check_layer_norm(int64_t n, int64_t c) {
  norm_data data = make_data(n, c, CYF_SILU, true);
  norm_case *k = &data.reference;
  k->slope = &data.slope_d;
  float *mean = TEST_NEW(float, n), *inv_std = TEST_NEW(float, n), *y = TEST_NEW(float, n *c);
  float *d_x = TEST_NEW(float, n *c), *d_gamma = TEST_NEW(float, c), *d_beta = TEST_NEW(float, c);
  norm_loss(k);
  assert_ok(device->ops->layer_norm_silu_forward(device, n, c, data.x, data.gamma, data.beta, y, mean, inv_std));
  TEST_AT_MOST(test_error(y, k->y, n * c), 1e-5);
  double *d_x_true = numeric(k, k->x, n * c), *d_gamma_true = numeric(k, k->gamma, c);
  double *d_beta_true = numeric(k, k->beta, c);
  assert_ok(device->ops->layer_norm_silu_backward(device, n, c, data.x, data.r, data.gamma, data.beta, mean, inv_std,
                                                  d_x, d_gamma, d_beta));
  /* One column: xhat is 0 whatever x is, so the true d_x and d_gamma are zero. */
  TEST_AT_MOST(test_error(d_x, d_x_true, n * c), c == 1 ? 1e-4 : 2e-5);
  TEST_AT_MOST(test_error(d_gamma, d_gamma_true, c), 1e-5);
  TEST_AT_MOST(test_error(d_beta, d_beta_true, c), 1e-5);
  assert_ok(device->ops->layer_norm_silu_backward(device, n, c, data.x, data.r, data.gamma, data.beta, mean, inv_std,
                                                  data.r, NULL, NULL)); /* in place, without parameter gradients */
  assert_memory_equal(data.r, d_x, (size_t)(n * c) * sizeof *d_x);
  assert_ok(device->ops->layer_norm_silu_forward(device, n, c, data.x, data.gamma, data.beta, data.x, NULL, NULL));
  assert_memory_equal(data.x, y, (size_t)(n * c) * sizeof *y);
  void *all[] = {mean, inv_std, y, d_x, d_gamma, d_beta, d_x_true, d_gamma_true, d_beta_true};
  for (size_t j = 0; j < sizeof all / sizeof all[0]; ++j) free(all[j]);
  free_data(&data);
}

static void layer_norm_silu_matches_its_gradients(void **state) {
  (void)state;
  const int64_t sizes[][2] = {{0, 5}, {1, 5}, {7, 1}, {7, 130}, {33, 5}, {70, 33}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) check_layer_norm(sizes[s][0], sizes[s][1]);
}

/* Sums over cells have the same bits for any number of threads. */
static void results_do_not_depend_on_threads(void **state) {
  (void)state;
  const int64_t n = 300, c = 333;
  float *y[2], *d_gamma[2];
  double *sums[2];
  for (int t = 0; t < 2; ++t) {
    cyf_device *other;
    assert_ok(cyf_device_create_cpu(t == 0 ? 1 : 3, &other));
    norm_data data = make_data(n, c, CYF_SILU, true);
    float *mean = TEST_NEW(float, n), *inv_std = TEST_NEW(float, n), *d_beta = TEST_NEW(float, c);
    y[t] = TEST_NEW(float, n *c);
    d_gamma[t] = TEST_NEW(float, c);
    sums[t] = TEST_NEW(double, 2 * c);
    assert_ok(other->ops->layer_norm_silu_forward(other, n, c, data.x, data.gamma, data.beta, y[t], mean, inv_std));
    assert_ok(other->ops->layer_norm_silu_backward(other, n, c, data.x, data.r, data.gamma, data.beta, mean, inv_std,
                                                   data.r, d_gamma[t], d_beta));
    assert_ok(other->ops->batch_norm_sums(other, n, c, data.x, sums[t]));
    free(mean);
    free(inv_std);
    free(d_beta);
    free_data(&data);
    cyf_device_destroy(&other);
  }
  assert_memory_equal(y[0], y[1], (size_t)(n * c) * sizeof(float));
  assert_memory_equal(d_gamma[0], d_gamma[1], (size_t)c * sizeof(float));
  assert_memory_equal(sums[0], sums[1], (size_t)(2 * c) * sizeof(double));
  for (int t = 0; t < 2; ++t) free(y[t]), free(d_gamma[t]), free(sums[t]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batch_norm_matches_its_gradients),     cmocka_unit_test(batch_norm_takes_constant_statistics),
      cmocka_unit_test(batch_norm_statistics_add_over_ranks), cmocka_unit_test(layer_norm_silu_matches_its_gradients),
      cmocka_unit_test(results_do_not_depend_on_threads),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
