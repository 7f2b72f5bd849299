/* SPDX-License-Identifier: MIT */
/* Training through mpirun: the same curves on any number of ranks, going on after a kill, stopping on a signal. */
#include <math.h>

#include "cli.h"

enum { N_STEPS = 60, CAPACITY = 4096 };

/* A small model over every stage; the loss of each step is written. */
#define SMALL                                                                                                   \
  "--set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=60 --set "           \
  "denoiser.hidden='[64, 48, 32]' "                                                                             \
  "--set denoiser.steps=60 --set classifier.hidden='[48, 48, 32]' --set classifier.steps=60 --set log.every=1 " \
  "--set checkpoint.every=10 --set latents.type=float32 --set data.validation=0.1 "                             \
  "--set autoencoder.validate_every=30 --set denoiser.validate_every=30 --set classifier.validate_every=30 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1500 --genes 300 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --shard-cells 400");
}

static const char *const stages[] = {"autoencoder", "denoiser", "classifier:cell_type"};

/* Largest relative difference of two runs' curves of one stage; both must have `n` training lines. */
static double stage_difference(const char *run, const char *reference, const char *stage, int n) {
  static long steps_a[CAPACITY], steps_b[CAPACITY];
  static double a[CAPACITY], b[CAPACITY];
  double worst = 0;
  assert_int_equal(cli_read_metrics(reference, stage, "loss", CAPACITY, steps_b, b), n);
  assert_int_equal(cli_read_metrics(run, stage, "loss", CAPACITY, steps_a, a), n);
  for (int i = 0; i < n; i++) {
    assert_int_equal(steps_a[i], i + 1);
    assert_int_equal(steps_b[i], i + 1);
    worst = fmax(worst, fabs(a[i] - b[i]) / fabs(b[i]));
  }
  return worst;
}

static double curve_difference(const char *run, const char *reference, int n) {
  double worst = 0;
  for (size_t s = 0; s < 3; s++) worst = fmax(worst, stage_difference(run, reference, stages[s], n));
  return worst;
}

/* 60 steps of each stage on 1 to 4 ranks: 1e-4 relative at learning rate 5e-5, 1e-3 at 5e-4. The stages behind the
 * autoencoder start from the same one, so that each curve shows its own stage. */
static void curves_agree(const char *rate, double tolerance) {
  char rates[256];
  snprintf(rates, sizeof rates,
           "--set autoencoder.learning_rate=%s --set denoiser.learning_rate=%s --set classifier.learning_rate=%s", rate,
           rate, rate);
  for (int ranks = 1; ranks <= 4; ranks++) {
    char first[64], first_1[64], all[64], all_1[64];
    snprintf(first, sizeof first, "first_%s_%d", rate, ranks);
    snprintf(first_1, sizeof first_1, "first_%s_1", rate);
    snprintf(all, sizeof all, "curve_%s_%d", rate, ranks);
    snprintf(all_1, sizeof all_1, "curve_%s_1", rate);
    cli_expect(0,
               "mpirun -n %d $cytoforge train $fixed --data atlas --out %s --stage autoencoder --threads 1 " SMALL "%s",
               ranks, first, rates);
    cli_expect(
        0,
        "cp -r %s %s && mpirun -n %d $cytoforge train $fixed --data atlas --out %s --resume auto --threads 1 " SMALL
        "%s",
        first_1, all, ranks, all, rates);
    double difference =
        fmax(stage_difference(first, first_1, stages[0], N_STEPS), curve_difference(all, all_1, N_STEPS));
    print_message("learning rate %s: %d ranks differ from 1 by at most %.2g (tolerance %g)\n", rate, ranks, difference,
                  tolerance);
    assert_true(difference <= tolerance);
  }
}

static void curves_agree_on_1_to_4_ranks(void **state) {
  (void)state;
  curves_agree("5e-5", 1e-4);
  curves_agree("5e-4", 1e-3);
}

/* Losses go down: the curves above are of something that learns. */
static void losses_go_down(void **state) {
  (void)state;
  static long steps[CAPACITY];
  static double loss[CAPACITY];
  for (size_t s = 0; s < 3; s++) {
    int n = cli_read_metrics("curve_5e-4_1", stages[s], "loss", CAPACITY, steps, loss);
    double first = 0, last = 0;
    for (int i = 0; i < 10; i++) {
      first += loss[i];
      last += loss[n - 10 + i];
    }
    assert_true(last < 0.97 * first);
  }
}

/* Shell text: waits until a file is there, then signals the ranks that mpirun (the last background job) started. */
#define SIGNAL_AT(condition, signal)                                                                      \
  "pid=$!; for i in $(seq 1200); do " condition " 2>/dev/null && break; sleep 0.05; done; pkill -" signal \
  " -P $pid; wait $pid"

/* Steps that take long enough to be hit: killed after 20 of 60 steps of the denoiser on 2 ranks, the run goes on on 3.
 */
#define SLOW                                                                                               \
  "--set denoiser.hidden='[512, 512, 256]' --set denoiser.batch_cells=1024 --set data.validation=0 --set " \
  "latents.type=float16 "

