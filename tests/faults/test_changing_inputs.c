/* SPDX-License-Identifier: MIT */
/* An input that changes while it is read: what is made of it gets no name, in any command. */
#include "fault_commands.h"

#define CLEAR                                                                                                         \
  "rm -rf out out.partial out.h5ad* report in.h5ad model.h5 at && cp cells.h5ad in.h5ad && cp run/model.h5 model.h5 " \
  "&& "                                                                                                               \
  "cp -r atlas at"

/* Some ways in which a file changes. What is written back has the bytes it had. */
#define SHRINK(file) "truncate -s 100000 " file
#define GROW(file) "echo more >> " file
#define REWRITE(file) "cp " file " copy && cat copy > " file
#define REPLACE(file) "cp " file " copy && mv copy " file

/* At the read of a file with this number, from 1, the file is changed; the command must refuse and leave no output. */
static void refused(const char *arguments, const char *path, int64_t at, const char *change, const char *output) {
  const fault f = {"read", "run", path, at, 1, change};
  const fault_outcome outcome = fault_run(&f, CLEAR, "", arguments);
  if (outcome.hit == 0) fail_msg("%s: there is no read %lld of %s", arguments, (long long)at, path);
  if (outcome.code != CODE_INPUT) print_error("%s, %s: exit %d\n%s\n", arguments, change, outcome.code, cli_output);
  assert_int_equal(outcome.code, CODE_INPUT);
  cli_expect_one_error("cytoforge: error");
  cli_expect_text("while it was read");
  if (output != NULL) assert_int_not_equal(access(output, F_OK), 0);
}

static void prepare_refuses_inputs_that_change(void **state) {
  (void)state;
  static const char *const changes[] = {SHRINK("in.h5ad"), GROW("in.h5ad"), REWRITE("in.h5ad"), REPLACE("in.h5ad")};
  for (int i = 0; i < 4; i++) {
    refused("prepare in.h5ad -o out --label cell_type", "/in.h5ad", 60, changes[i], "out");
    refused("prepare in.h5ad -o out --label cell_type", "/in.h5ad", 200, changes[i], "out");
  }
  cli_expect(0, CLEAR " && printf 'attribute\tfrom\tto\ncell_type\ttype_1\ta\n' > map.tsv");
  refused("prepare in.h5ad -o out --label cell_type --label-map map.tsv", "/in.h5ad", 100, GROW("map.tsv"), "out");
}

static void commands_on_cells_refuse_inputs_that_change(void **state) {
  (void)state;
  static const char *const changes[] = {GROW("in.h5ad"), REWRITE("in.h5ad"), REPLACE("in.h5ad")};
  for (int i = 0; i < 3; i++) {
    refused("encode -m model.h5 in.h5ad -o out.h5ad", "/in.h5ad", 60, changes[i], "out.h5ad");
    refused("evaluate --real in.h5ad --synthetic cells.h5ad --trees 5 -o out.h5ad", "/in.h5ad", 20, changes[i],
            "out.h5ad");
    refused("sample -m model.h5 --like in.h5ad --by cell_type -n 4 --steps 2 -o out.h5ad", "/in.h5ad", 40, changes[i],
            "out.h5ad");
    refused(
        "interpolate -m model.h5 --attribute cell_type --from type_1 --to type_2 --start in.h5ad -n 3 --steps 2 "
        "-o out.h5ad",
        "/in.h5ad", 40, changes[i], "out.h5ad");
  }
  refused("info in.h5ad", "/in.h5ad", 40, REWRITE("in.h5ad"), NULL);
}

static void a_model_that_changes_is_refused(void **state) {
  (void)state;
  static const char *const changes[] = {GROW("model.h5"), REWRITE("model.h5"), REPLACE("model.h5")};
  for (int i = 0; i < 3; i++) {
    refused("encode -m model.h5 cells.h5ad -o out.h5ad", "/model.h5", 100, changes[i], "out.h5ad");
    refused("sample -m model.h5 -n 4 --steps 2 -o out.h5ad", "/model.h5", 100, changes[i], "out.h5ad");
  }
  refused("export -m model.h5 --format safetensors -o out", "/model.h5", 100, REWRITE("model.h5"),
          "out/model.safetensors");
}

