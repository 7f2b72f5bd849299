/* SPDX-License-Identifier: MIT */
/* cytoforge: the program. The only place that starts and ends MPI. */
#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/launcher.h"
#include "cli/version.h"
#include "cli/walker.h"
#include "data/hdf5/hdf5_file.h"
#include "data/hdf5/hdf5_walk.h"

static const cyf_command *const commands[] = {
    &cyf_cmd_prepare, &cyf_cmd_train,  &cyf_cmd_sample,   &cyf_cmd_interpolate, &cyf_cmd_transfer, &cyf_cmd_predict,
    &cyf_cmd_encode,  &cyf_cmd_decode, &cyf_cmd_evaluate, &cyf_cmd_import,      &cyf_cmd_export,   &cyf_cmd_info,
    &cyf_cmd_verify,  &cyf_cmd_synth,  &cyf_cmd_config,   &cyf_cmd_bench};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* How long a rank waits for another one, at start-up and in a command without a setting for it, before it gives up. */
static const double DEFAULT_TIMEOUT_S = 1800;

/* How long the other ranks wait for a command that runs on rank 0 alone. Simulating an atlas may take days. */
static const double ALONE_TIMEOUT_S = 1e7;

/* As comm.timeout_s. */
static const double TIMEOUT_LEAST_S = 0.1;

static void print_help(FILE *stream) {
  char levels[CYF_WORDS_TEXT_MAX];
  cyf_words_text(cyf_log_level_words, levels);
  fprintf(stream, "cytoforge " CYF_VERSION
                  ": train and sample latent diffusion models (scDiffusion) of single-cell atlases\n\n"
                  "usage: [mpirun -n N] cytoforge COMMAND [options]\n\ncommands:\n");
  for (int i = 0; i < N_COMMANDS; i++) fprintf(stream, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
  fprintf(
      stream,
      "\n`cytoforge COMMAND --help` shows each command's options and an example; `cytoforge --version` what was "
      "compiled in.\n"
      "Common to all: --log-ranks all (every rank logs), --log-level %s,\n"
      "               --timeout S (how many seconds a rank waits for another one before all end),\n"
      "               --follow-links (read what an input's links and views lead to in other files).\n\n"
      "exit codes: 0 done, 1 internal error, 2 usage, 3 configuration, 4 input data, 5 reading or writing\n"
      "            failed, 6 out of memory, 7 a peer rank failed or timed out, 8 a number is not finite, 9 no usable "
      "GPU or "
      "CUDA failed,\n"
      "            75 stopped by a signal (--resume auto goes on)\n\n"
      "example:\n"
      "  cytoforge prepare cells.h5ad -o atlas --label cell_type\n"
      "  mpirun -n 2 cytoforge train --data atlas --out runs/first\n"
      "  mpirun -n 2 cytoforge sample -m runs/first/model.h5 -n 1000 --where cell_type=\"B cell\" -o cells_b.h5ad\n",
      levels);
}

static const cyf_command *find_command(const char *name) {
  for (int i = 0; i < N_COMMANDS; i++)
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
  return NULL;
}

static int unknown_command(const char *name) {
  const char *names[N_COMMANDS];
  for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i]->name;
  const char *nearest = cyf_nearest_name(name, names, N_COMMANDS);
  cyf_print(stderr, "cytoforge: error: unknown command '%s'", name);
  if (nearest != NULL) cyf_print(stderr, "; did you mean %s?", nearest);
  cyf_print(stderr, "\nsee cytoforge --help\n");
  return CYF_ERR_USAGE;
}

/* Options that every command has. */
typedef struct common_options {
  bool log_all;
  cyf_log_level level;
  double timeout_s; /* 0: not given */
  bool follow_links;
} common_options;

static cyf_status set_log_ranks(const char *value, common_options *options) {
  options->log_all = strcmp(value, "all") == 0;
  if (options->log_all || strcmp(value, "0") == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "--log-ranks wants all or 0, not '%s'", value);
}

static cyf_status set_log_level(const char *value, common_options *options) {
  int found = CYF_LOG_INFO;
  CYF_TRY(cyf_words_choose(NULL, "log-level", CYF_LOG_LEVELS, cyf_log_level_words, value, &found));
  options->level = (cyf_log_level)found;
  return CYF_OK;
}

static cyf_status set_timeout(const char *value, common_options *options) {
  char *end = NULL;
  options->timeout_s = strtod(value, &end);
  if (end != value && *end == '\0' && options->timeout_s >= TIMEOUT_LEAST_S && options->timeout_s <= ALONE_TIMEOUT_S)
    return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "--timeout wants seconds, %g to %g, not '%s'", TIMEOUT_LEAST_S, ALONE_TIMEOUT_S,
                  value);
}

/* Takes the common options out of argv. */
static cyf_status take_common_options(int *argc, char **argv, common_options *options) {
  static const struct {
    const char *name;
    cyf_status (*set)(const char *value, common_options *options);
  } known[] = {{"--log-ranks", set_log_ranks}, {"--log-level", set_log_level}, {"--timeout", set_timeout}};
  enum { N_KNOWN = sizeof known / sizeof known[0] };
  int out = 1;
  *options = (common_options){.level = CYF_LOG_INFO};
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--follow-links") == 0) {
      options->follow_links = true;
      continue;
    }
    int k = 0;
    while (k < N_KNOWN && strcmp(argv[i], known[k].name) != 0) k++;
    if (k == N_KNOWN) {
      argv[out++] = argv[i];
      continue;
    }
    CYF_TRY(known[k].set(i + 1 < *argc ? argv[++i] : "", options));
  }
  *argc = out;
  argv[out] = NULL;
  return CYF_OK;
}

