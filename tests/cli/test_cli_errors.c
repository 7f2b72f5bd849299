/* SPDX-License-Identifier: MIT */
/* Bad input: one clear line that names the file and the reason, a non-zero exit on every rank, nothing half-written, no
 * hang. */
#include "cli.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 600 --genes 100 --types 2 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type");
}

/* Under 1 and 3 ranks: this exit code, one error line with this text, and `output` absent afterwards. */
static void expect_refusal(int code, const char *command, const char *text, const char *output) {
  static const char *const launchers[] = {"", "mpirun -n 3"};
  for (int i = 0; i < 2; i++) {
    cli_expect(code, "timeout 60 %s $cytoforge %s", launchers[i], command);
    cli_expect_one_error("cytoforge: error");
    cli_expect_text(text);
    if (output == NULL) continue;
    assert_int_not_equal(access(output, F_OK), 0);
    assert_int_equal(count_partials(output), 0);
  }
}

static void a_missing_or_truncated_file_is_named(void **state) {
  (void)state;
  expect_refusal(4, "prepare nowhere.h5ad -o out", "nowhere.h5ad", "out");
  cli_expect(0, "head -c 20000 cells.h5ad > short.h5ad; head -c 5000 /dev/zero > zeros.h5ad");
  expect_refusal(4, "prepare short.h5ad -o out", "short.h5ad", "out");
  expect_refusal(4, "prepare zeros.h5ad -o out", "zeros.h5ad", "out");
  expect_refusal(4, "train --data nowhere --out out", "nowhere", NULL);
  expect_refusal(4, "sample -m nowhere.h5 -n 5 -o out.h5ad", "nowhere.h5", "out.h5ad");
  expect_refusal(4, "sample -m cells.h5ad -n 5 -o out.h5ad", "cells.h5ad", "out.h5ad");
}

static void a_truncated_shard_is_named(void **state) {
  (void)state;
  cli_expect(0, "cp -r atlas broken && head -c 20000 atlas/shard-00000.h5ad > broken/shard-00000.h5ad");
  expect_refusal(4, "train --data broken --out out_broken", "shard-00000.h5ad", "out_broken/model.h5");
}

static void a_missing_label_column_is_named(void **state) {
  (void)state;
  expect_refusal(4, "prepare cells.h5ad -o out --label tissue", "cell_type", "out");
  expect_refusal(2, "train --data atlas --out out_stage --stage classifier:tissue", "cell_type", NULL);
  expect_refusal(2, "train --data atlas --out out_stage --stage decoder", "autoencoder", NULL);
}

static void inputs_that_cannot_be_selected_are_refused(void **state) {
  (void)state;
  cli_expect(
      0, "mkdir -p folder && cp cells.h5ad folder/a.h5ad && cp cells.h5ad folder/b.h5ad && echo a.h5ad > folder/list");
  expect_refusal(4, "prepare folder -o out --label cell_type",
                 "folder: is a folder; name its files, as in 'folder/*.h5ad'", "out");
  expect_refusal(4, "prepare 'folder/*.loom' -o out", "no file matches this pattern", "out");
  expect_refusal(4, "prepare folder/a.h5ad --inputs-from folder/list -o out",
                 "folder/a.h5ad: this input is given twice", "out");
  expect_refusal(4, "prepare 'folder/*.h5ad' --duplicates refuse -o out", "its cells are numbered, not named", "out");
  expect_refusal(4, "prepare cells.h5ad --duplicates refuse --id-column cell_type -o out",
                 "598 cells have an id that an earlier cell has", "out");
  expect_refusal(2, "prepare cells.h5ad -o out --duplicates merge", "'keep', 'refuse', 'drop', not 'merge'", "out");
  expect_refusal(4, "prepare cells.h5ad -o out --keep cell_tipe=type_1", "did you mean cell_type?", "out");
  expect_refusal(4, "prepare cells.h5ad -o out --keep cell_type=neuron", "the values are: 'type_1', 'type_2'", "out");
  expect_refusal(4, "prepare cells.h5ad -o out --holdout-where cell_type=neuron", "the values are: 'type_1', 'type_2'",
                 "out");
  expect_refusal(2, "prepare cells.h5ad -o out --holdout-where neuron", "wants COLUMN=VALUE", "out");
  expect_refusal(4, "prepare cells.h5ad -o out --label cell_type --label-map nowhere.tsv", "nowhere.tsv", "out");
  expect_refusal(4, "prepare cells.h5ad -o out --gene-column symbol", "var has no column 'symbol'", "out");
  /* And what is right: two files by a pattern, the first cell of each type, one of the two held out. */
  cli_expect(0,
             "mpirun -n 2 $cytoforge prepare 'folder/*.h5ad' -o both --label type=kind,cell_type --duplicates drop "
             "--id-column cell_type --holdout-where type=type_1 --min-cells 1 --min-genes 1");
  cli_expect_text("1198 cells dropped");
  cli_expect_text("label \"type\": obs column kind of 0 of 2 inputs");
  cli_expect_text("label \"type\": obs column cell_type of 2 of 2 inputs");
  cli_expect(0, "grep -q 'cells_repeated: 1198' both/manifest.yaml && grep -q 'cells_heldout: 1' both/manifest.yaml");
}

