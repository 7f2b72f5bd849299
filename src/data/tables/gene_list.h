/* SPDX-License-Identifier: MIT */
/** @file
 * Gene lists, which are text files of one gene a line, and the spelling of Ensembl ids. Not collective. */
#ifndef CYF_DATA_TABLES_GENE_LIST_H
#define CYF_DATA_TABLES_GENE_LIST_H

#include "base/status.h"
#include "data/tables/labels.h"

/** Cuts the version off an Ensembl gene id, in place: ENSG00000139618.17 becomes ENSG00000139618, and
 * ENSMUSG00000017167.16 becomes ENSMUSG00000017167.
 *
 * An id is ENS, up to six capital letters of the species, G, and eleven digits. Releases of Ensembl differ only in the
 * version, so a gene of two files is recognised without it. Anything else stays as it is, also the ids of genes on Y
 * that copy a pseudo-autosomal region of X, such as ENSG00000182378.15_PAR_Y. */
void cyf_gene_cut_version(char *name);

/** Makes a gene's name, in place, as all inputs and gene lists have it: without a version, and with spaces for line
 * breaks. A list of one name a line could not hold these. */
void cyf_gene_tidy(char *name);

/** Reads a gene list in its order: one symbol or Ensembl id a line.
 *
 * Versions of Ensembl ids are cut off. Of a line with tabs the first column counts. A carriage return at a line's end,
 * a byte-order mark and empty lines are passed over. The caller destroys *ret_genes with cyf_names_destroy. Errors:
 * CYF_ERR_INPUT with file and line for a file that cannot be read, is empty or names a gene twice. */
cyf_status cyf_gene_list_read(const char *path, cyf_names *ret_genes);

/** Reads the genes as cyf_gene_list_write wrote them: each line is a name as it is, also an empty one. The caller
 * destroys *ret_genes with cyf_names_destroy. Errors: CYF_ERR_INPUT with file and line, as above. */
cyf_status cyf_gene_list_read_back(const char *path, cyf_names *ret_genes);

/** Writes one name a line. The file appears when it is whole. Errors: CYF_ERR_IO. */
cyf_status cyf_gene_list_write(const char *path, const cyf_names *genes);

#endif
