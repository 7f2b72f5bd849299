/* SPDX-License-Identifier: MIT */
/* Two runs at once with one output: one is refused and says so, the other's result is whole. Runs that only read one
 * thing do not get into each other's way. */
#include "cli.h"

#define SMALL                                                                                              \
  "--threads 1 --set autoencoder.hidden='[16, 16]' --set autoencoder.latent=8 --set autoencoder.steps=20 " \
  "--set denoiser.hidden='[16, 16, 8, 8]' --set denoiser.steps=20 --set classifier.hidden='[16, 16, 8]' "  \
  "--set classifier.steps=20 --set data.lanes=4 --set checkpoint.every=10 "

/* Runs command $1 and, while it is held where it has just made the file $3, command $2; says how both ended. */
static const char both_script[] =
    "sh -c \"exec $1\" >first.log 2>&1 & first=$!\n"
    "until ls $3 >/dev/null 2>&1; do kill -0 $first 2>/dev/null || { cat first.log; exit 99; }; done\n"
    "kill -STOP $first\n"
    "sh -c \"exec $2\" >second.log 2>&1; second=$?\n"
    "kill -CONT $first; wait $first; echo first=$? second=$second; cat second.log first.log\n";

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  FILE *script = fopen("both.sh", "w");
  if (script == NULL || fputs(both_script, script) < 0 || fclose(script) != 0) return -1;
  setenv("cytoforge", test_binary(), 1);
  cli_expect(0,
             "$cytoforge synth -o cells.h5ad --cells 300 --genes 40 --types 2 --counts 100 && "
             "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-genes 0 --min-cells 0 && "
             "$cytoforge train $fixed --data atlas --out made " SMALL);
  return 0;
}

/* The second of two runs ends at once with code 5 and this text, and the first is not disturbed. */
static void expect_second_refused(const char *first, const char *second, const char *when, const char *text) {
  cli_expect(0, "sh both.sh \"%s\" \"%s\" '%s'", first, second, when);
  cli_expect_text("first=0 second=5");
  cli_expect_text(text);
  cli_expect_one_error("cytoforge: error");
  cli_expect(0, "! find . -name '*.partial*' -o -name '*lock' | grep .");
}

static void a_second_training_in_a_folder_is_refused(void **state) {
  (void)state;
  static const char command[] =
      "$cytoforge train $fixed --data atlas --out run --resume auto " SMALL "--set denoiser.steps=300";
  expect_second_refused(command, command, "run/checkpoints/autoencoder*", "run: another run of train (process ");
  expect_second_refused("$cytoforge train $fixed --data atlas --out run2 " SMALL "--set denoiser.steps=300",
                        "mpirun -n 2 $cytoforge train $fixed --data atlas --out run2 --force " SMALL,
                        "run2/checkpoints/autoencoder*", "run2: another run of train (process ");
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 3 -o of_run.h5ad");
}

/* A killed run's lock goes with it. */
static void a_killed_run_locks_nothing(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge train $fixed --data atlas --out killed " SMALL
                "--set denoiser.steps=1000000 & pid=$!; until ls killed/checkpoints/denoiser*; do kill -0 $pid || "
                "exit 99; done; kill -KILL $pid; wait $pid; test -f killed/lock");
  cli_expect(75,
             "$cytoforge train $fixed --data atlas --out killed --resume auto " SMALL
             "--set denoiser.steps=1000000 & pid=$!; until test -s killed/lock && grep -q $pid killed/lock; do kill "
             "-0 $pid || exit 99; done; sleep 0.3; kill -TERM $pid; wait $pid");
  cli_expect(0, "! ls killed/lock");
}

static void a_second_encoding_into_a_folder_is_refused(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge synth -o many.h5ad --cells 20000 --genes 40 --types 2 --counts 100 && "
             "$cytoforge prepare many.h5ad -o many --label cell_type --label donor --min-genes 0 --min-cells 0 "
             "--genes atlas/genes.tsv");
  static const char command[] = "$cytoforge encode -m made/model.h5 many -o latents --threads 1";
  expect_second_refused(command, command, "latents/lock", "latents: another run of encode");
  cli_expect(0, "$cytoforge encode -m made/model.h5 many -o again && diff -r latents again");
}