static void an_atlas_that_changes_is_refused(void **state) {
  (void)state;
  refused("encode -m model.h5 at -o out", "/at/shard-00000.h5ad", 70, REWRITE("at/shard-00000.h5ad"),
          "out/latents-00000.h5ad");
  refused("encode -m model.h5 at -o out", "/at/shard-00000.h5ad", 40, REPLACE("at/shard-00000.h5ad"),
          "out/latents-00000.h5ad");
  refused(
      "train --data at --out out --stage autoencoder --set autoencoder.steps=500 --set data.validation=0 "
      "--set autoencoder.hidden=[8] --set autoencoder.latent=4 --set data.residency=stream",
      "/at/shard-00000.h5ad", 90, REWRITE("at/shard-00000.h5ad"), "out/checkpoints/autoencoder-final.h5");
  refused(
      "train --data at --out out --stage autoencoder --set autoencoder.steps=500 --set data.validation=0 "
      "--set autoencoder.hidden=[8] --set autoencoder.latent=4 --set data.residency=stream --set data.io=mpio",
      "/at/shard-00000.h5ad", 90, REWRITE("at/shard-00000.h5ad"), "out/checkpoints/autoencoder-final.h5");
}

/* Training reads the stored latents more than once: for its batches, for validation, and stage after stage. */
static void latents_that_change_are_refused(void **state) {
  (void)state;
  static const char part[] = "/again/latents/latents-00000.h5ad";
  static const char clear[] =
      "rm -rf again && cp -r run again && rm again/model.h5 again/checkpoints/denoiser* again/checkpoints/classifier*";
  static const char *const commands[] = {"train --data atlas --out again --resume auto",
                                         "train --data atlas --out again --resume auto --stage denoiser"};
  static const char *const changes[] = {
      "cp -p again/latents/latents-00000.h5ad copy && mv copy again/latents/latents-00000.h5ad",
      "touch again/latents/latents-00000.h5ad"};
  for (int c = 0; c < 2; c++) {
    const fault counted = {"open", "EIO", part, 0, 0, NULL};
    const fault_outcome all = fault_run(&counted, clear, "", commands[c]);
    assert_int_equal(all.code, 0);
    assert_true(all.matched > 3);
    for (int k = 0; k < 4; k++) {
      const fault f = {"open", "run", part, all.matched - k % 2, 1, changes[k / 2]};
      const fault_outcome outcome = fault_run(&f, clear, c ? "mpirun -n 2" : "", commands[c]);
      assert_int_equal(outcome.hit, 1);
      if (outcome.code != CODE_INPUT) print_error("%s: exit %d\n%s\n", changes[k / 2], outcome.code, cli_output);
      assert_int_equal(outcome.code, CODE_INPUT);
      cli_expect_one_error("cytoforge: error");
      cli_expect_text("latents-00000.h5ad: has changed while it was read");
      cli_expect(0, "! ls again/checkpoints/%s-final.h5", c ? "denoiser" : "classifier-0");
    }
  }
}

static void settings_that_change_are_refused(void **state) {
  (void)state;
  cli_expect(0, "printf 'seed: 1\n' > settings.yaml");
  refused("train -c settings.yaml --data atlas --out out --stage autoencoder", "/settings.yaml", 1,
          REWRITE("settings.yaml"), "out/config.yaml");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prepare_refuses_inputs_that_change),
      cmocka_unit_test(commands_on_cells_refuse_inputs_that_change),
      cmocka_unit_test(a_model_that_changes_is_refused),
      cmocka_unit_test(an_atlas_that_changes_is_refused),
      cmocka_unit_test(latents_that_change_are_refused),
      cmocka_unit_test(settings_that_change_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
