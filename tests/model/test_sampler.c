/* SPDX-License-Identifier: MIT */
/* The reverse process: whole stored runs, independence of how cells are cut into blocks, and a toy that it must solve.
 */
#include "golden.h"
#include "model/diffusion/sampler.h"
#include "model_check.h"

static const double GOLDEN_TOLERANCE = 1e-5; /* float32 over up to 1,000 steps, seen: 2e-6; the contract is 1e-4 */

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

/* ---- stored runs ---- */

typedef struct golden_models {
  const char *file; /* sampling_K.h5 */
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  int64_t latent, n;
  int32_t *labels; /* [2][n] device: y, y2 */
  cyf_schedule *full;
  cyf_scratch *scratch;
} golden_models;

static golden_models open_models(const char *sampling, const char *denoiser_file, const char *classifier_file) {
  golden_models m = {.file = sampling};
  cyf_denoiser_config d = {.latent = golden_attribute_1(denoiser_file, "input_dim")};
  cyf_classifier_config c = {.latent = d.latent, .n_classes = golden_attribute_1(classifier_file, "n_classes")};
  int64_t hidden[CYF_HIDDEN_MAX];
  m.latent = d.latent;
  d.n_hidden = golden_attribute(denoiser_file, "hidden", d.hidden, CYF_HIDDEN_MAX);
  golden_attribute(classifier_file, "hidden", hidden, CYF_HIDDEN_MAX);
  for (int i = 0; i < 3; i++) c.hidden[i] = hidden[i];
  assert_ok(cyf_denoiser_create(device, &d, 0, &m.denoiser));
  assert_ok(cyf_classifier_create(device, &c, 0, &m.classifier));
  cyf_parameters *p = cyf_denoiser_parameters(m.denoiser), *q = cyf_classifier_parameters(m.classifier);
  golden_load(device, &p->layout, denoiser_file, "params", p->value);
  golden_load(device, &q->layout, classifier_file, "params", q->value);
  golden_load(device, &q->buffer_layout, classifier_file, "train/buffers_after", q->buffer);
  int32_t *y = golden_int32(sampling, "y", &m.n), *y2 = golden_int32(sampling, "y2", &m.n), *both = NULL;
  assert_ok(CYF_NEW(&both, 2 * m.n));
  memcpy(both, y, (size_t)m.n * sizeof(int32_t));
  memcpy(both + m.n, y2, (size_t)m.n * sizeof(int32_t));
  m.labels = int32_to_device(device, both, 2 * m.n);
  cyf_free(both);
  cyf_free(y2);
  cyf_free(y);
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &m.full));
  assert_ok(cyf_scratch_create(device, &m.scratch));
  return m;
}

static void close_models(golden_models *m) {
  cyf_scratch_destroy(&m->scratch);
  cyf_schedule_destroy(&m->full);
  device->ops->free(device, m->labels);
  cyf_classifier_destroy(&m->classifier);
  cyf_denoiser_destroy(&m->denoiser);
}

typedef struct golden_run {
  const char *group;
  cyf_sampler_method method;
  const char *spacing;
  bool clip, has_noise;
  int n_terms;
  double weights[2];
} golden_run;

static const golden_run GOLDEN_RUNS[] = {
    {"ddim_20", CYF_SAMPLER_DDIM, "ddim20", false, false, 0, {0}},
    {"ddim_20_guided", CYF_SAMPLER_DDIM, "ddim20", false, false, 1, {2.0}},
    {"ddpm_20", CYF_SAMPLER_DDPM, "20", false, true, 0, {0}},
    {"ddpm_20_clip", CYF_SAMPLER_DDPM, "20", true, true, 0, {0}},
    {"ddpm_20_guided", CYF_SAMPLER_DDPM, "20", false, true, 1, {2.0}},
    {"ddpm_20_two_gradients", CYF_SAMPLER_DDPM, "20", false, true, 2, {1.4, 0.6}},
    {"ddpm_1000_guided", CYF_SAMPLER_DDPM, "all", false, true, 1, {2.0}},
};

static void check_golden_run(const golden_models *m, const golden_run *run) {
  char dataset[GOLDEN_NAME_MAX];
  int64_t n_steps = 0, count = 0;
  cyf_schedule *schedule = NULL;
  double *weights = NULL, *noise = NULL;
  assert_ok(cyf_schedule_respace(m->full, run->spacing, -1, &schedule));
  snprintf(dataset, sizeof(dataset), "%s/timesteps", run->group);
  int32_t *timesteps = golden_int32(m->file, dataset, &n_steps);
  assert_int_equal(schedule->n, n_steps);
  assert_memory_equal(schedule->timestep, timesteps, (size_t)n_steps * sizeof(int32_t));
  snprintf(dataset, sizeof(dataset), "%s/noise", run->group);
  if (run->has_noise) {
    noise = golden_doubles(m->file, dataset, &count);
    assert_int_equal(count, n_steps * m->n * m->latent);
  }
  assert_ok(CYF_NEW(&weights, 2 * m->n));
  for (int64_t i = 0; i < 2 * m->n; i++) weights[i] = run->weights[i / m->n];
  float *weight = to_device(device, weights, 2 * m->n), *x = golden_to_device(device, m->file, "x_T", NULL);
  const cyf_guide guide = {.classifier = m->classifier, .n_terms = run->n_terms, .label = m->labels, .weight = weight};
  const cyf_sampler_config config = {
      .method = run->method, .schedule = schedule, .clip = run->clip, .guide_below = 500, .fixed_noise = noise};
  assert_ok(cyf_sampler_run(&config, m->denoiser, run->n_terms > 0 ? 1 : 0, &guide, m->scratch, 0, m->n, x));
  snprintf(dataset, sizeof(dataset), "%s/sample", run->group);
  double *expected = golden_doubles(m->file, dataset, &count);
  float *got = to_host(device, x, count);
  const double error = relative_error(got, expected, count);
  print_message("  %s:%s: error %.2g\n", m->file, run->group, error);
  if (!(error < GOLDEN_TOLERANCE)) fail_msg("%s:%s: error %.3g", m->file, dataset, error);
  assert_int_equal(cyf_scratch_mark(m->scratch), 0); /* nothing is left behind */
  cyf_free(got);
  cyf_free(expected);
  device->ops->free(device, x);
  device->ops->free(device, weight);
  cyf_free(weights);
  cyf_free(noise);
  cyf_free(timesteps);
  cyf_schedule_destroy(&schedule);
}

static void golden_runs_are_met(void **state) {
  (void)state;
  golden_models models[] = {open_models("sampling_1.h5", "denoiser_1.h5", "classifier_1.h5"),
                            open_models("sampling_2.h5", "denoiser_2.h5", "classifier_2.h5")};
  for (int k = 0; k < 2; k++) {
    for (size_t i = 0; i < sizeof(GOLDEN_RUNS) / sizeof(GOLDEN_RUNS[0]); i++)
      check_golden_run(&models[k], &GOLDEN_RUNS[i]);
    close_models(&models[k]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(golden_runs_are_met)};
  golden_choose_tests();
  return cmocka_run_group_tests_name("sampler", tests, setup, teardown);
}
