/* SPDX-License-Identifier: MIT */
/** @file
 * Log lines on stderr: "12:34:56 INFO  message", from rank 0 only by default. Threads may log at the same time. Not
 * collective. */
#ifndef CYF_BASE_LOG_H
#define CYF_BASE_LOG_H

#include <stdbool.h>

#include "base/words.h"

/** How much a line matters, least first. Lines below the level given to cyf_log_setup are not printed. */
typedef enum cyf_log_level { CYF_LOG_DEBUG, CYF_LOG_INFO, CYF_LOG_WARN, CYF_LOG_ERROR, CYF_LOG_LEVELS } cyf_log_level;
/** The words of cyf_log_level, in its order. */
static const char *const cyf_log_level_words[] = {"debug", "info", "warn", "error", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_log_level_words) == CYF_LOG_LEVELS, "a word for each level");

/** Sets which ranks print, and lines of which level. all_ranks: every rank prints, each line prefixed "[rank]";
 * otherwise only rank 0 does, but for lines of cyf_log_any_rank. */
void cyf_log_setup(int rank, int size, bool all_ranks, cyf_log_level least);

/** One line (printf style), on rank 0 or, with all_ranks, on every rank that calls. */
void cyf_log(cyf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** One line (printf style) from whichever rank calls, prefixed with the rank when there are several. */
void cyf_log_any_rank(cyf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** True when stderr is a terminal and this rank prints progress lines. */
bool cyf_log_progress_wanted(void);

/** Redraws the progress line in place (terminal only; nothing otherwise). An ordinary log line wipes it first. */
void cyf_log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Ends the progress line with a newline. */
void cyf_log_progress_end(void);

/** @{ */
/** cyf_log at one level. */
#define cyf_info(...) cyf_log(CYF_LOG_INFO, __VA_ARGS__)
#define cyf_warn(...) cyf_log(CYF_LOG_WARN, __VA_ARGS__)
#define cyf_debug(...) cyf_log(CYF_LOG_DEBUG, __VA_ARGS__)
/** @} */

#endif
