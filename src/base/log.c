/* SPDX-License-Identifier: MIT */
/* Log lines and the progress line on stderr. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/terminal.h"

enum { LINE_BYTES = 4096, PREFIX_BYTES = 64 };

static struct {
  pthread_mutex_t lock;
  int rank, size;
  bool all_ranks;
  cyf_log_level least;
  bool progress_shown; /* the cursor stands behind an unfinished progress line */
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .rank = 0, .size = 1, .all_ranks = false, .least = CYF_LOG_INFO};

static const char erase_line[] = "\r\033[2K";

/* As lines have them, all of one length. */
static const char *const level_name[CYF_LOG_LEVELS] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

void cyf_log_setup(int rank, int size, bool all_ranks, cyf_log_level least) {
  pthread_mutex_lock(&log_state.lock);
  log_state.rank = rank;
  log_state.size = size;
  log_state.all_ranks = all_ranks;
  log_state.least = least;
  pthread_mutex_unlock(&log_state.lock);
}

/* The whole line goes out in one write, so that lines of several ranks on one terminal stay whole. */
static void write_line(cyf_log_level level, bool with_rank, const char *format, va_list arguments) {
  char *text = cyf_terminal_text(format, arguments);
  const time_t now = time(NULL);
  struct tm local;
  char clock_text[16], rank_text[24] = "";
  localtime_r(&now, &local);
  strftime(clock_text, sizeof clock_text, "%H:%M:%S", &local);

  pthread_mutex_lock(&log_state.lock);
  if (with_rank) snprintf(rank_text, sizeof rank_text, "[%d] ", log_state.rank);
  char line[LINE_BYTES + PREFIX_BYTES];
  const int length = snprintf(line, sizeof line, "%s%s %s %s%.*s\n", log_state.progress_shown ? erase_line : "",
                              clock_text, level_name[level], rank_text, LINE_BYTES - 1, text ? text : "out of memory");
  free(text);
  log_state.progress_shown = false;
  if (length > 0) fwrite(line, 1, (size_t)length, stderr);
  pthread_mutex_unlock(&log_state.lock);
}

void cyf_log(cyf_log_level level, const char *format, ...) {
  if (level < log_state.least || (log_state.rank != 0 && !log_state.all_ranks)) return;
  va_list arguments;
  va_start(arguments, format);
  write_line(level, log_state.all_ranks && log_state.size > 1, format, arguments);
  va_end(arguments);
}

void cyf_log_any_rank(cyf_log_level level, const char *format, ...) {
  if (level < log_state.least) return;
  va_list arguments;
  va_start(arguments, format);
  write_line(level, log_state.size > 1, format, arguments);
  va_end(arguments);
}

bool cyf_log_progress_wanted(void) {
  if (log_state.rank != 0 || log_state.least > CYF_LOG_INFO || !isatty(STDERR_FILENO)) return false;
  const char *terminal = getenv("TERM");
  return terminal && strcmp(terminal, "dumb") != 0;
}

/* A line longer than the terminal would wrap and could no longer be erased. */
static int terminal_columns(void) {
  struct winsize window;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) return window.ws_col;
  return 80;
}

void cyf_log_progress(const char *format, ...) {
  if (!cyf_log_progress_wanted()) return;
  va_list arguments;
  va_start(arguments, format);
  char *text = cyf_terminal_text(format, arguments);
  va_end(arguments);
  if (!text) return;
  pthread_mutex_lock(&log_state.lock);
  fprintf(stderr, "%s%.*s", erase_line, terminal_columns() - 1, text);
  fflush(stderr);
  free(text);
  log_state.progress_shown = true;
  pthread_mutex_unlock(&log_state.lock);
}

void cyf_log_progress_end(void) {
  pthread_mutex_lock(&log_state.lock);
  if (log_state.progress_shown) fputc('\n', stderr);
  log_state.progress_shown = false;
  pthread_mutex_unlock(&log_state.lock);
}
