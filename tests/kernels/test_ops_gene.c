/* SPDX-License-Identifier: MIT */
/* Gene-space operations: a sparse batch times a gene-major matrix, squared error by both modes, negative binomial. They
 * are compared with naive double references, whose gradients are central finite differences. Tolerances: 1e-6 relative
 * for values, 1e-4 by max|a-b| / max|b| for gradients (most are near 1e-6). */
#include <string.h>

#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/math/negative_binomial.h"
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

static void free_all(void **all, size_t count) {
  for (size_t k = 0; k < count; ++k) free(all[k]);
}
#define FREE_ALL(array) free_all(array, sizeof(array) / sizeof((array)[0]))

/* ---- first layer ---- */

static void check_gene_linear(const cyf_csr *x, int64_t out) {
  const int64_t n = x->n_cells, genes = x->n_genes;
  test_random random = {(uint64_t)(n + genes + out)};
  float *w = test_normals(&random, genes * out, 1), *bias = test_normals(&random, out, 1);
  float *y = test_normals(&random, n * out, 1), *d_w = test_normals(&random, genes * out, 1);
  float *d_bias = test_normals(&random, out, 1), *d_y = test_normals(&random, n * out, 1);
  double *dense = test_dense(x), *wd = test_to_double(w, genes * out), *yd = TEST_NEW(double, n *out);
  double *d_yd = test_to_double(d_y, n * out), *old_dw = test_to_double(d_w, genes * out);
  double *old_db = test_to_double(d_bias, out), *d_wd = TEST_NEW(double, genes *out);
  test_matmul(n, out, genes, dense, 0, wd, 0, yd);
  assert_ok(device->ops->gene_linear_forward(device, x, out, w, NULL, y));
  TEST_AT_MOST(test_error(y, yd, n * out), 1e-5);
  for (int64_t k = 0; k < n * out; ++k) yd[k] += bias[k % out];
  assert_ok(device->ops->gene_linear_forward(device, x, out, w, bias, y));
  TEST_AT_MOST(test_error(y, yd, n * out), 1e-5);
  test_matmul(genes, out, n, dense, 1, d_yd, 0, d_wd);
  for (int64_t k = 0; k < genes * out; ++k) old_dw[k] += d_wd[k];
  for (int64_t k = 0; k < n * out; ++k) old_db[k % out] += d_yd[k];
  assert_ok(device->ops->gene_linear_weight_grad(device, x, out, d_y, d_w, d_bias));
  TEST_AT_MOST(test_error(d_w, old_dw, genes * out), 1e-5);
  TEST_AT_MOST(test_error(d_bias, old_db, out), 1e-5);
  void *all[] = {w, bias, y, d_w, d_bias, d_y, dense, wd, yd, d_yd, old_dw, old_db, d_wd};
  FREE_ALL(all);
}

static void sparse_products_match_dense_ones(void **state) {
  (void)state;
  const int64_t cells[] = {0, 1, 7, 33}, genes[] = {1, 7, 1100}, outs[] = {1, 5, 16, 130, 200};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 5; ++k) {
        test_random random = {(uint64_t)(i * 16 + j)};
        cyf_csr_buffer buffer = test_sparse(&random, cells[i], genes[j], 0.2, 5, 0);
        const cyf_csr x = cyf_csr_view(&buffer);
        check_gene_linear(&x, outs[k]);
        if (cells[i] > 3) {
          const cyf_csr window = cyf_csr_rows(&x, 2, cells[i] - 3); /* indptr[0] is not zero */
          check_gene_linear(&window, outs[k]);
        }
        cyf_csr_buffer_destroy(&buffer);
      }
    }
  }
}

static void batches_may_be_longer_than_a_block_of_cells(void **state) {
  (void)state;
  test_random random = {9};
  cyf_csr_buffer buffer = test_sparse(&random, 2100, 23, 0.3, 5, 0);
  const cyf_csr x = cyf_csr_view(&buffer);
  check_gene_linear(&x, 33);
  cyf_csr_buffer_destroy(&buffer);
}

/* ---- losses ---- */

/* The last layer in double: Y = h w' + bias, and the loss of Y against the target. */
typedef struct layer_case {
  int64_t n, genes, hidden;
  double *h, *w, *bias, *log_theta, *target;
  const float *size; /* NULL: squared error */
} layer_case;

static double layer_loss(void *context) {
  const layer_case *k = context;
  double loss = 0.0;
  for (int64_t i = 0; i < k->n; ++i) {
    for (int64_t g = 0; g < k->genes; ++g) {
      double y = k->bias[g];
      for (int64_t j = 0; j < k->hidden; ++j) y += k->h[i * k->hidden + j] * k->w[g * k->hidden + j];
      const double x = k->target[i * k->genes + g];
      if (!k->size) {
        loss += (y - x) * (y - x);
        continue;
      }
      const double mu = k->size[i] * exp(y), theta = exp(k->log_theta[g]);
      loss -= lgamma(x + theta) - lgamma(theta) - lgamma(x + 1) + theta * log(theta / (theta + mu)) +
              x * log(mu / (theta + mu));
    }
  }
  return loss;
}

