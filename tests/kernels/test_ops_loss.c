/* SPDX-License-Identifier: MIT */
/* Losses, sums of squares and the optimiser against naive double. Sums 1e-12 relative (they are double inside),
 * gradients 1e-6, one AdamW step 1e-6, fifty of them 1e-5 (max|a-b| / max|b|). */
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

static void free_all(void **all, size_t count) {
  for (size_t k = 0; k < count; ++k) free(all[k]);
}
#define FREE_ALL(array) free_all(array, sizeof(array) / sizeof((array)[0]))

static void squared_error_matches_its_gradient(void **state) {
  (void)state;
  const int64_t counts[] = {0, 1, 7, 4097, 700001};
  for (int s = 0; s < 5; ++s) {
    const int64_t count = counts[s];
    test_random random = {(uint64_t)count};
    float *prediction = test_normals(&random, count, 1), *target = test_normals(&random, count, 1);
    float *gradient = TEST_NEW(float, count);
    double *expected = TEST_NEW(double, count), sum = 0.0, value = -1.0, squares = 0.0;
    for (int64_t k = 0; k < count; ++k) {
      const double difference = (double)prediction[k] - target[k];
      sum += difference * difference;
      squares += (double)prediction[k] * prediction[k];
      expected[k] = 2 * 0.3 * difference; /* d/dp of 0.3 (p - t)^2 */
    }
    assert_ok(device->ops->squared_error(device, count, prediction, target, 0.3, &value, gradient));
    TEST_AT_MOST(test_relative(value, sum), 1e-12);
    TEST_AT_MOST(test_error(gradient, expected, count), 1e-6);
    assert_ok(device->ops->squared_error(device, count, prediction, target, 0.3, &value, NULL));
    TEST_AT_MOST(test_relative(value, sum), 1e-12);
    assert_ok(device->ops->square_sum(device, count, prediction, &value));
    TEST_AT_MOST(test_relative(value, squares), 1e-12);
    void *all[] = {prediction, target, gradient, expected};
    FREE_ALL(all);
  }
}

static void sums_have_the_same_bits_for_any_number_of_threads(void **state) {
  (void)state;
  const int64_t count = 1000003;
  test_random random = {4};
  float *x = test_normals(&random, count, 1), *y = test_normals(&random, count, 1);
  double squares[3], errors[3], inside = 0.0;
  for (int t = 0; t < 3; ++t) {
    cyf_device *other;
    assert_ok(cyf_device_create_cpu(t + 1, &other));
    assert_ok(other->ops->square_sum(other, count, x, &squares[t]));
    assert_ok(other->ops->squared_error(other, count, x, y, 1.0, &errors[t], NULL));
    cyf_device_destroy(&other);
  }
#pragma omp parallel num_threads(2)
  {
    double mine;
    if (device->ops->square_sum(device, count, x, &mine) == CYF_OK) {
#pragma omp critical
      inside = mine;
    }
  }
  assert_true(squares[0] == squares[1] && squares[1] == squares[2] && squares[0] == inside);
  assert_true(errors[0] == errors[1] && errors[1] == errors[2]);
  x[77777] = NAN; /* divergence must show */
  assert_ok(device->ops->square_sum(device, count, x, &squares[0]));
  assert_true(isnan(squares[0]));
  free(x);
  free(y);
}

/* ---- cross-entropy ---- */

typedef struct entropy_case {
  int64_t n, classes;
  double *logits;
  const int32_t *label;
  const float *class_weight, *cell_weight; /* either may be NULL: ones */
} entropy_case;

static double entropy_loss(void *context) {
  const entropy_case *k = context;
  double loss = 0.0;
  for (int64_t i = 0; i < k->n; ++i) {
    if (k->label[i] < 0) continue;
    double sum = 0.0;
    for (int64_t j = 0; j < k->classes; ++j) sum += exp(k->logits[i * k->classes + j]);
    const double weight =
        (k->class_weight ? k->class_weight[k->label[i]] : 1.0) * (k->cell_weight ? k->cell_weight[i] : 1.0);
    loss += weight * (log(sum) - k->logits[i * k->classes + k->label[i]]);
  }
  return loss;
}

static void check_cross_entropy(int64_t n, int64_t classes, bool weighted) {
  test_random random = {(uint64_t)(n * 100 + classes)};
  float *logits = test_normals(&random, n * classes, 2), *gradient = test_normals(&random, n * classes, 1);
  float *class_weight = TEST_NEW(float, classes), *cell_weight = test_normals(&random, n, 1);
  int32_t *label = TEST_NEW(int32_t, n);
  for (int64_t j = 0; j < classes; ++j) class_weight[j] = (float)(1 + j) / 2;
  for (int64_t i = 0; i < n; ++i) label[i] = (int32_t)test_uniform(&random, 0, (double)classes + 1) - 1;
  double *expected = TEST_NEW(double, n *classes);
  entropy_case k = {n, classes, test_to_double(logits, n * classes), label, weighted ? class_weight : NULL, NULL};
  int64_t correct_expected = 0, labelled_expected = 0, correct, labelled;
  double weight_expected = 0.0, loss, weight;
  for (int64_t i = 0; i < n; ++i) {
    if (label[i] < 0) continue;
    int64_t best = 0;
    for (int64_t j = 1; j < classes; ++j) best = logits[i * classes + j] > logits[i * classes + best] ? j : best;
    correct_expected += best == label[i];
    ++labelled_expected;
    weight_expected += weighted ? class_weight[label[i]] : 1.0;
  }
  assert_ok(device->ops->cross_entropy(device, n, classes, logits, label, k.class_weight, 0.7, &loss, &weight, &correct,
                                       &labelled, gradient));
  TEST_AT_MOST(fabs(loss - entropy_loss(&k)), 1e-9 * (1.0 + loss));
  TEST_AT_MOST(test_relative(weight, weight_expected), 1e-12);
  assert_int_equal(correct, correct_expected);
  assert_int_equal(labelled, labelled_expected);
  test_gradient(entropy_loss, &k, k.logits, n * classes, expected);
  for (int64_t j = 0; j < n * classes; ++j) expected[j] *= 0.7;
  /* Absolute: with one class the gradient is zero. */
  TEST_AT_MOST(test_difference(gradient, expected, n * classes), 1e-6 * (double)classes);
  assert_ok(device->ops->cross_entropy(device, n, classes, logits, label, NULL, 1, NULL, NULL, NULL, NULL, NULL));

  /* The gradient for guidance, of sum w log p, is added to what is there. */
  k.class_weight = NULL;
  k.cell_weight = cell_weight;
  double *sum = test_to_double(gradient, n * classes);
  test_gradient(entropy_loss, &k, k.logits, n * classes, expected);
  for (int64_t j = 0; j < n * classes; ++j) sum[j] -= expected[j];
  assert_ok(device->ops->log_prob_grad(device, n, classes, logits, label, cell_weight, gradient));
  TEST_AT_MOST(test_difference(gradient, sum, n * classes), 1e-6 * (double)classes);
  void *all[] = {logits, gradient, class_weight, cell_weight, label, expected, k.logits, sum};
  FREE_ALL(all);
}

