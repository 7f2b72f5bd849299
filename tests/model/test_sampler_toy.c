/* SPDX-License-Identifier: MIT */
/* The reverse process on a toy that it must solve: two clusters, guidance towards either, and independence of how cells
 * are cut into blocks and threads. */
#include "golden.h"
#include "model/diffusion/sampler.h"
#include "model_check.h"
#include "model_steps.h"

static cyf_device *device;

/* ---- a toy: two clusters on a line in the plane ---- */

/* Class 0 around (-1.5, 0), class 1 around (1.5, 0), standard deviation 0.25. A small denoiser and a classifier are
 * trained on it in a second or two; T = 100. */
enum { TOY_LATENT = 2, TOY_STEPS = 100, TOY_BATCH = 256, TOY_UPDATES = 1500, TOY_CELLS = 600 };
static const double TOY_CENTRE = 1.5, TOY_SPREAD = 0.25;

typedef struct toy {
  cyf_schedule *schedule;
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  cyf_scratch *scratch;
} toy;

typedef struct toy_batch {
  int32_t t[TOY_BATCH], label[TOY_BATCH];
  double x_t[TOY_BATCH * TOY_LATENT], eps[TOY_BATCH * TOY_LATENT];
} toy_batch;

static void draw_toy_batch(const cyf_schedule *schedule, int update, toy_batch *b) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, cyf_rng_key_make(21, CYF_RNG_SYNTH), (uint32_t)update, 0);
  for (int i = 0; i < TOY_BATCH; i++) {
    b->t[i] = (int32_t)cyf_rng_next_below(&stream, TOY_STEPS);
    b->label[i] = (int32_t)cyf_rng_next_below(&stream, 2);
    const double alpha_bar = schedule->alpha_bar[b->t[i]];
    for (int j = 0; j < TOY_LATENT; j++) {
      const int e = i * TOY_LATENT + j;
      const double centre = j == 0 ? (b->label[i] == 1 ? TOY_CENTRE : -TOY_CENTRE) : 0.0;
      b->eps[e] = cyf_rng_next_normal(&stream);
      b->x_t[e] =
          sqrt(alpha_bar) * (centre + TOY_SPREAD * cyf_rng_next_normal(&stream)) + sqrt(1.0 - alpha_bar) * b->eps[e];
    }
  }
}

static void toy_update(cyf_parameters *p, float *moments, int step) {
  const cyf_adamw settings = {
      .learning_rate = 3e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .step = step, .gradient_scale = 1.0};
  const int64_t total = p->layout.total;
  assert_ok(device->ops->adamw(device, total, &settings, p->value, p->gradient, moments, moments + total, NULL, 0.0));
}

static toy train_toy(void) {
  const cyf_denoiser_config d = {.latent = TOY_LATENT, .n_hidden = 2, .hidden = {32, 16}};
  const cyf_classifier_config c = {.latent = TOY_LATENT, .n_classes = 2, .hidden = {16, 16, 8}};
  toy m = {0};
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, TOY_STEPS, &m.schedule));
  assert_ok(cyf_scratch_create(device, &m.scratch));
  assert_ok(cyf_denoiser_create(device, &d, 1, &m.denoiser));
  assert_ok(cyf_classifier_create(device, &c, 1, &m.classifier));
  assert_ok(cyf_denoiser_init(m.denoiser, 1));
  assert_ok(cyf_classifier_init(m.classifier, 2));
  cyf_parameters *p = cyf_denoiser_parameters(m.denoiser), *q = cyf_classifier_parameters(m.classifier);
  float *p_moments = to_device(device, NULL, 2 * p->layout.total),
        *q_moments = to_device(device, NULL, 2 * q->layout.total);
  toy_batch *b = NULL;
  assert_ok(CYF_NEW(&b, 1));
  for (int step = 1; step <= TOY_UPDATES; step++) {
    double sum = 0.0;
    cyf_loss_sums result;
    draw_toy_batch(m.schedule, step, b);
    float *x_t = to_device(device, b->x_t, TOY_BATCH * TOY_LATENT),
          *eps = to_device(device, b->eps, TOY_BATCH * TOY_LATENT);
    int32_t *label = int32_to_device(device, b->label, TOY_BATCH);
    assert_ok(denoiser_step(m.denoiser, TOY_BATCH, x_t, b->t, NULL, eps, TOY_BATCH, &sum));
    assert_ok(cyf_classifier_train_step(m.classifier, TOY_BATCH, x_t, b->t, label, NULL, TOY_BATCH, TOY_BATCH, NULL,
                                        NULL, &result));
    toy_update(p, p_moments, step);
    toy_update(q, q_moments, step);
    device->ops->free(device, label);
    device->ops->free(device, eps);
    device->ops->free(device, x_t);
  }
  cyf_free(b);
  device->ops->free(device, q_moments);
  device->ops->free(device, p_moments);
  return m;
}

