/* SPDX-License-Identifier: MIT */
/** @file
 * Gene lists: text files of one gene symbol a line. */
#ifndef CYF_DATA_TABLES_GENE_LIST_H
#define CYF_DATA_TABLES_GENE_LIST_H

#include "base/status.h"
#include "data/tables/labels.h"

/** Reads a gene list in its order. One symbol or Ensembl id (its version is cut off, gene_names.h) a line; of a
 * tab-separated line the first column counts; a carriage return at a line's end, a byte-order mark and empty lines are
 * passed over. ret_genes is filled by the callee, destroyed by the caller with cyf_names_destroy. Not collective.
 * Errors: CYF_ERR_INPUT for a file that cannot be read, is empty or names a gene twice (the message says file and
 * line). */
cyf_status cyf_gene_list_read(const char *path, cyf_names *ret_genes);

/** Writes one symbol a line, atomically. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_gene_list_write(const char *path, const cyf_names *genes);

#endif
