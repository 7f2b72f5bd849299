/* SPDX-License-Identifier: MIT */
/** @file
 * Gene lists: text files of one gene symbol a line; and names of genes as files spell them. */
#ifndef CYF_DATA_TABLES_GENE_LIST_H
#define CYF_DATA_TABLES_GENE_LIST_H

#include "base/status.h"
#include "data/tables/labels.h"

/** Cuts the version off an Ensembl gene id, in place: ENSG00000139618.17 becomes ENSG00000139618, ENSMUSG00000017167.16
 * ENSMUSG00000017167 (ENS, up to six capital letters of the species, G, eleven digits). Releases differ in the version
 * only, so that one gene of two files is found to be one. Anything else stays as it is, also ids of the
 * pseudo-autosomal regions' copies on Y, ENSG00000182378.15_PAR_Y. */
void cyf_gene_cut_version(char *name);

/** Reads a gene list in its order. One symbol or Ensembl id (its version is cut off) a line; of a
 * tab-separated line the first column counts; a carriage return at a line's end, a byte-order mark and empty lines are
 * passed over. ret_genes is filled by the callee, destroyed by the caller with cyf_names_destroy. Not collective.
 * Errors: CYF_ERR_INPUT for a file that cannot be read, is empty or names a gene twice (the message says file and
 * line). */
cyf_status cyf_gene_list_read(const char *path, cyf_names *ret_genes);

/** Writes one symbol a line, atomically. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_gene_list_write(const char *path, const cyf_names *genes);

#endif
