/* SPDX-License-Identifier: MIT */
/* The classifier of noisy latents: stored references, finite differences with everything switched on, ranks, and
 * guidance. */
#include "golden.h"
#include "model/classifier.h"
#include "model_check.h"
#include "model_steps.h"

static const char *const GOLDEN_FILES[] = {"classifier_1.h5", "classifier_2.h5"};
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

typedef struct golden_case {
  const char *file;
  cyf_classifier *classifier;
  cyf_parameters *p;
  int64_t n, latent, n_classes;
  int32_t *t, *label_host;
  float *x_t;     /* device */
  int32_t *label; /* device */
} golden_case;

static golden_case open_golden(const char *file) {
  cyf_classifier_config config = {.latent = golden_attribute_1(file, "input_dim"),
                                  .n_classes = golden_attribute_1(file, "n_classes"),
                                  .dropout = 0.1};
  golden_case c = {.file = file, .latent = config.latent, .n_classes = config.n_classes};
  int64_t hidden[CYF_HIDDEN_MAX];
  assert_true(golden_attribute(file, "hidden", hidden, CYF_HIDDEN_MAX) >= 3);
  for (int i = 0; i < 3; i++) config.hidden[i] = hidden[i]; /* a fourth, where stored, belongs to no layer */
  assert_ok(cyf_classifier_create(device, &config, 1, &c.classifier));
  c.p = cyf_classifier_parameters(c.classifier);
  golden_load(device, &c.p->layout, file, "params", c.p->value);
  golden_load(device, &c.p->buffer_layout, file, "params", c.p->buffer);
  c.t = golden_int32(file, "t", &c.n);
  c.label_host = golden_int32(file, "y", &c.n);
  c.label = int32_to_device(device, c.label_host, c.n);
  c.x_t = golden_to_device(device, file, "xt", NULL);
  return c;
}

static void close_golden(golden_case *c) {
  device->ops->free(device, c->x_t);
  device->ops->free(device, c->label);
  cyf_free(c->label_host);
  cyf_free(c->t);
  cyf_classifier_destroy(&c->classifier);
}

/* emb_layers3 is used by no layer: it has no reference, and its gradient is zero to the bit. */
static void check_golden_gradients(const golden_case *c) {
  const cyf_layout *all = &c->p->layout;
  cyf_layout used = {.total = all->total};
  assert_ok(CYF_NEW(&used.tensors, all->n_tensors));
  for (int64_t i = 0; i < all->n_tensors; i++) {
    const cyf_named_tensor *tensor = &all->tensors[i];
    if (strncmp(tensor->name, "emb_layers3.", strlen("emb_layers3.")) != 0) {
      used.tensors[used.n_tensors++] = *tensor;
      continue;
    }
    float *gradient = to_host(device, c->p->gradient + tensor->offset, tensor->count);
    for (int64_t e = 0; e < tensor->count; e++) assert_true(gradient[e] == 0.0f);
    cyf_free(gradient);
  }
  assert_int_equal(used.n_tensors, all->n_tensors - 2);
  golden_check_layout(device, &used, c->p->gradient, c->file, "train/grad", "train/grad", GOLDEN_TOLERANCE);
  cyf_free(used.tensors);
}

/* Without dropout, as stored. */
static void golden_training_steps_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    golden_case c = open_golden(GOLDEN_FILES[i]);
    cyf_loss_sums result;
    assert_ok(
        cyf_classifier_train_step(c.classifier, c.n, c.x_t, c.t, c.label, NULL, c.n, (double)c.n, NULL, NULL, &result));
    assert_ok(device->ops->synchronize(device));
    const double expected = golden_scalar(c.file, "train/loss");
    assert_true(fabs(result.loss / (double)c.n - expected) < 1e-6 * expected);
    assert_true(result.weight == (double)c.n);
    assert_int_equal(result.n_labelled, c.n);
    int64_t n_correct = 0;
    double *logits = golden_doubles(c.file, "train/logits", NULL);
    for (int64_t k = 0; k < c.n; k++) {
      int32_t best = 0;
      for (int32_t y = 1; y < c.n_classes; y++) {
        if (logits[k * c.n_classes + y] > logits[k * c.n_classes + best]) best = y;
      }
      n_correct += best == c.label_host[k];
    }
    assert_int_equal(result.n_correct, n_correct);
    check_golden_gradients(&c);
    golden_check_layout(device, &c.p->buffer_layout, c.p->buffer, c.file, "train/buffers_after", NULL,
                        GOLDEN_TOLERANCE);
    cyf_free(logits);
    close_golden(&c);
  }
}

