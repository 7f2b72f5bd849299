/* SPDX-License-Identifier: MIT */
/** @file
 * Files under construction, and atomic replacement. A partial file stands beside its target under a name of its own,
 * TARGET.partial.XXXXXXXX, and holds a lock that goes with its process. So no two runs write into one file, a second
 * run of the same output is refused, and what a killed run left is told from what is at work. Not collective. */
#ifndef CYF_BASE_PARTIAL_H
#define CYF_BASE_PARTIAL_H

#include <stddef.h>

#include "base/status.h"

/** A file under construction; {0} with lock -1 is none. */
typedef struct cyf_partial {
  char *path;
  int lock; /**< a descriptor that holds the lock until the file has its name */
} cyf_partial;

/** No partial file. */
#define CYF_PARTIAL_NONE \
  (cyf_partial) {        \
    .lock = -1           \
  }

/** Makes an empty partial file for `path`, which O_EXCL keeps from following a planted link. What killed runs left of
 * the same target is removed. *ret_file is open for reading and writing; the caller closes it. End it with
 * cyf_partial_commit or cyf_partial_discard. Errors: CYF_ERR_IO (cannot be made; another run is writing this target),
 * those of cyf_output_target. */
cyf_status cyf_partial_create(const char *path, cyf_partial *ret_partial, int *ret_file);

/** Makes a whole partial file the target of path: fsync the partial file, rename it, fsync the folder. On an error up
 * to the rename the partial file is removed and path is untouched. Frees and empties *partial either way. Errors:
 * CYF_ERR_IO naming path and reason; those of cyf_output_target. */
cyf_status cyf_partial_commit(cyf_partial *partial, const char *path);

/** Removes the partial file, frees and empties *partial. Nothing where there is none. */
void cyf_partial_discard(cyf_partial *partial);

/** Removes partial files that killed runs left in a folder, of targets whose names begin with `prefix` ("": of all).
 * Those that are at work stay. Errors: CYF_ERR_IO where the folder cannot be listed; an absent one is no error. */
cyf_status cyf_partial_remove_left(const char *directory, const char *prefix);

/** @{ */
/** Writes a whole small file atomically. Errors: those of cyf_partial_create and cyf_partial_commit. */
cyf_status cyf_write_text_file(const char *path, const char *text);
cyf_status cyf_write_bytes_file(const char *path, const void *bytes, size_t size);
/** @} */

#endif
