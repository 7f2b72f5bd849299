/* SPDX-License-Identifier: MIT */
/** @file
 * An h5ad read for a model: rows aligned to the model's genes and log-normalised. */
#ifndef CYF_SAMPLE_CELLS_IN_H
#define CYF_SAMPLE_CELLS_IN_H

#include <pthread.h>

#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "data/tables/labels.h"

typedef struct cyf_cells_in {
  cyf_h5ad *file;
  int64_t n_cells, n_genes; /**< n_genes: the model's */
  int64_t n_matched;        /**< model genes that the file has */
  int32_t *gene_of_column;  /**< [file genes] model gene, -1: not in the model */
  cyf_expression_kind kind;
  pthread_mutex_t lock; /**< the reader is for one thread at a time */
} cyf_cells_in;

/** Opens the file's matrix (NULL: X). Genes are matched by name (gene_column NULL: the var index); missing ones are
 * zero. Errors: CYF_ERR_INPUT (not one gene matches, neither counts nor log-normalised). Not collective. */
cyf_status cyf_cells_in_open(const char *path, const char *matrix, const char *gene_column, const cyf_names *genes,
                             cyf_cells_in *ret_cells);
void cyf_cells_in_close(cyf_cells_in *cells);

/** Rows [first, first + n) over the model's genes, log1p(counts / total x CYF_NORMALISED_TOTAL) with the total over
 * those genes; appended to `rows`. Thread-safe. */
cyf_status cyf_cells_in_read(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** Copies cell names and obs columns, each with its kind, to a writer. */
cyf_status cyf_copy_obs(cyf_h5ad *file, cyf_h5ad_writer *writer);

#endif