static void golden_logits_and_guidance_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    golden_case c = open_golden(GOLDEN_FILES[i]);
    cyf_scratch *scratch = NULL;
    golden_load(device, &c.p->buffer_layout, c.file, "train/buffers_after", c.p->buffer);
    assert_ok(cyf_scratch_create(device, &scratch));
    float *logits = to_device(device, NULL, c.n * c.n_classes), *gradient = to_device(device, NULL, c.n * c.latent);
    const double unit = 1.0;
    float *weight = to_device(device, &unit, 1);
    assert_ok(cyf_classifier_logits(c.classifier, scratch, c.n, c.x_t, c.t, logits));
    golden_check(device, logits, c.file, "eval/logits", GOLDEN_TOLERANCE);
    for (int64_t k = 0; k < c.n; k++) { /* guidance takes one timestep, so cell by cell */
      assert_ok(guidance_at(c.classifier, scratch, 1, c.x_t + k * c.latent, c.t[k], 1, c.label + k, weight,
                            gradient + k * c.latent));
    }
    golden_check(device, gradient, c.file, "eval/guidance", GOLDEN_TOLERANCE);
    assert_int_equal(cyf_scratch_mark(scratch), 0); /* nothing is left behind */
    device->ops->free(device, weight);
    device->ops->free(device, gradient);
    device->ops->free(device, logits);
    cyf_scratch_destroy(&scratch);
    close_golden(&c);
  }
}

/* ---- a small random model ---- */

enum { N_CELLS = 20, N_LATENT = 5, N_CLASSES = 4 };
static const int32_t TIMESTEPS[N_CELLS] = {3, 99, 3, 0, 17, 500, 500, 3, 250, 999, 1, 0, 17, 17, 3, 640, 250, 2, 3, 8};
static const int32_t LABELS[N_CELLS] = {0, 1, 2, 3, -1, 0, 0, 1, 2, -1, 3, 3, 1, 0, 2, 2, -1, 1, 0, 3};
static const double CLASS_WEIGHTS[N_CLASSES] = {1.0, 0.5, 2.0, 1.5};

static double total_weight(void) {
  double sum = 0.0;
  for (int i = 0; i < N_CELLS; i++) sum += LABELS[i] >= 0 ? CLASS_WEIGHTS[LABELS[i]] : 0.0;
  return sum;
}

static cyf_classifier *small_classifier(cyf_device *on) {
  const cyf_classifier_config config = {
      .latent = N_LATENT, .n_classes = N_CLASSES, .hidden = {12, 10, 9}, .dropout = 0.25};
  cyf_classifier *classifier = NULL;
  assert_ok(cyf_classifier_create(on, &config, 1, &classifier));
  assert_ok(cyf_classifier_init(classifier, 5));
  return classifier;
}

/* One batch, or a rank's share of it, with labels missing, weighted classes and dropout. */
typedef struct small_batch {
  cyf_device *device;
  cyf_classifier *classifier;
  int64_t first, n;
  float *x_t, *class_weight; /* device, of the share */
  int32_t *label;
  int64_t *position;
  cyf_dropout_stream dropout;
  thread_rank rank;
  const cyf_reducer *reducer;
  cyf_loss_sums result;
  cyf_status status;
} small_batch;

