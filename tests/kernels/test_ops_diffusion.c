/* SPDX-License-Identifier: MIT */
/* Random numbers, dropout, noising and reverse steps. Random words are integer-equal to base/rng.h; everything float is
 * within 2e-6 (max|a-b| / max|b|) of double. */
#include <string.h>

#include "base/rng.h"
#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/math/philox.h"
#include "kernels/math/random.h"
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

/* ---- random numbers ---- */

static void philox_matches_published_vectors_and_base_rng(void **state) {
  (void)state;
  /* Known answers of the Random123 distribution for philox4x32-10: counter and key all zeros, all ones. */
  const uint32_t zero_key[2] = {0, 0}, ones_key[2] = {UINT32_MAX, UINT32_MAX};
  const uint32_t zero_answer[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  const uint32_t ones_answer[4] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
  uint32_t expected[4];
  cyf_philox_words words = cyf_philox(zero_key, 0, 0, 0);
  assert_memory_equal(&words, zero_answer, sizeof words);
  words = cyf_philox(ones_key, UINT32_MAX, UINT64_MAX, UINT32_MAX);
  assert_memory_equal(&words, ones_answer, sizeof words);
  test_random random = {1};
  for (int k = 0; k < 10000; ++k) {
    const cyf_rng_key key = {{(uint32_t)test_random_bits(&random), (uint32_t)test_random_bits(&random)}};
    const uint32_t step = (uint32_t)test_random_bits(&random), block = (uint32_t)test_random_bits(&random);
    const uint64_t position = test_random_bits(&random);
    words = cyf_philox(key.word, step, position, block);
    cyf_rng_block(key, step, position, block, expected);
    assert_memory_equal(&words, expected, sizeof words);
  }
}

/* Element j of the cell at `position`, in double from base/rng.h. */
static double normal_reference(cyf_rng_key key, uint32_t step, uint64_t position, int64_t j) {
  uint32_t words[4];
  cyf_rng_block(key, step, position, (uint32_t)(j / 4), words);
  const double u = cyf_rng_unit(words[j % 4 / 2 * 2]), v = cyf_rng_unit(words[j % 4 / 2 * 2 + 1]);
  const double angle = 6.283185307179586 * v;
  return sqrt(-2 * log(u)) * (j % 2 ? sin(angle) : cos(angle));
}

static void normals_are_box_muller_of_their_words(void **state) {
  (void)state;
  const cyf_rng_key key = cyf_rng_key_make(42, CYF_RNG_NOISE);
  const int64_t cells[] = {0, 1, 7, 33}, columns[] = {1, 5, 130};
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 3; ++b) {
      const int64_t n = cells[a], c = columns[b];
      float *out = TEST_NEW(float, n *c), *scattered = TEST_NEW(float, n *c);
      int64_t *position = TEST_NEW(int64_t, n);
      for (int64_t i = 0; i < n; ++i) position[i] = (int64_t)1 << 33 | (n - i);
      assert_ok(device->ops->fill_normal(device, n, c, key, 9, NULL, 1000, out));
      assert_ok(device->ops->fill_normal(device, n, c, key, 9, position, 0, scattered));
      for (int64_t k = 0; k < n * c; ++k) {
        TEST_AT_MOST(fabs(out[k] - normal_reference(key, 9, (uint64_t)(1000 + k / c), k % c)), 1e-6);
        TEST_AT_MOST(fabs(scattered[k] - normal_reference(key, 9, (uint64_t)position[k / c], k % c)), 1e-6);
      }
      void *all[] = {out, scattered, position};
      FREE_ALL(all);
    }
  }
}

