/* SPDX-License-Identifier: MIT */
/* `bench loader` and the data settings of a run, as users meet them. */
#include "cli.h"

static double json_number(const char *key) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\"%s\":", key);
  const char *at = strstr(cli_output, wanted);
  if (!at) print_error("no %s in:\n%s\n", key, cli_output);
  assert_non_null(at);
  return atof(at + strlen(wanted));
}

static int make_atlas(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 700 --genes 500 --types 3 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --shard-cells 200");
}

/* Two epochs are two times every cell, on one rank and on three, warm and cold, by both ways of reading. */
static void every_cell_of_an_epoch_is_counted(void **state) {
  (void)state;
  static const struct {
    const char *options;
    bool cold;
    const char *io;
  } way[] = {{"", false, "\"io\": \"posix\""},
             {"--cold", true, "\"io\": \"direct\""},
             {"--cold --io posix", true, "\"io\": \"posix\""},
             {"--io mpio", false, "\"io\": \"mpio\""},
             {"--residency host", false, "\"io\": \"posix\""}};
  for (int ranks = 1; ranks <= 3; ranks += 2)
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
      cli_expect(0, "mpirun -n %d $cytoforge bench loader --data atlas --batch 64 --epochs 2 %s --json 2>errors.txt",
                 ranks, way[i].options);
      assert_true(json_number("n_cells") == 1400);
      assert_true(json_number("atlas_cells") == 700);
      assert_true(json_number("ranks") == ranks);
      cli_expect_text(way[i].cold ? "\"cold\": true" : "\"cold\": false");
      if (strstr(cli_output, "\"io\": \"posix\"") && strstr(way[i].io, "direct"))
        print_message("skipped: reads past the page cache, which this file system does not have\n");
      else
        cli_expect_text(way[i].io);
      assert_true(json_number("cells_per_s") > 0 && json_number("plain_read_bytes_per_s") > 0);
      const double ratio = json_number("n_cells") / json_number("seconds") / json_number("cells_per_s");
      assert_true(ratio > 0.999 && ratio < 1.001);
      const double cpu = json_number("n_cells") / json_number("cpu_seconds") / json_number("cells_per_cpu_s");
      assert_true(json_number("cpu_seconds") > 0 && cpu > 0.999 && cpu < 1.001);
    }
  cli_expect(0, "$cytoforge bench loader --data atlas --batch 64 --seconds 0.1");
  cli_expect_text("cells/s");
  cli_expect_text("peak memory");
}

/* Steps are steps: the loss of a batch that comes again and again falls, alike on one rank and on two. */
static void training_steps_are_timed(void **state) {
  (void)state;
  static const char *const stages[] = {"autoencoder", "denoiser", "classifier"};
  for (int i = 0; i < 3; i++)
    for (int ranks = 1; ranks <= 2; ranks++) {
      cli_expect(0,
                 "mpirun -n %d $cytoforge bench train --stage %s --genes 300 --nnz 30 --classes 3 --batch 64 --steps 8 "
                 "--device cpu --set 'autoencoder.hidden=[32]' --set autoencoder.latent=16 --set "
                 "'denoiser.hidden=[32, 16]' --set 'classifier.hidden=[32, 32, 16]' --json 2>errors.txt",
                 ranks, stages[i]);
      cli_expect_text("\"device\": \"cpu\"");
      cli_expect_text("\"plane\": \"MPI\"");
      assert_true(json_number("ranks") == ranks && json_number("batch_cells") == 64);
      assert_true(json_number("step_min_s") > 0 && json_number("step_min_s") <= json_number("step_median_s"));
      assert_true(json_number("step_median_s") <= json_number("step_p90_s"));
      assert_true(json_number("cells_per_s") > 0);
      assert_true(json_number("product_flops_per_s") > 0 && json_number("copy_bytes_per_s") > 0);
      assert_true(json_number("share_of_copy_rate") > 0 && json_number("share_of_product_rate") > 0);
      assert_true(json_number("last_loss") < json_number("first_loss"));
      /* 300 genes -> 32 -> 16 -> 32 -> 300, of which a cell expresses 30 */
      if (i == 0) assert_true(json_number("step_flops") == 6.0 * 64 * (30 * 32 + 32 * 16 + 16 * 32 + 32 * 300));
    }
  cli_expect(2, "$cytoforge bench train --stage decoder");
  cli_expect_text("--stage wants one of 'autoencoder', 'denoiser', 'classifier', not 'decoder'");
  cli_expect(2, "mpirun -n 2 $cytoforge bench train --batch 65");
  cli_expect_text("--batch 65 is not a multiple of the 2 ranks");
}

/* Steps on the atlas, wherever its cells stay: the same numbers of cells and, on the CPU, the same losses. */
static void steps_on_an_atlas_are_timed(void **state) {
  static const char *const residencies[] = {"stream", "host", "device"};
  double loss[3];
  (void)state;
  for (int i = 0; i < 3; i++) {
    cli_expect(0,
               "mpirun -n 2 $cytoforge bench train --data atlas --residency %s --batch 64 --steps 7 --device cpu --set "
               "'autoencoder.hidden=[32]' --set autoencoder.latent=16 --json 2>errors.txt",
               residencies[i]);
    assert_true(json_number("n_genes") > 100 && json_number("values_per_cell") > 10);
    assert_true(json_number("cells_per_s") > 0 && json_number("ranks") == 2);
    assert_true(json_number("last_loss") < json_number("first_loss"));
    cli_expect_text("\"atlas\": \"atlas\"");
    cli_expect_text(residencies[i]);
    loss[i] = json_number("last_loss");
  }
  assert_true(loss[0] == loss[1] && loss[1] == loss[2]);
  cli_expect(2, "$cytoforge bench train --data atlas --stage denoiser --batch 64");
  cli_expect_text("the denoiser trains on latents");
  cli_expect(2, "$cytoforge bench train --residency host");
  cli_expect_text("--residency is of an atlas");
  cli_expect(4, "$cytoforge bench train --data nothing --batch 64");
}

