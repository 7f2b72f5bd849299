/* SPDX-License-Identifier: MIT */
/** @file
 * Files of other programs on which HDF5 itself loops or crashes. A process of its own walks such a file first, so that
 * this one can say that the file is damaged. Not collective. */
#ifndef CYF_DATA_HDF5_HDF5_WALK_H
#define CYF_DATA_HDF5_HDF5_WALK_H

#include <stdbool.h>

#include "base/files.h"
#include "base/status.h"

/** The exit code of a walk that found a text which HDF5 would copy beyond its room. */
enum { CYF_H5_WALK_OVERRUNS = 2 };

/** Walks all that HDF5 keeps of a file but values of matrices: groups, types, attributes, indexes of chunks, texts.
 * Writes a byte to `progress`, a descriptor, every now and then. Returns the exit code for the process that walks: 0,
 * CYF_H5_WALK_OVERRUNS, or 1 where HDF5 says that something is wrong, which the reader will say better. For that
 * process alone: it may loop or crash. */
int cyf_h5_walk(const char *path, int progress);

/** Has foreign files walked by `walk` before this process opens them, once each. It returns CYF_OK where a file can be
 * opened, CYF_ERR_INPUT where HDF5 cannot walk it. NULL, as at first: files are opened as they are. */
void cyf_h5_set_walker(cyf_status (*walk)(const char *path));

/** Called before a file of another program is opened. Does nothing where there is no walker, or where the file was
 * walked and is still the same. Errors: the walker's. */
cyf_status cyf_h5_walk_first(const char *path);

/** @{ */
/** Whether a file was walked as it is now; and notes that it was, by another process. Thread-safe. Errors:
 * CYF_ERR_MEMORY. */
bool cyf_h5_was_walked(const cyf_file_identity *file);
cyf_status cyf_h5_note_walked(const cyf_file_identity *file);
/** @} */

#endif
