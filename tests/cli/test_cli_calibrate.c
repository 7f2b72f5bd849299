/* SPDX-License-Identifier: MIT */
/* The strength of guidance that a trained model has by default. */
#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"

#define TRAIN                                                                                                 \
  "train --data atlas --set data.lanes=8 --set autoencoder.steps=60 --set autoencoder.hidden='[32]' --set "   \
  "autoencoder.latent=8 --set denoiser.steps=150 --set denoiser.hidden='[64, 32]' --set classifier.steps=20 " \
  "--set classifier.hidden='[32, 32, 16]' --set denoiser.conditions='[cell_type]' --threads 1 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 400 --genes 80 --types 3 --donors 3 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor && $cytoforge " TRAIN "--out run");
}

/* The model file's strengths as text, from its export. */
#define STRENGTHS(MODEL, OUT)                \
  "rm -rf ex && $cytoforge export -m " MODEL \
  " --format safetensors -o ex && "          \
  "cat ex/*.safetensors | grep -ao 'guidance_hundredths[^]]*]' | sort -u > " OUT

static float *read_latents(const char *path, int64_t *ret_n) {
  cyf_h5ad *file = NULL;
  float *latent = NULL;
  int64_t width = 0;
  assert_int_equal(cyf_h5ad_open(path, NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent), CYF_OK);
  *ret_n = cyf_h5ad_n_cells(file) * width;
  cyf_h5ad_close(&file);
  return latent;
}

static void check_same_latents(const char *one, const char *two) {
  int64_t n = 0, m = 0;
  float *a = read_latents(one, &n), *b = read_latents(two, &m);
  assert_int_equal(n, m);
  assert_memory_equal(a, b, sizeof(float) * (size_t)n);
  cyf_free(a);
  cyf_free(b);
}

static void a_model_has_a_strength_for_each_class(void **state) {
  (void)state;
  cli_expect(0, STRENGTHS("run/model.h5", "one.txt") " && cat one.txt && test $(wc -l < one.txt) = 2");
  /* What was calibrated, and nothing else, is what sample takes. */
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 40 --where cell_type=type_1 -o usual.h5ad");
  const char *told = strstr(cli_output, "guidance cell_type=");
  double strength = 0;
  assert_non_null(told);
  assert_int_equal(sscanf(told, "guidance cell_type=%lf", &strength), 1);
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 40 --where cell_type=type_1 --guidance %g -o said.h5ad",
             strength);
  check_same_latents("usual.h5ad", "said.h5ad");
  char pattern[32];
  snprintf(pattern, sizeof pattern, "%.0f", strength * 100);
  cli_expect(0, "grep -w %s one.txt", pattern);
}

/* The cells that are looked at, and those that are generated, are the same on any number of ranks. */
static void ranks_change_nothing(void **state) {
  (void)state;
  cli_expect(0, STRENGTHS("run/model.h5", "one.txt"));
  for (int ranks = 2; ranks <= 4; ranks++)
    cli_expect(0,
               "rm -rf copy && cp -r run copy && mpirun -n %d $cytoforge " TRAIN
               "--out copy --resume auto && " STRENGTHS("copy/model.h5", "more.txt") " && cmp one.txt more.txt",
               ranks);
}

static void import_keeps_it(void **state) {
  (void)state;
  cli_expect(0, STRENGTHS("run/model.h5", "one.txt"));
  cli_expect(0, "$cytoforge import ex -o back.h5 && " STRENGTHS("back.h5", "back.txt") " && cmp one.txt back.txt");
}

static void it_can_be_left_out(void **state) {
  (void)state;
  cli_expect(0, "rm -rf copy && cp -r run copy && $cytoforge " TRAIN
                "--out copy --resume auto --set sample.calibrate=false && " STRENGTHS(
                    "copy/model.h5", "none.txt") "; test ! -s none.txt");
  cli_expect(0, "$cytoforge sample -m copy/model.h5 -n 5 --where cell_type=type_1 -o usual.h5ad --force");
  cli_expect_text("guidance cell_type=1.5");
}

/* A classifier that is added guides in its own way; what the denoiser is told keeps its strengths. */
static void other_classifiers_leave_it(void **state) {
  (void)state;
  cli_expect(0, STRENGTHS("run/model.h5", "one.txt"));
  cli_expect(
      0,
      "cp run/model.h5 added.h5 && $cytoforge train --stage classifier:cell_type --data atlas -m added.h5 --force "
      "--threads 1 && " STRENGTHS("added.h5", "added.txt") " && cmp one.txt added.txt");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_has_a_strength_for_each_class),
      cmocka_unit_test(ranks_change_nothing),
      cmocka_unit_test(import_keeps_it),
      cmocka_unit_test(it_can_be_left_out),
      cmocka_unit_test(other_classifiers_leave_it),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