static void open_batch(cyf_device *on, int64_t first, int64_t n, small_batch *b) {
  int64_t positions[N_CELLS];
  *b = (small_batch){.device = on, .first = first, .n = n, .classifier = small_classifier(on)};
  b->x_t = to_device(on, NULL, N_CELLS * N_LATENT);
  assert_ok(on->ops->fill_normal(on, n, N_LATENT, cyf_rng_key_make(1, CYF_RNG_SYNTH), 1, NULL, first, b->x_t));
  b->class_weight = to_device(on, CLASS_WEIGHTS, N_CLASSES);
  b->label = int32_to_device(on, LABELS + first, n);
  for (int64_t i = 0; i < n; i++) positions[i] = first + i;
  assert_ok(on->ops->alloc(on, sizeof(positions), (void **)&b->position));
  assert_ok(on->ops->upload(on, b->position, positions, (size_t)n * sizeof(int64_t)));
  b->dropout = (cyf_dropout_stream){.key = cyf_rng_key_make(3, CYF_RNG_DROPOUT), .step = 4, .position = b->position};
}

static void close_batch(small_batch *b) {
  b->device->ops->free(b->device, b->position);
  b->device->ops->free(b->device, b->label);
  b->device->ops->free(b->device, b->class_weight);
  b->device->ops->free(b->device, b->x_t);
  cyf_classifier_destroy(&b->classifier);
}

static void *train_batch(void *context) {
  small_batch *b = context;
  b->status = cyf_classifier_train_step(b->classifier, b->n, b->x_t, TIMESTEPS + b->first, b->label, b->class_weight,
                                        N_CELLS, total_weight(), &b->dropout, b->reducer, &b->result);
  return NULL;
}

static double train_loss(void *context) {
  small_batch *b = context;
  train_batch(b);
  assert_ok(b->status);
  return b->result.loss / total_weight();
}

static void gradients_are_finite_differences(void **state) {
  (void)state;
  small_batch b;
  open_batch(device, 0, N_CELLS, &b);
  cyf_parameters *p = cyf_classifier_parameters(b.classifier);
  train_loss(&b);
  assert_int_equal(b.result.n_labelled, N_CELLS - 3);
  assert_true(fabs(b.result.weight - total_weight()) < 1e-9);
  float *gradient = to_host(device, p->gradient, p->layout.total);
  check_finite_differences(p, gradient, 2e-3, 5e-4, train_loss, &b);
  cyf_free(gradient);
  close_batch(&b);
}

/* Dropout masks follow (key, step, position): the same again for the same step, others for another, none without a
 * stream. */
static void dropout_follows_key_step_and_position(void **state) {
  (void)state;
  small_batch b;
  open_batch(device, 0, N_CELLS, &b);
  const double loss = train_loss(&b);
  assert_true(train_loss(&b) == loss);
  b.dropout.step++;
  assert_true(train_loss(&b) != loss);
  cyf_loss_sums without;
  assert_ok(cyf_classifier_train_step(b.classifier, N_CELLS, b.x_t, TIMESTEPS, b.label, b.class_weight, N_CELLS,
                                      total_weight(), NULL, NULL, &without));
  assert_true(without.loss / total_weight() != loss);
  close_batch(&b);
}

/* A cell without a label leaves the loss alone but is part of the batch statistics. */
static void unlabelled_cells_leave_the_loss_alone(void **state) {
  (void)state;
  small_batch b;
  open_batch(device, 0, N_CELLS, &b);
  const double loss = train_loss(&b);
  const double far = 9.0;
  float *moved = to_device(device, &far, 1);
  assert_ok(device->ops->copy(device, b.x_t + 4 * N_LATENT, moved, sizeof(float))); /* cell 4 has label -1 */
  const double loss_after = train_loss(&b);
  assert_int_equal(b.result.n_labelled, N_CELLS - 3);
  assert_true(loss_after != loss);
  device->ops->free(device, moved);
  close_batch(&b);
}

/* Two ranks make one batch: results, gradients and running statistics (float32 rounding). n_first 0: a rank without
 * cells. */