static void an_atlas_that_exists_is_kept(void **state) {
  (void)state;
  expect_refusal(5, "prepare cells.h5ad -o atlas --label cell_type", "--force", NULL);
  cli_expect(0, "$cytoforge info atlas");
}

/* A real full disk: a file system of `size` in memory, mounted on ./full in a mount namespace of the command's own. */
#define ON_A_DISK_OF(size, command)                                             \
  "mkdir -p full; timeout 100 unshare -rm sh -c \"mount -t tmpfs -o size=" size \
  " tmpfs full && export cytoforge='$cytoforge' && " command "\""

static void a_full_disk_leaves_nothing_behind(void **state) {
  (void)state;
  if (cli_run("mkdir -p full; unshare -rm mount -t tmpfs -o size=1m tmpfs full") != 0)
    test_skip("this machine does not allow mount namespaces");
  cli_expect(0, "$cytoforge synth -o more.h5ad --cells 2000 --genes 500 --types 2");
  cli_expect(
      0, ON_A_DISK_OF("200k",
                      "$cytoforge synth -o full/a.h5ad --cells 2000 --genes 500 --types 2; echo code=\\$?; ls full"));
  cli_expect_text("code=5");
  cli_expect_one_error("cytoforge: error");
  cli_expect_text("full/a.h5ad");
  cli_expect(
      0,
      ON_A_DISK_OF(
          "200k", "mpirun -n 2 $cytoforge prepare more.h5ad -o full/atlas --label cell_type; echo code=\\$?; ls full"));
  cli_expect_text("code=5");
  cli_expect_one_error("cytoforge: error");
  cli_expect(
      0, ON_A_DISK_OF("200k",
                      "mpirun -n 2 $cytoforge train $fixed --data atlas --out full/run --stage autoencoder "
                      "--set autoencoder.steps=3 --set data.validation=0; echo code=\\$?; ls full/run/checkpoints"));
  cli_expect_text("code=5");
  cli_expect_one_error("cytoforge: error");
  cli_expect_text("full/run");
  assert_null(strstr(cli_output, ".h5\n"));
}

static void steps_in_the_wrong_order_are_refused(void **state) {
  (void)state;
  expect_refusal(2, "train --data atlas --out early --stage denoiser", "no finished autoencoder", NULL);
}

static void too_many_ranks_for_the_lanes_are_refused(void **state) {
  (void)state;
  cli_expect(
      3,
      "timeout 60 mpirun -n 3 $cytoforge train $fixed --data atlas --out few --set data.lanes=2 --stage autoencoder");
  cli_expect_text("lanes");
  cli_expect_one_error("cytoforge: error");
}

static void synth_refuses_nonsense(void **state) {
  (void)state;
  expect_refusal(2, "synth -o out.h5ad --cells 0", "cells", "out.h5ad");
  expect_refusal(2, "synth -o out.h5ad --types 0", "types", "out.h5ad");
  expect_refusal(5, "synth -o nowhere/out.h5ad", "nowhere/out.h5ad", NULL);
}

