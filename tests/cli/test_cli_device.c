/* SPDX-License-Identifier: MIT */
/* The option --device, on machines with and without a GPU. What is tested does not depend on a GPU, but for the tests
 * that say so. CUDA_VISIBLE_DEVICES hides any GPU there is. */
#include "cli.h"

static int make_model(void **state) {
  if (cli_setup(state) != 0) return -1;
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 300 --genes 200 --types 2 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type");
}

#define SMALL                                                                                                  \
  "--set autoencoder.steps=2 --set denoiser.steps=2 --set classifier.steps=2 --set 'autoencoder.hidden=[16]' " \
  "--set autoencoder.latent=8 --set 'denoiser.hidden=[16, 8]'"

static void auto_computes_on_the_cpu_and_says_why(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 2; ranks++) {
    cli_expect(0, "mpirun -n %d $cytoforge train $fixed --data atlas --out run%d %s", ranks, ranks, SMALL);
    cli_expect_one_error("device: cpu (");
    assert_true(strstr(cli_output, "device: cpu (no CUDA driver)") != NULL ||
                strstr(cli_output, "device: cpu (built without CUDA)") != NULL ||
                strstr(cli_output, "device: cpu (no GPU") != NULL);
  }
  cli_expect(0, "$cytoforge sample -m run1/model.h5 -n 4 -o sampled.h5ad --device auto --precision fp32");
  cli_expect_one_error("device: cpu (");
  cli_expect(0, "$cytoforge train $fixed --data atlas --out run3 --device cpu --set device=cuda %s", SMALL);
  cli_expect_one_error("device: cpu\n"); /* the option counts */
}

static void a_gpu_that_is_not_there_is_an_error(void **state) {
  (void)state;
  static const char *const commands[] = {
      "train --data atlas --out none",
      "sample -m run1/model.h5 -n 4 -o none.h5ad",
      "encode -m run1/model.h5 cells.h5ad -o none.h5ad",
      "encode -m run1/model.h5 atlas -o none",
      "decode -m run1/model.h5 sampled.h5ad -o none.h5ad",
      "predict -m run1/model.h5 cells.h5ad -o none.h5ad",
      "interpolate -m run1/model.h5 --attribute cell_type --from type_0 --to type_1 --points 2 --start cells.h5ad -n 4 "
      "-o none.h5ad",
      "transfer -m run1/model.h5 --to cell_type=type_1 --start cells.h5ad -n 4 -o none.h5ad"};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    cli_expect(9, "mpirun -n 2 $cytoforge %s --device cuda", commands[i]);
    cli_expect_one_error("cytoforge: error: device cuda cannot be used: ");
  }
  cli_expect(9, "$cytoforge train $fixed --data atlas --out none --set device=cuda");
  cli_expect_text("device cuda cannot be used: ");
}

static void wrong_words_get_one_line(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge sample -m run1/model.h5 -n 4 -o none.h5ad --device gpu");
  cli_expect_text("--device wants one of 'auto', 'cpu', 'cuda', not 'gpu'");
  cli_expect(2, "$cytoforge sample -m run1/model.h5 -n 4 -o none.h5ad --precision half");
  cli_expect_text("--precision wants one of 'fp32', 'tf32', 'bf16', not 'half'");
  cli_expect(2, "$cytoforge train $fixed --data atlas --out none --device gpu");
  cli_expect_text("--device wants one of 'auto', 'cpu', 'cuda', not 'gpu'");
  cli_expect(2, "$cytoforge train $fixed --data atlas --out none --device cpu --share-gpu");
  cli_expect_text("contradict");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out none --set device=gpu");
  cli_expect_text("device");
}

static void the_version_tells_what_was_built_in(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge --version");
  cli_expect_text("backends   cpu");
  if (strstr(cli_output, "cpu, cuda") != NULL) {
    cli_expect_text("CUDA ");
    cli_expect_text("NCCL ");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(auto_computes_on_the_cpu_and_says_why),
      cmocka_unit_test(a_gpu_that_is_not_there_is_an_error),
      cmocka_unit_test(wrong_words_get_one_line),
      cmocka_unit_test(the_version_tells_what_was_built_in),
  };
  return cmocka_run_group_tests(tests, make_model, cli_teardown);
}
