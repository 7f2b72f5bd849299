/* SPDX-License-Identifier: MIT */
/* DPM-Solver++(2M) is of second order and DDIM of first, and both tend to the same limit. This is shown on a score that
 * is known, and on the guided networks of the stored runs. */
#include "golden.h"
#include "model/diffusion/multistep.h"
#include "model/diffusion/sampler.h"
#include "model_check.h"

/* Timesteps of the schedules. Grids are made of whole timesteps; so many of them that rounding to these does not
 * disturb the order. */
enum { T = 16000 };

static cyf_device *device;
static cyf_schedule *full;

static int setup(void **state) {
  (void)state;
  if (cyf_device_create_cpu(1, &device) != CYF_OK) return -1;
  return cyf_schedule_create(CYF_BETAS_LINEAR, T, &full) == CYF_OK ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  cyf_schedule_destroy(&full);
  cyf_device_destroy(&device);
  return 0;
}

static cyf_schedule *grid(const char *kind, int n_steps, int must_contain) {
  char spacing[32];
  cyf_schedule *schedule = NULL;
  snprintf(spacing, sizeof spacing, "%s%d", kind, n_steps);
  assert_ok(cyf_schedule_respace(full, spacing, must_contain, &schedule));
  return schedule;
}

/* ---- a Gaussian: the score and the way of every point are known ---- */

enum { N_POINTS = 64 };

static double mean_of(int e) {
  return 0.3 * (e % 5) - 0.6;
}

static double variance_of(int e) {
  return 0.1 + 0.4 * (e % 3);
}

/* What the probability-flow equation makes of x at step n - 1 when it reaches step 0, and its x_0 there. */
static double exact(const cyf_schedule *s, int e, double x) {
  const double from = s->alpha_bar[s->n - 1], to = s->alpha_bar[0], m = mean_of(e), v = variance_of(e);
  const double at_0 = sqrt(to) * m + sqrt((to * v + 1 - to) / (from * v + 1 - from)) * (x - sqrt(from) * m);
  const double eps = sqrt(1 - to) * (at_0 - sqrt(to) * m) / (to * v + 1 - to);
  return (at_0 - sqrt(1 - to) * eps) / sqrt(to);
}

static double gaussian_error(const char *kind, int n_steps, int must_contain) {
  cyf_schedule *s = grid(kind, n_steps, must_contain);
  float x[N_POINTS], eps[N_POINTS], before[N_POINTS] = {0};
  double expected[N_POINTS], error = 0.0;
  for (int e = 0; e < N_POINTS; e++) {
    x[e] = (float)(4.0 * e / (N_POINTS - 1) - 2.0);
    expected[e] = exact(s, e, (double)x[e]);
  }
  for (int i = s->n - 1; i >= 0; i--) {
    const cyf_multistep step = cyf_multistep_make(s, i, false);
    const double bar = s->alpha_bar[i];
    for (int e = 0; e < N_POINTS; e++) {
      eps[e] = (float)(sqrt(1 - bar) * ((double)x[e] - sqrt(bar) * mean_of(e)) / (bar * variance_of(e) + 1 - bar));
    }
    assert_ok(device->ops->multistep_step(device, N_POINTS, &step, x, eps, NULL, before, x));
  }
  for (int e = 0; e < N_POINTS; e++) error = fmax(error, fabs((double)x[e] - expected[e]));
  cyf_schedule_destroy(&s);
  return error;
}

/* Second order on grids even in lambda, also where the run starts at a timestep inside. Even in t, the last steps stay
 * long in lambda however many there are, and the order is somewhat below. */
static void the_method_is_of_second_order_for_a_known_score(void **state) {
  (void)state;
  const struct {
    const char *kind;
    int start, n_steps;
    double least;
  } runs[] = {{"lambda", -1, 20, 1.85}, {"lambda", 9000, 20, 1.85}, {"", -1, 160, 1.6}};
  for (size_t k = 0; k < sizeof runs / sizeof runs[0]; k++) {
    double error[3];
    for (int i = 0; i < 3; i++) error[i] = gaussian_error(runs[k].kind, runs[k].n_steps << i, runs[k].start);
    const double order = 0.5 * log2(error[0] / error[2]);
    print_message("  %sN from %d: errors %.2g %.2g %.2g, order %.2f\n", runs[k].kind, runs[k].start, error[0], error[1],
                  error[2], order);
    assert_true(order > runs[k].least && order < 2.4);
  }
}

/* ---- the networks of the stored runs ---- */

typedef struct networks {
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  cyf_scratch *scratch;
  int64_t latent, n;
  float *x_t, *weight;
  int32_t *label;
} networks;

