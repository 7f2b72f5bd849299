/* SPDX-License-Identifier: MIT */
/** @file
 * The subcommands of cytoforge. */
#ifndef CYF_CLI_COMMAND_H
#define CYF_CLI_COMMAND_H

#include <stdbool.h>

#include "base/inputs.h"
#include "base/status.h"
#include "cli/options.h"
#include "comm/comm.h"

/** What a running command gets. Nothing is owned. */
typedef struct cyf_context {
  cyf_comm *comm;
  cyf_inputs inputs;        /**< files that the command reads; it checks them before its output gets its name */
  double timeout_s;         /**< --timeout: how long a rank waits for its peers; 0: not given */
  const char *command_line; /**< "cytoforge sample -m ...", for files to say where they come from */
} cyf_context;

/** A subcommand of the program. argv[0] is its name. */
typedef struct cyf_command {
  const char *name;
  const char *summary; /**< one line for `cytoforge --help` */
  bool writes;         /**< files, so that one output may not be written by several tasks */
  bool collective;     /**< runs on every rank; otherwise on rank 0 only */
  bool stops_itself;   /**< looks for signals and cleans up; otherwise a signal ends the process at once */
  cyf_status (*run)(cyf_context *context, int argc, char **argv);
  void (*help)(FILE *stream);
} cyf_command;

/** @{ */
/** The subcommands, each in its cmd_NAME.c (decode in cmd_encode.c); main.c lists them. */
extern const cyf_command cyf_cmd_prepare;
extern const cyf_command cyf_cmd_train;
extern const cyf_command cyf_cmd_sample;
extern const cyf_command cyf_cmd_encode;
extern const cyf_command cyf_cmd_decode;
extern const cyf_command cyf_cmd_evaluate;
extern const cyf_command cyf_cmd_info;
extern const cyf_command cyf_cmd_verify;
extern const cyf_command cyf_cmd_synth;
extern const cyf_command cyf_cmd_config;
extern const cyf_command cyf_cmd_import;
extern const cyf_command cyf_cmd_export;
extern const cyf_command cyf_cmd_interpolate;
extern const cyf_command cyf_cmd_transfer;
extern const cyf_command cyf_cmd_predict;
extern const cyf_command cyf_cmd_bench;
/** @} */

/** Chooses how many threads this rank takes, at least 1, and sets that number for the process (cyf_set_threads). It is
 * `asked`; where that is 0, OMP_NUM_THREADS. Without either it is the machine's CPUs divided among its ranks, but not
 * more than the process' affinity mask has. Warns where the masks that mpirun has set leave CPUs unused. Not
 * collective. */
int cyf_choose_threads(const cyf_comm *comm, int64_t asked);

/** Checks, before any work, that a command can write its output file. Refused are a file that exists, unless force, one
 * that cannot be replaced (cyf_output_target), and a folder that cannot be written to. Not collective. Errors:
 * CYF_ERR_IO. */
cyf_status cyf_check_output(const char *path, bool force);
/** The same for a directory that a command makes or, with force, writes its files into. */
cyf_status cyf_check_output_folder(const char *path, bool force);
/** Fails when a needed option is missing (value NULL): "sample: -m MODEL is needed; see cytoforge sample --help".
 * Errors: CYF_ERR_USAGE. */
cyf_status cyf_need(const cyf_usage *usage, const void *value, const char *what);

#endif
