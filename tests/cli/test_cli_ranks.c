/* SPDX-License-Identifier: MIT */
/* What the number of ranks changes: the order of float sums, and nothing else. Curves agree to rounding at first. Later
 * they part as those of two runs on one rank do of which one had a weight changed by one unit in the last place. */
#include <math.h>

#include "cli.h"
#include "plant.h"

enum { N_STEPS = 400, N_FIRST = 10, N_RUNS = 6 };

/* The bounds that docs/running.md states: up to step N_FIRST, and in all. */
static const double FIRST_BOUND = 1e-6, BOUND = 0.05;

#define TRAINED                                                                                                       \
  "$cytoforge train $fixed --data atlas --stage autoencoder --device cpu --threads 1 --set autoencoder.hidden='[64, " \
  "48]' "                                                                                                             \
  "--set autoencoder.latent=16 --set autoencoder.learning_rate=5e-3 --set data.validation=0.1 --set log.every=1 "     \
  "--set autoencoder.validate_every=0 --set autoencoder.steps=400 --set checkpoint.every=400 "

static double curve[N_RUNS][N_STEPS];

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1500 --genes 300 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --shard-cells 400");
}

static void read_curve(const char *run, double *ret_curve) {
  static long steps[N_STEPS];
  assert_int_equal(cli_read_metrics(run, "autoencoder", "loss", N_STEPS, steps, ret_curve), N_STEPS);
}

static double difference_at(int run, int step) {
  return fabs(curve[run][step] - curve[0][step]) / curve[0][step];
}

/* Largest over the steps [first, end). */
static double difference_over(int run, int first, int end) {
  double worst = 0;
  for (int step = first; step < end; step++) worst = fmax(worst, difference_at(run, step));
  return worst;
}

static float one_unit_up(float old, float unused) {
  (void)unused;
  return nextafterf(old, INFINITY);
}

/* Runs 0 to 3: 1 to 4 ranks. Runs 4 and 5: one rank, with one weight changed by one unit in the last place after the
 * first step. */
static void train_all(void) {
  static const char *const weights[] = {"parameters/encoder.network.1.1.weight",
                                        "parameters/decoder.network.1.1.weight"};
  char run[96];
  for (int r = 0; r < 4; r++) {
    cli_expect(0, "mpirun -n %d " TRAINED "--out ranks%d", r + 1, r + 1);
    snprintf(run, sizeof run, "ranks%d", r + 1);
    read_curve(run, curve[r]);
  }
  cli_expect(0, TRAINED "--out start --set checkpoint.every=1 --set autoencoder.steps=400 --set checkpoint.keep=400");
  for (int k = 0; k < 2; k++) {
    cli_expect(0,
               "mkdir -p unit%d/checkpoints && cp start/config.yaml unit%d/ && head -n 1 start/metrics.jsonl > "
               "unit%d/metrics.jsonl && cp start/checkpoints/autoencoder-00000001.h5 unit%d/checkpoints/",
               k, k, k, k);
    snprintf(run, sizeof run, "unit%d/checkpoints/autoencoder-00000001.h5", k);
    plant_change(run, weights[k], 7, one_unit_up, 0);
    cli_expect(0, TRAINED "--out unit%d --resume auto --set checkpoint.every=1 --set checkpoint.keep=400", k);
    snprintf(run, sizeof run, "unit%d", k);
    read_curve(run, curve[4 + k]);
  }
}

static void curves_agree_to_rounding_and_part_as_after_one_unit(void **state) {
  (void)state;
  static const int shown[] = {1, 2, 5, 10, 20, 50, 100, 200, 300, 400};
  train_all();
  print_message("step    2 ranks  3 ranks  4 ranks   a unit   a unit\n");
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
    print_message("%4d   ", shown[i]);
    for (int run = 1; run < N_RUNS; run++) print_message(" %8.1e", difference_at(run, shown[i] - 1));
    print_message("\n");
  }
  for (int run = 1; run < N_RUNS; run++) {
    assert_true(difference_over(run, 0, N_FIRST) <= FIRST_BOUND);
    assert_true(difference_over(run, 0, N_STEPS) <= BOUND);
  }
  /* More ranks do no more than one unit in the last place does, whatever that is on this machine. */
  const double by_unit = fmax(difference_over(4, 0, N_STEPS), difference_over(5, 0, N_STEPS));
  for (int run = 1; run < 4; run++) assert_true(difference_over(run, 0, N_STEPS) <= 100 * by_unit);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(curves_agree_to_rounding_and_part_as_after_one_unit)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