/* Every method, guided and not, of a made-up model and of a real one. */
static void sampling_is_timed(void **state) {
  static const char *const methods[] = {"ddpm", "ddim", "dpm++"};
  (void)state;
  for (int i = 0; i < 3; i++)
    for (int ranks = 1; ranks <= 2; ranks++) {
      cli_expect(0,
                 "mpirun -n %d $cytoforge bench sample --method %s --steps 5 --guidance %d -n 600 --threads 1 --device "
                 "cpu --classes 3 --set autoencoder.latent=8 --set 'denoiser.hidden=[32, 16]' --set "
                 "'classifier.hidden=[16, 16, 8]' --json 2>errors.txt",
                 ranks, methods[i], ranks - 1);
      cli_expect_text("\"model\": \"made up\"");
      cli_expect_text(methods[i]);
      assert_true(json_number("steps") == 5 && json_number("n_cells") == 600 && json_number("ranks") == ranks);
      const double ratio = json_number("n_cells") / json_number("seconds") / json_number("cells_per_s");
      assert_true(ratio > 0.999 && ratio < 1.001);
      /* 8 -> 32 -> 16 -> 32 (skip), out 32 -> 32 -> 8; the classifier 8 -> 16 -> 16 -> 8 -> 3, forward and back */
      const double denoiser = 2.0 * (8 * 32 + 32 * 16 + 16 * 32 + 32 * 32 + 32 * 8);
      const double classifier = 4.0 * (8 * 16 + 16 * 16 + 16 * 8 + 8 * 3);
      assert_true(json_number("flops_per_cell") == 5 * (denoiser + (ranks - 1) * classifier));
    }
  cli_expect(0,
             "$cytoforge train $fixed --data atlas --out sampled --device cpu --set 'autoencoder.hidden=[16]' --set "
             "autoencoder.latent=8 --set 'denoiser.hidden=[16, 8]' --set 'classifier.hidden=[16, 16, 8]' --set "
             "autoencoder.steps=3 --set denoiser.steps=3 --set classifier.steps=3 --set autoencoder.batch_cells=64 "
             "--set denoiser.batch_cells=64 --set classifier.batch_cells=64");
  cli_expect(0, "$cytoforge bench sample -m sampled/model.h5 --steps 4 --guidance 2 -n 300 --device cpu");
  cli_expect_text("4 steps, guidance 2, cpu, 1 rank: ");
  cli_expect(2, "$cytoforge bench sample --method slow --device cpu");
  cli_expect(2, "$cytoforge bench sample -m sampled/model.h5 --set seed=1");
  cli_expect_text("--set is of a made-up model");
}

static void wrong_requests_get_one_line(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge bench --data atlas");
  cli_expect_text("cytoforge bench loader --data ATLAS");
  cli_expect(2, "$cytoforge bench loader");
  cli_expect_text("--data ATLAS is needed");
  cli_expect(2, "$cytoforge bench loader --data atlas --io tape");
  cli_expect_text("--io wants one of 'auto', 'posix', 'direct', 'mpio', not 'tape'");
  cli_expect(3, "$cytoforge bench loader --data atlas --batch 100");
  cli_expect_text("64 or 128 is valid");
  cli_expect(4, "$cytoforge bench loader --data nothing");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out run --set data.residency=tape");
  cli_expect_text("data.residency");
  cli_expect(3, "$cytoforge train $fixed --data atlas --out run --set data.balance=uniform");
  cli_expect_text("needs data.balance_label");
  cli_expect(3,
             "mpirun -n 2 $cytoforge train $fixed --data atlas --out run --set data.balance=uniform --set "
             "data.balance_label=donor --stage autoencoder");
  cli_expect_text("'donor' is no label of atlas, which has: cell_type");
}

/* A run on balanced cells that stay in memory. */
static void runs_take_balance_and_residency(void **state) {
  (void)state;
  cli_expect(
      0,
      "mpirun -n 2 $cytoforge train $fixed --data atlas --out run "
      "--stage autoencoder --set data.balance=sqrt --set data.balance_label=cell_type --set "
      "data.residency=host --set data.decode_threads=2 --set autoencoder.steps=12 --set autoencoder.hidden=[16]");
  cli_expect_text("autoencoder: done after 12 steps");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_cell_of_an_epoch_is_counted), cmocka_unit_test(training_steps_are_timed),
      cmocka_unit_test(steps_on_an_atlas_are_timed),       cmocka_unit_test(sampling_is_timed),
      cmocka_unit_test(wrong_requests_get_one_line),       cmocka_unit_test(runs_take_balance_and_residency),
  };
  return cmocka_run_group_tests(tests, make_atlas, cli_teardown);
}
