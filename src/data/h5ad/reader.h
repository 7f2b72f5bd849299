/* SPDX-License-Identifier: MIT */
/** @file
 * Reading AnnData .h5ad files with the serial HDF5 driver.
 *
 * Every call takes the lock of HDF5 (data/hdf5/hdf5_lock.h), but one file may be used by one thread at a time. Not
 * collective: each rank opens files by itself. Lists of names are filled by the callee and destroyed by the caller with
 * cyf_names_destroy; on an error they are empty. */
#ifndef CYF_DATA_H5AD_READER_H
#define CYF_DATA_H5AD_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"
#include "kernels/csr.h"

/** An open file and one of its matrices. */
typedef struct cyf_h5ad cyf_h5ad;

/** Opens a file and one of its matrices: "X" (NULL means X), "layers/NAME" or "raw/X" (genes then come from raw/var).
 *
 * Read are CSR, CSC and dense matrices of float16, float32, float64 or integers of 8 to 64 bits, under gzip, LZF and
 * HDF5's other built-in filters. A CSC matrix is transposed in memory on first use. Files of anndata before 0.7 are
 * understood: compound obs and var, codes with obs/__categories, h5sparse attributes, raw.X. The row pointers are held
 * in memory, 8 bytes a cell. Errors: CYF_ERR_INPUT naming the file and what is wrong: missing, truncated, not HDF5, no
 * such matrix, sizes that disagree, malformed indptr, or a compression that this HDF5 lacks. This and every other call
 * that reads fails with CYF_ERR_IO where the system could not read, and with CYF_ERR_INPUT where the file has
 * changed meanwhile. */
cyf_status cyf_h5ad_open(const char *path, const char *matrix, cyf_h5ad **ret_file);
/** Closes the file and frees what is held of it; NULL-safe, sets NULL. */
void cyf_h5ad_close(cyf_h5ad **file);

/** Opens obs and var alone, of a file whose X may be missing or unreadable; rows are theirs. Errors: as cyf_h5ad_open.
 */
cyf_status cyf_h5ad_open_tables(const char *path, cyf_h5ad **ret_file);
/** Names of the file's matrices, "X", "raw/X" and "layers/NAME", whether they can be read or not. Errors:
 * CYF_ERR_INPUT.
 */
cyf_status cyf_h5ad_list_matrices(const char *path, cyf_names *ret_matrices);

/** The path as it was given to cyf_h5ad_open; the file's own. */
const char *cyf_h5ad_path(const cyf_h5ad *file);
/** @{ */
/** The matrix' numbers of rows (cells) and columns (genes). */
int64_t cyf_h5ad_n_cells(const cyf_h5ad *file);
int64_t cyf_h5ad_n_genes(const cyf_h5ad *file);
/** @} */

/** The matrix' name: "X", "raw/X" or "layers/NAME". */
const char *cyf_h5ad_matrix(const cyf_h5ad *file);
int64_t cyf_h5ad_nnz(const cyf_h5ad *file);        /**< stored entries; -1 for dense */
const char *cyf_h5ad_layout(const cyf_h5ad *file); /**< "csr", "csc" or "dense" */

/** Appends rows [first, first + n) to `rows`, which the caller has cleared and whose n_genes is the file's.
 *
 * Gene indices ascend, stored zeros are dropped, and entries of a row that have the same gene are summed. Beyond `rows`
 * memory is bounded: a few MB, or one row. Errors: CYF_ERR_INPUT on a read failure, an index out of range, NaN,
 * infinity or a negative value. The message names file, cell and gene, and `rows` then holds the rows before. */
cyf_status cyf_h5ad_read_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** How many of the rows that were read so far have several entries for one gene, which were summed. */
int64_t cyf_h5ad_n_repeating_rows(const cyf_h5ad *file);

/** Gene names, n_genes of them: the index of var, or the var column of that name (NULL: the index).
 *
 * Where the column has no value, the index's name stands in. Ensembl ids lose their version (gene_list.h). Genes of the
 * same name are not added up: the first keeps the name, later ones get "-1", "-2" and so on as in anndata's
 * var_names_make_unique, with a warning. Errors: CYF_ERR_INPUT listing the columns there are. */
