/* SPDX-License-Identifier: MIT */
/** @file
 * Label lists: text files of one label a line, the line's number being the label's code. */
#ifndef CYF_DATA_TABLES_LABEL_LIST_H
#define CYF_DATA_TABLES_LABEL_LIST_H

#include "base/status.h"
#include "data/tables/labels.h"

/** Reads the labels in their order, whole lines as they are (a carriage return at the end and a byte-order mark are
 * passed over). ret_labels is filled by the callee, destroyed by the caller with cyf_names_destroy. Not collective.
 * Errors: CYF_ERR_INPUT for a file that cannot be read or is empty, an empty line between labels, a label that stands
 * twice (the message says file and line). */
cyf_status cyf_label_list_read(const char *path, cyf_names *ret_labels);

#endif
