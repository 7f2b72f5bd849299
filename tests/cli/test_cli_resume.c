/* SPDX-License-Identifier: MIT */
/* Going on: settings that were given at the start hold, others are refused or recorded, and provenance grows. */
#include "cli.h"

#define START                                                                                                 \
  "--threads 1 --set autoencoder.hidden='[16, 16]' --set autoencoder.latent=8 --set autoencoder.steps=20 "    \
  "--set denoiser.hidden='[16, 16, 8, 8]' --set denoiser.steps=40 --set classifier.hidden='[16, 16, 8]' "     \
  "--set classifier.steps=20 --set data.lanes=4 --set checkpoint.every=10 --set denoiser.learning_rate=2e-3 " \
  "--set autoencoder.learning_rate=3e-3 --set seed=5 "
#define GO_ON "$cytoforge train --data atlas --resume auto --threads 1 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  setenv("cytoforge", test_binary(), 1);
  cli_expect(0,
             "$cytoforge synth -o cells.h5ad --cells 300 --genes 40 --types 2 --counts 100 && "
             "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-genes 0 --min-cells 0 && "
             "$cytoforge train $fixed --data atlas --out whole " START);
  return 0;
}

/* RUN as it was, but for the last stages: killed in the middle of the denoiser. */
static void cut(const char *run) {
  cli_expect(0,
             "cp -r whole %s && cd %s && rm model.h5 checkpoints/classifier* checkpoints/denoiser-final.h5 "
             "checkpoints/denoiser-00000040.h5 && cp config.yaml ../before.yaml && cp runs.jsonl ../before.jsonl",
             run, run);
}

static void expect_unchanged(const char *run) {
  cli_expect(0, "cd %s && cmp config.yaml ../before.yaml && cmp runs.jsonl ../before.jsonl && ! ls lock model.h5", run);
}

/* The same weights as those of the run that was never stopped, without a word of how it was started. */
static void settings_need_not_be_repeated(void **state) {
  (void)state;
  cut("resumed");
  cli_expect(0, "mpirun -n 2 " GO_ON "--out resumed");
  cli_expect_text("denoiser: going on from step 30");
  cli_expect(0, "cmp before.yaml resumed/config.yaml && $cytoforge info resumed/model.h5 && wc -l <resumed/runs.jsonl");
  cli_expect_text("2\n");
  cut("with_file");
  cli_expect(
      0,
      "printf 'denoiser: {learning_rate: 1e-4}\n' >c.yaml && $cytoforge train -c c.yaml --data atlas --out filed " START
      "&& rm filed/model.h5 filed/checkpoints/denoiser-final.h5 && " GO_ON "-c c.yaml --out filed");
  cli_expect_text("denoiser: going on from step 40");
  cli_expect(0, "grep 'learning_rate: 0.002' filed/config.yaml");
  /* The file says something else now. */
  cli_expect(3, "printf 'denoiser: {learning_rate: 5e-4}\n' >c.yaml && " GO_ON "-c c.yaml --out filed");
  cli_expect_text("denoiser was trained with denoiser.learning_rate 0.002, and this command says 0.0005");
}

static void other_values_are_refused_before_anything_changes(void **state) {
  (void)state;
  static const char *const refused[][2] = {
      {"autoencoder.learning_rate=1e-3", "autoencoder was trained with autoencoder.learning_rate 0.003"},
      {"autoencoder.weight_decay=0.3", "autoencoder was trained with autoencoder.weight_decay"},
      {"denoiser.learning_rate=1e-3", "denoiser was trained with denoiser.learning_rate 0.002"},
      {"denoiser.ema_decay=0.5", "denoiser was trained with denoiser.ema_decay"},
      {"denoiser.hidden=[8,8]", "denoiser was trained with denoiser.hidden [16, 16, 8, 8]"},
      {"data.validation=0.2", "was trained with data.validation"},
      {"latents.type=float32", "denoiser was trained with latents.type float16"},
      {"seed=6", "was trained with seed 5"},
      {"autoencoder.steps=30", "autoencoder is finished with 20 steps, and denoiser was trained on its latents"}};
  cut("refused");
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    cli_expect(3, "%s " GO_ON "--out refused --set %s", i % 3 == 0 ? "mpirun -n 2" : "", refused[i][0]);
    cli_expect_text(refused[i][1]);
    cli_expect_one_error("cytoforge: error");
    expect_unchanged("refused");
  }
  /* Stages that have not begun are free, and so is what is started over. */
  cli_expect(0, GO_ON "--out refused --set classifier.learning_rate=1e-2 --set classifier.hidden='[8, 8, 8]'");
  cli_expect(
      0, "$cytoforge train $fixed --data atlas --out refused --stage denoiser --force --set denoiser.ema_decay=0.5");
  cli_expect(0, "grep 'ema_decay: 0.5' refused/config.yaml && grep 'learning_rate: 0.003' refused/config.yaml");
}

