/* SPDX-License-Identifier: MIT */
/* Training without a configuration: what is not set is chosen by the atlas, kept as values, and taken by who goes on.
 */
#include "cli.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 380 --genes 120 --types 3 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --holdout 0.2");
}

/* Narrow, since it is not what is looked at that takes the time. */
#define TRAIN                                                                                                     \
  "$cytoforge train --data atlas --effort quick --set classifier.steps=3 --set denoiser.hidden='[32, 16]' --set " \
  "sample.calibrate=false "

/* The same values and the same kind of model on any number of ranks; all of them stand in the run and in the model. */
static void an_atlas_is_enough(void **state) {
  (void)state;
  cli_expect(0, TRAIN "--out one --threads 1");
  cli_expect_text("auto: autoencoder.likelihood nb (the atlas holds counts)");
  cli_expect_text("auto: denoiser.conditions [\"cell_type\", \"donor\"]");
  cli_expect_text("effort quick: ");
  cli_expect_text("this will take about ");
  cli_expect_text("done in ");
  cli_expect(0, "! grep -E '(steps|hidden|latent|batch_cells|likelihood|conditions): auto' one/config.yaml");
  for (int ranks = 2; ranks <= 4; ranks++)
    cli_expect(0, "mpirun -n %d " TRAIN "--out more --force --threads 1 && cmp one/config.yaml more/config.yaml",
               ranks);
  cli_expect(0, "$cytoforge info one/model.h5");
  cli_expect_text("condition of the denoiser: yes");
  cli_expect(0, "$cytoforge sample -m one/model.h5 -n 20 --where cell_type=type_1 -o drawn.h5ad");
  cli_expect_text("guidance cell_type=");
  cli_expect(0,
             "$cytoforge sample -m one/model.h5 -n 20 --where cell_type=type_1 --guidance-mode classifier -o c.h5ad");
  cli_expect_text("guidance cell_type=2");
}

/* What was chosen stays where a run goes on, whatever is said of effort or auto since. */
static void who_goes_on_takes_what_was_chosen(void **state) {
  (void)state;
  cli_expect(0, TRAIN "--out began --stage autoencoder --threads 1 && cp began/config.yaml before.yaml");
  cli_expect(3, "$cytoforge train --data atlas --out began --resume auto --effort long");
  cli_expect_text("effort");
  cli_expect(0,
             "mpirun -n 2 " TRAIN "--out began --resume auto --set denoiser.steps=auto --set denoiser.conditions=auto");
  cli_expect(0, "cmp before.yaml began/config.yaml");
}

static void logarithms_are_warned_of(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge sample -m one/model.h5 -n 100 --where cell_type=type_1 --output log -o logs.h5ad && "
             "$cytoforge prepare logs.h5ad -o logs --label cell_type --min-cells 0 --min-genes 0");
  cli_expect(0, "$cytoforge train --data logs --out logs_run --stage autoencoder --set autoencoder.steps=3");
  cli_expect_text("auto: autoencoder.likelihood mse");
  cli_expect_text("WARN  the atlas holds no counts");
}

static void wrong_words_are_refused(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge train --data atlas --out none --effort lnog");
  cli_expect_text("long");
  cli_expect(2, "$cytoforge train --data atlas -m one/model.h5 --stage classifier:donor --force --effort long");
  cli_expect(
      3, "$cytoforge train --data atlas -m one/model.h5 --stage classifier:donor --force --set classifier.steps=auto");
  cli_expect(3, "$cytoforge train --data atlas --out none --set denoiser.steps=many");
  cli_expect_text("or auto");
  cli_expect(3, "$cytoforge train --data atlas --out none --set autoencoder.likelihood=poisson");
  cli_expect_text("'auto'");
  cli_expect(0, "! ls none");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_atlas_is_enough),
      cmocka_unit_test(who_goes_on_takes_what_was_chosen),
      cmocka_unit_test(logarithms_are_warned_of),
      cmocka_unit_test(wrong_words_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