/* Zeroes the columns of the time embedding that change fast. Random networks vary with cos(t), which no grid of whole
 * timesteps resolves; what remains varies over hundreds of timesteps. */
static void slow_down(cyf_parameters *p, const char *name) {
  const cyf_named_tensor *tensor = cyf_layout_find(&p->layout, name);
  assert_non_null(tensor);
  const int64_t width = tensor->shape[1], half = width / 2;
  float *w = to_host(device, p->value + tensor->offset, tensor->count);
  for (int64_t e = 0; e < tensor->count; e++) {
    const int64_t column = e % width;
    if (pow(10000.0, -(double)(column % half) / (double)half) > 4.0 / T) w[e] = 0.0f;
  }
  assert_ok(device->ops->upload(device, p->value + tensor->offset, w, (size_t)tensor->count * sizeof(float)));
  cyf_free(w);
}

static networks open_networks(void) {
  networks m = {0};
  cyf_denoiser_config d = {.latent = golden_attribute_1("denoiser_1.h5", "input_dim")};
  cyf_classifier_config c = {.latent = d.latent, .n_classes = golden_attribute_1("classifier_1.h5", "n_classes")};
  int64_t hidden[CYF_HIDDEN_MAX];
  m.latent = d.latent;
  d.n_hidden = golden_attribute("denoiser_1.h5", "hidden", d.hidden, CYF_HIDDEN_MAX);
  golden_attribute("classifier_1.h5", "hidden", hidden, CYF_HIDDEN_MAX);
  for (int i = 0; i < 3; i++) c.hidden[i] = hidden[i];
  assert_ok(cyf_denoiser_create(device, &d, 0, &m.denoiser));
  assert_ok(cyf_classifier_create(device, &c, 0, &m.classifier));
  assert_ok(cyf_scratch_create(device, &m.scratch));
  cyf_parameters *p = cyf_denoiser_parameters(m.denoiser), *q = cyf_classifier_parameters(m.classifier);
  golden_load(device, &p->layout, "denoiser_1.h5", "params", p->value);
  golden_load(device, &q->layout, "classifier_1.h5", "params", q->value);
  golden_load(device, &q->buffer_layout, "classifier_1.h5", "train/buffers_after", q->buffer);
  slow_down(p, "time_embedding.time_embed.0.weight");
  slow_down(q, "time_embed.0.weight");
  int32_t *label = golden_int32("sampling_1.h5", "y", &m.n);
  double *weight = NULL;
  assert_ok(CYF_NEW(&weight, m.n));
  for (int64_t i = 0; i < m.n; i++) weight[i] = 2.0;
  m.label = int32_to_device(device, label, m.n);
  m.weight = to_device(device, weight, m.n);
  m.x_t = golden_to_device(device, "sampling_1.h5", "x_T", NULL);
  cyf_free(weight);
  cyf_free(label);
  return m;
}

static void close_networks(networks *m) {
  device->ops->free(device, m->x_t);
  device->ops->free(device, m->weight);
  device->ops->free(device, m->label);
  cyf_scratch_destroy(&m->scratch);
  cyf_classifier_destroy(&m->classifier);
  cyf_denoiser_destroy(&m->denoiser);
}

/* A guided run over n_steps; the result on the host. */
static float *sample(const networks *m, cyf_sampler_method method, int n_steps) {
  const int64_t count = m->n * m->latent;
  cyf_schedule *schedule = grid("lambda", n_steps, -1);
  const cyf_sampler_config config = {.method = method, .schedule = schedule, .guide_below = T};
  const cyf_guide guide = {.classifier = m->classifier, .n_terms = 1, .label = m->label, .weight = m->weight};
  float *x = to_device(device, NULL, count);
  assert_ok(device->ops->copy(device, x, m->x_t, (size_t)count * sizeof(float)));
  assert_ok(cyf_sampler_run(&config, m->denoiser, 1, &guide, m->scratch, 0, m->n, x));
  float *result = to_host(device, x, count);
  device->ops->free(device, x);
  cyf_schedule_destroy(&schedule);
  return result;
}

static double error_of(const networks *m, cyf_sampler_method method, int n_steps, const double *limit) {
  float *x = sample(m, method, n_steps);
  const double error = relative_error(x, limit, m->n * m->latent);
  cyf_free(x);
  return error;
}

