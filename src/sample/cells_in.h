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
#include "saved/model_file.h"

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

/** How a file of cells is read; texts belong to the caller. */
typedef struct cyf_cells_asked {
  const char *path;
  const char *matrix;      /**< NULL: X */
  const char *gene_column; /**< var column with the genes' names; NULL: the index */
  const char *values;      /**< what the values are (cyf_values_parse); NULL: as they tell by themselves */
} cyf_cells_asked;

/** Opens a matrix of the file. Its genes are matched with the model's by name; a gene that the file lacks is zero in
 * every cell. Its values are held to the model's scale. Errors: CYF_ERR_INPUT (not one gene matches; values are of no
 * use or on another scale), CYF_ERR_USAGE for a statement that is none. */
cyf_status cyf_cells_in_open(const cyf_cells_asked *asked, const cyf_model *model, cyf_cells_in *ret_cells);
/** Closes the file and frees what the struct holds. */
void cyf_cells_in_close(cyf_cells_in *cells);

/** Appends the file's cells [first, first + n) to `rows`, over the model's genes. Values are log1p(counts / total x
 * the model's target) with the cell's total over those genes; logarithms are brought to its scale. Thread-safe. Errors:
 * CYF_ERR_INPUT, CYF_ERR_MEMORY. */
cyf_status cyf_cells_in_read(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows);
/** The same, with the values as the file has them. */
cyf_status cyf_cells_in_read_unscaled(cyf_cells_in *cells, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** Copies the names of the cells and all obs columns but those of `except` (NULL: none), each as the type that it has,
 * to a writer. Errors: CYF_ERR_INPUT, CYF_ERR_IO. */
cyf_status cyf_copy_obs(cyf_h5ad *file, const cyf_names *except, cyf_h5ad_writer *writer);
/** Warns of the obs columns that cannot be read and so are not copied. Errors: CYF_ERR_INPUT. */
cyf_status cyf_warn_of_unreadable(cyf_h5ad *file);

#endif
