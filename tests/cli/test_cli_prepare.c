/* SPDX-License-Identifier: MIT */
/* `cytoforge prepare` is killed at several moments. The same command then goes on, on another number of ranks, to the
 * same bytes as a run that was never stopped. */
#include "base/memory.h"
#include "cli.h"
#include "data/prepare/options.h"
#include "data/prepare/spill.h"

/* Runs prepare in the folder $1 on $2 ranks and kills it (a rank of it) with signal $5 once the folder
 * $1/atlas.partial/$3 holds $4 finished files. */
static const char kill_script[] =
    "mkdir -p $1; cd $1; exec >stopped.txt 2>&1\n"
    "if [ $2 -eq 1 ]; then $cytoforge $prepare & else mpirun -n $2 $cytoforge $prepare & fi\n"
    "run=$!\n"
    "while kill -0 $run 2>/dev/null; do\n"
    "  n=0; for f in atlas.partial/$3/*; do case $f in *.partial.*|*'*') ;; *) n=$((n + 1));; esac; done\n"
    "  [ $n -lt $4 ] || break\n"
    "done\n"
    "victim=$run; [ $2 -eq 1 ] || victim=$(pgrep -P $run cytoforge | head -n 1)\n"
    "kill -$5 $victim; wait $run; echo code=$?\n";

static const char prepare_options[] =
    "prepare ../a.h5ad ../b.h5ad -o atlas --label cell_type --label donor --holdout 0.2 --shard-cells 150 --seed 3";

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  FILE *script = fopen("kill_at.sh", "w");
  if (script == NULL || fputs(kill_script, script) < 0 || fclose(script) != 0) return -1;
  setenv("prepare", prepare_options, 1);
  setenv("cytoforge", test_binary(), 1);
  cli_expect(0,
             "$cytoforge synth -o a.h5ad --cells 2000 --genes 600 --types 3 && "
             "$cytoforge synth -o b.h5ad --cells 1500 --genes 600 --types 3 --seed 9 && "
             "mkdir whole && cd whole && $cytoforge $prepare");
  return 0;
}

/* The atlas in the folder is, byte for byte, the one that was made without a stop; nothing else is left. */
static void expect_the_same_atlas(const char *folder) {
  cli_expect(0, "diff -r -x stopped.txt whole %s && ! ls -d %s/*.partial", folder, folder);
}

static void expect_stopped(const char *folder) {
  cli_expect(0, "test ! -e %s/atlas && test -e %s/atlas.partial/journal.txt", folder, folder);
}

/* Kills a run in time; one that ended before is tried again. */
static void kill_at(const char *folder, int ranks, const char *work, int n_done, const char *signal) {
  enum { TRIES = 20 };
  for (int i = 0; i < TRIES; i++) {
    cli_expect(0, "rm -rf %s/atlas; sh kill_at.sh %s %d %s %d %s", folder, folder, ranks, work, n_done, signal);
    char path[64];
    snprintf(path, sizeof(path), "%s/atlas", folder);
    if (access(path, F_OK) != 0) break;
  }
  expect_stopped(folder);
}

static void a_killed_run_goes_on_to_the_same_atlas(void **state) {
  (void)state;
  static const struct {
    const char *work;
    int n_done, ranks, ranks_after;
  } moments[] = {{"select", 3, 1, 2}, {"spill", 2, 1, 3}, {"spill", 9, 2, 1}, {"shards", 2, 1, 4}, {"shards", 5, 3, 2}};
  for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
    char folder[32];
    snprintf(folder, sizeof(folder), "killed%zu", i);
    kill_at(folder, moments[i].ranks, moments[i].work, moments[i].n_done, "KILL");
    cli_expect(0, "cd %s && mpirun -n %d $cytoforge $prepare", folder, moments[i].ranks_after);
    cli_expect_text("going on with atlas.partial");
    cli_expect_text("are there from before");
    cli_expect_text("verified: ");
    expect_the_same_atlas(folder);
  }
}

static void one_run_may_be_killed_again_and_again(void **state) {
  (void)state;
  kill_at("again", 1, "select", 2, "KILL");
  kill_at("again", 2, "select", 9, "KILL");
  kill_at("again", 1, "spill", 5, "KILL");
  kill_at("again", 3, "shards", 3, "KILL");
  cli_expect(0, "cd again && $cytoforge $prepare");
  expect_the_same_atlas("again");
}

