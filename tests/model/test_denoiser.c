/* SPDX-License-Identifier: MIT */
/* The denoiser: stored references, finite differences, and that shared and separate timesteps agree. */
#include "golden.h"
#include "model/denoiser.h"
#include "model_check.h"
#include "model_steps.h"

static const char *const GOLDEN_FILES[] = {"denoiser_1.h5", "denoiser_2.h5"};
static const double GOLDEN_TOLERANCE = 1e-5; /* float32 against float64; the contract is 1e-4 */

static cyf_device *device;

static int setup(void **state) {
  (void)state;
  return golden_open_device(&device);
}

static int teardown(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  return 0;
}

/* A stored case: the model and its batch. */
typedef struct golden_case {
  const char *file;
  cyf_denoiser *denoiser;
  cyf_parameters *p;
  int64_t n, latent;
  int32_t *t;
  float *x_t, *eps, *out; /* device */
} golden_case;

static golden_case open_golden(const char *file) {
  cyf_denoiser_config config = {.latent = golden_attribute_1(file, "input_dim")};
  golden_case c = {.file = file, .latent = config.latent};
  config.n_hidden = golden_attribute(file, "hidden", config.hidden, CYF_HIDDEN_MAX);
  assert_ok(cyf_denoiser_create(device, &config, 1, &c.denoiser));
  c.p = cyf_denoiser_parameters(c.denoiser);
  golden_load(device, &c.p->layout, file, "params", c.p->value);
  c.t = golden_int32(file, "t", &c.n);
  c.x_t = golden_to_device(device, file, "xt", NULL);
  c.eps = golden_to_device(device, file, "eps", NULL);
  c.out = to_device(device, NULL, c.n * c.latent);
  return c;
}

static void close_golden(golden_case *c) {
  device->ops->free(device, c->out);
  device->ops->free(device, c->eps);
  device->ops->free(device, c->x_t);
  cyf_free(c->t);
  cyf_denoiser_destroy(&c->denoiser);
}

static void golden_noise_is_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    golden_case c = open_golden(GOLDEN_FILES[i]);
    cyf_scratch *scratch = NULL;
    assert_ok(cyf_scratch_create(device, &scratch));
    assert_ok(cyf_denoiser_eval_many(c.denoiser, scratch, c.n, c.x_t, c.t, NULL, c.out));
    golden_check(device, c.out, c.file, "out", GOLDEN_TOLERANCE);
    cyf_scratch_destroy(&scratch);
    close_golden(&c);
  }
}

static void golden_training_steps_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    golden_case c = open_golden(GOLDEN_FILES[i]);
    double sum = 0.0;
    assert_ok(denoiser_step(c.denoiser, c.n, c.x_t, c.t, NULL, c.eps, c.n, &sum));
    assert_ok(device->ops->synchronize(device));
    const double expected = golden_scalar(c.file, "loss");
    assert_true(fabs(sum / (double)(c.n * c.latent) - expected) < 1e-6 * expected);
    golden_check_layout(device, &c.p->layout, c.p->gradient, c.file, "grad", NULL, GOLDEN_TOLERANCE);
    close_golden(&c);
  }
}

static void golden_steps_of_adamw_and_its_average_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    golden_case c = open_golden(GOLDEN_FILES[i]);
    const int64_t total = c.p->layout.total;
    cyf_adamw settings = {.learning_rate = 1e-4,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .weight_decay = 1e-4,
                          .gradient_scale = 1.0};
    float *first = to_device(device, NULL, total), *second = to_device(device, NULL, total);
    float *ema = to_device(device, NULL, total);
    assert_ok(device->ops->copy(device, ema, c.p->value, (size_t)total * sizeof(float)));
    double sum = 0.0;
    for (int step = 0; step < 3; step++) {
      assert_ok(denoiser_step(c.denoiser, c.n, c.x_t, c.t, NULL, c.eps, c.n, &sum));
      settings.step = step + 1;
      assert_ok(device->ops->adamw(device, total, &settings, c.p->value, c.p->gradient, first, second, ema, 0.9));
    }
    golden_check_layout(device, &c.p->layout, c.p->value, c.file, "adamw/params", NULL, 1e-4);
    golden_check_layout(device, &c.p->layout, ema, c.file, "adamw/ema", NULL, 1e-4);
    device->ops->free(device, ema);
    device->ops->free(device, second);
    device->ops->free(device, first);
    close_golden(&c);
  }
}