static void box_muller_holds_at_the_ends_of_its_words(void **state) {
  (void)state;
  const uint32_t ends[] = {0,           1,           2,           0x1FFFFFFFu, 0x20000000u, 0x3FFFFFFFu,
                           0x40000000u, 0x5FFFFFFFu, 0x60000000u, 0x7FFFFFFFu, 0x80000000u, 0xB504F333u,
                           0xB504F334u, 0xDFFFFFFFu, 0xE0000000u, 0xFFFFFF00u, 0xFFFFFFFEu, 0xFFFFFFFFu};
  enum { N_ENDS = sizeof ends / sizeof ends[0] };
  for (int a = 0; a < N_ENDS; ++a) {
    for (int b = 0; b < N_ENDS; ++b) {
      float first, second;
      cyf_box_muller(ends[a], ends[b], &first, &second);
      const double radius = sqrt(-2 * log1p(cyf_rng_unit(ends[a]) - 1));
      const double angle = 6.283185307179586 * cyf_rng_unit(ends[b]);
      TEST_AT_MOST(fabs(first - radius * cos(angle)), 5e-7 * radius);
      TEST_AT_MOST(fabs(second - radius * sin(angle)), 5e-7 * radius);
    }
  }
}

static void normals_have_unit_moments(void **state) {
  (void)state;
  const int64_t n = 2000, c = 128;
  float *out = TEST_NEW(float, n *c);
  assert_ok(device->ops->fill_normal(device, n, c, cyf_rng_key_make(1, CYF_RNG_START), 0, NULL, 0, out));
  double moment[5] = {0};
  for (int64_t k = 0; k < n * c; ++k) {
    for (int p = 1; p <= 4; ++p) moment[p] += pow(out[k], p) / (double)(n * c);
  }
  /* Six standard errors of each moment over 256,000 draws. */
  TEST_AT_MOST(fabs(moment[1]), 0.012);
  TEST_AT_MOST(fabs(moment[2] - 1), 0.017);
  TEST_AT_MOST(fabs(moment[3]), 0.046);
  TEST_AT_MOST(fabs(moment[4] - 3), 0.117);
  free(out);
}

static void timesteps_are_uniform_and_keyed_by_position(void **state) {
  (void)state;
  const cyf_rng_key key = cyf_rng_key_make(3, CYF_RNG_TIMESTEP);
  enum { N = 20000 };
  int32_t *t = TEST_NEW(int32_t, N), count[10] = {0}, again;
  assert_ok(device->ops->fill_timesteps(device, N, key, 5, NULL, 490, 500, t));
  for (int i = 0; i < N; ++i) {
    uint32_t words[4];
    cyf_rng_block(key, 5, (uint64_t)i, 0, words);
    assert_int_equal(t[i], cyf_timestep_of_word(words[0], 490, 500));
    ++count[t[i] - 490];
  }
  for (int k = 0; k < 10; ++k) TEST_AT_MOST(abs(count[k] - N / 10), 6 * sqrt(N / 10.0));
  const int64_t position = 777;
  assert_ok(device->ops->fill_timesteps(device, 1, key, 5, &position, 490, 500, &again));
  assert_int_equal(again, t[777]);
  assert_ok(device->ops->fill_timesteps(device, 0, key, 5, NULL, 0, 1, NULL));
  free(t);
}

static void dropout_masks_by_word_and_keeps_the_mean(void **state) {
  (void)state;
  const cyf_rng_key key = cyf_rng_key_make(8, CYF_RNG_DROPOUT);
  const int64_t n = 333, c = 130;
  const double rate = 0.1;
  float *x = TEST_NEW(float, n *c), *y = TEST_NEW(float, n *c);
  int64_t *position = TEST_NEW(int64_t, n), dropped = 0;
  for (int64_t k = 0; k < n * c; ++k) x[k] = 1.0f + (float)k;
  for (int64_t i = 0; i < n; ++i) position[i] = 5 * i + 2;
  assert_ok(device->ops->dropout(device, n, c, x, rate, key, 3, position, y));
  for (int64_t k = 0; k < n * c; ++k) {
    uint32_t words[4];
    cyf_rng_block(key, 3, (uint64_t)position[k / c], (uint32_t)(k % c / 4), words);
    const int drop = words[k % c % 4] < rate * 4294967296.0;
    dropped += drop;
    TEST_AT_MOST(fabs(y[k] - (drop ? 0.0 : x[k] / (1 - rate))), 1e-6 * x[k]);
  }
  TEST_AT_MOST(fabs((double)dropped / (double)(n * c) - rate), 6 * sqrt(rate * (1 - rate) / (double)(n * c)));
  assert_ok(device->ops->dropout(device, n, c, x, 0.0, key, 3, NULL, x)); /* in place; rate 0 keeps everything */
  for (int64_t k = 0; k < n * c; ++k) assert_true(x[k] == 1.0f + (float)k);
  assert_ok(device->ops->dropout(device, 0, c, x, rate, key, 3, NULL, y));
  void *all[] = {x, y, position};
  FREE_ALL(all);
}

