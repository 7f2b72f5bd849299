/* SPDX-License-Identifier: MIT */
/** @file
 * Log lines on stderr: "12:34:56 INFO  message", rank 0 only by default. The log is the program's only global state. */
#ifndef CYF_BASE_LOG_H
#define CYF_BASE_LOG_H

#include <stdbool.h>

typedef enum cyf_log_level { CYF_LOG_DEBUG, CYF_LOG_INFO, CYF_LOG_WARN, CYF_LOG_ERROR } cyf_log_level;

/** Sets who speaks. rank/size: this process' place; all_ranks: every rank prints INFO and below, prefixed "[rank]"
 * (otherwise only rank 0; WARN prints on rank 0 unless cyf_log_any_rank is used). Not collective. */
void cyf_log_setup(int rank, int size, bool all_ranks, cyf_log_level least);

/** One line, on rank 0 (or all ranks after --log-ranks all). */
void cyf_log(cyf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** One line from whichever rank calls, prefixed with the rank when there are several. */
void cyf_log_any_rank(cyf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** True when stderr is a terminal and this rank prints progress lines. */
bool cyf_log_progress_wanted(void);

/** Redraws the progress line in place (terminal only; nothing otherwise). An ordinary log line wipes it first. */
void cyf_log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Ends the progress line with a newline. */
void cyf_log_progress_end(void);

#define cyf_info(...) cyf_log(CYF_LOG_INFO, __VA_ARGS__)
#define cyf_warn(...) cyf_log(CYF_LOG_WARN, __VA_ARGS__)
#define cyf_debug(...) cyf_log(CYF_LOG_DEBUG, __VA_ARGS__)

#endif