/* A byte that has changed is no setting that was meant. */
static void damaged_settings_are_refused(void **state) {
  (void)state;
  cut("damaged");
  cli_expect(0,
             "cp damaged/config.yaml kept.yaml && sed -i 's/^  steps: 2/  steps: 3/' damaged/config.yaml && "
             "! cmp -s damaged/config.yaml kept.yaml");
  cli_expect(4, GO_ON "--out damaged");
  cli_expect_text("damaged/config.yaml: is not what was written");
  cli_expect_one_error("cytoforge: error");
  cli_expect(0, "sed '$d' kept.yaml > damaged/config.yaml"); /* as older versions wrote it */
  cli_expect(0, GO_ON "--out damaged && cmp damaged/config.yaml kept.yaml");
}

static void what_may_change_is_recorded_with_its_step(void **state) {
  (void)state;
  cut("changed");
  cli_expect(0, GO_ON
             "--out changed --set denoiser.steps=60 --set log.every=7 --set comm.timeout_s=99 --set "
             "checkpoint.every=25 --set data.decode_threads=2 --set denoiser.validate_every=11");
  cli_expect_text("denoiser.steps: 60, was 40 up to denoiser step 30");
  cli_expect(0,
             "grep -F '{\"key\": \"denoiser.steps\", \"from\": \"40\", \"to\": \"60\", \"at\": \"denoiser step 30\"}' "
             "changed/runs.jsonl && head -n 1 changed/runs.jsonl | cmp - before.jsonl");
  cli_expect(0, "grep -A3 '^log:' changed/config.yaml | grep 'every: 7' && grep 'timeout_s: 99' changed/config.yaml");
}

/* Fewer steps than were done, of a stage that was stopped and of finished ones. */
static void fewer_steps_than_were_done_are_taken_as_they_are(void **state) {
  (void)state;
  cut("fewer");
  cli_expect(0, GO_ON "--out fewer --set denoiser.steps=7 --set autoencoder.steps=3");
  cli_expect_text("denoiser: already at step 30, 7 were asked for: taken as it is");
  cli_expect_text("autoencoder: finished with 20 steps, 3 were asked for: taken as it is");
  assert_null(strstr(cli_output, "nan"));
  cli_expect(0,
             "grep -A20 '^denoiser:' fewer/config.yaml | grep ' steps: 30' && "
             "grep -A20 '^autoencoder:' fewer/config.yaml | grep ' steps: 20'");
  cli_expect(0, GO_ON "--out fewer --set classifier.steps=2 --stage classifier:donor");
  cli_expect_text("classifier: finished with 20 steps, 2 were asked for: taken as it is");
}

static void provenance_is_never_rewritten(void **state) {
  (void)state;
  cli_expect(0, "cp -r whole listed && cp listed/runs.jsonl first.jsonl");
  cli_expect(0, GO_ON "--out listed && " GO_ON "--out listed --set log.every=3");
  cli_expect(0, "test $(wc -l <listed/runs.jsonl) = 3 && head -n 1 listed/runs.jsonl | cmp - first.jsonl");
  cli_expect(0, "$cytoforge train -m listed/model.h5 --data atlas --stage classifier:donor --force");
  cli_expect(0, "$cytoforge info listed/model.h5");
  cli_expect_text("--set seed=5");
  cli_expect_text("--set log.every=3");
  cli_expect_text("--stage classifier:donor --force");
  /* A folder from before there was a record. */
  cli_expect(0, "rm listed/runs.jsonl && " GO_ON "--out listed && test $(wc -l <listed/runs.jsonl) = 5");
}

/* Killed in the middle: --resume auto goes on, and is refused where there is nothing to go on with. */
static void a_killed_replacement_can_be_gone_on_with(void **state) {
  (void)state;
#define REPLACE "$cytoforge train -m replaced.h5 --data atlas --stage classifier:donor --threads 1 "
  cli_expect(0, "cp whole/model.h5 replaced.h5 && cp replaced.h5 original.h5");
  cli_expect(5, REPLACE);
  cli_expect_text("has a classifier for 'donor' already; --force replaces it");
  cli_expect(5, REPLACE "--resume auto");
  cli_expect(0, REPLACE
             "--force --set classifier.steps=1000000 --set classifier.learning_rate=7e-4 & pid=$!; until ls "
             "replaced-classifier/checkpoints/classifier-1-*0.h5; do kill -0 $pid || exit 99; done; kill -KILL "
             "$pid; wait "
             "$pid; cmp replaced.h5 original.h5");
  cli_expect(5, REPLACE);
  cli_expect(3, REPLACE "--resume auto --set classifier.learning_rate=8e-4");
  cli_expect_text("classifier was trained with classifier.learning_rate 0.0007");
  cli_expect(0, "ls replaced-classifier/checkpoints && " REPLACE "--resume auto --set classifier.steps=1");
  cli_expect_text("going on from step");
  cli_expect_text("wrote replaced.h5");
  cli_expect(0, "! cmp replaced.h5 original.h5 && ! ls -d replaced-classifier");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(settings_need_not_be_repeated),
      cmocka_unit_test(other_values_are_refused_before_anything_changes),
      cmocka_unit_test(damaged_settings_are_refused),
      cmocka_unit_test(what_may_change_is_recorded_with_its_step),
      cmocka_unit_test(fewer_steps_than_were_done_are_taken_as_they_are),
      cmocka_unit_test(provenance_is_never_rewritten),
      cmocka_unit_test(a_killed_replacement_can_be_gone_on_with),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
