/* SPDX-License-Identifier: MIT */
/** @file
 * The process that walks files of other programs before this one opens them (data/hdf5/hdf5_walk.h). It is cytoforge
 * itself, started again: no fork within MPI, and nothing of the launcher's environment, so that it joins no job. */
#ifndef CYF_CLI_WALKER_H
#define CYF_CLI_WALKER_H

#include <stdbool.h>

#include "base/status.h"

/** Whether this process was started to walk a file; *ret_code is its exit code then. To be called before MPI starts. */
bool cyf_walker_is_asked(int argc, char **argv, int *ret_code);

/** Starts a process that walks the file, and waits for it while it makes progress. Errors: CYF_ERR_INPUT where HDF5
 * crashed or stood still. Where no process can be started, the file is taken as it is. */
cyf_status cyf_walker_walk(const char *path);

#endif
