/* SPDX-License-Identifier: MIT */
/* Noise schedules and respacing against the stored references (error below 1e-12, all is double). */
#include "golden.h"
#include "model/diffusion/schedule.h"

static const double TOLERANCE = 1e-12;

static void check_array(const char *dataset, const double *got, int64_t n) {
  int64_t count = 0;
  double *expected = golden_doubles("diffusion.h5", dataset, &count);
  assert_int_equal(count, n);
  for (int64_t i = 0; i < n; i++) {
    const double scale = fmax(fabs(expected[i]), 1e-300);
    if (!(fabs(got[i] - expected[i]) <= TOLERANCE * fmax(scale, 1e-8))) {
      fail_msg("%s[%lld]: %.17g, expected %.17g", dataset, (long long)i, got[i], expected[i]);
    }
  }
  cyf_free(expected);
}

static void check_schedule(cyf_beta_schedule kind, const char *name) {
  cyf_schedule *s = NULL;
  char dataset[GOLDEN_NAME_MAX];
  assert_ok(cyf_schedule_create(kind, 1000, &s));
  assert_int_equal(s->n, 1000);
  assert_int_equal(s->n_original, 1000);
  const struct {
    const char *name;
    const double *values;
  } arrays[] = {{"betas", s->beta},
                {"alphas_cumprod", s->alpha_bar},
                {"posterior_variance", s->posterior_variance},
                {"posterior_log_variance_clipped", s->posterior_log_variance},
                {"posterior_mean_coef1", s->posterior_coef_x0},
                {"posterior_mean_coef2", s->posterior_coef_xt}};
  for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
    snprintf(dataset, sizeof(dataset), "%s/%s", name, arrays[i].name);
    check_array(dataset, arrays[i].values, s->n);
  }
  assert_true(s->alpha_bar_prev[0] == 1.0);
  for (int i = 0; i < s->n; i++) {
    assert_int_equal(s->timestep[i], i);
    if (i > 0) assert_true(s->alpha_bar_prev[i] == s->alpha_bar[i - 1]);
    assert_true(s->reverse_variance[i] == (i > 0 ? s->beta[i] : s->posterior_variance[1]));
    assert_true(fabs(exp(s->reverse_log_variance[i]) / s->reverse_variance[i] - 1.0) < TOLERANCE);
  }
  cyf_schedule_destroy(&s);
  assert_null(s);
}

static void linear_betas_are_the_references(void **state) {
  (void)state;
  check_schedule(CYF_BETAS_LINEAR, "linear");
}

static void cosine_betas_are_the_references(void **state) {
  (void)state;
  check_schedule(CYF_BETAS_COSINE, "cosine");
}

/* Fewer training steps keep the total noise: betas grow as 1000/T. */
static void linear_betas_scale_with_the_steps(void **state) {
  (void)state;
  cyf_schedule *s = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 100, &s));
  assert_true(fabs(s->beta[0] - 1e-3) < TOLERANCE);
  assert_true(fabs(s->beta[99] - 0.2) < TOLERANCE);
  cyf_schedule_destroy(&s);
  assert_int_equal(cyf_schedule_create(CYF_BETAS_LINEAR, 20, &s), CYF_ERR_CONFIG);
  assert_null(s);
  cyf_status_clear();
  assert_ok(cyf_schedule_create(CYF_BETAS_COSINE, 2, &s));
  cyf_schedule_destroy(&s);
  assert_int_equal(cyf_schedule_create(CYF_BETAS_COSINE, 1, &s), CYF_ERR_CONFIG);
  cyf_status_clear();
}