/* Renaming onto a FIFO or a device would take its place. Refused before any input is looked at: there is none. */
static void an_output_that_is_no_regular_file_is_left_alone(void **state) {
  (void)state;
  static const char *const to_file[] = {"sample -m nowhere.h5 -n 5",
                                        "interpolate -m nowhere.h5 --attribute day --start nowhere.h5ad",
                                        "transfer -m nowhere.h5 --to day=2 --start nowhere.h5ad",
                                        "encode -m nowhere.h5 nowhere.h5ad",
                                        "decode -m nowhere.h5 nowhere.h5ad",
                                        "predict -m nowhere.h5 nowhere.h5ad",
                                        "import --scimilarity nowhere",
                                        "evaluate --real nowhere.h5ad --synthetic nowhere.h5ad",
                                        "synth"};
  static const char *const to_folder[] = {"evaluate --real nowhere.h5ad --synthetic nowhere.h5ad --force --report",
                                          "export -m nowhere.h5 --format safetensors --force -o",
                                          "synth --files 2 --force -o", "prepare cells.h5ad --force -o",
                                          "train --data atlas --force --out"};
  char command[256];
  cli_expect(0, "mkfifo fifo && mkdir taken && touch taken/notes && ln -s nothing dangling");
  for (size_t i = 0; i < sizeof to_file / sizeof *to_file; i++) {
    snprintf(command, sizeof command, "%s --force -o fifo", to_file[i]);
    expect_refusal(5, command, "fifo is a FIFO, and only a regular file can be replaced", NULL);
  }
  expect_refusal(5, "sample -m nowhere.h5 -n 5 --force -o taken", "taken is a directory, and only a regular file",
                 NULL);
  expect_refusal(5, "synth --force -o dangling", "dangling is a link that leads to no file", NULL);
  for (size_t i = 0; i < sizeof to_folder / sizeof *to_folder; i++) {
    snprintf(command, sizeof command, "%s fifo", to_folder[i]);
    expect_refusal(5, command, "fifo", NULL);
  }
  expect_refusal(5, "prepare cells.h5ad --force -o dangling", "dangling is a link that leads nowhere", NULL);
  cli_expect(0, "test -p fifo && test -f taken/notes && test -L dangling && ! ls -d *.partial*");
  cli_expect(0, "mkdir several && mkfifo several/cells-00001.h5ad");
  expect_refusal(5, "synth --files 2 --force -o several", "several/cells-00001.h5ad is a FIFO", NULL);
  cli_expect(0, "test -p several/cells-00001.h5ad");
}

/* An output that is a link is written where the link leads, and stays a link. */
static void a_linked_output_is_followed(void **state) {
  (void)state;
  cli_expect(0,
             "mkdir disk && ln -s disk/a.h5ad linked.h5ad && touch disk/a.h5ad && "
             "$cytoforge synth --cells 50 --genes 20 --force -o linked.h5ad && test -L linked.h5ad && "
             "test ! -L disk/a.h5ad && test -s disk/a.h5ad && ls disk | wc -l");
  assert_string_equal(cli_output + strlen(cli_output) - 2, "1\n");
  expect_refusal(5, "synth --cells 50 --genes 20 -o linked.h5ad", "linked.h5ad exists", NULL);
  cli_expect(0,
             "cp -r atlas disk/atlas && ln -s disk/atlas linked && "
             "mpirun -n 2 $cytoforge prepare cells.h5ad -o linked/ --label donor --force && test -L linked && "
             "grep -q donor disk/atlas/manifest.yaml && ls disk | wc -l");
  assert_string_equal(cli_output + strlen(cli_output) - 2, "2\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_output_that_is_no_regular_file_is_left_alone),
      cmocka_unit_test(a_linked_output_is_followed),
      cmocka_unit_test(a_missing_or_truncated_file_is_named),
      cmocka_unit_test(a_truncated_shard_is_named),
      cmocka_unit_test(a_missing_label_column_is_named),
      cmocka_unit_test(inputs_that_cannot_be_selected_are_refused),
      cmocka_unit_test(an_atlas_that_exists_is_kept),
      cmocka_unit_test(a_full_disk_leaves_nothing_behind),
      cmocka_unit_test(steps_in_the_wrong_order_are_refused),
      cmocka_unit_test(too_many_ranks_for_the_lanes_are_refused),
      cmocka_unit_test(synth_refuses_nonsense),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