/* Changes the last count of the first cell that unit 0's spill holds for a bin. Values stand last in a record, and only
 * the verification at the end can tell that they are wrong. */
static void damage_spill(const char *folder, uint32_t bin) {
  static uint8_t bytes[1 << 22];
  char directory[64], *path = NULL;
  snprintf(directory, sizeof(directory), "%s/atlas.partial/spill", folder);
  assert_int_equal(cyf_spill_path(directory, 0, &path), CYF_OK);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  const size_t n = fread(bytes, 1, sizeof(bytes), file);
  cyf_spill_trailer trailer;
  assert_true(n > sizeof(trailer) && n < sizeof(bytes));
  memcpy(&trailer, bytes + n - sizeof(trailer), sizeof(trailer));
  assert_int_equal(trailer.magic, CYF_SPILL_MAGIC);
  size_t extents = n - sizeof(trailer) - (size_t)trailer.n_extents * sizeof(cyf_spill_extent), at = 0;
  for (cyf_spill_extent extent = {UINT32_MAX, 0};; at += (size_t)cyf_spill_room(extent.bytes)) {
    assert_true(extents + sizeof(extent) <= n - sizeof(trailer));
    memcpy(&extent, bytes + extents, sizeof(extent));
    extents += sizeof(extent);
    if (extent.bin == bin) break;
  }
  cyf_spill_header header;
  memcpy(&header, bytes + at, sizeof(header));
  at += sizeof(header) + 2 * sizeof(int32_t) /* labels */ + header.name_bytes + header.packed_bytes - 1;
  assert_true(header.nnz > 0 && bytes[at] > 0 && bytes[at] < 0x80 && at < n);
  const uint8_t other = bytes[at] ^ 0x40;
  assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
  assert_int_equal(fwrite(&other, 1, 1, file), 1);
  assert_int_equal(fclose(file), 0);
  cyf_free(path);
}

/* Every file is compared with the inputs: the shards together, heldout.h5ad and train.h5ad each. */
static void a_changed_value_is_found_at_the_end(void **state) {
  (void)state;
  enum { SHARDS = 19 }; /* of 2,800 cells; then the held-out cells, and the training cells once more */
  static const struct {
    uint32_t bin;
    const char *file;
  } places[] = {{4, "atlas.partial"}, {SHARDS, "heldout.h5ad"}, {SHARDS + 1, "train.h5ad"}};
  cli_expect(0, "test -e whole/atlas/shard-00018.h5ad && test ! -e whole/atlas/shard-00019.h5ad");
  for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
    char text[128];
    kill_at("changed", 1, "spill", 3, "KILL");
    damage_spill("changed", places[i].bin);
    cli_expect(5, "cd changed && mpirun -n 2 $cytoforge $prepare");
    snprintf(text, sizeof(text), "%s: the values or labels read back are not those of the inputs", places[i].file);
    cli_expect_text(text);
    cli_expect(0, "cd changed && ls atlas.partial && test ! -e atlas && rm -rf atlas.partial");
  }
  cli_expect(0, "cd changed && $cytoforge $prepare");
  cli_expect_text("verified, held out: 700 cells");
  expect_the_same_atlas("changed");
}

static void a_signal_leaves_what_is_done(void **state) {
  (void)state;
  kill_at("signalled", 1, "spill", 4, "TERM");
  cli_expect(0, "cat signalled/stopped.txt");
  cli_expect_text("code=75");
  cli_expect_one_error("cytoforge: stopped: a signal came; atlas.partial holds what is done");
  /* Not while another run is at work there. */
  cli_expect(5, "cd signalled && flock atlas.partial/lock $cytoforge $prepare");
  cli_expect_text("another run of prepare");
  expect_stopped("signalled");
  cli_expect(0, "cd signalled && mpirun -n 2 $cytoforge $prepare");
  cli_expect_text("from before");
  expect_the_same_atlas("signalled");
}