static toy *shared_toy(void) { /* trained once for all the tests below */
  static toy trained;
  static bool is_trained = false;
  if (!is_trained) trained = train_toy();
  is_trained = true;
  return &trained;
}

static cyf_sampler_config toy_config(cyf_sampler_method method) {
  return (cyf_sampler_config){
      .method = method, .schedule = shared_toy()->schedule, .guide_below = TOY_STEPS, .seed = 31};
}

/* Samples cells [first, first + n), guided towards class `target` with weight `scale` (0: unguided), into x + first
 * rows. */
static void sample_toy(const cyf_sampler_config *config, int32_t target, double scale, int64_t first, int64_t n,
                       float *x) {
  toy *m = shared_toy();
  int32_t labels[TOY_CELLS];
  double weights[TOY_CELLS];
  for (int i = 0; i < TOY_CELLS; i++) {
    labels[i] = target;
    weights[i] = scale;
  }
  int32_t *label = int32_to_device(device, labels, n);
  float *weight = to_device(device, weights, n), *cells = x + first * TOY_LATENT;
  const cyf_guide guide = {.classifier = m->classifier, .n_terms = 1, .label = label, .weight = weight};
  assert_ok(cyf_sampler_start(device, config->seed, TOY_LATENT, first, n, cells));
  assert_ok(cyf_sampler_run(config, m->denoiser, scale > 0.0 ? 1 : 0, &guide, m->scratch, first, n, cells));
  device->ops->free(device, weight);
  device->ops->free(device, label);
}

/* Share of cells of class 1, and the mean distance to the nearer cluster's centre. */
static void describe_toy(const float *x_device, double *ret_share, double *ret_distance) {
  float *x = to_host(device, x_device, TOY_CELLS * TOY_LATENT);
  *ret_share = *ret_distance = 0.0;
  for (int i = 0; i < TOY_CELLS; i++) {
    const double a = (double)x[i * TOY_LATENT], b = (double)x[i * TOY_LATENT + 1];
    *ret_share += (a > 0.0 ? 1.0 : 0.0) / TOY_CELLS;
    *ret_distance += hypot(fabs(a) - TOY_CENTRE, b) / TOY_CELLS;
  }
  cyf_free(x);
}

static double mean_log_prob(const float *x, int32_t target) {
  toy *m = shared_toy();
  int32_t t[TOY_CELLS] = {0};
  double sum = 0.0;
  float *logits_device = to_device(device, NULL, 2 * TOY_CELLS);
  assert_ok(cyf_classifier_logits(m->classifier, m->scratch, TOY_CELLS, x, t, logits_device));
  float *logits = to_host(device, logits_device, 2 * TOY_CELLS);
  for (int i = 0; i < TOY_CELLS; i++) {
    const double margin = (double)logits[2 * i + 1 - target] - (double)logits[2 * i + target];
    sum -= margin > 0.0 ? margin + log1p(exp(-margin)) : log1p(exp(margin));
  }
  cyf_free(logits);
  device->ops->free(device, logits_device);
  return sum / TOY_CELLS;
}

/* Both samplers find the two clusters, half of the cells each; the true mean distance to the centre is 0.31. Guidance
 * brings nearly all cells to the cluster asked for and raises the classifier's log-probability. */
static void check_toy(cyf_sampler_method method) {
  const cyf_sampler_config config = toy_config(method);
  float *x = to_device(device, NULL, TOY_CELLS * TOY_LATENT);
  double share = 0.0, distance = 0.0;
  sample_toy(&config, 0, 0.0, 0, TOY_CELLS, x);
  describe_toy(x, &share, &distance);
  const double unguided = mean_log_prob(x, 1);
  print_message("  unguided: %.3f of class 1, distance %.3f, log p(1) %.3f\n", share, distance, unguided);
  assert_true(share > 0.35 && share < 0.65);
  assert_true(distance < 0.5);
  for (int32_t target = 0; target < 2; target++) {
    sample_toy(&config, target, 2.0, 0, TOY_CELLS, x);
    describe_toy(x, &share, &distance);
    const double guided = mean_log_prob(x, target);
    print_message("  towards %d: %.3f of class 1, distance %.3f, log p %.3f\n", (int)target, share, distance, guided);
    assert_true(target == 1 ? share > 0.95 : share < 0.05);
    assert_true(distance < 0.6);
    assert_true(guided > -0.1 && guided > unguided + 0.5);
  }
  device->ops->free(device, x);
}

static void ddpm_gives_the_known_distribution(void **state) {
  (void)state;
  check_toy(CYF_SAMPLER_DDPM);
}

