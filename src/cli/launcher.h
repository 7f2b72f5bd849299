/* SPDX-License-Identifier: MIT */
/** @file
 * Launchers that start tasks which MPI does not join into one run. */
#ifndef CYF_CLI_LAUNCHER_H
#define CYF_CLI_LAUNCHER_H

#include "base/status.h"

/** Notes what the launcher's variables say. To be called before MPI is started: a task that MPI does not join then gets
 * such variables of its own, which say that it is alone. */
void cyf_launcher_note(void);

/** Compares the number of ranks that MPI sees with what the launcher's variables said, before a command that writes.
 * Several tasks of one rank each would all do the whole work, into one output. Not collective. Errors: CYF_ERR_USAGE,
 * with the way out. */
cyf_status cyf_launcher_check(int n_ranks);

#endif
