/* SPDX-License-Identifier: MIT */
/** @file
 * How a thread's failure reaches the thread that waits for it.
 *
 * Pending messages belong to the thread that failed (base/status.h). Threads that work together, of OpenMP or of
 * pthreads, share one cyf_failure. Each notes what fails in it. The thread that joins them raises what was noted first
 * as its own. Not collective. */
#ifndef CYF_BASE_FAILURE_H
#define CYF_BASE_FAILURE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/status.h"

/** Starts as CYF_FAILURE_NONE. Owns no memory: there is nothing to destroy, and a lack of memory can be noted. */
typedef struct cyf_failure {
  pthread_mutex_t mutex;
  /** guarded by mutex */
  cyf_status status; /**< CYF_OK: nothing has failed */
  char message[CYF_MESSAGE_BYTES];
} cyf_failure;

/** Nothing has failed yet. */
#define CYF_FAILURE_NONE               \
  (cyf_failure) {                      \
    .mutex = PTHREAD_MUTEX_INITIALIZER \
  }

/** Called by the thread that failed: keeps `status` and the thread's pending message, whole, unless a failure is noted
 * already, and clears the message of this thread either way. Nothing happens for CYF_OK. */
void cyf_failure_note(cyf_failure *failure, cyf_status status);

/** True when a failure is noted. Another thread may note one at any time. */
bool cyf_failure_is_noted(cyf_failure *failure);

/** Returns the first failure's code, with its message pending on the calling thread; CYF_OK where nothing has failed.
 * The failure stays noted. */
cyf_status cyf_failure_raise(cyf_failure *failure);

/** Forgets what is noted, for the next piece of work. No thread may note anything meanwhile. */
void cyf_failure_forget(cyf_failure *failure);

#endif