/* ---- a small random model ---- */

enum { N_CELLS = 19, N_LATENT = 5 };
static const int32_t TIMESTEPS[N_CELLS] = {3, 999, 3, 0, 17, 500, 500, 3, 250, 999, 1, 0, 17, 17, 3, 640, 250, 2, 3};

/* Two conditions of 3 and 2 classes; -1: without a label. */
static const int32_t LABELS[2 * N_CELLS] = {0, 2, -1, 1, 1,  0, 2, 2, -1, 0, 1, 2, 2, 0, -1, 1, 0, 0, 2,
                                            1, 0, 0,  1, -1, 1, 0, 1, -1, 1, 1, 0, 1, 0, -1, 0, 1, 1, 0};

static cyf_denoiser *small_denoiser(int n_conditions) {
  const cyf_denoiser_config config = {
      .latent = N_LATENT, .n_hidden = 3, .hidden = {12, 10, 7}, .n_conditions = n_conditions, .n_classes = {3, 2}};
  cyf_denoiser *denoiser = NULL;
  assert_ok(cyf_denoiser_create(device, &config, 1, &denoiser));
  assert_ok(cyf_denoiser_init(denoiser, 5));
  return denoiser;
}

typedef struct loss_context {
  cyf_denoiser *denoiser;
  const float *x_t, *eps;
  const int32_t *labels;
} loss_context;

static double train_loss(void *context) {
  const loss_context *c = context;
  double sum = 0.0;
  assert_ok(denoiser_step(c->denoiser, N_CELLS, c->x_t, TIMESTEPS, c->labels, c->eps, N_CELLS, &sum));
  return sum / (N_CELLS * N_LATENT);
}

/* Without conditions, with one and with two; with two also where no cell has a label (the tables' class rows then have
 * no gradient, and the null rows share one). */
static void gradients_are_finite_differences(void **state) {
  (void)state;
  float *x_t = random_normals(device, 1, N_CELLS, N_LATENT), *eps = random_normals(device, 2, N_CELLS, N_LATENT);
  for (int kind = 0; kind < 4; kind++) {
    cyf_denoiser *denoiser = small_denoiser(kind < 3 ? kind : 2);
    cyf_parameters *p = cyf_denoiser_parameters(denoiser);
    loss_context context = {denoiser, x_t, eps, kind < 3 ? LABELS : NULL};
    train_loss(&context);
    float *gradient = to_host(device, p->gradient, p->layout.total);
    check_finite_differences(p, gradient, 2e-3, 5e-4, train_loss, &context);
    cyf_free(gradient);
    cyf_denoiser_destroy(&denoiser);
  }
  device->ops->free(device, eps);
  device->ops->free(device, x_t);
}

/* A table's row gets a gradient where a cell of the batch has its label and none otherwise, and a label changes the
 * cells that carry it alone. */