/* Appends " argument", in single quotes where a shell would not take it as it is. */
static char *append_quoted(char *out, const char *argument) {
  static const char *const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  *out++ = ' ';
  if (argument[0] != '\0' && argument[strspn(argument, plain)] == '\0') return stpcpy(out, argument);
  *out++ = '\'';
  for (const char *in = argument; *in != '\0'; in++) {
    if (*in == '\'') out = stpcpy(out, "'\\'");
    *out++ = *in;
  }
  return stpcpy(out, "'");
}

static cyf_status join_arguments(int argc, char **argv, char **ret_line) {
  size_t length = sizeof "cytoforge";
  for (int i = 1; i < argc; i++) length += 4 * strlen(argv[i]) + 3;
  CYF_TRY(CYF_NEW(ret_line, length));
  char *out = stpcpy(*ret_line, "cytoforge");
  for (int i = 1; i < argc; i++) out = append_quoted(out, argv[i]);
  return CYF_OK;
}

/* A command that is not collective runs on rank 0; the other ranks wait for its end. */
static cyf_status run_command(const cyf_command *command, cyf_context *context, int argc, char **argv) {
  if (command->collective) return command->run(context, argc, argv);
  cyf_comm_set_timeout(context->comm, ALONE_TIMEOUT_S);
  cyf_status status = cyf_comm_rank(context->comm) == 0 ? command->run(context, argc, argv) : CYF_OK;
  return cyf_comm_agree(context->comm, status);
}

/* Prints a failure, as one line. One that all ranks know is printed by rank 0. One of this rank alone is printed here,
 * and the other ranks are aborted. */
static void report(cyf_comm *comm, cyf_status status) {
  bool known_to_all = cyf_comm_size(comm) == 1 || cyf_comm_failure_agreed(comm);
  cyf_log_progress_end();
  if (!known_to_all || cyf_comm_rank(comm) == 0) {
    const char *kind = status == CYF_ERR_INTERRUPTED ? "stopped" : "error";
    if (known_to_all)
      cyf_print(stderr, "cytoforge: %s: %s\n", kind, cyf_status_message());
    else
      cyf_print(stderr, "cytoforge: %s on rank %d: %s\n", kind, cyf_comm_rank(comm), cyf_status_message());
    if (status == CYF_ERR_INTERNAL) cyf_print(stderr, "cytoforge: (raised at %s)\n", cyf_status_where());
    fflush(stderr);
  }
  if (!known_to_all) cyf_comm_abort(comm, status);
}

/* What a command printed has gone where it should: a full disk may be behind standard output. */
static cyf_status finish_output(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO, "standard output cannot be written: %s", strerror(errno));
}

static int run_under_mpi(const cyf_command *command, int argc, char **argv, const common_options *options) {
  int provided = 0;
  cyf_launcher_note();
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) {
    cyf_print(stderr, "cytoforge: error: MPI could not be started\n");
    return CYF_ERR_COMM;
  }
  if (command->stops_itself) cyf_interrupt_install();
  signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failed write, as a full disk is */
  cyf_context context = {.timeout_s = options->timeout_s};
  char *line = NULL;
  cyf_status status = cyf_comm_create(DEFAULT_TIMEOUT_S, &context.comm);
  if (status != CYF_OK) {
    cyf_print(stderr, "cytoforge: error: %s\n", cyf_status_message());
    MPI_Abort(MPI_COMM_WORLD, status);
  }
  cyf_h5_follow_links(options->follow_links);
  cyf_h5_set_walker(cyf_walker_walk);
  if (options->timeout_s > 0) cyf_comm_fix_timeout(context.comm, options->timeout_s);
  cyf_log_setup(cyf_comm_rank(context.comm), cyf_comm_size(context.comm), options->log_all, options->level);
  status = command->writes ? cyf_launcher_check(cyf_comm_size(context.comm)) : CYF_OK;
  if (status == CYF_OK) status = join_arguments(argc, argv, &line);
  context.command_line = line;
  if (status == CYF_OK) status = run_command(command, &context, argc - 1, argv + 1);
  if (status == CYF_OK) status = cyf_comm_agree(context.comm, finish_output());
  if (status != CYF_OK) report(context.comm, status);
  cyf_comm_destroy(&context.comm);
  cyf_inputs_destroy(&context.inputs);
  cyf_free(line);
  MPI_Finalize();
  return status;
}

int main(int argc, char **argv) {
  int code = 0;
  if (cyf_walker_is_asked(argc, argv, &code)) return code;
  common_options options;
  if (take_common_options(&argc, argv, &options) != CYF_OK) {
    cyf_print(stderr, "cytoforge: error: %s\n", cyf_status_message());
    return CYF_ERR_USAGE;
  }
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    print_help(argc < 2 ? stderr : stdout);
    return argc < 2 ? CYF_ERR_USAGE : CYF_OK;
  }
  if (strcmp(argv[1], "--version") == 0) {
    cyf_print_version(stdout);
    return CYF_OK;
  }
  const cyf_command *command = find_command(argv[1]);
  if (command == NULL) return unknown_command(argv[1]);
  if (cyf_options_ask_help(argc - 1, argv + 1)) {
    command->help(stdout);
    return CYF_OK;
  }
  return run_under_mpi(command, argc, argv, &options);
}