/* ---- diffusion ---- */

static void noising_draws_and_reads_its_coefficients_by_timestep(void **state) {
  (void)state;
  enum { T = 10 };
  float signal[T], level[T];
  for (int t = 0; t < T; ++t) signal[t] = 1.0f - 0.1f * (float)t, level[t] = 0.2f * (float)t;
  const int64_t n = 33, c = 70;
  test_random random = {2};
  float *x0 = test_normals(&random, n * c, 1), *eps = TEST_NEW(float, n *c), *x_t = TEST_NEW(float, n *c);
  float *normals = TEST_NEW(float, n *c);
  int64_t *position = TEST_NEW(int64_t, n);
  const cyf_rng_key key = cyf_rng_key_make(4, CYF_RNG_NOISE);
  int32_t *t = TEST_NEW(int32_t, n);
  double *expected = TEST_NEW(double, n *c);
  for (int64_t i = 0; i < n; ++i) t[i] = (int32_t)(i % T), position[i] = 1000 - 7 * i;
  for (int given = 0; given < 2; ++given) {
    const int64_t *at = given ? position : NULL;
    assert_ok(device->ops->fill_normal(device, n, c, key, 6, at, 0, normals));
    assert_ok(device->ops->q_sample(device, n, c, key, 6, at, x0, t, signal, level, eps, x_t));
    assert_memory_equal(eps, normals, sizeof(float) * (size_t)(n * c));
    for (int64_t k = 0; k < n * c; ++k)
      expected[k] = (double)signal[t[k / c]] * x0[k] + (double)level[t[k / c]] * eps[k];
    TEST_AT_MOST(test_error(x_t, expected, n * c), 2e-6);
  }
  assert_ok(device->ops->q_sample(device, 0, c, key, 6, NULL, x0, t, signal, level, eps, x_t));
  void *all[] = {x0, eps, normals, x_t, t, position, expected};
  FREE_ALL(all);
}

/* A step of a schedule with alpha_bar 0.3 -> 0.45; DDIM's eta gives sigma. */
static cyf_reverse_step make_step(double eta, bool clip) {
  const double bar = 0.3, prev = 0.45, alpha = bar / prev, beta = 1 - alpha;
  const double variance = beta * (1 - prev) / (1 - bar);
  return (cyf_reverse_step){.alpha_bar = bar,
                            .alpha_bar_prev = prev,
                            .sqrt_recip_alpha_bar = sqrt(1 / bar),
                            .sqrt_recip_m1_alpha_bar = sqrt(1 / bar - 1),
                            .mean_coef_x0 = beta * sqrt(prev) / (1 - bar),
                            .mean_coef_xt = (1 - prev) * sqrt(alpha) / (1 - bar),
                            .variance = variance,
                            .log_variance = log(variance),
                            .sigma = eta * sqrt((1 - prev) / (1 - bar)) * sqrt(1 - bar / prev),
                            .clip = clip};
}

static double clipped(double x, bool clip) {
  return clip ? fmin(1.0, fmax(-1.0, x)) : x;
}