static void ddim_gives_the_known_distribution(void **state) {
  (void)state;
  check_toy(CYF_SAMPLER_DDIM);
}

static void dpm_gives_the_known_distribution(void **state) {
  (void)state;
  check_toy(CYF_SAMPLER_DPM);
}

/* A cell depends on its global index. Blocks of CYF_SAMPLER_BLOCK in any order give the same bits. Blocks of any other
 * size give the same cells up to the rounding of float32 products (1e-3 after 100 steps). */
static void check_blocks(const cyf_sampler_config *config) {
  const int64_t odd[] = {0, 1, 100, 357, TOY_CELLS};
  float *x = to_device(device, NULL, TOY_CELLS * TOY_LATENT), *y = to_device(device, NULL, TOY_CELLS * TOY_LATENT);
  const int64_t n_blocks = (TOY_CELLS + CYF_SAMPLER_BLOCK - 1) / CYF_SAMPLER_BLOCK;
  for (int64_t b = 0; b < 2 * n_blocks; b++) {
    const int64_t block = b < n_blocks ? b : 2 * n_blocks - 1 - b; /* forwards into x, backwards into y */
    const int64_t first = block * CYF_SAMPLER_BLOCK, left = TOY_CELLS - first;
    sample_toy(config, 1, 2.0, first, left < CYF_SAMPLER_BLOCK ? left : CYF_SAMPLER_BLOCK, b < n_blocks ? x : y);
  }
  float *forwards = to_host(device, x, TOY_CELLS * TOY_LATENT), *backwards = to_host(device, y, TOY_CELLS * TOY_LATENT);
  assert_memory_equal(forwards, backwards, TOY_CELLS * TOY_LATENT * sizeof(float));
  for (int i = 0; i < 4; i++) sample_toy(config, 1, 2.0, odd[i], odd[i + 1] - odd[i], y);
  assert_true(device_error(device, y, x, TOY_CELLS * TOY_LATENT) < 1e-3);
  cyf_free(backwards);
  cyf_free(forwards);
  device->ops->free(device, y);
  device->ops->free(device, x);
}

/* Threads that each sample a block on a scratch of their own give the same bits as one thread after the other. */
static void threads_give_the_same_bits(void **state) {
  (void)state;
  toy *m = shared_toy();
  enum { N_THREADS = 3, N_BLOCK = TOY_CELLS / N_THREADS };
  cyf_sampler_config config = toy_config(CYF_SAMPLER_DDPM);
  cyf_status statuses[N_THREADS] = {CYF_OK};
  cyf_scratch *scratches[N_THREADS] = {NULL};
  float *x = to_device(device, NULL, TOY_CELLS * TOY_LATENT), *y = to_device(device, NULL, TOY_CELLS * TOY_LATENT);
  for (int i = 0; i < N_THREADS; i++) {
    sample_toy(&config, 0, 0.0, (int64_t)i * N_BLOCK, N_BLOCK, x);
    assert_ok(cyf_scratch_create(device, &scratches[i]));
  }
#pragma omp parallel for num_threads(N_THREADS) schedule(static, 1)
  for (int i = 0; i < N_THREADS; i++) {
    float *cells = y + (int64_t)i * N_BLOCK * TOY_LATENT;
    statuses[i] = cyf_sampler_start(device, config.seed, TOY_LATENT, (int64_t)i * N_BLOCK, N_BLOCK, cells);
    if (statuses[i] != CYF_OK) continue;
    statuses[i] = cyf_sampler_run(&config, m->denoiser, 0, NULL, scratches[i], (int64_t)i * N_BLOCK, N_BLOCK, cells);
  }
  for (int i = 0; i < N_THREADS; i++) {
    assert_int_equal(statuses[i], CYF_OK);
    cyf_scratch_destroy(&scratches[i]);
  }
  float *serial = to_host(device, x, TOY_CELLS * TOY_LATENT), *parallel = to_host(device, y, TOY_CELLS * TOY_LATENT);
  assert_memory_equal(serial, parallel, TOY_CELLS * TOY_LATENT * sizeof(float));
  cyf_free(parallel);
  cyf_free(serial);
  device->ops->free(device, y);
  device->ops->free(device, x);
}

static void blocks_in_any_order_give_the_same_cells(void **state) {
  (void)state;
  cyf_sampler_config config = toy_config(CYF_SAMPLER_DDPM);
  check_blocks(&config);
  config = toy_config(CYF_SAMPLER_DDIM);
  config.eta = 0.5;
  check_blocks(&config);
  config = toy_config(CYF_SAMPLER_DPM);
  check_blocks(&config);
}