/* In the default folder beside the model; with folders of their own both enter the model. */
static void two_classifiers_do_not_lose_each_other(void **state) {
  (void)state;
  static const char add[] = "$cytoforge train -m added.h5 --data atlas --threads 1 --set checkpoint.every=10 ";
  char first[512], second[512];
  cli_expect(0,
             "for stage in autoencoder encode denoiser; do $cytoforge train $fixed --data atlas --out bare --stage "
             "$stage " SMALL "|| exit; done; cp bare/model.h5 added.h5 && cp added.h5 other.h5");
  snprintf(first, sizeof first, "%s --stage classifier:donor --set classifier.steps=300", add);
  snprintf(second, sizeof second, "%s --stage classifier:cell_type", add);
  expect_second_refused(first, second, "added-classifier/checkpoints/classifier*",
                        "added-classifier: another run of train (process ");
  snprintf(first, sizeof first, "%s --stage classifier:donor --set classifier.steps=300 --out own --force", add);
  snprintf(second, sizeof second, "%s --stage classifier:cell_type --out mine", add);
  cli_expect(0, "sh both.sh \"%s\" \"%s\" 'own/checkpoints/classifier*'", first, second);
  cli_expect_text("first=0 second=0");
  cli_expect(0, "$cytoforge sample -m added.h5 -n 3 --where donor=donor_1 --where cell_type=type_1 -o of_both.h5ad");
  /* Two of one column: the one that comes last does not replace what it has not seen. */
  snprintf(first, sizeof first, "%s --stage classifier:donor --set classifier.steps=300 --out slow",
           "$cytoforge train -m other.h5 --data atlas --threads 1 --set checkpoint.every=10 ");
  snprintf(second, sizeof second, "$cytoforge train -m other.h5 --data atlas --stage classifier:donor --out quick");
  cli_expect(0, "sh both.sh \"%s\" \"%s --set classifier.steps=20\" 'slow/checkpoints/classifier*'", first, second);
  cli_expect_text("first=5 second=0");
  cli_expect_text("other.h5 got another classifier of 'donor' while this one was trained; this one is kept in slow");
}

static void a_second_writer_of_a_file_is_refused(void **state) {
  (void)state;
  expect_second_refused("$cytoforge synth -o twice.h5ad --cells 3000 --genes 500", "$cytoforge synth -o twice.h5ad",
                        "twice.h5ad.partial.*", "twice.h5ad: another run is writing it");
  expect_second_refused("$cytoforge synth -o twice --files 2 --cells 3000 --genes 500",
                        "$cytoforge synth -o twice --files 2 --force", "twice/cells-00000.h5ad.partial.*",
                        "twice: another run of synth (process ");
}

/* Ten at once, from a folder that cannot be written to. */
static void readers_need_no_lock(void **state) {
  (void)state;
  cli_expect(0,
             "cp -r atlas read_only && cp made/model.h5 read_only && chmod -R a-w read_only; "
             "for i in 0 1 2 3 4 5 6 7 8 9; do $cytoforge train $fixed --data read_only --out reader_$i " SMALL
             " >reader_$i.log 2>&1 & pids=\"$pids $!\"; "
             "$cytoforge sample -m read_only/model.h5 -n 5 -o reader_$i.h5ad --threads 1 >>sampled.log 2>&1 & "
             "pids=\"$pids $!\"; done; "
             "failed=0; for i in $pids; do wait $i || failed=$?; done; chmod -R u+w read_only; exit $failed");
  for (int i = 1; i < 10; i++)
    cli_expect(0, "cmp reader_0/checkpoints/denoiser-final.h5 reader_%d/checkpoints/denoiser-final.h5", i);
}

/* What a launcher sets whose tasks this MPI does not join: all of them run as rank 0 of 1. */
static void tasks_that_mpi_does_not_join_are_refused(void **state) {
  (void)state;
  static const char *const launched[][2] = {
      {"SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1 SLURM_NTASKS=2", "SLURM_STEP_NUM_TASKS"},
      {"PMI_SIZE=4 PMI_RANK=3", "PMI_SIZE"},
      {"PMIX_RANK=1", "PMIX_RANK"},
      {"OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE"}};
  static const char *const writers[] = {
      "train --data atlas --out tasks",         "prepare cells.h5ad -o tasks", "sample -m made/model.h5 -n 2 -o t",
      "encode -m made/model.h5 atlas -o tasks", "synth -o t --cells 10",       "export -m made/model.h5 -o tasks"};
  for (size_t i = 0; i < sizeof launched / sizeof *launched; i++) {
    for (size_t k = 0; k < sizeof writers / sizeof *writers; k++) {
      cli_expect(2, "%s $cytoforge %s", launched[i][0], writers[k]);
      cli_expect_text(launched[i][1]);
      cli_expect_text("srun --mpi=pmix, or with this MPI's mpirun -n ");
      cli_expect(0, "test ! -e tasks && test ! -e t");
    }
    cli_expect(0, "%s $cytoforge info atlas", launched[i][0]);
  }
  /* One task, the shell of a batch script, the step of an interactive one; mpirun within a step. */
  static const char *const fine[] = {"SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0",
                                     "SLURM_NTASKS=8 SLURM_PROCID=0 SLURM_JOB_ID=7",
                                     "SLURM_STEP_ID=4294967290 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0",
                                     "PMI_SIZE=1",
                                     "PMIX_RANK=0",
                                     "PMIX_RANK=3 OMPI_COMM_WORLD_SIZE=1",
                                     "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 OMPI_COMM_WORLD_SIZE=1"};
  for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
    cli_expect(0, "%s $cytoforge synth -o fine_%d.h5ad --cells 10", fine[i], (int)i);
  cli_expect(0, "mpirun -n 2 $cytoforge synth -o joined.h5ad --cells 10");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_second_training_in_a_folder_is_refused),
      cmocka_unit_test(a_killed_run_locks_nothing),
      cmocka_unit_test(a_second_encoding_into_a_folder_is_refused),
      cmocka_unit_test(two_classifiers_do_not_lose_each_other),
      cmocka_unit_test(a_second_writer_of_a_file_is_refused),
      cmocka_unit_test(readers_need_no_lock),
      cmocka_unit_test(tasks_that_mpi_does_not_join_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