/* Both tend to DDIM's limit, each at its own order. The limit is found by Richardson extrapolation: 2 x(2N) - x(N). */
static void guided_networks_go_to_the_limit_of_ddim(void **state) {
  (void)state;
  networks m = open_networks();
  const int64_t count = m.n * m.latent;
  double *limit = NULL, ddim[3], dpm[3];
  assert_ok(CYF_NEW(&limit, count));
  float *fine = sample(&m, CYF_SAMPLER_DDIM, 8000), *coarse = sample(&m, CYF_SAMPLER_DDIM, 4000);
  for (int64_t e = 0; e < count; e++) limit[e] = 2.0 * (double)fine[e] - (double)coarse[e];
  for (int i = 0; i < 3; i++) {
    ddim[i] = error_of(&m, CYF_SAMPLER_DDIM, 120 << i, limit);
    dpm[i] = error_of(&m, CYF_SAMPLER_DPM, 120 << i, limit);
    print_message("  %d steps: DDIM %.2g, DPM-Solver++ %.2g from DDIM's limit\n", 120 << i, ddim[i], dpm[i]);
  }
  for (int i = 0; i < 2; i++) {
    const double first = log2(ddim[i] / ddim[i + 1]), second = log2(dpm[i] / dpm[i + 1]);
    print_message("  orders: DDIM %.2f, DPM-Solver++ %.2f\n", first, second);
    assert_true(first > 0.8 && first < 1.3);
    assert_true(second > 1.7 && second < 2.6);
    assert_true(dpm[i + 1] < 0.1 * ddim[i + 1]);
  }
  cyf_free(coarse);
  cyf_free(fine);
  cyf_free(limit);
  close_networks(&m);
}

/* ---- the pieces ---- */

/* Its first and its last step are DDIM's: a run of one or two steps is DDIM. */
static void one_or_two_steps_are_ddim(void **state) {
  (void)state;
  networks m = open_networks();
  const int64_t count = m.n * m.latent;
  for (int n_steps = 1; n_steps <= 3; n_steps++) {
    float *a = sample(&m, CYF_SAMPLER_DDIM, n_steps), *b = sample(&m, CYF_SAMPLER_DPM, n_steps);
    double largest = 0.0, difference = 0.0;
    for (int64_t e = 0; e < count; e++) {
      largest = fmax(largest, fabs((double)a[e]));
      difference = fmax(difference, fabs((double)a[e] - (double)b[e]));
    }
    if (n_steps < 3) assert_true(difference < 1e-4 * largest);
    if (n_steps == 3) assert_true(difference > 1e-3 * largest);
    cyf_free(a);
    cyf_free(b);
  }
  close_networks(&m);
}

/* Grids in lambda have as many steps as asked for, from the first to the last, and are even where timesteps are fine
 * enough. */
static void grids_in_lambda_have_the_steps_asked_for(void **state) {
  (void)state;
  cyf_schedule *published = NULL, *s = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &published));
  for (int n = 1; n <= 1000; n = n < 30 ? n + 1 : 3 * n / 2) {
    char spacing[32];
    snprintf(spacing, sizeof spacing, "lambda%d", n);
    assert_ok(cyf_schedule_respace(published, spacing, -1, &s));
    assert_int_equal(s->n, n);
    assert_int_equal(s->timestep[n - 1], 999);
    if (n > 1) assert_int_equal(s->timestep[0], 0);
    cyf_schedule_destroy(&s);
  }
  assert_int_equal(cyf_schedule_respace(published, "lambda1001", -1, &s), CYF_ERR_USAGE);
  assert_non_null(strstr(cyf_status_message(), "only 1000 steps"));
  cyf_status_clear();
  assert_int_equal(cyf_schedule_respace(published, "lambda10x", -1, &s), CYF_ERR_USAGE);
  cyf_status_clear();
  cyf_schedule_destroy(&published);
  s = grid("lambda", 20, -1);
  const double total = log(s->alpha_bar[0] / (1 - s->alpha_bar[0])) - log(s->alpha_bar[19] / (1 - s->alpha_bar[19]));
  for (int i = 1; i < 20; i++) {
    const double gap =
        log(s->alpha_bar[i - 1] / (1 - s->alpha_bar[i - 1])) - log(s->alpha_bar[i] / (1 - s->alpha_bar[i]));
    assert_true(fabs(gap / total * 19 - 1) < 0.1 || i < 6); /* the first timesteps lie further apart */
  }
  cyf_schedule_destroy(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_method_is_of_second_order_for_a_known_score),
      cmocka_unit_test(guided_networks_go_to_the_limit_of_ddim),
      cmocka_unit_test(one_or_two_steps_are_ddim),
      cmocka_unit_test(grids_in_lambda_have_the_steps_asked_for),
  };
  return cmocka_run_group_tests_name("sampler_order", tests, setup, teardown);
}
