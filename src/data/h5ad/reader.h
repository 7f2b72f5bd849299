/* SPDX-License-Identifier: MIT */
/** @file
 * Reading AnnData .h5ad files with the serial HDF5 driver. */
#ifndef CYF_DATA_H5AD_READER_H
#define CYF_DATA_H5AD_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"
#include "kernels/csr.h"

typedef struct cyf_h5ad cyf_h5ad;

/** Opens a file and one of its matrices: "X" (NULL means X), "layers/NAME" or "raw/X" (genes then come from raw/var).
 * CSR, CSC and dense; float16/32/64 and signed/unsigned integers of 8 to 64 bits; gzip and other built-in filters. CSC
 * is transposed in memory on first use. Files of anndata before 0.7 (compound obs/var; codes with obs/__categories;
 * h5sparse attributes; raw.X) are understood. The row pointers are held in memory, 8 bytes a cell. All calls take the
 * HDF5 lock; one file may be used by one thread at a time. Not collective. Errors: CYF_ERR_INPUT naming the file and
 * what is wrong (missing, truncated, not HDF5, no such matrix, sizes that disagree, malformed indptr, a compression
 * this HDF5 lacks). */
cyf_status cyf_h5ad_open(const char *path, const char *matrix, cyf_h5ad **ret_file);
void cyf_h5ad_close(cyf_h5ad **file); /**< NULL-safe */

const char *cyf_h5ad_path(const cyf_h5ad *file);
int64_t cyf_h5ad_n_cells(const cyf_h5ad *file);
int64_t cyf_h5ad_n_genes(const cyf_h5ad *file);
int64_t cyf_h5ad_nnz(const cyf_h5ad *file);        /**< stored entries; -1 for dense */
const char *cyf_h5ad_layout(const cyf_h5ad *file); /**< "csr", "csc" or "dense" */

/** Appends rows [first, first + n) to `rows` (cleared by the caller; n_genes must be the file's): indices ascending,
 * explicit zeros dropped, duplicate entries of a row summed. Beyond `rows`, memory is bounded (a few MB, or one row).
 * Errors: CYF_ERR_INPUT on a read failure, an index out of range, NaN, infinity or a negative value (the message names
 * file, cell and gene); `rows` then holds the rows before. */
cyf_status cyf_h5ad_read_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** Gene names: the var index, or the column of that name (NULL: the index); where the column has no value, the index's
 * name stands in. Ensembl ids lose their version (gene_list.h). Genes of the same name are not added up: the first
 * keeps the name, later ones get "-1", "-2"... as in anndata's var_names_make_unique (said in the log). ret_genes is
 * filled by the callee, destroyed by the caller. */
cyf_status cyf_h5ad_read_genes(cyf_h5ad *file, const char *column, cyf_names *ret_genes);
/** The distinct names among these, nothing numbered and nothing said. */
cyf_status cyf_h5ad_list_gene_names(cyf_h5ad *file, const char *column, cyf_names *ret_names);
/** Names of the var columns in order. */
cyf_status cyf_h5ad_list_gene_columns(cyf_h5ad *file, cyf_names *ret_columns);

/** @{ */
/** Whether obs (var) has a column, or an index, of that name. */
bool cyf_h5ad_has_column(const cyf_h5ad *file, const char *column);
bool cyf_h5ad_has_gene_column(const cyf_h5ad *file, const char *column);
/** @} */

/** Cell names: the obs index ("0", "1", ... where the file has none). ret_names: n_cells strings, one cyf_free each and
 * of the array. */
cyf_status cyf_h5ad_read_cell_names(cyf_h5ad *file, char ***ret_names);
/** What identifies cells [first, first + n): their names (column NULL), or the column of that name as text. Fills
 * ret_ids[n] with strings, one cyf_free each; all NULL on an error. Reads no more than these rows where they are stored
 * as strings. Errors: CYF_ERR_INPUT, also for a cell without a value. */
cyf_status cyf_h5ad_read_ids(cyf_h5ad *file, const char *column, int64_t first, int64_t n, char **ret_ids);
/** An obs column as labels: categoricals keep their categories' order; strings and booleans become categories in sorted
 * order; numbers become categories in numeric order, written shortest ("270", "10.5"); missing: -1. Errors:
 * CYF_ERR_INPUT listing the columns there are. */
cyf_status cyf_h5ad_read_labels(cyf_h5ad *file, const char *column, cyf_label_column *ret_column);
/** Names of the obs columns in order (categorical, string, numeric, boolean). */
cyf_status cyf_h5ad_list_columns(cyf_h5ad *file, cyf_names *ret_columns);
/** True when the obs column holds plain numbers (not a categorical, strings or booleans). */
bool cyf_h5ad_column_is_numeric(cyf_h5ad *file, const char *column);
/** obsm/NAME as float32 [n_cells, width]; *ret_values freed by cyf_free. Errors: CYF_ERR_INPUT when absent. */
cyf_status cyf_h5ad_read_obsm(cyf_h5ad *file, const char *name, int64_t *ret_width, float **ret_values);

/** What the values are. */
typedef enum cyf_expression_kind {
  CYF_EXPRESSION_COUNTS,         /**< non-negative integers (in any number type) */
  CYF_EXPRESSION_LOG_NORMALIZED, /**< non-integer, largest value < 25: used as they are */
  CYF_EXPRESSION_OTHER           /**< non-integer and large (normalised, not logged): refused */
} cyf_expression_kind;
/** Judges from all stored values of up to max_cells cells spread over the file. Errors: those of cyf_h5ad_read_rows. */
cyf_status cyf_h5ad_detect_kind(cyf_h5ad *file, int64_t max_cells, cyf_expression_kind *ret_kind);
/** "counts", "log-normalised" or "other". */
const char *cyf_expression_kind_name(cyf_expression_kind kind);

#endif
