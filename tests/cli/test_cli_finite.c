/* SPDX-License-Identifier: MIT */
/* What is not finite is found where it first can be, by every command. NaN and infinity are planted in every tensor of
 * a model and of a checkpoint and in every input, and guidance makes them. The exit code is 8 for numbers, 4 for input
 * files; no output file is left. Models and cells are those of tests/files-0.1. */
#include <math.h>

#include "cli.h"
#include "plant.h"

static const float planted[2] = {NAN, INFINITY};

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "cp -r '%s'/tests/files-0.1/* . && chmod -R u+w . && gunzip expected/*.gz && cp expected/encoded.h5ad "
      "cells.h5ad",
      test_source());
}

static void expect_no_output(void) {
  assert_int_not_equal(access("out.h5ad", F_OK), 0);
}

/* ---- models and checkpoints ---- */

static void every_tensor_of_a_model_is_looked_at(void **state) {
  (void)state;
  static const char *const models[] = {"mse.h5", "nb.h5", "conditioned.h5"};
  static plant_names names;
  for (size_t m = 0; m < 3; m++) {
    plant_list(models[m], &names);
    assert_true(names.n > 40);
    for (int i = 0; i < names.n; i += m == 0 ? 1 : 3) { /* layers of the others are mostly those of the first */
      cli_expect(0, "cp %s bad.h5", models[m]);
      plant("bad.h5", names.name[i], i % 2 ? 0 : -1, planted[(i + (int)m) % 2]);
      cli_expect(8, "$cytoforge sample -m bad.h5 -n 4 --steps 2 --threads 1 -o out.h5ad");
      cli_expect_text("bad.h5: tensor ");
      cli_expect_text(strrchr(names.name[i], '/') + 1);
      cli_expect_one_error("cytoforge: error:");
      expect_no_output();
    }
  }
}

static void every_command_looks_at_its_model(void **state) {
  (void)state;
  static const char *const commands[] = {
      "sample -m bad.h5 -n 4 --steps 2 -o out.h5ad",
      "encode -m bad.h5 cells.h5ad -o out.h5ad",
      "encode -m bad.h5 atlas -o out",
      "decode -m bad.h5 cells.h5ad -o out.h5ad",
      "interpolate -m bad.h5 --start cells.h5ad --attribute cell_type --from type_1 --to type_2 --points 3 -o out.h5ad",
      "export -m bad.h5 --format safetensors -o out",
      "train -m bad.h5 --stage classifier:donor --data atlas --force",
  };
  static plant_names names;
  plant_list("mse.h5", &names);
  for (size_t c = 0; c < sizeof commands / sizeof *commands; c++) {
    cli_expect(0, "rm -rf out && cp mse.h5 bad.h5");
    plant("bad.h5", names.name[0], 1, NAN);
    cli_expect(8, "$cytoforge %s", commands[c]);
    cli_expect_text("bad.h5: tensor ");
    expect_no_output();
  }
}

/* The newest checkpoint is never passed over for its numbers: that would lose what was trained since, unseen. */
static void every_tensor_of_a_checkpoint_is_looked_at(void **state) {
  (void)state;
  static const char checkpoint[] = "run/checkpoints/denoiser-00000020.h5";
  static plant_names names;
  plant_list("unfinished/checkpoints/denoiser-00000020.h5", &names);
  assert_true(names.n > 20);
  for (int i = 0; i < names.n; i++) {
    cli_expect(0, "rm -rf run && cp -r unfinished run && cp %s run/checkpoints/denoiser-00000010.h5", checkpoint);
    plant(checkpoint, names.name[i], i % 2 ? 0 : -1, planted[i % 2]);
    cli_expect(8, "$cytoforge train -c train.yaml --data atlas --out run --resume auto --threads 1");
    cli_expect_text("denoiser-00000020.h5: ");
    cli_expect_one_error("cytoforge: error:");
  }
}

/* ---- inputs ---- */

