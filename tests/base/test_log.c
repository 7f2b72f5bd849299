/* SPDX-License-Identifier: MIT */
/* The log and the interrupt flag, each in a child process whose stderr is a pipe or a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "check.h"

/* Runs `say` in a child with stderr on `write_end`; returns what came out of `read_end`. */
static void capture(void (*say)(void), int read_end, int write_end, char *text, size_t size) {
  fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(read_end);
    dup2(write_end, STDERR_FILENO);
    say();
    _exit(0);
  }
  int outcome;
  size_t used = 0;
  assert_int_equal(waitpid(child, &outcome, 0), child); /* the little that is written fits a pipe */
  assert_true(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0);
  close(write_end);
  while (used + 1 < size) {
    const ssize_t n = read(read_end, text + used, size - used - 1);
    if (n <= 0) break;
    used += (size_t)n;
  }
  text[used] = '\0';
  close(read_end);
}

static void capture_pipe(void (*say)(void), char *text, size_t size) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  capture(say, ends[0], ends[1], text, size);
}

static void say_levels(void) {
  cyf_log_setup(0, 4, false, CYF_LOG_INFO);
  cyf_debug("hidden");
  cyf_info("epoch %d", 3);
  cyf_warn("slow disk");
  cyf_log_any_rank(CYF_LOG_ERROR, "lost");
  cyf_log_progress("never on a pipe");
  cyf_log_progress_end();
}

static void rank_0_speaks(void **state) {
  (void)state;
  char text[1024];
  capture_pipe(say_levels, text, sizeof text);
  int h, m, s;
  assert_int_equal(sscanf(text, "%2d:%2d:%2d INFO  epoch 3\n", &h, &m, &s), 3);
  assert_non_null(strstr(text, " INFO  epoch 3\n"));
  assert_non_null(strstr(text, " WARN  slow disk\n"));
  assert_non_null(strstr(text, " ERROR [0] lost\n"));
  assert_null(strstr(text, "hidden"));
  assert_null(strstr(text, "never"));
}

static void say_on_rank_2(void) {
  cyf_log_setup(2, 4, false, CYF_LOG_DEBUG);
  cyf_info("hidden");
  cyf_warn("hidden too");
  cyf_log_any_rank(CYF_LOG_WARN, "seen");
  cyf_log_setup(2, 4, true, CYF_LOG_DEBUG);
  cyf_debug("all ranks");
}

static void other_ranks_speak_when_asked(void **state) {
  (void)state;
  char text[1024];
  capture_pipe(say_on_rank_2, text, sizeof text);
  assert_null(strstr(text, "hidden"));
  assert_non_null(strstr(text, " WARN  [2] seen\n"));
  assert_non_null(strstr(text, " DEBUG [2] all ranks\n"));
}

static void say_progress(void) {
  cyf_log_setup(0, 1, false, CYF_LOG_INFO);
  setenv("TERM", "xterm", 1);
  if (!cyf_log_progress_wanted()) _exit(1);
  cyf_log_progress("step %d", 1);
  cyf_log_progress("step %d", 2);
  cyf_info("checkpoint");
  cyf_log_progress("step %d", 3);
  cyf_log_progress_end();
  cyf_log_progress_end(); /* nothing to end */
  setenv("TERM", "dumb", 1);
  if (cyf_log_progress_wanted()) _exit(2);
}

static void progress_is_redrawn_on_a_terminal(void **state) {
  (void)state;
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
    test_skip("this machine has no pseudo-terminals");
  const int line = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  assert_true(line >= 0);
  char text[1024];
  capture(say_progress, terminal, line, text, sizeof text);
  assert_non_null(strstr(text, "\r\033[2Kstep 1\r\033[2Kstep 2\r\033[2K"));
  assert_non_null(strstr(text, "INFO  checkpoint\r\n\r\033[2Kstep 3\r\n"));
  assert_int_equal(strcmp(strstr(text, "step 3"), "step 3\r\n"), 0);
}

/* Runs `act` in a child; returns how it ended, as a shell would. */
static int exit_code_of(void (*act)(void)) {
  fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    act();
    _exit(0);
  }
  int outcome;
  assert_int_equal(waitpid(child, &outcome, 0), child);
  return WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 256 + WTERMSIG(outcome);
}

static void ask_once(void) {
  cyf_interrupt_install();
  if (cyf_interrupt_requested() != 0) _exit(1);
  raise(SIGUSR1);
  if (cyf_interrupt_requested() != SIGUSR1) _exit(2);
  raise(SIGTERM); /* a warning signal and then the request: not two requests */
  raise(SIGTERM); /* and the same request delivered twice */
  raise(SIGINT);
  if (cyf_interrupt_requested() != SIGUSR1) _exit(3); /* the first one is named */
}

static void ask_twice(void) {
  cyf_interrupt_install();
  raise(SIGTERM);
  struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
  while (nanosleep(&pause, &pause) != 0) {
  }
  raise(SIGINT);
}

static void write_to_closed_pipe(void) {
  int ends[2];
  cyf_interrupt_install();
  if (pipe(ends) != 0) _exit(1);
  close(ends[0]);
  if (write(ends[1], "x", 1) != -1 || errno != EPIPE) _exit(2);
  raise(SIGXFSZ);
  if (cyf_interrupt_requested() != 0) _exit(3);
}

static void the_first_signal_asks_and_the_second_ends(void **state) {
  (void)state;
  assert_int_equal(exit_code_of(ask_once), 0);
  assert_int_equal(exit_code_of(ask_twice), 128 + SIGINT);
  assert_int_equal(exit_code_of(write_to_closed_pipe), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rank_0_speaks),
      cmocka_unit_test(other_ranks_speak_when_asked),
      cmocka_unit_test(progress_is_redrawn_on_a_terminal),
      cmocka_unit_test(the_first_signal_asks_and_the_second_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