/* One layer, its float data and gradients that start from known values. */
typedef struct layer_data {
  layer_case reference;
  cyf_csr_buffer buffer;
  cyf_csr x;
  float *h, *w, *bias, *log_theta, *size, *d_h, *d_w, *d_bias, *d_log_theta;
} layer_data;

static layer_data make_layer(int64_t n, int64_t genes, int64_t hidden, int counts) {
  test_random random = {(uint64_t)(n * 977 + genes * 31 + hidden)};
  layer_data l = {.buffer = test_sparse(&random, n, genes, 0.3, counts ? 9 : 4, counts)};
  l.x = cyf_csr_view(&l.buffer);
  l.h = test_normals(&random, n * hidden, 1 / sqrt((double)hidden));
  l.w = test_normals(&random, genes * hidden, 1);
  l.bias = test_normals(&random, genes, 1);
  l.log_theta = test_normals(&random, genes, 2);
  l.size = TEST_NEW(float, n);
  for (int64_t i = 0; i < n; ++i) l.size[i] = (float)test_uniform(&random, 0.2, 3);
  l.d_h = test_normals(&random, n * hidden, 1);
  l.d_w = TEST_NEW(float, genes *hidden);
  l.d_bias = TEST_NEW(float, genes);
  l.d_log_theta = TEST_NEW(float, genes);
  l.reference = (layer_case){n, genes, hidden, .size = counts ? l.size : NULL};
  l.reference.h = test_to_double(l.h, n * hidden);
  l.reference.w = test_to_double(l.w, genes * hidden);
  l.reference.bias = test_to_double(l.bias, genes);
  l.reference.log_theta = test_to_double(l.log_theta, genes);
  l.reference.target = test_dense(&l.x);
  return l;
}

static void free_layer(layer_data *l) {
  void *all[] = {l->h,
                 l->w,
                 l->bias,
                 l->log_theta,
                 l->size,
                 l->d_h,
                 l->d_w,
                 l->d_bias,
                 l->d_log_theta,
                 l->reference.h,
                 l->reference.w,
                 l->reference.bias,
                 l->reference.log_theta,
                 l->reference.target};
  FREE_ALL(all);
  cyf_csr_buffer_destroy(&l->buffer);
}

/* Float gradients of `scale` times the loss, added to `times` times, against finite differences. */
static void check_gradient(layer_case *reference, double *variables, int64_t count, const float *gradient,
                           double factor) {
  double *expected = TEST_NEW(double, count);
  test_gradient(layer_loss, reference, variables, count, expected);
  for (int64_t k = 0; k < count; ++k) expected[k] *= factor;
  TEST_AT_MOST(test_error(gradient, expected, count), 1e-4);
  free(expected);
}

static void check_mse(int64_t n, int64_t genes, int64_t hidden, cyf_gene_mode mode) {
  layer_data l = make_layer(n, genes, hidden, 0);
  const double scale = 0.37, expected = layer_loss(&l.reference);
  double value = -1.0;
  assert_ok(device->ops->gene_mse(device, mode, &l.x, hidden, l.h, l.w, l.bias, scale, &value, NULL, NULL, NULL));
  TEST_AT_MOST(test_relative(value, expected), 1e-6);
  for (int repeat = 0; repeat < 2; ++repeat) { /* d_h is replaced, d_w and d_bias grow */
    assert_ok(
        device->ops->gene_mse(device, mode, &l.x, hidden, l.h, l.w, l.bias, scale, &value, l.d_h, l.d_w, l.d_bias));
    TEST_AT_MOST(test_relative(value, expected), 1e-6);
  }
  check_gradient(&l.reference, l.reference.h, n * hidden, l.d_h, scale);
  check_gradient(&l.reference, l.reference.w, genes * hidden, l.d_w, 2 * scale);
  check_gradient(&l.reference, l.reference.bias, genes, l.d_bias, 2 * scale);
  free_layer(&l);
}

static void squared_error_is_right_in_every_mode(void **state) {
  (void)state;
  const int64_t sizes[][3] = {{0, 7, 5}, {1, 1, 1}, {1, 7, 33}, {7, 33, 5}, {33, 70, 1}, {7, 61, 18}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
    check_mse(sizes[s][0], sizes[s][1], sizes[s][2], CYF_GENE_DENSE);
    check_mse(sizes[s][0], sizes[s][1], sizes[s][2], CYF_GENE_GRAM);
    check_mse(sizes[s][0], sizes[s][1], sizes[s][2], CYF_GENE_AUTO);
  }
}

