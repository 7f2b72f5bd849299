/* SPDX-License-Identifier: MIT */
/** @file
 * Status codes and the first failure's message.
 *
 * Every function that can fail returns cyf_status. The first failure on a thread records one line of text (what
 * failed, on which file or value); later failures while it is pending keep that first line. */
#ifndef CYF_BASE_STATUS_H
#define CYF_BASE_STATUS_H

#include <stddef.h>

/** How a call ended. The values are the program's exit codes (docs/running.md and `cytoforge --help`). */
typedef enum cyf_status {
  CYF_OK = 0,
  CYF_ERR_INTERNAL = 1,    /**< a broken invariant: a bug in cytoforge */
  CYF_ERR_USAGE = 2,       /**< command-line arguments */
  CYF_ERR_CONFIG = 3,      /**< configuration file or --set */
  CYF_ERR_INPUT = 4,       /**< an input file or a requested name is missing, damaged or unsuitable */
  CYF_ERR_IO = 5,          /**< reading or writing failed: disk full, permissions, existing output without --force */
  CYF_ERR_MEMORY = 6,      /**< out of memory */
  CYF_ERR_COMM = 7,        /**< a peer rank failed or did not answer in time */
  CYF_ERR_NUMERIC = 8,     /**< a number is not finite: training diverged, guidance, or a damaged model */
  CYF_ERR_DEVICE = 9,      /**< no usable GPU, or CUDA failed */
  CYF_ERR_INTERRUPTED = 75 /**< stopped by SIGTERM/SIGINT after a checkpoint; --resume auto goes on */
} cyf_status;

/** A pending message with its NUL is at most this long; what is longer ends in "...". */
enum { CYF_MESSAGE_BYTES = 2048 };

/** Records the message (printf style) unless one is pending on this thread, and returns `code`. Not collective. */
cyf_status cyf_fail(cyf_status code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The pending message of this thread, "" when none; not to be freed, valid until the message is next set or cleared.
 */
const char *cyf_status_message(void);

/** Where the pending message was raised, "file.c:123", "" when none. */
const char *cyf_status_where(void);

/** Forgets the pending message of this thread. */
void cyf_status_clear(void);

/** Replaces the pending message of this thread (used when another thread's or another rank's failure is taken over). */
void cyf_status_set(cyf_status code, const char *message);

/** A short name such as "input error"; a static string. */
const char *cyf_status_name(cyf_status code);

/** cyf_fail at this line: CYF_FAIL(code, format, ...) records the message and is `code`. */
#define CYF_FAIL(code, ...) cyf_fail((code), __FILE__, __LINE__, __VA_ARGS__)

/** Evaluates the call and, if it failed, returns its status from the function around it. */
#define CYF_TRY(expression)                                \
  do {                                                     \
    cyf_status cyf_try_status_ = (expression);             \
    if (cyf_try_status_ != CYF_OK) return cyf_try_status_; \
  } while (0)

/** Within a function that owns resources: sets the local `status` and jumps to the local label `cleanup`. */
#define CYF_TRY_CLEANUP(expression)     \
  do {                                  \
    status = (expression);              \
    if (status != CYF_OK) goto cleanup; \
  } while (0)

#endif