static void other_options_or_inputs_begin_anew(void **state) {
  (void)state;
  kill_at("other", 1, "spill", 4, "KILL");
  cli_expect(0, "cd other && $cytoforge $prepare --min-genes 5");
  cli_expect_text("beginning anew");
  assert_null(strstr(cli_output, "from before"));
  kill_at("other", 1, "shards", 2, "KILL");
  cli_expect(0, "touch b.h5ad && cd other && $cytoforge $prepare");
  cli_expect_text("beginning anew");
  expect_the_same_atlas("other");
  kill_at("other", 1, "shards", 2, "KILL");
  cli_expect(0, "cd other && $cytoforge $prepare --fresh");
  assert_null(strstr(cli_output, "from before"));
  cli_expect(0, "cd other && rm -r atlas && mkdir atlas.partial && touch atlas.partial/thesis.txt");
  cli_expect(5, "cd other && $cytoforge $prepare");
  cli_expect_text("is not of a run of prepare");
  cli_expect(0, "ls other/atlas.partial/thesis.txt");
}

/* What comes into the former atlas' folder meanwhile is not removed with it, and the work is not lost either. */
static void a_file_that_comes_meanwhile_stays(void **state) {
  (void)state;
  cli_expect(0, "mkdir meanwhile && cp -r whole/atlas meanwhile/atlas");
  cli_expect(5,
             "cd meanwhile; $cytoforge $prepare --force & run=$!; "
             "until ls atlas.partial/spill/* 2>/dev/null; do kill -0 $run || exit 99; done; "
             "touch atlas/notes.txt; wait $run; code=$?; test -e atlas/notes.txt && exit $code");
  cli_expect_text("atlas/notes.txt: is no part of the atlas");
  cli_expect_text("the same command goes on from there");
  cli_expect(0, "cd meanwhile && rm atlas/notes.txt && mpirun -n 2 $cytoforge $prepare --force");
  cli_expect_text("going on with atlas.partial");
  cli_expect(0, "diff -r -x manifest.yaml whole/atlas meanwhile/atlas && ls meanwhile");
  assert_string_equal(cli_output, "atlas\n");
  cli_expect(5, "cd meanwhile && mv atlas atlas.partial && $cytoforge $prepare");
  cli_expect_text("atlas.partial: is a finished atlas that lacks its name; rename it to atlas");
}

static void a_dry_run_writes_nothing(void **state) {
  (void)state;
  cli_expect(0, "mkdir dry && cd dry && mpirun -n 2 $cytoforge $prepare --dry-run --memory 1G && ls -A | wc -l");
  static const char *const lines[] = {"cells       3500 in 2 files",
                                      "genes       600",
                                      "values ",
                                      "spill ",
                                      "atlas ",
                                      "evaluation ",
                                      "disk ",
                                      "enough",
                                      "memory ",
                                      "of 1.07 GB allowed",
                                      "time "};
  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) cli_expect_text(lines[i]);
  assert_string_equal(cli_output + strlen(cli_output) - 2, "0\n");
  cli_expect(2, "cd dry && $cytoforge $prepare --memory 3M");
  cli_expect_text("at least");
  cli_expect(2, "cd dry && $cytoforge $prepare --memory 3X");
  cli_expect_text("is no size");
  cli_expect(2, "cd dry && $cytoforge $prepare --compress zip");
  cli_expect_text("--compress wants none or gzip, not 'zip'");
  cli_expect(0, "cd dry && $cytoforge $prepare --compress gzip --dry-run");
  cli_expect_text("cells, compressed");
}

/* The plan of --dry-run has as many cells and values as `prepare` then takes. */
static void a_dry_run_counts_the_cells_that_are_taken(void **state) {
  (void)state;
  static const char few[] = "prepare ../a.h5ad ../b.h5ad -o atlas --keep donor=donor_1 --min-genes 0 --min-cells 0";
  long long all = 0, wanted = 0;
  double values = 0, stored = 0;
  cli_expect(0, "mkdir few && cd few && mpirun -n 2 $cytoforge %s --dry-run", few);
  const char *line = strstr(cli_output, "cells       ");
  assert_non_null(line);
  assert_int_equal(sscanf(line, "cells %lld in 2 files, of which %lld are wanted", &all, &wanted), 2);
  line = strstr(cli_output, "values      ");
  assert_non_null(line);
  assert_int_equal(sscanf(line, "values %lf", &values), 1);
  assert_int_equal(all, 3500);
  assert_true(wanted > 0 && wanted < 3500);
  cli_expect(0, "cd few && $cytoforge %s 2>&1", few);
  char kept[64];
  snprintf(kept, sizeof(kept), "%lld cells kept", wanted);
  cli_expect_text(kept);
  line = strstr(cli_output, "verified: ");
  assert_non_null(line);
  assert_int_equal(sscanf(line, "verified: %lld cells, %lf values", &all, &stored), 2);
  assert_int_equal(all, wanted);
  assert_true(values > 0.97 * stored && values < 1.03 * stored);
}