static void labels_pick_their_rows(void **state) {
  (void)state;
  cyf_denoiser *denoiser = small_denoiser(2);
  cyf_parameters *p = cyf_denoiser_parameters(denoiser);
  cyf_scratch *scratch = NULL;
  int32_t labels[2 * N_CELLS];
  double sum = 0.0;
  float *x_t = random_normals(device, 1, N_CELLS, N_LATENT), *eps = random_normals(device, 2, N_CELLS, N_LATENT);
  float *out = to_device(device, NULL, N_CELLS * N_LATENT);
  assert_ok(cyf_scratch_create(device, &scratch));
  for (int i = 0; i < 2 * N_CELLS; i++) labels[i] = i < N_CELLS ? (i == 4 ? 2 : -1) : 0; /* 4 is of class 2, all of 0 */
  assert_ok(denoiser_step(denoiser, N_CELLS, x_t, TIMESTEPS, labels, eps, N_CELLS, &sum));
  const char *const names[] = {"layers.1.label_layer.0.weight", "reverse_layers.1.label_layer.1.weight"};
  const bool used[2][4] = {{false, false, true, true}, {true, false, false, false}};
  for (int k = 0; k < 2; k++) {
    const cyf_named_tensor *table = cyf_layout_find(&p->layout, names[k]);
    assert_non_null(table);
    float *gradient = to_host(device, p->gradient + table->offset, table->count);
    for (int64_t row = 0; row < table->shape[0]; row++) {
      double norm = 0.0;
      for (int64_t j = 0; j < table->shape[1]; j++) norm += fabs((double)gradient[row * table->shape[1] + j]);
      assert_true(used[k][row] ? norm > 1e-6 : norm == 0.0);
    }
    cyf_free(gradient);
  }
  assert_ok(cyf_denoiser_eval_many(denoiser, scratch, N_CELLS, x_t, TIMESTEPS, labels, out));
  float *before = to_host(device, out, N_CELLS * N_LATENT);
  labels[4] = 1;
  labels[N_CELLS + 9] = -1;
  assert_ok(cyf_denoiser_eval_many(denoiser, scratch, N_CELLS, x_t, TIMESTEPS, labels, out));
  float *after = to_host(device, out, N_CELLS * N_LATENT);
  for (int e = 0; e < N_CELLS * N_LATENT; e++) {
    const int cell = e / N_LATENT;
    assert_true((before[e] == after[e]) == (cell != 4 && cell != 9));
  }
  labels[0] = 3;
  assert_int_equal(denoiser_at(denoiser, scratch, N_CELLS, x_t, 5, labels, out), CYF_ERR_INTERNAL);
  assert_non_null(strstr(cyf_status_message(), "label 3"));
  cyf_status_clear();
  assert_int_equal(cyf_scratch_mark(scratch), 0);
  cyf_free(after);
  cyf_free(before);
  cyf_scratch_destroy(&scratch);
  device->ops->free(device, out);
  device->ops->free(device, eps);
  device->ops->free(device, x_t);
  cyf_denoiser_destroy(&denoiser);
}

/* Shares of a batch on several ranks add up to the whole: gradients and sums of squares (1e-5, float32). No cells:
 * nothing. */
static void shares_of_a_batch_add_up(void **state) {
  (void)state;
  cyf_denoiser *whole = small_denoiser(2), *parts = small_denoiser(2);
  cyf_parameters *p = cyf_denoiser_parameters(whole), *q = cyf_denoiser_parameters(parts);
  float *x_t = random_normals(device, 1, N_CELLS, N_LATENT), *eps = random_normals(device, 2, N_CELLS, N_LATENT);
  const int64_t bounds[] = {0, 7, 7, 8, N_CELLS};
  double sum = 0.0, sum_of_parts = 0.0;
  assert_ok(denoiser_step(whole, N_CELLS, x_t, TIMESTEPS, LABELS, eps, N_CELLS, &sum));
  for (int i = 0; i < 4; i++) {
    double part = -1.0;
    const int64_t from = bounds[i], n = bounds[i + 1] - from;
    int32_t labels[2 * N_CELLS];
    for (int64_t j = 0; j < 2 * n; j++) labels[j] = LABELS[j / n * N_CELLS + from + j % n];
    assert_ok(denoiser_step(parts, n, x_t + from * N_LATENT, TIMESTEPS + from, labels, eps + from * N_LATENT, N_CELLS,
                            &part));
    if (n == 0) assert_true(part == 0.0);
    sum_of_parts += part;
  }
  assert_true(fabs(sum - sum_of_parts) < 1e-6 * sum);
  assert_true(device_error(device, q->gradient, p->gradient, p->layout.total) < 1e-5);
  device->ops->free(device, eps);
  device->ops->free(device, x_t);
  cyf_denoiser_destroy(&parts);
  cyf_denoiser_destroy(&whole);
}

