/* SPDX-License-Identifier: MIT */
/** @file
 * Label lists: text files of one label a line. The line's number, from 0, is the label's code. Not collective. */
#ifndef CYF_DATA_TABLES_LABEL_LIST_H
#define CYF_DATA_TABLES_LABEL_LIST_H

#include "base/status.h"
#include "data/tables/labels.h"

/** Reads the labels in their order, whole lines as they are, without a carriage return at the end and a byte-order
 * mark. The caller destroys *ret_labels with cyf_names_destroy. Errors: CYF_ERR_INPUT with file and line for a file
 * that cannot be read or is empty, an empty line between labels, or a label that comes twice. */
cyf_status cyf_label_list_read(const char *path, cyf_names *ret_labels);

#endif
