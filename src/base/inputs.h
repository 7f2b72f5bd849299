/* SPDX-License-Identifier: MIT */
/** @file
 * The files that a command reads, as they were when it began: what is made of them gets its name only where they still
 * are the same. A file may be opened many times, and by several ranks; one that changes in between would be read as a
 * mixture of two. */
#ifndef CYF_BASE_INPUTS_H
#define CYF_BASE_INPUTS_H

#include <stdint.h>

#include "base/files.h"
#include "base/status.h"

typedef struct cyf_input {
  char *path;
  cyf_file_identity identity;
} cyf_input;

/** Zeroed: none. */
typedef struct cyf_inputs {
  cyf_input *item; /**< owned */
  int64_t n, capacity;
} cyf_inputs;

/** Notes what a file is now, before it is opened. NULL, what is no regular file, and a path that is noted already are
 * left out. Not collective. Errors: CYF_ERR_INPUT where it is absent, CYF_ERR_IO. */
cyf_status cyf_inputs_add(cyf_inputs *inputs, const char *path);
/** The same of a folder's files whose names end in one of `suffixes` (ended by NULL). NULL, and what is no folder, are
 * left out. */
cyf_status cyf_inputs_add_folder(cyf_inputs *inputs, const char *directory, const char *const *suffixes);
/** The file that was noted under the path; NULL: none. */
const cyf_input *cyf_inputs_find(const cyf_inputs *inputs, const char *path);
/** Checks that each file still is what it was. Not collective: ranks agree on it. Errors: CYF_ERR_INPUT naming the file
 * and what has changed, CYF_ERR_IO. */
cyf_status cyf_inputs_check(const cyf_inputs *inputs);
void cyf_inputs_destroy(cyf_inputs *inputs); /**< frees what is held; NULL-safe */

#endif
