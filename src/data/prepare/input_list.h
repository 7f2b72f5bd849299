/* SPDX-License-Identifier: MIT */
/** @file
 * Which files a command reads: paths, patterns and a file of paths. */
#ifndef CYF_DATA_PREPARE_INPUT_LIST_H
#define CYF_DATA_PREPARE_INPUT_LIST_H

#include "base/status.h"
#include "comm/comm.h"
#include "data/tables/labels.h"

/** Lists the files that arguments[n] and then the lines of `list_path` (NULL: no list) name, in their order.
 *
 * A path that exists is taken as it is. Another one with *, ? or [ is a pattern, whose files follow in the order of
 * their bytes. In the list, spaces at both ends of a line are cut off. Blank lines and lines that begin with # are
 * passed over. Relative paths start at the list's folder. Rank 0 looks, and all ranks get its paths. The caller
 * destroys *ret_paths with cyf_names_destroy. Collective. Errors, agreed: CYF_ERR_INPUT for a file or pattern that is
 * not there, a folder, a path that comes twice, or no path at all. */
cyf_status cyf_input_list_make(cyf_comm *comm, const char *const *arguments, int64_t n, const char *list_path,
                               cyf_names *ret_paths);

#endif