static void a_killed_run_goes_on_on_other_ranks(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge train $fixed --data atlas --out whole --threads 2 " SMALL SLOW);
  int code = cli_run("mpirun -n 2 $cytoforge train $fixed --data atlas --out killed --threads 1 " SMALL SLOW
                     "& " SIGNAL_AT("[ -e killed/checkpoints/denoiser-00000020.h5 ]", "KILL"));
  assert_int_not_equal(code, 0);
  assert_int_not_equal(access("killed/model.h5", F_OK), 0);
  /* Without --resume the run is refused, not overwritten. */
  cli_expect(5, "$cytoforge train $fixed --data atlas --out killed " SMALL SLOW);
  cli_expect_text("--resume auto");
  cli_expect(0, "mpirun -n 3 $cytoforge train $fixed --data atlas --out killed --resume auto --threads 1 " SMALL SLOW);
  cli_expect_text("going on from step");
  double difference = curve_difference("killed", "whole", N_STEPS);
  print_message("killed on 2 ranks and resumed on 3: curves differ by at most %.2g (tolerance 1e-3)\n", difference);
  assert_true(difference <= 1e-3);
  /* All finished: a further resume has nothing to do. */
  cli_expect(0, "$cytoforge train $fixed --data atlas --out killed --resume auto --threads 1 " SMALL SLOW);
  cli_expect_text("already finished");
}

static void sigterm_ends_a_run_after_a_checkpoint(void **state) {
  (void)state;
  const char *more = "--set denoiser.steps=100_000 --set checkpoint.every=50_000 --set denoiser.validate_every=0";
  int code = cli_run("mpirun -n 2 $cytoforge train $fixed --data atlas --out stopped --threads 1 " SMALL
                     "%s & " SIGNAL_AT("grep -q denoiser stopped/metrics.jsonl", "TERM"),
                     more);
  assert_int_equal(code, 75);
  cli_expect_text("cytoforge: stopped: stopped by a signal at step");
  cli_expect_one_error("cytoforge: stopped:");
  cli_expect(0, "ls stopped/checkpoints/denoiser-0*.h5");
}

/* Ctrl-C at mpirun itself, which kills its ranks after the time it is told to leave them. */
static void a_signal_to_mpirun_stops_cleanly(void **state) {
  (void)state;
  cli_run(
      "mpirun --mca odls_base_sigkill_timeout 5 -n 2 $cytoforge train $fixed --data atlas --out stopped_mpirun "
      "--threads "
      "1 " SMALL
      "--set denoiser.steps=100_000 --set checkpoint.every=50_000 --set denoiser.validate_every=0 & "
      "pid=$!; for i in $(seq 1200); do grep -q denoiser stopped_mpirun/metrics.jsonl 2>/dev/null && break; sleep "
      "0.05; done; "
      "kill -INT $pid; wait $pid");
  cli_expect_text("cytoforge: stopped: stopped by a signal at step");
  cli_expect(0,
             "ls stopped_mpirun/checkpoints/denoiser-0*.h5 && ! ls stopped_mpirun/checkpoints/*.partial* 2>/dev/null");
}

static void a_damaged_checkpoint_is_passed_over(void **state) {
  (void)state;
  const char *rates =
      "--set autoencoder.learning_rate=5e-4 --set denoiser.learning_rate=5e-4 --set classifier.learning_rate=5e-4";
  cli_expect(
      0,
      "cp -r curve_5e-4_1 damaged && cd damaged && rm model.h5 checkpoints/denoiser-final.h5 checkpoints/classifier* "
      "&& "
      "printf 'xxxxxxxxxxxxxxxx' | dd of=checkpoints/denoiser-00000060.h5 bs=1 seek=60000 conv=notrunc status=none");
  cli_expect(0, "$cytoforge train $fixed --data atlas --out damaged --resume auto --threads 1 " SMALL "%s", rates);
  cli_expect_text("checkpoint passed over");
  cli_expect_text("going on from step 50");
  assert_true(curve_difference("damaged", "curve_5e-4_1", N_STEPS) <= 1e-3);
}

static void a_changed_stream_is_refused(void **state) {
  (void)state;
  cli_expect(0, "cp -r curve_5e-4_1 changed && rm changed/checkpoints/denoiser-final.h5");
  cli_expect(3, "mpirun -n 2 $cytoforge train $fixed --data atlas --out changed --resume auto --stage denoiser " SMALL
                "--set seed=7");
  cli_expect_text("was trained with seed 0, and this command says 7");
  cli_expect_one_error("cytoforge: error");
}

/* A resumed run with other diffusion settings must not put them into the model file beside weights that were trained
 * with the old ones. */
static void changed_diffusion_settings_are_refused(void **state) {
  (void)state;
  cli_expect(0, "cp -r curve_5e-4_1 rescaled && cp rescaled/config.yaml before.yaml");
  cli_expect(
      3, "$cytoforge train $fixed --data atlas --out rescaled --resume auto " SMALL "--set diffusion.latent_scale=1");
  cli_expect_text("was trained with diffusion.latent_scale \"auto\", and this command says \"1\"");
  cli_expect(0, "cmp rescaled/config.yaml before.yaml");
}