static void squared_error_adds_over_blocks_of_genes(void **state) {
  (void)state;
  const int64_t n = 33, genes = 9001, hidden = 20;
  layer_data l = make_layer(n, genes, hidden, 0);
  float *d_h = TEST_NEW(float, n *hidden), *d_w = TEST_NEW(float, genes *hidden), *d_bias = TEST_NEW(float, genes);
  double dense, by_gram;
  assert_ok(device->ops->gene_mse(device, CYF_GENE_DENSE, &l.x, hidden, l.h, l.w, l.bias, 1, &dense, d_h, d_w, d_bias));
  assert_ok(device->ops->gene_mse(device, CYF_GENE_GRAM, &l.x, hidden, l.h, l.w, l.bias, 1, &by_gram, l.d_h, l.d_w,
                                  l.d_bias));
  TEST_AT_MOST(test_relative(dense, layer_loss(&l.reference)), 1e-6);
  TEST_AT_MOST(test_relative(by_gram, dense), 1e-6);
  double *d_hd = test_to_double(d_h, n * hidden), *d_wd = test_to_double(d_w, genes * hidden);
  double *d_bd = test_to_double(d_bias, genes);
  TEST_AT_MOST(test_error(l.d_h, d_hd, n * hidden), 1e-5);
  TEST_AT_MOST(test_error(l.d_w, d_wd, genes * hidden), 1e-5);
  TEST_AT_MOST(test_error(l.d_bias, d_bd, genes), 1e-5);
  void *all[] = {d_h, d_w, d_bias, d_hd, d_wd, d_bd};
  FREE_ALL(all);
  free_layer(&l);
}

/* As late in training, the target is the output plus noise of 1 % of the sum of squares. Gram matrices then subtract
 * large terms. The value must stay within 1e-4, and so must AUTO's gradients, for which it turns to the dense way. */
static void small_residuals_keep_their_precision(void **state) {
  (void)state;
  const int64_t n = 4000, genes = 200, hidden = 8;
  layer_data l = make_layer(n, genes, hidden, 0);
  test_random random = {12};
  int32_t *index = TEST_NEW(int32_t, n * genes);
  int64_t *indptr = TEST_NEW(int64_t, n + 1);
  float *x = TEST_NEW(float, n *genes), *d_h = TEST_NEW(float, n *hidden), *d_w = TEST_NEW(float, genes *hidden);
  float *d_bias = TEST_NEW(float, genes);
  double *r = TEST_NEW(double, n *genes), *d_hd = TEST_NEW(double, n *hidden), *d_wd = TEST_NEW(double, genes *hidden);
  double expected = 0.0, square = 0.0, value;
  test_matmul(n, genes, hidden, l.reference.h, 0, l.reference.w, 1, r);
  for (int64_t k = 0; k < n * genes; ++k) {
    const double y = r[k] + l.bias[k % genes];
    x[k] = (float)(y + 0.13 * test_normal(&random));
    index[k] = (int32_t)(k % genes);
    indptr[k / genes + 1] = k + 1;
    r[k] = 2 * (y - x[k]);
    expected += r[k] * r[k] / 4;
    square += y * y;
  }
  assert_true(expected < 0.02 * square && expected > 0.002 * square);
  test_matmul(n, hidden, genes, r, 0, l.reference.w, 0, d_hd);
  test_matmul(genes, hidden, n, r, 1, l.reference.h, 0, d_wd);
  const cyf_csr target = {n, genes, indptr, index, x, 0};
  assert_ok(
      device->ops->gene_mse(device, CYF_GENE_GRAM, &target, hidden, l.h, l.w, l.bias, 1, &value, d_h, d_w, d_bias));
  TEST_AT_MOST(test_relative(value, expected), 1e-5);
  TEST_AT_MOST(test_error(d_h, d_hd, n * hidden), 1e-3);
  TEST_AT_MOST(test_error(d_w, d_wd, genes * hidden), 1e-3);
  memset(d_w, 0, (size_t)(genes * hidden) * sizeof *d_w);
  assert_ok(
      device->ops->gene_mse(device, CYF_GENE_AUTO, &target, hidden, l.h, l.w, l.bias, 1, &value, d_h, d_w, d_bias));
  TEST_AT_MOST(test_relative(value, expected), 1e-6);
  TEST_AT_MOST(test_error(d_h, d_hd, n * hidden), 1e-5);
  TEST_AT_MOST(test_error(d_w, d_wd, genes * hidden), 1e-5);
  /* One gradient without the others. */
  memset(d_w, 0, (size_t)(genes * hidden) * sizeof *d_w);
  assert_ok(
      device->ops->gene_mse(device, CYF_GENE_GRAM, &target, hidden, l.h, l.w, l.bias, 1, &value, NULL, d_w, NULL));
  TEST_AT_MOST(test_error(d_w, d_wd, genes * hidden), 1e-5);
  void *all[] = {index, indptr, x, d_h, d_w, d_bias, r, d_hd, d_wd};
  FREE_ALL(all);
  free_layer(&l);
}