cyf_status cyf_h5ad_read_genes(cyf_h5ad *file, const char *column, cyf_names *ret_genes);
/** The distinct names among those of cyf_h5ad_read_genes, none of them numbered, without a warning. */
cyf_status cyf_h5ad_list_gene_names(cyf_h5ad *file, const char *column, cyf_names *ret_names);
/** Names of the var columns in order, without the index. Columns of an unknown encoding are left out. */
cyf_status cyf_h5ad_list_gene_columns(cyf_h5ad *file, cyf_names *ret_columns);

/** @{ */
/** Whether obs, or var, has a column or an index of that name. */
bool cyf_h5ad_has_column(const cyf_h5ad *file, const char *column);
bool cyf_h5ad_has_gene_column(const cyf_h5ad *file, const char *column);
/** @} */

/** Cell names: the index of obs, or "0", "1" and so on where the file has none. The caller frees the n_cells strings of
 * *ret_names and the array itself with cyf_free. */
cyf_status cyf_h5ad_read_cell_names(cyf_h5ad *file, char ***ret_names);
/** What identifies cells [first, first + n): their names (column NULL), or the obs column of that name as text.
 *
 * Fills ret_ids[n] with strings that the caller frees with cyf_free; on an error all are NULL. No other rows are read
 * where the column is stored as strings. Errors: CYF_ERR_INPUT, also for a cell without a value. */
cyf_status cyf_h5ad_read_ids(cyf_h5ad *file, const char *column, int64_t first, int64_t n, char **ret_ids);
/** An obs column as labels: a code for each of n_cells cells, -1 where the value is missing.
 *
 * A categorical column keeps its categories' order. Of strings and Booleans the categories are sorted as text. Numbers
 * become categories in numeric order, written as short as they read back ("270", "10.5"). The categories of an HDF5
 * enumeration are its members' names in the order of their values. One of FALSE and TRUE alone, in any case, is
 * Boolean; NA beside these is a missing value. The caller destroys *ret_column. Errors: CYF_ERR_INPUT listing the
 * columns there are, or naming what the column holds. */
cyf_status cyf_h5ad_read_labels(cyf_h5ad *file, const char *column, cyf_label_column *ret_column);
/** Names of the obs columns in order, without the index. Columns of an unknown encoding are left out. */
cyf_status cyf_h5ad_list_columns(cyf_h5ad *file, cyf_names *ret_columns);
/** The obs columns that cannot be read, each as "'NAME' (what it is)": opaque bytes, references and the like, and
 * unknown encodings. The caller destroys *ret_columns. */
cyf_status cyf_h5ad_list_unreadable(cyf_h5ad *file, cyf_names *ret_columns);
/** Whether the obs column holds plain numbers: no categories, strings or Booleans. Errors: CYF_ERR_IO, CYF_ERR_INPUT
 * where the file became shorter. */
cyf_status cyf_h5ad_column_is_numeric(cyf_h5ad *file, const char *column, bool *ret_is);
/** obsm/NAME as float32 [n_cells, width]; the caller frees *ret_values with cyf_free. Errors: CYF_ERR_INPUT when it is
 * absent or of another shape. */
cyf_status cyf_h5ad_read_obsm(cyf_h5ad *file, const char *name, int64_t *ret_width, float **ret_values);

/** What cytoforge wrote of the values of X into the file: uns/cytoforge/expression, and uns/cytoforge/target (0 where
 * it is not there, also for an unknown one). *ret_word is NULL where there is none, and of another matrix than X; the
 * caller frees it with cyf_free. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5ad_read_expression(cyf_h5ad *file, char **ret_word, double *ret_target);
/** The relative rounding of the matrix' values, by the type they are stored in: 2^-24 for float32. */
double cyf_h5ad_roundoff(cyf_h5ad *file);

#endif