static double ddpm_reference(const cyf_reverse_step *s, double x, double eps, double guidance, double noise) {
  const double x0 = clipped(s->sqrt_recip_alpha_bar * x - s->sqrt_recip_m1_alpha_bar * eps, s->clip);
  const double mean = s->mean_coef_x0 * x0 + s->mean_coef_xt * x + s->variance * guidance;
  return mean + exp(0.5 * s->log_variance) * noise;
}

static double ddim_reference(const cyf_reverse_step *s, double x, double eps, double guidance, double noise) {
  eps -= sqrt(1 - s->alpha_bar) * guidance;
  const double x0 = clipped((x - sqrt(1 - s->alpha_bar) * eps) / sqrt(s->alpha_bar), s->clip);
  if (s->clip) eps = (x - sqrt(s->alpha_bar) * x0) / sqrt(1 - s->alpha_bar);
  return sqrt(s->alpha_bar_prev) * x0 + sqrt(1 - s->alpha_bar_prev - s->sigma * s->sigma) * eps + s->sigma * noise;
}

static void check_step(double eta, bool clip, bool guided, bool noisy, int64_t count) {
  const cyf_reverse_step s = make_step(eta, clip);
  test_random random = {(uint64_t)count};
  float *x = test_normals(&random, count, 1), *eps = test_normals(&random, count, 1), *out = TEST_NEW(float, count);
  float *guidance = test_normals(&random, count, 1), *noise = test_normals(&random, count, 1);
  double *ddpm = TEST_NEW(double, count), *ddim = TEST_NEW(double, count);
  for (int64_t k = 0; k < count; ++k) {
    const double g = guided ? guidance[k] : 0.0, z = noisy ? noise[k] : 0.0;
    ddpm[k] = ddpm_reference(&s, x[k], eps[k], g, z);
    ddim[k] = ddim_reference(&s, x[k], eps[k], g, z);
  }
  assert_ok(device->ops->ddpm_step(device, count, &s, x, eps, guided ? guidance : NULL, noisy ? noise : NULL, out));
  TEST_AT_MOST(test_error(out, ddpm, count), 2e-6);
  assert_ok(device->ops->ddim_step(device, count, &s, x, eps, guided ? guidance : NULL, noisy ? noise : NULL, x));
  TEST_AT_MOST(test_error(x, ddim, count), 2e-6); /* in place */
  void *all[] = {x, eps, out, guidance, noise, ddpm, ddim};
  FREE_ALL(all);
}

static void reverse_steps_follow_their_equations(void **state) {
  (void)state;
  for (int mask = 0; mask < 16; ++mask) {
    const int64_t counts[] = {0, 1, 33, 40001};
    for (int k = 0; k < 4; ++k) check_step(mask & 8 ? 1.0 : 0.0, mask & 1, mask & 2, mask & 4, counts[k]);
  }
}

/* Two steps in a row, so that what is kept of the first goes into the second; guided or not, clipped or not. */
static void check_multistep(bool clip, bool guided, int64_t count) {
  const cyf_multistep s = {.sqrt_one_minus_alpha_bar = sqrt(0.7),
                           .sqrt_recip_alpha_bar = sqrt(1 / 0.3),
                           .sqrt_recip_m1_alpha_bar = sqrt(1 / 0.3 - 1),
                           .coef_x = 0.81,
                           .coef_x0 = 0.37,
                           .coef_x0_before = -0.12,
                           .clip = clip};
  test_random random = {(uint64_t)count + 5};
  float *x = test_normals(&random, count, 1), *eps = test_normals(&random, count, 1);
  float *guidance = test_normals(&random, count, 1), *before = test_normals(&random, count, 1);
  double *x_expected = TEST_NEW(double, count), *before_expected = TEST_NEW(double, count);
  for (int64_t k = 0; k < count; ++k) {
    x_expected[k] = x[k];
    before_expected[k] = before[k];
  }
  for (int step = 0; step < 2; ++step) {
    for (int64_t k = 0; k < count; ++k) {
      const double e = eps[k] - (guided ? sqrt(0.7) * guidance[k] : 0.0);
      const double x0 = clipped((x_expected[k] - sqrt(0.7) * e) / sqrt(0.3), clip);
      x_expected[k] = 0.81 * x_expected[k] + 0.37 * x0 - 0.12 * before_expected[k];
      before_expected[k] = x0;
    }
    assert_ok(device->ops->multistep_step(device, count, &s, x, eps, guided ? guidance : NULL, before, x));
    TEST_AT_MOST(test_error(x, x_expected, count), 2e-6);
    TEST_AT_MOST(test_error(before, before_expected, count), 2e-6);
  }
  void *all[] = {x, eps, guidance, before, x_expected, before_expected};
  FREE_ALL(all);
}