static void check_nb(int64_t n, int64_t genes, int64_t hidden) {
  layer_data l = make_layer(n, genes, hidden, 1);
  const double scale = 0.37, expected = layer_loss(&l.reference);
  double value = -1.0;
  assert_ok(device->ops->gene_nb(device, &l.x, l.size, hidden, l.h, l.w, l.bias, l.log_theta, scale, &value, NULL, NULL,
                                 NULL, NULL));
  TEST_AT_MOST(test_relative(value, expected), 1e-6);
  for (int repeat = 0; repeat < 2; ++repeat) {
    assert_ok(device->ops->gene_nb(device, &l.x, l.size, hidden, l.h, l.w, l.bias, l.log_theta, scale, &value, l.d_h,
                                   l.d_w, l.d_bias, l.d_log_theta));
  }
  TEST_AT_MOST(test_relative(value, expected), 1e-6);
  check_gradient(&l.reference, l.reference.h, n * hidden, l.d_h, scale);
  check_gradient(&l.reference, l.reference.w, genes * hidden, l.d_w, 2 * scale);
  check_gradient(&l.reference, l.reference.bias, genes, l.d_bias, 2 * scale);
  check_gradient(&l.reference, l.reference.log_theta, genes, l.d_log_theta, 2 * scale);
  free_layer(&l);
}

static void the_negative_binomial_matches_its_gradients(void **state) {
  (void)state;
  check_nb(0, 7, 5);
  check_nb(1, 1, 1);
  check_nb(7, 33, 5);
  check_nb(5, 600, 3); /* several strips */
}

/* ---- special functions ---- */

static void gamma_functions_match_the_library(void **state) {
  (void)state;
  for (double e = -8.0; e < 7.0; e += 1e-3) {
    const double x = pow(10.0, e), h = 1e-4 * x;
    TEST_AT_MOST(fabs(cyf_lgamma(x) - lgamma(x)), 1e-12 * fmax(1.0, fabs(lgamma(x))));
    /* digamma: a fourth-order difference of the library's lgamma. */
    const double slope = (8 * (lgamma(x + h) - lgamma(x - h)) - (lgamma(x + 2 * h) - lgamma(x - 2 * h))) / (12 * h);
    TEST_AT_MOST(fabs(cyf_digamma(x) - slope), 1e-8 * fmax(1.0, fabs(slope)));
  }
  TEST_AT_MOST(fabs(cyf_lgamma(1.0)), 1e-14);
  TEST_AT_MOST(fabs(cyf_digamma(1.0) + 0.5772156649015329), 1e-14);
  /* psi(x + 1) = psi(x) + 1/x, a check without differences. */
  for (double x = 0.01; x < 100.0; x *= 1.1) {
    TEST_AT_MOST(fabs(cyf_digamma(x + 1) - cyf_digamma(x) - 1 / x), 1e-13 / x + 1e-13);
  }
}

static void zero_counts_hold_from_poisson_to_overdispersed(void **state) {
  (void)state;
  for (double log_theta = -10; log_theta < 12; log_theta += 0.37) {
    for (double log_mu = -12; log_mu < 10; log_mu += 0.41) {
      const float theta = (float)exp(log_theta), mu = (float)exp(log_mu);
      const double r = (double)mu / theta;
      /* log1p(r) - r / (1 + r) without cancellation: an integral of t / (1 + t)^2 for small r. */
      const double slope = r < 1e-4 ? r * r * (0.5 - r * 2.0 / 3.0) : log1p(r) - r / (1 + r);
      float nll, d_log_mu, d_log_theta;
      cyf_nb_zero(mu, theta, &nll, &d_log_mu, &d_log_theta);
      TEST_AT_MOST(test_relative(nll, theta * log1p(r)), 1e-6);
      TEST_AT_MOST(test_relative(d_log_mu, (double)theta * mu / ((double)theta + mu)), 1e-6);
      TEST_AT_MOST(test_relative(d_log_theta, theta * slope), 2e-5);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sparse_products_match_dense_ones),
      cmocka_unit_test(batches_may_be_longer_than_a_block_of_cells),
      cmocka_unit_test(squared_error_is_right_in_every_mode),
      cmocka_unit_test(squared_error_adds_over_blocks_of_genes),
      cmocka_unit_test(small_residuals_keep_their_precision),
      cmocka_unit_test(the_negative_binomial_matches_its_gradients),
      cmocka_unit_test(gamma_functions_match_the_library),
      cmocka_unit_test(zero_counts_hold_from_poisson_to_overdispersed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
