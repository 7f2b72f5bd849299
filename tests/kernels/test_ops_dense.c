/* SPDX-License-Identifier: MIT */
/* Dense linear layers, element-wise operations and the float functions under them, against naive double references.
 * Tolerances: 2e-6 where a result is one float expression, 1e-5 where it is a float sum (max|a-b| / max|b|). */
#include <string.h>

#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/math/activation.h"
#include "support.h"

static const int64_t sizes_n[] = {0, 1, 7, 33}, sizes_c[] = {1, 5, 130};
enum { N_SIZES_N = 4, N_SIZES_C = 3 };

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

/* ---- float functions ---- */

static void exp_is_within_two_units_in_the_last_place(void **state) {
  (void)state;
  for (double x = -87.32; x < 88.72; x += 1.37e-4) {
    const float argument = (float)x;
    const double exact = exp((double)argument), unit = ldexp(1.0, ilogb(exact) - 23);
    TEST_AT_MOST(fabs((double)cyf_expf(argument) - exact) / unit, 2.0);
  }
  assert_true(cyf_expf(0.0f) == 1.0f);
  assert_true(isnan(cyf_expf(NAN)));
  TEST_AT_MOST(cyf_expf(-INFINITY), 1.3e-38);
  assert_true(cyf_expf(INFINITY) > 3.3e38f);
}

static void log_and_log1p_keep_relative_accuracy(void **state) {
  (void)state;
  for (double e = -37.0; e < 38.0; e += 1.7e-4) {
    const float x = (float)pow(10.0, e);
    TEST_AT_MOST(fabs((double)cyf_logf(x) - log((double)x)), 2e-7 * fabs(log((double)x)) + 1e-12);
    TEST_AT_MOST(test_relative(cyf_log1pf(x), log1p((double)x)), 4e-7);
  }
  for (float x = 0.5f; x < 2.0f; x = nextafterf(x, 3.0f) + 1e-5f) {
    TEST_AT_MOST(fabs((double)cyf_logf(x) - log((double)x)), 2e-7 * fabs(log((double)x)));
  }
  assert_true(cyf_log1pf(0.0f) == 0.0f);
}

static void silu_matches_double_and_survives_large_arguments(void **state) {
  (void)state;
  for (double x = -80.0; x < 80.0; x += 1.1e-3) {
    const double s = 1.0 / (1.0 + exp(-(double)(float)x)), exact = (float)x * s;
    TEST_AT_MOST(fabs(cyf_silu((float)x) - exact), 1e-6 * fabs(exact) + 1e-30);
    TEST_AT_MOST(fabs(cyf_silu_derivative((float)x) - s * (1.0 + (float)x * (1.0 - s))), 1e-6);
  }
  TEST_AT_MOST(fabs(cyf_silu(-1e30f)), 1e-6);
  assert_true(cyf_silu(1e30f) == 1e30f);
}

/* ---- linear layers ---- */

