/* SPDX-License-Identifier: MIT */
/* verify: what cytoforge wrote, whole, damaged, of an older version, and of others. */
#include "cli.h"
#include "damage.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  const int code = cli_run(
      "$cytoforge synth -o cells.h5ad --cells 300 --genes 30 --types 2 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --min-genes 1 --holdout 0.2 --shard-cells 100 && "
      "$cytoforge train $fixed --data atlas --out run --set autoencoder.hidden=[8] --set autoencoder.latent=4 "
      "--set denoiser.hidden=[8,4] --set classifier.hidden=[4,4,4] --set autoencoder.steps=4 --set denoiser.steps=4 "
      "--set classifier.steps=4 && $cytoforge encode -m run/model.h5 atlas -o latents");
  if (code != 0) print_error("%s\n", cli_output);
  return code == 0 ? 0 : -1;
}

static void what_is_whole_passes_on_any_ranks(void **state) {
  (void)state;
  for (int n = 1; n <= 3; n++) {
    cli_expect(0, "mpirun -n %d $cytoforge verify atlas run run/model.h5 latents", n);
    cli_expect_text("atlas: 7 files as written"); /* manifest, genes, 3 shards, held-out and training cells */
    cli_expect_text("run/model.h5: 1 file as written");
  }
}

/* Each file in turn; the others are still looked at. */
static void each_damaged_file_is_named(void **state) {
  (void)state;
  static const struct {
    const char *path, *given;
  } files[] = {{"atlas/shard-00000.h5ad", "atlas"},
               {"atlas/shard-00002.h5ad", "atlas"},
               {"atlas/shard-00001.sums", "atlas"},
               {"atlas/heldout.h5ad", "atlas"},
               {"atlas/train.h5ad", "atlas"},
               {"atlas/genes.tsv", "atlas"},
               {"run/model.h5", "run"},
               {"run/model.h5", "run/model.h5"},
               {"run/config.yaml", "run"},
               {"run/latents/latents-00000.h5ad", "run"},
               {"run/checkpoints/denoiser-final.h5", "run"},
               {"latents/latents-00001.h5ad", "latents"}};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    damage_byte(files[i].path, damage_size(files[i].path) / 2, 4);
    for (int n = 1; n <= 2; n++) {
      const int code = cli_run("mpirun -n %d $cytoforge verify %s", n, files[i].given);
      if (code != 4) fail_msg("%s damaged: exit %d\n%s", files[i].path, code, cli_output);
      cli_expect_text(files[i].path);
    }
    damage_byte(files[i].path, damage_size(files[i].path) / 2, 4);
    cli_expect(0, "$cytoforge verify %s", files[i].given);
  }
}

/* A damaged shard is neither trained on nor encoded. */
static void damaged_shards_are_not_used(void **state) {
  (void)state;
  damage_byte("atlas/shard-00001.h5ad", damage_size("atlas/shard-00001.h5ad") / 2, 4);
  static const char *const commands[] = {
      "train --data atlas --out other --stage autoencoder --set autoencoder.hidden=[8] --set autoencoder.steps=50",
      "encode -m run/model.h5 atlas -o other", "bench loader --data atlas --epochs 1",
      "bench loader --data atlas --epochs 1 --io mpio", "bench loader --data atlas --epochs 1 --residency host"};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    cli_expect(4, "$cytoforge %s", commands[i]);
    cli_expect_text("atlas/shard-00001.h5ad: damaged: bytes");
    cli_expect(0, "rm -rf other");
  }
  damage_byte("atlas/shard-00001.h5ad", damage_size("atlas/shard-00001.h5ad") / 2, 4);
  cli_expect(0, "$cytoforge bench loader --data atlas --epochs 1");
}

/* Held-out cells are compared whole when they are read as cells. */
static void damaged_held_out_cells_are_not_used(void **state) {
  (void)state;
  static const char *const commands[] = {
      "info atlas/heldout.h5ad", "encode -m run/model.h5 atlas/heldout.h5ad -o other.h5ad",
      "evaluate --real atlas/heldout.h5ad --synthetic cells.h5ad", "prepare atlas/heldout.h5ad -o other"};
  const int64_t bytes = damage_size("atlas/heldout.h5ad");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    const int64_t at = bytes * (int64_t)(2 * i + 1) / 8;
    damage_byte("atlas/heldout.h5ad", at, 4);
    cli_expect(4, "$cytoforge %s", commands[i]);
    cli_expect_text("atlas/heldout.h5ad: damaged: bytes");
    damage_byte("atlas/heldout.h5ad", at, 4);
  }
  cli_expect(0, "$cytoforge info atlas/heldout.h5ad");
  cli_expect(0, "cp atlas/heldout.h5ad away.h5ad && echo of another program >away.sums && $cytoforge info away.h5ad");
}

static void what_cannot_be_verified_is_not_right(void **state) {
  (void)state;
  cli_expect(4, "$cytoforge verify '%s/tests/files-0.1/atlas'", test_source());
  cli_expect_text("cannot be verified");
  cli_expect(4, "$cytoforge verify cells.h5ad");
  cli_expect(4, "mkdir empty && $cytoforge verify empty");
  cli_expect_text("no atlas, run or latents there");
  cli_expect(4, "$cytoforge verify nowhere");
  cli_expect(2, "$cytoforge verify");
  cli_expect(0, "$cytoforge bench loader --data '%s/tests/files-0.1/atlas' --epochs 1", test_source());
  cli_expect_one_error("was prepared before atlases had checksums");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_whole_passes_on_any_ranks), cmocka_unit_test(each_damaged_file_is_named),
      cmocka_unit_test(damaged_shards_are_not_used), cmocka_unit_test(damaged_held_out_cells_are_not_used),
      cmocka_unit_test(what_cannot_be_verified_is_not_right)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