static void respaced_grids_are_the_references(void **state) {
  (void)state;
  static const char *const spacings[] = {"10", "20", "50", "250", "10,20,30", "ddim20", "ddim50", "ddim100"};
  cyf_schedule *full = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  for (size_t i = 0; i < sizeof(spacings) / sizeof(spacings[0]); i++) {
    char dataset[GOLDEN_NAME_MAX];
    int64_t count = 0;
    cyf_schedule *s = NULL;
    snprintf(dataset, sizeof(dataset), "respacing/%s", spacings[i]);
    int32_t *expected = golden_int32("diffusion.h5", dataset, &count);
    assert_ok(cyf_schedule_respace(full, spacings[i], -1, &s));
    assert_int_equal(s->n, count);
    assert_int_equal(s->n_original, 1000);
    assert_memory_equal(s->timestep, expected, (size_t)count * sizeof(int32_t));
    /* The respaced process passes through the same noise levels. */
    for (int k = 0; k < s->n; k++) {
      assert_true(fabs(s->alpha_bar[k] / full->alpha_bar[s->timestep[k]] - 1.0) < TOLERANCE);
    }
    cyf_schedule_destroy(&s);
    cyf_free(expected);
  }
  cyf_schedule_destroy(&full);
}

static void respaced_betas_are_the_references(void **state) {
  (void)state;
  cyf_schedule *full = NULL, *s = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  assert_ok(cyf_schedule_respace(full, "20", -1, &s));
  check_array("linear_respaced_20_betas", s->beta, s->n);
  cyf_schedule_destroy(&s);
  assert_ok(cyf_schedule_respace(full, "all", -1, &s));
  assert_int_equal(s->n, 1000);
  for (int i = 0; i < s->n; i++) assert_true(fabs(s->beta[i] - full->beta[i]) < TOLERANCE);
  cyf_schedule_destroy(&s);
  cyf_schedule_destroy(&full);
}

/* Gradient interpolation starts in the middle: the grid ends exactly there. */
static void a_grid_ends_at_the_timestep_it_must_contain(void **state) {
  (void)state;
  cyf_schedule *full = NULL, *s = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  assert_ok(cyf_schedule_respace(full, "ddim20", 600, &s)); /* a point of the grid */
  assert_int_equal(s->n, 13);
  assert_int_equal(s->timestep[12], 600);
  cyf_schedule_destroy(&s);
  assert_ok(cyf_schedule_respace(full, "ddim20", 625, &s)); /* between two */
  assert_int_equal(s->n, 14);
  assert_int_equal(s->timestep[12], 600);
  assert_int_equal(s->timestep[13], 625);
  assert_true(fabs(s->alpha_bar[13] / full->alpha_bar[625] - 1.0) < TOLERANCE);
  cyf_schedule_destroy(&s);
  assert_ok(cyf_schedule_respace(full, "ddim20", 0, &s)); /* a single step */
  assert_int_equal(s->n, 1);
  assert_true(isfinite(s->reverse_log_variance[0]) && isfinite(s->posterior_log_variance[0]));
  cyf_schedule_destroy(&s);
  cyf_schedule_destroy(&full);
}

static void impossible_spacings_are_refused(void **state) {
  (void)state;
  static const char *const spacings[] = {"0",      "-5",      "ten",     "10,",    ",10",
                                         "10,,20", "10 20",   "1001",    "10,501", "ddim",
                                         "ddim0",  "ddim999", "ddim20x", "5.5",    "99999999999"};
  cyf_schedule *full = NULL, *s = NULL;
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  for (size_t i = 0; i < sizeof(spacings) / sizeof(spacings[0]); i++) {
    if (cyf_schedule_respace(full, spacings[i], -1, &s) != CYF_ERR_USAGE) fail_msg("\"%s\" was accepted", spacings[i]);
    assert_null(s);
    assert_non_null(strstr(cyf_status_message(), spacings[i]));
    cyf_status_clear();
  }
  assert_int_equal(cyf_schedule_respace(full, "50", 1000, &s), CYF_ERR_USAGE);
  cyf_status_clear();
  cyf_schedule_destroy(&full);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_betas_are_the_references),
      cmocka_unit_test(cosine_betas_are_the_references),
      cmocka_unit_test(linear_betas_scale_with_the_steps),
      cmocka_unit_test(respaced_grids_are_the_references),
      cmocka_unit_test(respaced_betas_are_the_references),
      cmocka_unit_test(a_grid_ends_at_the_timestep_it_must_contain),
      cmocka_unit_test(impossible_spacings_are_refused),
  };
  return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