/* A finished run says what it was trained with: other values are refused, and what may change is written. */
static void config_yaml_is_the_models(void **state) {
  (void)state;
  cli_expect(0, "cp -r curve_5e-4_1 finished && cp finished/config.yaml wanted.yaml && cp finished/model.h5 model.h5");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out finished --resume auto " SMALL
                "--set denoiser.learning_rate=2e-4");
  cli_expect_text("denoiser was trained with denoiser.learning_rate 0.0005, and this command says 0.0002");
  cli_expect(0, "cmp finished/config.yaml wanted.yaml && cmp finished/model.h5 model.h5");
  cli_expect(0, "$cytoforge train $fixed --data atlas --out finished --resume auto " SMALL);
  cli_expect_text("denoiser: already finished");
  cli_expect(0, "cmp finished/config.yaml wanted.yaml");
  /* A stage without a model of its own says so too; one that is refused does not. */
  cli_expect(
      0, "$cytoforge train $fixed --data atlas --out finished --stage encode --resume auto " SMALL "--set log.every=7");
  cli_expect(0, "grep 'every: 7' finished/config.yaml && cp finished/config.yaml before.yaml");
  cli_expect(5, "$cytoforge train $fixed --data atlas --out finished --stage denoiser " SMALL "--set log.every=9");
  cli_expect(0, "cmp before.yaml finished/config.yaml");
}

/* A retrained autoencoder makes the other stages' weights stale: none of them enters a model file. */
static void stale_stages_do_not_enter_the_model(void **state) {
  (void)state;
  cli_expect(0,
             "cp -r curve_5e-4_1 stale && rm stale/model.h5 && "
             "$cytoforge train $fixed --data atlas --out stale --stage autoencoder --force --threads 1 " SMALL
             "--set autoencoder.learning_rate=1e-3");
  cli_expect(
      3, "$cytoforge train $fixed --data atlas --out stale --stage classifier:cell_type --force --threads 1 " SMALL);
  cli_expect_text("latents of another autoencoder");
  assert_int_not_equal(access("stale/model.h5", F_OK), 0);
}

static void divergence_is_an_error_on_every_rank(void **state) {
  (void)state;
  cli_expect(8, "mpirun -n 2 $cytoforge train $fixed --data atlas --out diverged --stage autoencoder --threads 1 " SMALL
                "--set autoencoder.learning_rate=10 --set autoencoder.weight_decay=10 --set autoencoder.steps=100000");
  cli_expect_text("is not finite");
}

static void few_cells_train_without_validation(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge synth -o few.h5ad --cells 20 --genes 100 --types 2 --counts 500 && "
             "$cytoforge prepare few.h5ad -o few_atlas --label cell_type --min-cells 1");
  cli_expect(0, "mpirun -n 2 $cytoforge train $fixed --data few_atlas --out few --threads 1 " SMALL
                "--set data.validation=0.001");
  cli_expect_text("training without validation");
}

static void patience_stops_early_with_the_best(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge train $fixed --data atlas --out early --stage autoencoder --threads 2 " SMALL
                "--set autoencoder.patience=2 --set autoencoder.validate_every=5 --set autoencoder.steps=3000 --set "
                "autoencoder.learning_rate=0.05");
  cli_expect_text("no better validation loss for 2 validations");
}

static void accumulation_and_clipping_train(void **state) {
  (void)state;
  cli_expect(0, "mpirun -n 2 $cytoforge train $fixed --data atlas --out accumulated --threads 1 " SMALL
                "--set denoiser.accumulate=3 --set denoiser.clip_norm=0.5 --set denoiser.warmup_steps=10 --set "
                "denoiser.rate_schedule=cosine "
                "--set classifier.balance=uniform");
  static long steps[CAPACITY];
  static double rate[CAPACITY];
  assert_int_equal(cli_read_metrics("accumulated", "denoiser", "learning_rate", CAPACITY, steps, rate), N_STEPS);
  assert_true(fabs(rate[0] - 1e-5) < 1e-9 && fabs(rate[9] - 1e-4) < 1e-9 && rate[59] < 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(curves_agree_on_1_to_4_ranks),         cmocka_unit_test(losses_go_down),
      cmocka_unit_test(a_killed_run_goes_on_on_other_ranks),  cmocka_unit_test(sigterm_ends_a_run_after_a_checkpoint),
      cmocka_unit_test(a_damaged_checkpoint_is_passed_over),  cmocka_unit_test(a_changed_stream_is_refused),
      cmocka_unit_test(a_signal_to_mpirun_stops_cleanly),     cmocka_unit_test(changed_diffusion_settings_are_refused),
      cmocka_unit_test(stale_stages_do_not_enter_the_model),  cmocka_unit_test(few_cells_train_without_validation),
      cmocka_unit_test(divergence_is_an_error_on_every_rank), cmocka_unit_test(patience_stops_early_with_the_best),
      cmocka_unit_test(accumulation_and_clipping_train),      cmocka_unit_test(config_yaml_is_the_models),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
