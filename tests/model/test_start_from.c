/* SPDX-License-Identifier: MIT */
/* Starting the reverse process from cells that exist: the forward process to the schedule's last step. */
#include <string.h>

#include "kernels/device.h"
#include "model/diffusion/sampler.h"
#include "support.h"

enum { N = 37, LATENT = 6, FIRST = 1000 };

/* x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps with eps of cyf_sampler_start, at exactly the timestep asked
 * for, however the grid is respaced. */
static void cells_are_noised_to_the_last_step(void **state) {
  (void)state;
  static const struct {
    const char *spacing;
    int t;
  } cases[] = {{"all", 600}, {"50", 601}, {"ddim25", 0}, {"10,20", 999}};
  cyf_device *device = NULL;
  cyf_scratch *scratch = NULL;
  cyf_schedule *full = NULL;
  test_random random = {3};
  float *x0 = test_normals(&random, N * LATENT, 1.0), *eps = TEST_NEW(float, N *LATENT);
  assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_scratch_create(device, &scratch));
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 1000, &full));
  assert_ok(cyf_sampler_start(device, 9, LATENT, FIRST, N, eps));
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    cyf_schedule *respaced = NULL;
    double wanted[N * LATENT];
    float *x = test_copy(x0, N * LATENT);
    assert_ok(cyf_schedule_respace(full, cases[k].spacing, cases[k].t, &respaced));
    assert_int_equal(respaced->timestep[respaced->n - 1], cases[k].t);
    assert_ok(cyf_sampler_start_from(device, respaced, 9, LATENT, scratch, FIRST, N, x));
    const double alpha_bar = full->alpha_bar[cases[k].t];
    for (int i = 0; i < N * LATENT; i++)
      wanted[i] = sqrt(alpha_bar) * (double)x0[i] + sqrt(1 - alpha_bar) * (double)eps[i];
    TEST_AT_MOST(test_error(x, wanted, N * LATENT), 1e-6);
    free(x);
    cyf_schedule_destroy(&respaced);
  }
  cyf_schedule_destroy(&full);
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
  free(x0);
  free(eps);
}

/* A cell's noise depends on its index: any cut into blocks gives the same cells. */
static void noise_goes_by_the_cell_index(void **state) {
  (void)state;
  cyf_device *device = NULL;
  cyf_scratch *scratch = NULL;
  cyf_schedule *full = NULL;
  test_random random = {4};
  float *whole = test_normals(&random, N * LATENT, 1.0), *parts = test_copy(whole, N * LATENT);
  assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_scratch_create(device, &scratch));
  assert_ok(cyf_schedule_create(CYF_BETAS_COSINE, 100, &full));
  assert_ok(cyf_sampler_start_from(device, full, 1, LATENT, scratch, FIRST, N, whole));
  for (int64_t first = 0; first < N; first += 10) {
    const int64_t n = N - first < 10 ? N - first : 10;
    assert_ok(cyf_sampler_start_from(device, full, 1, LATENT, scratch, FIRST + first, n, parts + first * LATENT));
  }
  assert_memory_equal(whole, parts, sizeof(float) * N * LATENT);
  cyf_schedule_destroy(&full);
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
  free(whole);
  free(parts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cells_are_noised_to_the_last_step),
      cmocka_unit_test(noise_goes_by_the_cell_index),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
