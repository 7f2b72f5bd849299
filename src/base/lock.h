/* SPDX-License-Identifier: MIT */
/** @file
 * Locks that keep two runs from writing one output. A lock belongs to an open file and goes with its process, however
 * that ends. Where the file system has none, one warning says so and work goes on without. Not collective. */
#ifndef CYF_BASE_LOCK_H
#define CYF_BASE_LOCK_H

#include "base/status.h"

/** What a try for a lock came to. */
typedef enum cyf_lock_outcome {
  CYF_LOCK_TAKEN,
  CYF_LOCK_HELD,  /**< by somebody else */
  CYF_LOCK_ABSENT /**< this file system has no locks, or the lock could not be asked for */
} cyf_lock_outcome;

/** Tries for the lock of an open file without waiting. It is given back when the last copy of the descriptor is closed.
 */
cyf_lock_outcome cyf_lock_try(int file);

/** Takes the lock file at `path`, which is made if it is absent, and writes into it that `command` holds it. A link
 * there is not followed. wait_s: how many seconds to wait for another holder; a signal that asks for a stop ends the
 * wait. *ret_lock goes to cyf_lock_release; -1 on failure. `what` is the output that the message names. Errors:
 * CYF_ERR_IO (held by another run, which is named; cannot be made), CYF_ERR_INTERRUPTED. */
cyf_status cyf_lock_take(const char *path, const char *what, const char *command, double wait_s, int *ret_lock);

/** Removes the lock file if it still stands at `path`, and gives the lock back. Sets *lock to -1; a lock of -1 is
 * ignored. */
void cyf_lock_release(const char *path, int *lock);

/** @{ */
/** A folder's lock: its file FOLDER/lock. The folder is there. Errors: those of cyf_lock_take. */
cyf_status cyf_lock_folder(const char *directory, const char *command, int *ret_lock);
void cyf_lock_release_folder(const char *directory, int *lock);
/** @} */

#endif
