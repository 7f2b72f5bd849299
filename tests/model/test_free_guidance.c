/* SPDX-License-Identifier: MIT */
/* Classifier-free guidance in the reverse process, against its equation written out with single evaluations of the
 * denoiser. */
#include "golden.h"
#include "model/diffusion/sampler.h"
#include "model_check.h"
#include "model_steps.h"

enum { N_CELLS = 23, N_LATENT = 5, COUNT = N_CELLS * N_LATENT, N_STEPS = 6 };
/* Of condition 0 (4 classes) and condition 1 (3 classes). */
static int32_t labels[2][2 * N_CELLS];
static double weights[2][2 * N_CELLS];

static cyf_device *device;
static cyf_denoiser *denoiser;
static cyf_scratch *scratch;
static cyf_schedule *schedule;

static int setup(void **state) {
  (void)state;
  const cyf_denoiser_config config = {
      .latent = N_LATENT, .n_hidden = 2, .hidden = {12, 9}, .n_conditions = 2, .n_classes = {4, 3}};
  cyf_schedule *full = NULL;
  if (cyf_device_create_cpu(1, &device) != CYF_OK) return -1;
  assert_ok(cyf_denoiser_create(device, &config, 0, &denoiser));
  assert_ok(cyf_denoiser_init(denoiser, 3));
  assert_ok(cyf_scratch_create(device, &scratch));
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  assert_ok(cyf_schedule_respace(full, "6", -1, &schedule));
  cyf_schedule_destroy(&full);
  for (int i = 0; i < 2 * N_CELLS; i++) {
    labels[0][i] = i % 5 - 1; /* -1: not asked for */
    labels[1][i] = (i / 2) % 4 - 1;
    weights[0][i] = 0.5 * (i % 4); /* 0, 0.5, 1, 1.5 */
    weights[1][i] = i % 7 == 0 ? 0.0 : 2.0 - 0.1 * i;
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  cyf_schedule_destroy(&schedule);
  cyf_scratch_destroy(&scratch);
  cyf_denoiser_destroy(&denoiser);
  cyf_device_destroy(&device);
  return 0;
}

/* The label of one term that the denoiser is told: none where the weight is 0. */
static int32_t told(int condition, int64_t at) {
  return weights[condition][at] == 0.0 ? -1 : labels[condition][at];
}

/* eps[COUNT] of the cells under one label each for both conditions (NULL: none). */
static void answer(const float *x, int32_t t, const int32_t *first, const int32_t *second, double *eps) {
  int32_t both[2 * N_CELLS];
  for (int i = 0; i < N_CELLS; i++) {
    both[i] = first != NULL ? first[i] : -1;
    both[N_CELLS + i] = second != NULL ? second[i] : -1;
  }
  float *out = to_device(device, NULL, COUNT);
  assert_ok(denoiser_at(denoiser, scratch, N_CELLS, x, t, both, out));
  float *host = to_host(device, out, COUNT);
  for (int e = 0; e < COUNT; e++) eps[e] = (double)host[e];
  cyf_free(host);
  device->ops->free(device, out);
}

/* The guided eps by the equation of sampler.h: n_terms[k] terms of condition k, 0: it does not guide. */
static void expected_eps(const float *x, int32_t t, const int n_terms[2], double *eps) {
  double null[COUNT], base[COUNT], with[COUNT];
  int32_t label[2][N_CELLS];
  const bool first_is_base = n_terms[0] == 1;
  answer(x, t, NULL, NULL, null);
  memcpy(eps, null, sizeof null);
  for (int term = 0; term < n_terms[0]; term++) {
    for (int i = 0; i < N_CELLS; i++) label[0][i] = told(0, term * N_CELLS + i);
    answer(x, t, label[0], NULL, with);
    for (int e = 0; e < COUNT; e++) eps[e] += weights[0][term * N_CELLS + e / N_LATENT] * (with[e] - null[e]);
  }
  memcpy(base, first_is_base ? with : null, sizeof base);
  for (int term = 0; term < n_terms[1]; term++) {
    for (int i = 0; i < N_CELLS; i++) label[1][i] = told(1, term * N_CELLS + i);
    answer(x, t, first_is_base ? label[0] : NULL, label[1], with);
    for (int e = 0; e < COUNT; e++) eps[e] += weights[1][term * N_CELLS + e / N_LATENT] * (with[e] - base[e]);
  }
}

/* DDIM by hand, in double. */
static void expected_run(const float *start, const int n_terms[2], double *x) {
  double eps[COUNT];
  float *now = to_device(device, NULL, COUNT);
  for (int e = 0; e < COUNT; e++) x[e] = (double)start[e];
  for (int i = N_STEPS - 1; i >= 0; i--) {
    const double bar = schedule->alpha_bar[i], prev = schedule->alpha_bar_prev[i];
    float rounded[COUNT];
    for (int e = 0; e < COUNT; e++) rounded[e] = (float)x[e];
    assert_ok(device->ops->upload(device, now, rounded, sizeof rounded));
    expected_eps(now, schedule->timestep[i], n_terms, eps);
    for (int e = 0; e < COUNT; e++) {
      const double x0 = (x[e] - sqrt(1 - bar) * eps[e]) / sqrt(bar);
      x[e] = sqrt(prev) * x0 + sqrt(1 - prev) * eps[e];
    }
  }
  device->ops->free(device, now);
}

static float *run(const float *start_host, const int n_terms[2], int guide_below) {
  const cyf_sampler_config config = {.method = CYF_SAMPLER_DDIM, .schedule = schedule, .guide_below = guide_below};
  cyf_guide guides[2];
  int32_t *label[2];
  float *weight[2], *x = to_device(device, NULL, COUNT);
  int n = 0;
  assert_ok(device->ops->upload(device, x, start_host, COUNT * sizeof(float)));
  for (int k = 0; k < 2; k++) {
    label[k] = int32_to_device(device, labels[k], 2 * N_CELLS);
    weight[k] = to_device(device, weights[k], 2 * N_CELLS);
    if (n_terms[k] == 0) continue;
    guides[n++] = (cyf_guide){.n_terms = n_terms[k], .label = label[k], .weight = weight[k], .condition = k};
  }
  assert_ok(cyf_sampler_run(&config, denoiser, n, guides, scratch, 0, N_CELLS, x));
  assert_int_equal(cyf_scratch_mark(scratch), 0); /* nothing is left behind */
  for (int k = 0; k < 2; k++) {
    device->ops->free(device, label[k]);
    device->ops->free(device, weight[k]);
  }
  float *host = to_host(device, x, COUNT);
  device->ops->free(device, x);
  return host;
}

/* No guide, either, both, and two terms of one. guide_below is for classifiers and changes nothing here. The tolerance
 * of 1e-5 is for six steps in float32. */
static void guidance_follows_its_equation(void **state) {
  (void)state;
  const int kinds[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {2, 1}};
  float *start_device = random_normals(device, 4, N_CELLS, N_LATENT), *start = to_host(device, start_device, COUNT);
  double plain[COUNT];
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    double expected[COUNT], moved = 0.0;
    expected_run(start, kinds[k], expected);
    float *got = run(start, kinds[k], k % 2 == 0 ? 0 : 1000);
    const double error = relative_error(got, expected, COUNT);
    print_message("  %d and %d terms: error %.2g\n", kinds[k][0], kinds[k][1], error);
    assert_true(error < 1e-5);
    if (k == 0) memcpy(plain, expected, sizeof plain);
    for (int e = 0; e < COUNT; e++) moved = fmax(moved, fabs(expected[e] - plain[e]));
    assert_true(k == 0 || moved > 1e-2);
    cyf_free(got);
  }
  cyf_free(start);
  device->ops->free(device, start_device);
}

static void what_is_no_condition_is_refused(void **state) {
  (void)state;
  const cyf_sampler_config config = {.method = CYF_SAMPLER_DDIM, .schedule = schedule};
  const cyf_guide guide = {.n_terms = 1, .condition = 2};
  float *x = to_device(device, NULL, COUNT);
  assert_int_equal(cyf_sampler_run(&config, denoiser, 1, &guide, scratch, 0, N_CELLS, x), CYF_ERR_INTERNAL);
  assert_non_null(strstr(cyf_status_message(), "condition 2"));
  cyf_status_clear();
  device->ops->free(device, x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(guidance_follows_its_equation),
      cmocka_unit_test(what_is_no_condition_is_refused),
  };
  return cmocka_run_group_tests_name("free_guidance", tests, setup, teardown);
}