static void inputs_are_looked_at(void **state) {
  (void)state;
  static const struct {
    const char *command, *array, *said;
  } cases[] = {
      {"encode -m mse.h5 bad.h5ad -o out.h5ad", "X/data", "cell 39"},
      {"encode -m nb.h5 bad.h5ad -o out.h5ad", "X/data", "cell 39"},
      {"decode -m mse.h5 bad.h5ad -o out.h5ad", "obsm/X_latent", "cell 39"},
      {"decode -m nb.h5 bad.h5ad -o out.h5ad", "obsm/X_latent", "cell 39"},
      {"prepare bad.h5ad -o out", "X/data", "cell 39"},
      {"evaluate --real bad.h5ad --synthetic cells.h5ad -o out", "X/data", "cell 39"},
      {"evaluate --real cells.h5ad --synthetic bad.h5ad -o out", "X/data", "cell 39"},
      {"interpolate -m mse.h5 --start bad.h5ad --attribute cell_type --from type_1 --to type_2 --points 3 -o out.h5ad",
       "X/data", "cell 39"},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    for (int k = 0; k < 2; k++) {
      cli_expect(0, "rm -rf out* && cp cells.h5ad bad.h5ad");
      plant("bad.h5ad", cases[c].array, -1, planted[k]);
      cli_expect(4, "$cytoforge %s", cases[c].command);
      cli_expect_text("bad.h5ad");
      cli_expect_text(cases[c].said);
      cli_expect_one_error("cytoforge: error:");
      expect_no_output();
    }
}

/* An atlas of float32 values, on any way to its cells. The checksums find what the disk changed; the values themselves
 * are looked at beside them, since nothing else knows of what was wrong when it was written. */
static void stored_cells_are_looked_at(void **state) {
  (void)state;
  static const char changed[] = "are not what was written", not_finite[] = "cell 39 has a value that is not finite";
  static const struct {
    const char *command, *told;
  } cases[] = {
      {"train -c train.yaml --data logs --out logs_run --force --set data.verify=never", not_finite},
      {"train -c train.yaml --data logs --out logs_run --force --set data.verify=never --set data.residency=host",
       not_finite},
      {"train -c train.yaml --data logs --out logs_run --force", changed},
      {"encode -m mse.h5 logs -o out", changed},
  };
  for (int k = 0; k < 2; k++)
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
      cli_expect(0, "rm -rf logs out && $cytoforge prepare cells.h5ad -o logs --min-genes 0 --min-cells 0");
      plant("logs/shard-00000.h5ad", "X/data", -1, planted[k]);
      cli_expect(4, "$cytoforge %s --threads 1", cases[c].command);
      cli_expect_text("shard-00000.h5ad: damaged: ");
      cli_expect_text(cases[c].told);
    }
}

static void stored_latents_are_looked_at(void **state) {
  (void)state;
  cli_expect(0, "rm -rf run && cp -r unfinished run");
  hid_t file = H5Fopen("run/latents/latents-00000.h5ad", H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t dataset = H5Dopen2(file, "obsm/X_latent", H5P_DEFAULT);
  assert_true(dataset >= 0);
  float values[64 * 8];
  assert_true(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  values[9 * 8 + 3] = NAN;
  assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Fclose(file);
  cli_expect(4, "$cytoforge train -c train.yaml --data atlas --out run --resume auto --threads 1");
  cli_expect_text("latents-00000.h5ad: cell 9: number 3 of obsm/X_latent is nan");
}

/* ---- guidance ---- */

static const char *const methods[] = {"ddpm", "ddim", "dpm++"};

static void guidance_beyond_numbers_names_cell_and_step(void **state) {
  (void)state;
  static const char *const clips[] = {"", "--clip"};
  for (size_t m = 0; m < 3; m++)
    for (int clip = 0; clip < 2; clip++)
      for (int free = 0; free < 2; free++) {
        cli_expect(8,
                   "$cytoforge sample -m %s -n 20 --where cell_type=type_1 --guidance cell_type=3e38 --method %s %s %s "
                   "--threads 1 -o out.h5ad",
                   free ? "conditioned.h5" : "mse.h5", methods[m], clips[clip], free ? "--guidance-mode free" : "");
        if (strstr(cli_output, "is not finite after step ") == NULL) cli_expect_text("changes the predicted noise by ");
        cli_expect_text("the guidance is too strong");
        cli_expect_one_error("cytoforge: error:");
        expect_no_output();
      }
}

/* Weights 1 to 4 are used; 100 is not what the model was trained for, though its cells may be finite. */
static void strong_guidance_is_warned_of_once(void **state) {
  (void)state;
  static const struct {
    const char *weight;
    bool warns;
  } cases[] = {{"0", false}, {"1", false}, {"4", false}, {"100", true}};
  for (size_t m = 0; m < 3; m++)
    for (int free = 0; free < 2; free++)
      for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        cli_expect(
            0,
            "mpirun -n 2 $cytoforge sample -m %s -n 300 --where cell_type=type_1 --guidance cell_type=%s --method %s "
            "%s "
            "--threads 1 --force -o out.h5ad",
            free ? "conditioned.h5" : "mse.h5", cases[c].weight, methods[m], free ? "--guidance-mode free" : "");
        if (cases[c].warns) {
          cli_expect_one_error("the guidance is strong");
        } else {
          assert_null(strstr(cli_output, "guidance is strong"));
        }
      }
  cli_expect(0, "rm -f out.h5ad");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_tensor_of_a_model_is_looked_at),
      cmocka_unit_test(every_command_looks_at_its_model),
      cmocka_unit_test(every_tensor_of_a_checkpoint_is_looked_at),
      cmocka_unit_test(inputs_are_looked_at),
      cmocka_unit_test(stored_cells_are_looked_at),
      cmocka_unit_test(stored_latents_are_looked_at),
      cmocka_unit_test(guidance_beyond_numbers_names_cell_and_step),
      cmocka_unit_test(strong_guidance_is_warned_of_once),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