static void cross_entropy_matches_its_gradient(void **state) {
  (void)state;
  const int64_t cells[] = {0, 1, 7, 33}, classes[] = {1, 5, 130};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) {
      check_cross_entropy(cells[i], classes[j], false);
      check_cross_entropy(cells[i], classes[j], true);
    }
  }
}

static void cross_entropy_of_huge_logits_is_finite(void **state) {
  (void)state;
  const float logits[6] = {1e30f, 0.0f, -1e30f, -3e38f, 3e38f, 0.0f};
  const int32_t label[2] = {0, 1};
  float gradient[6];
  double loss;
  int64_t correct;
  assert_ok(device->ops->cross_entropy(device, 2, 3, logits, label, NULL, 1, &loss, NULL, &correct, NULL, gradient));
  assert_true(loss == 0.0);
  assert_int_equal(correct, 2);
  for (int k = 0; k < 6; ++k) assert_true(gradient[k] == 0.0f);
}

/* ---- optimiser ---- */

/* One AdamW step in double, in torch.optim.AdamW's order, and the moving average after it. */
static void adamw_reference(const cyf_adamw *s, double ema_decay, double gradient, double *p, double *m, double *v,
                            double *ema) {
  const double g = gradient * s->gradient_scale;
  *p *= 1 - s->learning_rate * s->weight_decay;
  *m = s->beta1 * *m + (1 - s->beta1) * g;
  *v = s->beta2 * *v + (1 - s->beta2) * g * g;
  const double denominator = sqrt(*v) / sqrt(1 - pow(s->beta2, (double)s->step)) + s->epsilon;
  *p -= s->learning_rate / (1 - pow(s->beta1, (double)s->step)) * *m / denominator;
  *ema = ema_decay * *ema + (1 - ema_decay) * *p;
}

static void check_adamw(int64_t count, int steps, bool with_ema, double tolerance) {
  test_random random = {(uint64_t)(count + steps)};
  float *p = test_normals(&random, count, 0.1), *m = TEST_NEW(float, count), *v = TEST_NEW(float, count);
  float *ema = test_copy(p, count), *gradient = TEST_NEW(float, count);
  double *pd = test_to_double(p, count), *emad = test_to_double(ema, count);
  double *md = TEST_NEW(double, count), *vd = TEST_NEW(double, count);
  for (int64_t step = 1; step <= steps; ++step) {
    const cyf_adamw s = {.learning_rate = 5e-4,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-8,
                         .weight_decay = 0.01,
                         .step = step,
                         .gradient_scale = step % 2 ? 1.0 : 0.25};
    const double decay = fmin(0.9999, (1.0 + (double)step) / (10.0 + (double)step));
    for (int64_t k = 0; k < count; ++k) {
      gradient[k] = (float)(test_normal(&random) * pow(10.0, test_uniform(&random, -6, 1)));
      adamw_reference(&s, decay, gradient[k], &pd[k], &md[k], &vd[k], &emad[k]);
    }
    assert_ok(device->ops->adamw(device, count, &s, p, gradient, m, v, with_ema ? ema : NULL, decay));
    for (int64_t k = 0; k < count; ++k) assert_true(gradient[k] == 0.0f);
  }
  TEST_AT_MOST(test_error(p, pd, count), tolerance);
  TEST_AT_MOST(test_error(m, md, count), tolerance);
  TEST_AT_MOST(test_error(v, vd, count), tolerance);
  if (with_ema) TEST_AT_MOST(test_error(ema, emad, count), tolerance);
  void *all[] = {p, m, v, ema, gradient, pd, emad, md, vd};
  FREE_ALL(all);
}

static void adamw_follows_torch(void **state) {
  (void)state;
  check_adamw(0, 1, true, 1e-6);
  check_adamw(1, 1, true, 1e-6);
  check_adamw(33, 1, false, 1e-6);
  check_adamw(70001, 3, true, 1e-6);
  check_adamw(130, 50, true, 1e-5);
  check_adamw(130, 50, false, 1e-5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(squared_error_matches_its_gradient),
      cmocka_unit_test(sums_have_the_same_bits_for_any_number_of_threads),
      cmocka_unit_test(cross_entropy_matches_its_gradient),
      cmocka_unit_test(cross_entropy_of_huge_logits_is_finite),
      cmocka_unit_test(adamw_follows_torch),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