/* One timestep for all, and the same given cell by cell: the same numbers, and none depends on the neighbours (1e-5).
 */
static void one_timestep_for_all_gives_the_same_numbers(void **state) {
  (void)state;
  cyf_denoiser *denoiser = small_denoiser(2);
  cyf_scratch *scratch = NULL;
  float *x_t = random_normals(device, 1, N_CELLS, N_LATENT);
  float *out = to_device(device, NULL, N_CELLS * N_LATENT), *many = to_device(device, NULL, N_CELLS * N_LATENT);
  int32_t t[N_CELLS];
  assert_ok(cyf_scratch_create(device, &scratch));
  for (int32_t value = 0; value < 1000; value += 333) {
    for (int i = 0; i < N_CELLS; i++) t[i] = value;
    assert_ok(denoiser_at(denoiser, scratch, N_CELLS, x_t, value, LABELS, out));
    assert_ok(cyf_denoiser_eval_many(denoiser, scratch, N_CELLS, x_t, t, LABELS, many));
    assert_true(device_error(device, many, out, N_CELLS * N_LATENT) < 1e-6);
  }
  assert_ok(cyf_denoiser_eval_many(denoiser, scratch, N_CELLS, x_t, TIMESTEPS, LABELS, many));
  for (int i = 0; i < N_CELLS; i++) {
    const int32_t labels[2] = {LABELS[i], LABELS[N_CELLS + i]};
    assert_ok(denoiser_at(denoiser, scratch, 1, x_t + i * N_LATENT, TIMESTEPS[i], labels, out));
    assert_true(device_error(device, out, many + i * N_LATENT, N_LATENT) < 1e-5);
  }
  assert_int_equal(cyf_scratch_mark(scratch), 0); /* nothing is left behind */
  cyf_scratch_destroy(&scratch);
  device->ops->free(device, many);
  device->ops->free(device, out);
  device->ops->free(device, x_t);
  cyf_denoiser_destroy(&denoiser);
}

static void impossible_models_are_refused(void **state) {
  (void)state;
  cyf_denoiser_config config = {.latent = N_LATENT, .n_hidden = 1, .hidden = {12}};
  cyf_denoiser *denoiser = NULL;
  double sum = 0.0;
  assert_int_equal(cyf_denoiser_create(device, &config, 1, &denoiser), CYF_ERR_CONFIG);
  assert_null(denoiser);
  assert_non_null(strstr(cyf_status_message(), "1 hidden layers"));
  cyf_status_clear();
  denoiser = small_denoiser(2);
  float *x_t = random_normals(device, 1, 1, N_LATENT);
  const int32_t negative = -1;
  assert_int_equal(denoiser_step(denoiser, 1, x_t, &negative, NULL, x_t, 1, &sum), CYF_ERR_INTERNAL);
  cyf_status_clear();
  assert_int_equal(denoiser_step(denoiser, 1, x_t, TIMESTEPS, NULL, x_t, 0, &sum), CYF_ERR_INTERNAL);
  cyf_status_clear();
  device->ops->free(device, x_t);
  cyf_denoiser_destroy(&denoiser);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_noise_is_met),
      cmocka_unit_test(golden_training_steps_are_met),
      cmocka_unit_test(golden_steps_of_adamw_and_its_average_are_met),
      cmocka_unit_test(gradients_are_finite_differences),
      cmocka_unit_test(labels_pick_their_rows),
      cmocka_unit_test(shares_of_a_batch_add_up),
      cmocka_unit_test(one_timestep_for_all_gives_the_same_numbers),
      cmocka_unit_test(impossible_models_are_refused),
  };
  golden_choose_tests();
  return cmocka_run_group_tests_name("denoiser", tests, setup, teardown);
}
