/* SPDX-License-Identifier: MIT */
/** @file
 * The subcommands of cytoforge. */
#ifndef CYF_CLI_COMMAND_H
#define CYF_CLI_COMMAND_H

#include <stdbool.h>

#include "base/status.h"
#include "cli/options.h"
#include "comm/comm.h"

/** What a running command gets. */
typedef struct cyf_context {
  cyf_comm *comm;
  const char *command_line; /**< "cytoforge sample -m ..." for provenance */
} cyf_context;

typedef struct cyf_command {
  const char *name;
  const char *summary; /**< one line for `cytoforge --help` */
  bool writes;         /**< files, so that one output may not be written by several tasks */
  bool collective;     /**< runs on every rank; otherwise on rank 0 only */
  bool stops_itself;   /**< polls for signals and cleans up; otherwise a signal ends the process as usual */
  cyf_status (*run)(cyf_context *context, int argc, char **argv);
  void (*help)(FILE *stream);
} cyf_command;

extern const cyf_command cyf_cmd_prepare, cyf_cmd_train, cyf_cmd_sample, cyf_cmd_encode, cyf_cmd_decode,
    cyf_cmd_evaluate, cyf_cmd_info, cyf_cmd_synth, cyf_cmd_config, cyf_cmd_import, cyf_cmd_export, cyf_cmd_interpolate,
    cyf_cmd_bench;

/** How many threads this rank takes, at least 1; the process is set to them (cyf_set_threads). asked > 0: as many. 0:
 * OMP_NUM_THREADS, or else its fair share of the machine's CPUs. That is its affinity mask, or the mask divided among
 * the ranks that share it. Warns where mpirun's binding starves the rank. Not collective. */
int cyf_choose_threads(const cyf_comm *comm, int64_t asked);

/** Before any work, for a file that a command is to write: refuses an existing one unless force, one that cannot be
 * replaced (cyf_output_target) even then, and a folder that cannot be written to. Errors: CYF_ERR_IO. */
cyf_status cyf_check_output(const char *path, bool force);
/** The same for a directory that a command makes or, with force, writes its files into. */
cyf_status cyf_check_output_folder(const char *path, bool force);
/** Complains when a needed option is missing: "sample: -m MODEL is needed; see cytoforge sample --help". */
cyf_status cyf_need(const cyf_usage *usage, const void *value, const char *what);

#endif
