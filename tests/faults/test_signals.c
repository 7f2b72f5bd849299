/* SPDX-License-Identifier: MIT */
/* Signals that arrive while a command is inside HDF5 or waits for the disk: sent from within a call on a file. */
#include "faults.h"

#define SMALL                                                                                                 \
  "--set autoencoder.hidden=[8] --set autoencoder.latent=4 --set denoiser.hidden=[8,4] "                      \
  "--set classifier.hidden=[4,4,4] --set data.validation=0 --set autoencoder.steps=3 --set denoiser.steps=3 " \
  "--set classifier.steps=3 --set autoencoder.likelihood=mse --set denoiser.conditions=[]"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  const int code = cli_run(
      "$cytoforge synth -o cells.h5ad --cells 60 --genes 30 --types 2 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --min-genes 1 && "
      "$cytoforge train $fixed --data atlas --out run " SMALL
      " && "
      "$cytoforge encode -m run/model.h5 cells.h5ad -o latents.h5ad && $cytoforge export -m run/model.h5 --format "
      "safetensors -o exported");
  if (code != 0) print_error("%s\n", cli_output);
  return code == 0 ? 0 : -1;
}

typedef struct place {
  const char *arguments, *call, *path;
  int at;
  bool stops_itself; /* the first signal is a request; otherwise it ends the command */
} place;

static const place places[] = {
    {"prepare cells.h5ad -o out --label cell_type --min-genes 1", "read", "/cells.h5ad", 9, true},
    {"prepare cells.h5ad -o out --label cell_type --min-genes 1", "write", "/out.partial/*", 2, true},
    {"train --data atlas --out out " SMALL, "read", "/atlas/*", 3, true},
    {"train --data atlas --out out " SMALL, "write", "/out/checkpoints/*", 2, true},
    {"train --data atlas --out out " SMALL, "fsync", "/out/*", 1, true},
    {"encode -m run/model.h5 cells.h5ad -o out.h5ad", "read", "/run/model.h5", 3, true},
    {"encode -m run/model.h5 cells.h5ad -o out.h5ad", "read", "/cells.h5ad", 9, true},
    {"decode -m run/model.h5 latents.h5ad -o out.h5ad", "read", "/latents.h5ad", 3, true},
    {"sample -m run/model.h5 -n 8 --steps 2 -o out.h5ad", "read", "/run/model.h5", 3, true},
    {"sample -m run/model.h5 -n 8 --steps 2 -o out.h5ad", "write", "/*out.h5ad*", 1, true},
    {"bench loader --data atlas", "read", "/atlas/*", 3, true},
    {"synth -o out.h5ad --cells 60 --genes 30 --types 2", "write", "/*out.h5ad*", 1, true},
    {"evaluate --real cells.h5ad --synthetic cells.h5ad", "read", "/cells.h5ad", 9, false},
    {"info cells.h5ad", "read", "/cells.h5ad", 3, false},
    {"export -m run/model.h5 --format safetensors -o out", "read", "/run/model.h5", 3, false},
    {"import exported -o out.h5", "read", "/exported/*", 1, false},
};
enum { N_PLACES = sizeof places / sizeof places[0] };

/* Runs the place's command and, within its call, `command`, a line for the shell whose parent the program is. */
static int run_with(const place *p, const char *before, const char *command) {
  const fault f = {p->call, "run", p->path, p->at, 1, command};
  char clear[256];
  snprintf(clear, sizeof clear, "rm -rf out out.partial out.h5* before went_on; %s", before);
  const fault_outcome outcome = fault_run(&f, clear, "", p->arguments);
  if (outcome.hit == 0)
    fail_msg("%s: %s %d of %s was never reached\n%s", p->arguments, p->call, p->at, p->path, cli_output);
  return outcome.code;
}

/* The first is a request, one within a second is the same request again, and the next one ends the process at once. */
static void a_second_signal_ends_every_command_at_once(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int number;
  } signals[] = {{"TERM", 15}, {"INT", 2}, {"HUP", 1}};
  for (int i = 0; i < N_PLACES; i++) {
    const int s = i % 3;
    char line[256];
    snprintf(line, sizeof line,
             "kill -%s $PPID; sleep 0.2; kill -%s $PPID; sleep 0.1; kill -0 $PPID && : >went_on; sleep 1; "
             "kill -%s $PPID; sleep 50",
             signals[s].name, signals[s].name, signals[s].name);
    /* The command sleeps on after the program has gone; a pipe that it holds must not be waited for. */
    const int code = run_with(&places[i], "true", line);
    if (code != 128 + signals[s].number)
      fail_msg("%s, SIG%s within %s: exit %d\n%s", places[i].arguments, signals[s].name, places[i].call, code,
               cli_output);
    assert_int_equal(access("went_on", F_OK) == 0, places[i].stops_itself);
  }
}

/* A hang-up stops a run as SIGTERM does, after a checkpoint. Under nohup, which ignores it, the run goes on. */
static void a_hang_up_is_a_request_to_stop(void **state) {
  (void)state;
  static const place train = {"train --data atlas --out out " SMALL, "read", "/atlas/*", 3, true};
  assert_int_equal(run_with(&train, "true", "kill -HUP $PPID"), 75);
  cli_expect(0, "$cytoforge train --data atlas --out out --resume auto && $cytoforge info out/model.h5");
  const char *library = test_variable_of_ctest("CYTOFORGE_FAULTS");
  cli_expect(0,
             "rm -rf out counter; trap '' HUP; LD_PRELOAD='%s' CYF_FAULT_CALL=read CYF_FAULT_KIND=run CYF_FAULT_AT=3 "
             "CYF_FAULT_PATH='%s/atlas/*' CYF_FAULT_COUNTER=counter CYF_FAULT_COMMAND='kill -HUP $PPID' $cytoforge %s",
             library, test_folder, train.arguments);
  assert_int_equal(fault_read_counter(0).hit, 1);
}

/* A rank waits for its peers as long as it is told, in every command that runs on several. */
static void the_wait_for_a_peer_can_be_set(void **state) {
  (void)state;
  const char *library = test_variable_of_ctest("CYTOFORGE_FAULTS");
  for (int i = 0; i < N_PLACES; i++) {
    const place *p = &places[i];
    if (strncmp(p->call, "read", 4) != 0 || !p->stops_itself) continue;
    const int code = cli_run(
        "rm -rf out out.partial out.h5* counter; timeout -s ABRT 60 mpirun -n 2 env LD_PRELOAD='%s' "
        "CYF_FAULT_CALL=read CYF_FAULT_KIND=run CYF_FAULT_AT=1 CYF_FAULT_PATH='%s%s' CYF_FAULT_RANK=1 "
        "CYF_FAULT_COUNTER=counter CYF_FAULT_COMMAND='sleep 30' $cytoforge %s --timeout 1",
        library, test_folder, p->path, p->arguments);
    if (fault_read_counter(0).hit == 0) continue; /* rank 1 does not read that file */
    if (code != 7) fail_msg("%s --timeout 1: exit %d\n%s", p->arguments, code, cli_output);
    cli_expect_text("within 1 s");
  }
  cli_expect(2, "$cytoforge info cells.h5ad --timeout soon");
  cli_expect_text("--timeout wants seconds");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_second_signal_ends_every_command_at_once),
                                     cmocka_unit_test(a_hang_up_is_a_request_to_stop),
                                     cmocka_unit_test(the_wait_for_a_peer_can_be_set)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