static void check_split_batch(int64_t n_first) {
  small_batch whole, parts[THREAD_RANKS];
  thread_sum shared;
  cyf_reducer reducers[THREAD_RANKS];
  void *contexts[THREAD_RANKS];
  open_batch(device, 0, N_CELLS, &whole);
  train_loss(&whole);
  assert_int_equal(pthread_barrier_init(&shared.barrier, NULL, THREAD_RANKS), 0);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    cyf_device *own = NULL;
    assert_ok(cyf_device_create_cpu(1, &own));
    open_batch(own, rank == 0 ? 0 : n_first, rank == 0 ? n_first : N_CELLS - n_first, &parts[rank]);
    parts[rank].rank = (thread_rank){.shared = &shared, .rank = rank};
    reducers[rank] = (cyf_reducer){thread_rank_sum, &parts[rank].rank};
    parts[rank].reducer = &reducers[rank];
    contexts[rank] = &parts[rank];
  }
  run_as_ranks(train_batch, contexts);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    assert_int_equal(parts[rank].status, CYF_OK);
    assert_int_equal(parts[rank].rank.n_calls, 6); /* forward and backward of three batch norms */
  }
  const cyf_loss_sums *r0 = &parts[0].result, *r1 = &parts[1].result;
  assert_true(fabs(r0->loss + r1->loss - whole.result.loss) < 1e-5 * whole.result.loss);
  assert_true(fabs(r0->weight + r1->weight - whole.result.weight) < 1e-9);
  assert_int_equal(r0->n_labelled + r1->n_labelled, whole.result.n_labelled);
  assert_int_equal(r0->n_correct + r1->n_correct, whole.result.n_correct);
  cyf_parameters *p = cyf_classifier_parameters(whole.classifier);
  cyf_parameters *p0 = cyf_classifier_parameters(parts[0].classifier);
  cyf_parameters *p1 = cyf_classifier_parameters(parts[1].classifier);
  assert_true(device_error(device, p0->buffer, p->buffer, p->buffer_layout.total) < 1e-6);
  assert_true(device_error(device, p1->buffer, p->buffer, p->buffer_layout.total) < 1e-6);
  assert_ok(device->ops->axpy(device, p->layout.total, 1.0, p1->gradient, p0->gradient));
  assert_true(device_error(device, p0->gradient, p->gradient, p->layout.total) < 1e-5);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    cyf_device *own = parts[rank].device;
    close_batch(&parts[rank]);
    cyf_device_destroy(&own);
  }
  pthread_barrier_destroy(&shared.barrier);
  close_batch(&whole);
}

static void ranks_make_one_batch(void **state) {
  (void)state;
  check_split_batch(N_CELLS / 2);
  check_split_batch(7);
  check_split_batch(0);
}

/* ---- guidance ---- */

/* sum over cells of sum_k weight_k log p(label_k | x_t), from logits, in double. */
static double weighted_log_prob(cyf_classifier *classifier, cyf_scratch *scratch, const float *x_t, int32_t t,
                                int n_terms, const int32_t *label, const double *weight) {
  int32_t timesteps[N_CELLS];
  double sum = 0.0;
  float *logits_device = to_device(device, NULL, N_CELLS * N_CLASSES);
  for (int i = 0; i < N_CELLS; i++) timesteps[i] = t;
  assert_ok(cyf_classifier_logits(classifier, scratch, N_CELLS, x_t, timesteps, logits_device));
  float *logits = to_host(device, logits_device, N_CELLS * N_CLASSES);
  for (int k = 0; k < n_terms; k++) {
    for (int i = 0; i < N_CELLS; i++) {
      const float *row = logits + i * N_CLASSES;
      double total = 0.0;
      if (label[k * N_CELLS + i] < 0) continue;
      for (int y = 0; y < N_CLASSES; y++) total += exp((double)row[y]);
      sum += weight[k * N_CELLS + i] * ((double)row[label[k * N_CELLS + i]] - log(total));
    }
  }
  cyf_free(logits);
  device->ops->free(device, logits_device);
  return sum;
}

/* Two terms (the second with missing labels) against central differences of the logits; and the gradient is added, not
 * set. */
