/* SPDX-License-Identifier: MIT */
/** @file
 * Names of genes as files spell them. */
#ifndef CYF_DATA_TABLES_GENE_NAMES_H
#define CYF_DATA_TABLES_GENE_NAMES_H

/** Cuts the version off an Ensembl gene id, in place: ENSG00000139618.17 becomes ENSG00000139618, ENSMUSG00000017167.16
 * ENSMUSG00000017167 (ENS, up to six capital letters of the species, G, eleven digits). Releases differ in the version
 * only, so that one gene of two files is found to be one. Anything else stays as it is, also ids of the
 * pseudo-autosomal regions' copies on Y, ENSG00000182378.15_PAR_Y. */
void cyf_gene_cut_version(char *name);

#endif