/* DDIM with eta 0 takes no noise: the seed matters for x_T alone. DDPM and eta > 0 do take it. */
static void ddim_takes_no_noise(void **state) {
  (void)state;
  toy *m = shared_toy();
  const size_t bytes = 8 * TOY_LATENT * sizeof(float);
  float *start = random_normals(device, 5, 8, TOY_LATENT), *x[2];
  for (int kind = 0; kind < 3; kind++) {
    cyf_sampler_config config = toy_config(kind == 2 ? CYF_SAMPLER_DDPM : CYF_SAMPLER_DDIM);
    config.eta = kind == 1 ? 1.0 : 0.0;
    for (int run = 0; run < 2; run++) {
      config.seed = 100 + (uint64_t)run;
      x[run] = to_device(device, NULL, 8 * TOY_LATENT);
      assert_ok(device->ops->copy(device, x[run], start, bytes));
      assert_ok(cyf_sampler_run(&config, m->denoiser, 0, NULL, m->scratch, 0, 8, x[run]));
    }
    const double difference = device_error(device, x[0], x[1], 8 * TOY_LATENT);
    if (kind == 0) assert_true(difference == 0.0);
    if (kind != 0) assert_true(difference > 1e-2);
    device->ops->free(device, x[0]);
    device->ops->free(device, x[1]);
  }
  device->ops->free(device, start);
}

/* Guidance acts below `guide_below` only, and a label of -1 leaves a cell alone. */
static void guidance_acts_where_it_is_asked_to(void **state) {
  (void)state;
  cyf_sampler_config config = toy_config(CYF_SAMPLER_DDIM);
  float *free_run = to_device(device, NULL, TOY_CELLS * TOY_LATENT),
        *x = to_device(device, NULL, TOY_CELLS * TOY_LATENT);
  sample_toy(&config, 1, 0.0, 0, CYF_SAMPLER_BLOCK, free_run);
  sample_toy(&config, -1, 2.0, 0, CYF_SAMPLER_BLOCK, x);
  assert_true(device_error(device, x, free_run, CYF_SAMPLER_BLOCK * TOY_LATENT) == 0.0);
  config.guide_below = 0;
  sample_toy(&config, 1, 2.0, 0, CYF_SAMPLER_BLOCK, x);
  assert_true(device_error(device, x, free_run, CYF_SAMPLER_BLOCK * TOY_LATENT) == 0.0);
  config.guide_below = 5;
  sample_toy(&config, 1, 2.0, 0, CYF_SAMPLER_BLOCK, x);
  assert_true(device_error(device, x, free_run, CYF_SAMPLER_BLOCK * TOY_LATENT) > 1e-3);
  device->ops->free(device, x);
  device->ops->free(device, free_run);
}

static void unfit_classifiers_and_settings_are_refused(void **state) {
  (void)state;
  toy *m = shared_toy();
  const cyf_classifier_config other = {.latent = TOY_LATENT + 1, .n_classes = 2, .hidden = {4, 4, 4}};
  cyf_sampler_config config = toy_config(CYF_SAMPLER_DDIM);
  cyf_classifier *classifier = NULL;
  float *x = to_device(device, NULL, TOY_LATENT);
  assert_ok(cyf_classifier_create(device, &other, 0, &classifier));
  const cyf_guide guide = {.classifier = classifier, .n_terms = 1};
  assert_int_equal(cyf_sampler_run(&config, m->denoiser, 1, &guide, m->scratch, 0, 1, x), CYF_ERR_INPUT);
  assert_non_null(strstr(cyf_status_message(), "latent width 3"));
  cyf_status_clear();
  config.eta = -1.0;
  assert_int_equal(cyf_sampler_run(&config, m->denoiser, 0, NULL, m->scratch, 0, 1, x), CYF_ERR_CONFIG);
  cyf_status_clear();
  cyf_classifier_destroy(&classifier);
  device->ops->free(device, x);
}

static void close_toy(void) {
  toy *m = shared_toy();
  cyf_scratch_destroy(&m->scratch);
  cyf_classifier_destroy(&m->classifier);
  cyf_denoiser_destroy(&m->denoiser);
  cyf_schedule_destroy(&m->schedule);
}

static int setup(void **state) {
  (void)state;
  return cyf_device_create_cpu(1, &device) == CYF_OK ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  close_toy();
  cyf_device_destroy(&device);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ddpm_gives_the_known_distribution),
      cmocka_unit_test(ddim_gives_the_known_distribution),
      cmocka_unit_test(dpm_gives_the_known_distribution),
      cmocka_unit_test(blocks_in_any_order_give_the_same_cells),
      cmocka_unit_test(threads_give_the_same_bits),
      cmocka_unit_test(ddim_takes_no_noise),
      cmocka_unit_test(guidance_acts_where_it_is_asked_to),
      cmocka_unit_test(unfit_classifiers_and_settings_are_refused),
  };
  return cmocka_run_group_tests_name("sampler_toy", tests, setup, teardown);
}
