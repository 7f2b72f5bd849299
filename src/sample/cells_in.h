/* SPDX-License-Identifier: MIT */
/** @file
 * Cells of an h5ad file as a model takes them: over the model's genes, log-normalised. No function here is collective.
 */
#ifndef CYF_SAMPLE_CELLS_IN_H
#define CYF_SAMPLE_CELLS_IN_H

#include <pthread.h>

#include "data/h5ad/reader.h"
#include "data/h5ad/values.h"
#include "data/h5ad/writer.h"
#include "data/tables/labels.h"

/** An open file, and where the model has the file's genes. Owns its members. */
typedef struct cyf_cells_in {
  cyf_h5ad *file;
  int64_t n_cells, n_genes; /**< n_genes: the model's */
  int64_t n_matched;        /**< model genes that the file has */
  int32_t *gene_of_column;  /**< [file genes] place of the gene in the model, -1: the model has it not */
  cyf_values values;        /**< what the file's values are */
  cyf_rescaling rescaling;  /**< to the model's scale */
  pthread_mutex_t lock;     /**< the file's reader serves one thread at a time */
} cyf_cells_in;

/** Opens a matrix of the file (NULL: X). Its genes are matched with `genes`, the model's, by name: those of the var
 * column gene_column (NULL: the var index). A gene that the file lacks is zero in every cell. Errors: CYF_ERR_INPUT
 * (not one gene matches; values are neither counts nor log-normalised). */
cyf_status cyf_cells_in_open(const char *path, const char *matrix, const char *gene_column, const cyf_names *genes,
                             cyf_cells_in *ret_cells);
/** Closes the file and frees what the struct holds. */
void cyf_cells_in_close(cyf_cells_in *cells);

/** Appends the file's cells [first, first + n) to `rows`, over the model's genes. Values are log1p(counts / total x
 * CYF_NORMALISED_TOTAL) with the cell's total over those genes. Logarithms of another base or target are brought to
 * that, where their target is known. Thread-safe. Errors: CYF_ERR_INPUT, CYF_ERR_MEMORY. */
cyf_status cyf_cells_in_read(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** Copies the names of the cells and all obs columns, each as the type that it has, to a writer. Errors: CYF_ERR_INPUT,
 * CYF_ERR_IO. */
cyf_status cyf_copy_obs(cyf_h5ad *file, cyf_h5ad_writer *writer);

#endif
