/* SPDX-License-Identifier: MIT */
/* Running the built program from a test: a scratch folder, commands with their output caught, and readers of what runs
 * leave behind. Environment: CYTOFORGE_BINARY (the program), CYTOFORGE_SOURCE (the checkout). */
#ifndef CYF_TESTS_CLI_H
#define CYF_TESTS_CLI_H

#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char cli_output[1 << 16]; /* stdout and stderr of the last command */

static inline int cli_setup(void **state) {
  set_up_folder(state);
  return chdir(test_folder);
}

static inline int cli_teardown(void **state) {
  return chdir("/") != 0 ? -1 : tear_down_folder(state);
}

static inline void cli_read_output(void) {
  FILE *file = fopen("output.txt", "r");
  size_t n = file != NULL ? fread(cli_output, 1, sizeof cli_output - 1, file) : 0;
  cli_output[n] = '\0';
  if (file != NULL) fclose(file);
}

/* Runs a shell command in the scratch folder with $cytoforge set, and $fixed to the option for
 * tests/support/fixed.yaml; returns its exit status, 128 + signal if one ended it. */
__attribute__((format(printf, 1, 2))) static inline int cli_run(const char *format, ...) {
  char command[4096];
  int n = snprintf(command, sizeof command,
                   "exec > output.txt 2>&1; cytoforge='%s'; fixed=\"-c $CYTOFORGE_SOURCE/tests/support/fixed.yaml\"; ",
                   test_binary());
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command + n, sizeof command - (size_t)n, format, arguments);
  va_end(arguments);
  int status = system(command);
  cli_read_output();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Fails the test with the command's output unless it ended with `wanted`. */
#define cli_expect(wanted, ...)                                                                            \
  do {                                                                                                     \
    int cli_got_ = cli_run(__VA_ARGS__);                                                                   \
    if (cli_got_ != (wanted)) {                                                                            \
      print_error("%s:%d: exit %d, wanted %d:\n%s\n", __FILE__, __LINE__, cli_got_, (wanted), cli_output); \
    }                                                                                                      \
    assert_int_equal(cli_got_, (wanted));                                                                  \
  } while (0)

/* The last output holds this text. */
static inline void cli_expect_text(const char *text) {
  if (strstr(cli_output, text) == NULL) print_error("wanted \"%s\" in:\n%s\n", text, cli_output);
  assert_non_null(strstr(cli_output, text));
}

/* Exactly one line of the last output begins so. */
static inline void cli_expect_one_error(const char *prefix) {
  int n = 0;
  for (const char *at = cli_output; (at = strstr(at, prefix)) != NULL; at += strlen(prefix)) n++;
  if (n != 1) print_error("wanted one \"%s\" in:\n%s\n", prefix, cli_output);
  assert_int_equal(n, 1);
}

/* A command line that is to be refused with this exit code, and what the one error line holds. */
typedef struct cli_refusal {
  int code;
  const char *arguments, *text;
} cli_refusal;

/* Runs the command with the arguments of each case, every fourth on two ranks. None may leave bad.h5ad. */
static inline void cli_expect_refusals(const char *command, const cli_refusal *cases, size_t n_cases) {
  for (size_t i = 0; i < n_cases; i++) {
    cli_expect(cases[i].code, "%s $cytoforge %s %s", i % 4 == 0 ? "mpirun -n 2" : "", command, cases[i].arguments);
    cli_expect_one_error("cytoforge: error");
    cli_expect_text(cases[i].text);
    assert_int_not_equal(access("bad.h5ad", F_OK), 0);
  }
}

/* Reads RUN/metrics.jsonl: value of `key` for each line of the stage that has it; returns their number. steps[i] is the
 * line's step. */
static inline int cli_read_metrics(const char *run, const char *stage, const char *key, int capacity, long *steps,
                                   double *values) {
  char path[512], line[2048], want_stage[128], want_key[64];
  snprintf(path, sizeof path, "%s/metrics.jsonl", run);
  snprintf(want_stage, sizeof want_stage, "\"stage\":\"%s\"", stage);
  snprintf(want_key, sizeof want_key, "\"%s\":", key);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  int n = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    char tight[2048], *out = tight;
    for (const char *in = line; *in != '\0'; in++)
      if (*in != ' ') *out++ = *in; /* stage names in tests hold no spaces */
    *out = '\0';
    const char *at = strstr(tight, want_key), *step = strstr(tight, "\"step\":");
    if (strstr(tight, want_stage) == NULL || at == NULL || step == NULL) continue;
    assert_true(n < capacity);
    steps[n] = atol(step + strlen("\"step\":"));
    values[n++] = atof(at + strlen(want_key));
  }
  fclose(file);
  return n;
}

#endif