static void multistep_follows_its_equation(void **state) {
  (void)state;
  const int64_t counts[] = {0, 1, 33, 40001};
  for (int mask = 0; mask < 4; ++mask) {
    for (int k = 0; k < 4; ++k) check_multistep(mask & 1, mask & 2, counts[k]);
  }
}

static void free_guidance_adds_weighted_differences(void **state) {
  (void)state;
  const int64_t cells[] = {0, 1, 300}, widths[] = {1, 65};
  for (int a = 0; a < 6; ++a) {
    const int64_t n = cells[a / 2], c = widths[a % 2];
    test_random random = {(uint64_t)a + 1};
    float *base = test_normals(&random, n * c, 1), *conditioned = test_normals(&random, n * c, 1);
    float *weight = test_normals(&random, n, 1), *eps = test_normals(&random, n * c, 1);
    double *expected = TEST_NEW(double, n *c);
    for (int64_t k = 0; k < n * c; ++k)
      expected[k] = eps[k] + (double)weight[k / c] * ((double)conditioned[k] - base[k]);
    assert_ok(device->ops->free_guidance(device, n, c, base, conditioned, weight, eps));
    TEST_AT_MOST(test_error(eps, expected, n * c), 2e-6);
    void *all[] = {base, conditioned, weight, eps, expected};
    FREE_ALL(all);
  }
}

static void time_embedding_is_cosines_then_sines(void **state) {
  (void)state;
  const int32_t t[4] = {0, 1, 499, 999};
  const int64_t widths[] = {1, 2, 5, 512};
  for (int s = 0; s < 4; ++s) {
    const int64_t width = widths[s], half = width / 2;
    float *out = test_alloc(4 * width, sizeof *out);
    double *expected = TEST_NEW(double, 4 * width);
    for (int64_t k = 0; k < 4 * half; ++k) {
      const double angle = t[k / half] * pow(10000.0, -(double)(k % half) / (double)half);
      expected[k / half * width + k % half] = cos(angle);
      expected[k / half * width + half + k % half] = sin(angle);
    }
    assert_ok(device->ops->time_embedding(device, 4, width, t, out));
    TEST_AT_MOST(test_error(out, expected, 4 * width), 1e-7);
    free(out);
    free(expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_matches_published_vectors_and_base_rng),
      cmocka_unit_test(normals_are_box_muller_of_their_words),
      cmocka_unit_test(box_muller_holds_at_the_ends_of_its_words),
      cmocka_unit_test(normals_have_unit_moments),
      cmocka_unit_test(timesteps_are_uniform_and_keyed_by_position),
      cmocka_unit_test(dropout_masks_by_word_and_keeps_the_mean),
      cmocka_unit_test(noising_draws_and_reads_its_coefficients_by_timestep),
      cmocka_unit_test(reverse_steps_follow_their_equations),
      cmocka_unit_test(multistep_follows_its_equation),
      cmocka_unit_test(free_guidance_adds_weighted_differences),
      cmocka_unit_test(time_embedding_is_cosines_then_sines),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