/* All three products of one layer of one size, with and without accumulation. */
static void check_linear(int64_t n, int64_t in, int64_t out) {
  test_random random = {(uint64_t)(1000 * n + 10 * in + out)};
  float *x = test_normals(&random, n * in, 1), *w = test_normals(&random, out * in, 1);
  float *bias = test_normals(&random, out, 1), *y = test_normals(&random, n * out, 1);
  float *d_x = test_normals(&random, n * in, 1), *d_w = test_normals(&random, out * in, 1);
  float *d_bias = test_normals(&random, out, 1);
  double *xd = test_to_double(x, n * in), *wd = test_to_double(w, out * in), *yd = TEST_NEW(double, n *out);
  double *old_y = test_to_double(y, n * out), *old_dw = test_to_double(d_w, out * in);
  double *old_db = test_to_double(d_bias, out), *dxd = TEST_NEW(double, n *in), *dwd = TEST_NEW(double, out *in);

  test_matmul(n, out, in, xd, 0, wd, 1, yd);
  for (int64_t k = 0; k < n * out; ++k) old_y[k] += yd[k] + bias[k % out], yd[k] += bias[k % out];
  assert_ok(device->ops->linear_forward(device, n, in, out, x, w, bias, true, y));
  TEST_AT_MOST(test_error(y, old_y, n * out), 1e-5);
  assert_ok(device->ops->linear_forward(device, n, in, out, x, w, bias, false, y));
  TEST_AT_MOST(test_error(y, yd, n * out), 1e-5);
  for (int64_t k = 0; k < n * out; ++k) yd[k] -= bias[k % out];
  assert_ok(device->ops->linear_forward(device, n, in, out, x, w, NULL, false, y));
  TEST_AT_MOST(test_error(y, yd, n * out), 1e-5);

  for (int64_t k = 0; k < n * out; ++k) yd[k] = y[k]; /* y stands for d_y from here on */
  test_matmul(n, in, out, yd, 0, wd, 0, dxd);
  assert_ok(device->ops->linear_input_grad(device, n, in, out, y, w, false, d_x));
  TEST_AT_MOST(test_error(d_x, dxd, n * in), 1e-5);
  assert_ok(device->ops->linear_input_grad(device, n, in, out, y, w, true, d_x));
  for (int64_t k = 0; k < n * in; ++k) dxd[k] *= 2;
  TEST_AT_MOST(test_error(d_x, dxd, n * in), 1e-5);

  test_matmul(out, in, n, yd, 1, xd, 0, dwd);
  for (int64_t k = 0; k < out * in; ++k) old_dw[k] += dwd[k];
  for (int64_t k = 0; k < n * out; ++k) old_db[k % out] += yd[k];
  assert_ok(device->ops->linear_weight_grad(device, n, in, out, x, y, d_w, d_bias));
  TEST_AT_MOST(test_error(d_w, old_dw, out * in), 1e-5);
  TEST_AT_MOST(test_error(d_bias, old_db, out), 1e-5);
  assert_ok(device->ops->linear_weight_grad(device, n, in, out, x, y, d_w, NULL));
  for (int64_t k = 0; k < out * in; ++k) old_dw[k] += dwd[k];
  TEST_AT_MOST(test_error(d_w, old_dw, out * in), 1e-5);
  void *all[] = {x, w, bias, y, d_x, d_w, d_bias, xd, wd, yd, old_y, old_dw, old_db, dxd, dwd};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

static void linear_layers_match_naive_products(void **state) {
  (void)state;
  for (int i = 0; i < N_SIZES_N; ++i) {
    for (int j = 0; j < N_SIZES_C; ++j) {
      for (int k = 0; k < N_SIZES_C; ++k) check_linear(sizes_n[i], sizes_c[j], sizes_c[k]);
    }
  }
}

/* A block of cells computed inside a parallel region has the bits it has on a device of one thread, however many
 * threads there are: what sampling's reproducibility rests on. */
static void blocks_inside_parallel_regions_have_the_same_bits(void **state) {
  (void)state;
  const int64_t n = 70, in = 130, out = 333;
  test_random random = {21};
  float *x = test_normals(&random, n * in, 1), *w = test_normals(&random, out * in, 1);
  float *bias = test_normals(&random, out, 1), *alone = TEST_NEW(float, n *out), *inside = TEST_NEW(float, 3 * n * out);
  cyf_device *one;
  assert_ok(cyf_device_create_cpu(1, &one));
  assert_ok(one->ops->gene_decode(one, n, in, out, x, w, bias, alone));
  cyf_device_destroy(&one);
  for (int threads = 2; threads <= 3; ++threads) {
    cyf_device *many;
    int failed = 0;
    assert_ok(cyf_device_create_cpu(threads, &many));
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : failed)
    for (int block = 0; block < 3; ++block) {
      failed += many->ops->gene_decode(many, n, in, out, x, w, bias, inside + block * n * out) != CYF_OK;
    }
    assert_int_equal(failed, 0);
    for (int block = 0; block < 3; ++block) {
      assert_memory_equal(inside + block * n * out, alone, (size_t)(n * out) * sizeof *alone);
    }
    cyf_device_destroy(&many);
  }
  void *all[] = {x, w, bias, alone, inside};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

static void decoding_clips_at_zero(void **state) {
  (void)state;
  const int64_t n = 7, hidden = 33, genes = 130;
  test_random random = {3};
  float *h = test_normals(&random, n * hidden, 1), *w = test_normals(&random, genes * hidden, 1);
  float *bias = test_normals(&random, genes, 1), *y = TEST_NEW(float, n *genes);
  double *hd = test_to_double(h, n * hidden), *wd = test_to_double(w, genes * hidden), *yd = TEST_NEW(double, n *genes);
  test_matmul(n, genes, hidden, hd, 0, wd, 1, yd);
  for (int64_t k = 0; k < n * genes; ++k) yd[k] = fmax(0.0, yd[k] + bias[k % genes]);
  assert_ok(device->ops->gene_decode(device, n, hidden, genes, h, w, bias, y));
  TEST_AT_MOST(test_error(y, yd, n * genes), 1e-5);
  assert_ok(device->ops->gene_decode(device, 0, hidden, genes, h, w, bias, y));
  void *all[] = {h, w, bias, y, hd, wd, yd};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

/* ---- element-wise ---- */

static void silu_works_over_arrays(void **state) {
  (void)state;
  const int64_t count = 40001; /* more than one thread takes */
  test_random random = {5};
  float *x = test_normals(&random, count, 3), *d_y = test_normals(&random, count, 1), *y = TEST_NEW(float, count);
  float *d_x = TEST_NEW(float, count);
  double *expected = TEST_NEW(double, count), *slope = TEST_NEW(double, count);
  for (int64_t k = 0; k < count; ++k) {
    const double s = 1.0 / (1.0 + exp(-(double)x[k]));
    expected[k] = x[k] * s;
    slope[k] = d_y[k] * s * (1.0 + x[k] * (1.0 - s));
  }
  assert_ok(device->ops->silu_forward(device, count, x, y));
  TEST_AT_MOST(test_error(y, expected, count), 2e-6);
  assert_ok(device->ops->silu_backward(device, count, x, d_y, false, d_x));
  TEST_AT_MOST(test_error(d_x, slope, count), 2e-6);
  assert_ok(device->ops->silu_backward(device, count, x, d_y, true, d_x));
  for (int64_t k = 0; k < count; ++k) slope[k] *= 2;
  TEST_AT_MOST(test_error(d_x, slope, count), 2e-6);
  assert_ok(device->ops->axpy(device, count, -0.5, d_x, y));
  for (int64_t k = 0; k < count; ++k) expected[k] -= 0.5 * slope[k];
  TEST_AT_MOST(test_error(y, expected, count), 2e-6);
  assert_ok(device->ops->scale(device, count, 3.25, y));
  for (int64_t k = 0; k < count; ++k) expected[k] *= 3.25;
  TEST_AT_MOST(test_error(y, expected, count), 2e-6);
  assert_ok(device->ops->silu_forward(device, 0, NULL, NULL));
  assert_ok(device->ops->axpy(device, 0, 1.0, NULL, NULL));
  void *all[] = {x, d_y, y, d_x, expected, slope};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

static void check_rows(int64_t n, int64_t c, bool with_rows) {
  enum { ROWS = 6 };
  test_random random = {(uint64_t)(n * 200 + c)};
  float *table = test_normals(&random, ROWS * c, 1), *y = test_normals(&random, n * c, 1);
  float *d_table = test_normals(&random, ROWS * c, 1);
  int32_t *row = TEST_NEW(int32_t, n);
  double *sum = test_to_double(y, n * c), *d_sum = TEST_NEW(double, ROWS *c);
  for (int64_t i = 0; i < n; ++i)
    row[i] = with_rows ? (int32_t)test_uniform(&random, 0, ROWS - 1) : 0; /* last unused */
  for (int64_t k = 0; k < n * c; ++k) {
    d_sum[row[k / c] * c + k % c] += y[k];
    sum[k] += table[row[k / c] * c + k % c];
  }
  assert_ok(device->ops->sum_rows(device, n, c, y, with_rows ? row : NULL, ROWS, d_table));
  TEST_AT_MOST(test_error(d_table, d_sum, ROWS * c), 1e-5);
  assert_ok(device->ops->add_rows(device, n, c, table, with_rows ? row : NULL, y));
  TEST_AT_MOST(test_error(y, sum, n * c), 2e-6);
  void *all[] = {table, y, d_table, row, sum, d_sum};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
}

static void rows_of_a_table_are_added_and_summed(void **state) {
  (void)state;
  for (int i = 0; i < N_SIZES_N; ++i) {
    for (int j = 0; j < N_SIZES_C; ++j) {
      check_rows(sizes_n[i], sizes_c[j], true);
      check_rows(sizes_n[i], sizes_c[j], false);
    }
  }
}

/* sum r . x / max(|x|, 1e-12) for one row. */
typedef struct l2_case {
  int64_t c;
  double *x;
  const float *r;
} l2_case;

static double l2_loss(void *context) {
  const l2_case *l = context;
  double square = 0.0, sum = 0.0;
  for (int64_t j = 0; j < l->c; ++j) square += l->x[j] * l->x[j], sum += l->x[j] * l->r[j];
  return sum / fmax(sqrt(square), 1e-12);
}

static void unit_rows_follow_their_equation_and_gradient(void **state) {
  (void)state;
  for (int s = 0; s < N_SIZES_C; ++s) {
    const int64_t n = 7, c = sizes_c[s];
    test_random random = {(uint64_t)c};
    float *x = test_normals(&random, n * c, 2), *r = test_normals(&random, n * c, 1), *y = TEST_NEW(float, n *c);
    float *norm = TEST_NEW(float, n);
    double *xd = test_to_double(x, n * c), *expected = TEST_NEW(double, n *c), *gradient = TEST_NEW(double, n *c);
    for (int64_t i = 0; i < n; ++i) {
      double square = 0.0;
      for (int64_t j = 0; j < c; ++j) square += xd[i * c + j] * xd[i * c + j];
      for (int64_t j = 0; j < c; ++j) expected[i * c + j] = xd[i * c + j] / sqrt(square);
      l2_case l = {c, xd + i * c, r + i * c};
      test_gradient(l2_loss, &l, xd + i * c, c, gradient + i * c);
    }
    assert_ok(device->ops->l2_normalize_forward(device, n, c, x, y, norm));
    TEST_AT_MOST(test_error(y, expected, n * c), 2e-6);
    assert_ok(device->ops->l2_normalize_backward(device, n, c, y, norm, r, r)); /* in place */
    /* With one column the true gradient is zero: only rounding is left. */
    TEST_AT_MOST(c == 1 ? fabs((double)r[0]) : test_error(r, gradient, n * c), 1e-5);
    memset(x, 0, (size_t)c * sizeof *x); /* a row of zeros stays zero, its norm at the floor */
    assert_ok(device->ops->l2_normalize_forward(device, n, c, x, x, norm));
    assert_true(x[0] == 0.0f && norm[0] == 1e-12f);
    assert_ok(device->ops->l2_normalize_forward(device, 0, c, x, x, NULL));
    void *all[] = {x, r, y, norm, xd, expected, gradient};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) free(all[k]);
  }
}

static void device_memory_is_zeroed_aligned_and_copied(void **state) {
  (void)state;
  void *memory, *other;
  const char text[] = "a batch of cells";
  char back[sizeof text];
  assert_ok(device->ops->alloc(device, 1000, &memory));
  assert_ok(device->ops->alloc(device, 0, &other));
  device->ops->free(device, other);
  assert_ok(device->ops->alloc(device, 1000, &other));
  assert_int_equal((uintptr_t)memory % 64, 0);
  for (int i = 0; i < 1000; ++i) assert_int_equal(((char *)memory)[i], 0);
  assert_ok(device->ops->upload(device, memory, text, sizeof text));
  assert_ok(device->ops->copy(device, other, memory, sizeof text));
  assert_ok(device->ops->zero(device, memory, 1000));
  assert_ok(device->ops->download(device, back, other, sizeof text));
  assert_ok(device->ops->synchronize(device));
  assert_string_equal(back, text);
  assert_int_equal(((char *)memory)[0], 0);
  device->ops->free(device, memory);
  device->ops->free(device, other);
  device->ops->free(device, NULL);
  assert_true(cyf_cpus_allowed() >= 1);
  assert_string_equal(device->ops->name, "cpu");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exp_is_within_two_units_in_the_last_place),
      cmocka_unit_test(log_and_log1p_keep_relative_accuracy),
      cmocka_unit_test(silu_matches_double_and_survives_large_arguments),
      cmocka_unit_test(linear_layers_match_naive_products),
      cmocka_unit_test(blocks_inside_parallel_regions_have_the_same_bits),
      cmocka_unit_test(decoding_clips_at_zero),
      cmocka_unit_test(silu_works_over_arrays),
      cmocka_unit_test(rows_of_a_table_are_added_and_summed),
      cmocka_unit_test(unit_rows_follow_their_equation_and_gradient),
      cmocka_unit_test(device_memory_is_zeroed_aligned_and_copied),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
