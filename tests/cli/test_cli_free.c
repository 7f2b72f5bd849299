/* SPDX-License-Identifier: MIT */
/* A denoiser that is told labels, through the program: training, the model file, guidance without a classifier. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "support.h"

#define SMALL                                                                                          \
  "--set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=600 --set " \
  "denoiser.hidden='[64, 48, 32]' --set denoiser.learning_rate=1e-3 --set denoiser.ema_decay=0.99 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1200 --genes 200 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --holdout 0.2 && "
      "$cytoforge train $fixed --data atlas --out run --threads 1 --stage autoencoder " SMALL
      " && $cytoforge train $fixed --data atlas --out run --threads 1 --stage denoiser " SMALL
      "--set denoiser.steps=4000 --set denoiser.conditions='[cell_type, donor]'");
}

static void info_says_what_the_denoiser_is_told(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge info run/model.h5");
  cli_expect_text("classifier: no, condition of the denoiser: yes");
}

/* Cells are sampled with the labels of the held-out cells, and a classifier of real cells is asked what they are. With
 * W = 0 it can only guess. The plain conditional model, which is small and briefly trained, does better, and W = 3
 * better still. */
static void labels_are_followed(void **state) {
  (void)state;
  const double weights[] = {3, 1, 0};
  double accuracy[3];
  for (int i = 0; i < 3; i++) {
    cli_expect(0,
               "$cytoforge sample -m run/model.h5 --like atlas/heldout.h5ad --by cell_type --guidance %g --force -o "
               "like.h5ad",
               weights[i]);
    cli_expect(0,
               "$cytoforge evaluate --real atlas/heldout.h5ad --train atlas/train.h5ad --synthetic like.h5ad --label "
               "cell_type 2> log | awk '/^label accuracy/ {print $3}'");
    accuracy[i] = atof(cli_output);
    print_message("  guidance %g: label accuracy %.3f\n", weights[i], accuracy[i]);
  }
  assert_true(accuracy[2] < 0.5);
  assert_true(accuracy[1] > accuracy[2] + 0.1);
  assert_true(accuracy[0] > accuracy[1] + 0.05 && accuracy[0] > 0.7);
}

static float *read_latents(const char *path, int64_t *ret_count) {
  cyf_h5ad *file = NULL;
  float *latent = NULL;
  int64_t width = 0;
  assert_int_equal(cyf_h5ad_open(path, NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent), CYF_OK);
  *ret_count = cyf_h5ad_n_cells(file) * width;
  cyf_h5ad_close(&file);
  return latent;
}

static void ranks_give_the_same_cells(void **state) {
  (void)state;
  float *latent[2];
  int64_t count[2];
  for (int ranks = 1; ranks <= 3; ranks += 2) {
    char path[32];
    snprintf(path, sizeof path, "ranks_%d.h5ad", ranks);
    cli_expect(0,
               "mpirun -n %d $cytoforge sample -m run/model.h5 -n 600 --where cell_type=type_1 --where donor=donor_1 "
               "--steps 6 -o %s",
               ranks, path);
    latent[ranks / 2] = read_latents(path, &count[ranks / 2]);
  }
  assert_int_equal(count[0], count[1]);
  assert_memory_equal(latent[0], latent[1], sizeof(float) * (size_t)count[0]);
  cyf_free(latent[0]);
  cyf_free(latent[1]);
}

static void what_is_missing_is_said(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 5 --where cell_type=type_1 --guidance-mode classifier -o x.h5ad");
  cli_expect_text("no classifier for 'cell_type'");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 5 --where cell_type=type_1 --guidance-mode both -o x.h5ad");
  cli_expect_text("wants one of 'auto', 'classifier', 'free', not 'both'");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 5 --method euler -o x.h5ad");
  cli_expect_text("wants one of 'ddpm', 'ddim', 'dpm++', not 'euler'");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out other " SMALL "--set denoiser.conditions='[celltype]'");
  cli_expect_text(
      "denoiser.conditions names 'celltype', which is no label column of the atlas atlas; it has: 'cell_type'");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out other " SMALL "--set denoiser.conditions='[donor, donor]'");
  cli_expect_text("names 'donor' twice");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out run --stage denoiser --resume auto " SMALL
                "--set denoiser.steps=4000 --set denoiser.conditions='[donor]'");
  cli_expect_text(
      "denoiser was trained with denoiser.conditions [\"cell_type\", \"donor\"], and this command says [\"donor\"]");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(info_says_what_the_denoiser_is_told),
      cmocka_unit_test(labels_are_followed),
      cmocka_unit_test(ranks_give_the_same_cells),
      cmocka_unit_test(what_is_missing_is_said),
  };
  return cmocka_run_group_tests_name("cli_free", tests, setup, cli_teardown);
}