/* The number behind `before` in the last output. */
static double number_behind(const char *before) {
  double number = -1;
  const char *at = strstr(cli_output, before);
  if (at == NULL) print_error("wanted \"%s\" in:\n%s\n", before, cli_output);
  assert_non_null(at);
  assert_int_equal(sscanf(at + strlen(before), "%lf", &number), 1);
  return number;
}

/* Cells held out by group, by combination and by chance, next to dropped duplicates: the plan's numbers are those of
 * the run. */
static void a_dry_run_counts_the_cells_that_are_held_out(void **state) {
  (void)state;
  static const char *const options[] = {
      "--holdout-where donor=donor_2", "--holdout-where donor=donor_2,cell_type=type_1 --holdout 0.13",
      "--holdout-where cell_type=type_3 --holdout-where donor=donor_1 --holdout 0.1 --keep donor!=donor_3",
      "--holdout-where donor=donor_2 --duplicates drop --id-column donor --holdout 0.5"};
  cli_expect(0, "mkdir held");
  for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
    const char *few = "prepare ../a.h5ad ../b.h5ad -o atlas --min-genes 0 --min-cells 0 --shard-cells 100 --force";
    cli_expect(0, "cd held && mpirun -n 2 $cytoforge %s %s --dry-run", few, options[i]);
    const double heldout = number_behind("heldout.h5ad of "), shards = number_behind("GB in ");
    const char *wanted_at = strstr(cli_output, "of which ");
    const double wanted = wanted_at ? number_behind("of which ") : 3500;
    assert_true(heldout > 0 && heldout < wanted);
    cli_expect(0, "cd held && mpirun -n 2 $cytoforge %s %s && cat atlas/manifest.yaml", few, options[i]);
    assert_true(number_behind("cells_heldout: ") == heldout);
    assert_true(number_behind("verified: ") == wanted - heldout);
    assert_true(number_behind("values in ") == shards);
  }
  /* What the run would refuse after reading the matrix is refused before. */
  for (int dry = 0; dry < 2; dry++) {
    cli_expect(4,
               "cd held && rm -rf atlas && $cytoforge prepare ../a.h5ad -o atlas --keep donor=donor_1 --holdout-where "
               "donor=donor_1 %s; "
               "code=$?; ! ls -d atlas* && exit $code",
               dry ? "--dry-run" : "");
    cli_expect_text("leaves none to train on");
  }
}

/* Each row of the table of options that has a name has one line there. */
static void help_lists_every_option_once(void **state) {
  (void)state;
  cli_expect(0, "echo; $cytoforge prepare --help | grep -oE '^  (-., |    )--[a-z-]+' | sed 's/.*--/--/'");
  for (int row = 0; row < CYF_PREPARE_N_OPTIONS; row++) {
    const char *name = cyf_prepare_option_table[row].name;
    char line[40];
    if (name[0] == '\0') continue;
    snprintf(line, sizeof line, "\n--%s\n", name);
    const char *found = strstr(cli_output, line);
    if (!found || strstr(found + 1, line)) fail_msg("--help lists --%s %s", name, found ? "twice" : "not at all");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(help_lists_every_option_once),
      cmocka_unit_test(a_killed_run_goes_on_to_the_same_atlas),
      cmocka_unit_test(one_run_may_be_killed_again_and_again),
      cmocka_unit_test(a_changed_value_is_found_at_the_end),
      cmocka_unit_test(a_signal_leaves_what_is_done),
      cmocka_unit_test(other_options_or_inputs_begin_anew),
      cmocka_unit_test(a_file_that_comes_meanwhile_stays),
      cmocka_unit_test(a_dry_run_writes_nothing),
      cmocka_unit_test(a_dry_run_counts_the_cells_that_are_taken),
      cmocka_unit_test(a_dry_run_counts_the_cells_that_are_held_out),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