static void two_terms_of_guidance_add_up(void **state) {
  (void)state;
  small_batch b;
  cyf_scratch *scratch = NULL;
  int32_t labels[2 * N_CELLS];
  double weights[2 * N_CELLS];
  open_batch(device, 0, N_CELLS, &b);
  train_loss(&b); /* running statistics away from their start */
  assert_ok(cyf_scratch_create(device, &scratch));
  for (int i = 0; i < N_CELLS; i++) {
    labels[i] = i % N_CLASSES;
    labels[N_CELLS + i] = LABELS[i];
    weights[i] = 1.4;
    weights[N_CELLS + i] = 0.1 * i;
  }
  int32_t *label = int32_to_device(device, labels, 2 * N_CELLS);
  float *weight = to_device(device, weights, 2 * N_CELLS), *gradient = to_device(device, NULL, N_CELLS * N_LATENT);
  assert_ok(guidance_at(b.classifier, scratch, N_CELLS, b.x_t, 40, 2, label, weight, gradient));
  float *direction = random_normals(device, 77, N_CELLS, N_LATENT),
        *moved = to_device(device, NULL, N_CELLS * N_LATENT);
  float *g = to_host(device, gradient, N_CELLS * N_LATENT), *v = to_host(device, direction, N_CELLS * N_LATENT);
  double slope = 0.0, norm = 0.0, values[2];
  const double h = 2e-3;
  for (int e = 0; e < N_CELLS * N_LATENT; e++) {
    slope += (double)g[e] * (double)v[e];
    norm += (double)g[e] * (double)g[e];
  }
  for (int side = 0; side < 2; side++) {
    assert_ok(device->ops->copy(device, moved, b.x_t, N_CELLS * N_LATENT * sizeof(float)));
    assert_ok(device->ops->axpy(device, N_CELLS * N_LATENT, side == 0 ? h : -h, direction, moved));
    values[side] = weighted_log_prob(b.classifier, scratch, moved, 40, 2, labels, weights);
  }
  assert_true(fabs((values[0] - values[1]) / (2.0 * h) - slope) < 2e-3 * sqrt(norm));

  assert_ok(guidance_at(b.classifier, scratch, N_CELLS, b.x_t, 40, 2, label, weight, gradient));
  float *twice = to_host(device, gradient, N_CELLS * N_LATENT);
  for (int e = 0; e < N_CELLS * N_LATENT; e++) assert_true(fabsf(twice[e] - 2.0f * g[e]) <= 1e-6f);
  cyf_free(twice);
  cyf_free(v);
  cyf_free(g);
  device->ops->free(device, moved);
  device->ops->free(device, direction);
  device->ops->free(device, gradient);
  device->ops->free(device, weight);
  device->ops->free(device, label);
  cyf_scratch_destroy(&scratch);
  close_batch(&b);
}

static void impossible_models_are_refused(void **state) {
  (void)state;
  cyf_classifier_config config = {.latent = N_LATENT, .n_classes = 1, .hidden = {8, 8, 8}};
  cyf_classifier *classifier = NULL;
  assert_int_equal(cyf_classifier_create(device, &config, 1, &classifier), CYF_ERR_CONFIG);
  assert_null(classifier);
  assert_non_null(strstr(cyf_status_message(), "1 classes"));
  cyf_status_clear();
  config.n_classes = 2;
  config.dropout = 1.0;
  assert_int_equal(cyf_classifier_create(device, &config, 1, &classifier), CYF_ERR_CONFIG);
  cyf_status_clear();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_training_steps_are_met),         cmocka_unit_test(golden_logits_and_guidance_are_met),
      cmocka_unit_test(gradients_are_finite_differences),      cmocka_unit_test(dropout_follows_key_step_and_position),
      cmocka_unit_test(unlabelled_cells_leave_the_loss_alone), cmocka_unit_test(ranks_make_one_batch),
      cmocka_unit_test(two_terms_of_guidance_add_up),          cmocka_unit_test(impossible_models_are_refused),
  };
  golden_choose_tests();
  return cmocka_run_group_tests_name("classifier", tests, setup, teardown);
}
