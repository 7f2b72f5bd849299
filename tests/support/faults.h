/* SPDX-License-Identifier: MIT */
/* Running the program under injected faults (tests/faults/shim.c). Environment, besides cli.h's: CYTOFORGE_FAULTS, the
 * library of the faults. */
#ifndef CYF_TESTS_FAULTS_H
#define CYF_TESTS_FAULTS_H

#include "cli.h"

/* One call of a program that fails. */
typedef struct fault {
  const char *call, *kind; /* "read", "EIO": see shim.c */
  const char *path;        /* a pattern that goes on from the test's folder, "/out*" */
  int64_t at, times;       /* the call's number, from 1 (0: none, calls are counted); calls in a row (0: all) */
  const char *command;     /* of kind "run"; NULL: none */
} fault;

/* What an injection has come to. */
typedef struct fault_outcome {
  int code;             /* of the program; 128 + signal */
  int64_t matched, hit; /* calls */
} fault_outcome;

static inline fault_outcome fault_read_counter(int code) {
  fault_outcome outcome = {.code = code};
  int64_t numbers[2] = {0};
  FILE *file = fopen("counter", "rb");
  if (file != NULL) {
    if (fread(numbers, sizeof *numbers, 2, file) == 2) {
      outcome.matched = numbers[0];
      outcome.hit = numbers[1];
    }
    fclose(file);
  }
  return outcome;
}

/* Runs `before` and then `$cytoforge arguments` under the fault; `launcher` is "" or "mpirun -n 2". */
static inline fault_outcome fault_run(const fault *f, const char *before, const char *launcher, const char *arguments) {
  const char *library = test_variable_of_ctest("CYTOFORGE_FAULTS");
  const int code = cli_run(
      "rm -f counter; %s; timeout -s ABRT 60 %s env LD_PRELOAD='%s' CYF_FAULT_CALL=%s CYF_FAULT_KIND=%s "
      "CYF_FAULT_AT=%lld CYF_FAULT_TIMES=%lld CYF_FAULT_PATH='%s%s' CYF_FAULT_COUNTER=counter "
      "CYF_FAULT_COMMAND='%s' $cytoforge %s",
      before, launcher, library, f->call, f->kind, (long long)f->at, (long long)f->times, test_folder, f->path,
      f->command != NULL ? f->command : "true", arguments);
  return fault_read_counter(code);
}

#endif
