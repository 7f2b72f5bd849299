/* SPDX-License-Identifier: MIT */
#include "cli/launcher.h"

#include <stdbool.h>
#include <stdlib.h>

/* A launcher's variable for the number of its tasks, the innermost launcher first: mpirun may run within a step of
 * Slurm. The others must stand beside it: a batch script's own shell has some of Slurm's variables, but is no step. */
static const struct {
  const char *tasks, *beside[2];
} launchers[] = {{"OMPI_COMM_WORLD_SIZE", {0}},
                 {"MV2_COMM_WORLD_SIZE", {0}},
                 {"PMI_SIZE", {0}},
                 {"SLURM_STEP_NUM_TASKS", {"SLURM_STEP_ID", "SLURM_PROCID"}}};

/* Slurm's own steps (batch, interactive, external) have the highest ids; one task of a command runs there. */
static const long slurm_own_steps = 0xfffffff0;

/* A whole number of at least 0, or -1. */
static long read_number(const char *name) {
  const char *text = getenv(name);
  char *end = NULL;
  if (text == NULL || text[0] == '\0') return -1;
  const long number = strtol(text, &end, 10);
  return *end == '\0' && number >= 0 ? number : -1;
}

static bool stands_alone(size_t launcher) {
  const char *const *beside = launchers[launcher].beside;
  for (int i = 0; i < 2 && beside[i] != NULL; i++)
    if (read_number(beside[i]) < 0) return true;
  return beside[0] != NULL && read_number(beside[0]) >= slurm_own_steps;
}

static const char *variable; /* that told of the tasks */
static long n_tasks = -1;    /* at least so many; -1: no launcher told */

void cyf_launcher_note(void) {
  for (size_t i = 0; i < sizeof launchers / sizeof *launchers && n_tasks < 0; i++) {
    variable = launchers[i].tasks;
    n_tasks = stands_alone(i) ? -1 : read_number(variable);
  }
  if (n_tasks < 0) { /* PMIx tells a task its rank alone */
    variable = "PMIX_RANK";
    n_tasks = read_number(variable) < 0 ? -1 : read_number(variable) + 1;
  }
}

cyf_status cyf_launcher_check(int n_ranks) {
  if (n_ranks != 1 || n_tasks <= 1) return CYF_OK;
  return CYF_FAIL(
      CYF_ERR_USAGE,
      "the launcher has started at least %ld tasks (%s), but MPI joins none of them to this one: each would do "
      "all the work, into the same output. Start them with srun --mpi=pmix, or with this MPI's mpirun "
      "-n %ld; where each is meant to run alone, unset %s",
      n_tasks, variable, n_tasks, variable);
}
