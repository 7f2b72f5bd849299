/* SPDX-License-Identifier: MIT */
/** @file
 * The writer's state. Private to writer*.c and copy_column.c. */
#ifndef CYF_DATA_H5AD_WRITER_INTERNAL_H
#define CYF_DATA_H5AD_WRITER_INTERNAL_H

#include "data/h5ad/writer.h"
#include "data/hdf5/deflate.h"
#include "data/hdf5/hdf5_file.h"

/** One of X/indices and X/data: a growing one-dimensional dataset of 32-bit words and its unfinished last chunk. */
typedef struct cyf_chunk_stream {
  hid_t dataset;
  int stored_bits;   /**< 8 or 16: N-bit packed; 32: words as they are, or deflated */
  int64_t n_stored;  /**< entries in finished chunks */
  uint32_t *pending; /**< [chunk_values] */
} cyf_chunk_stream;

/** Something with one row a cell, and how many rows it has: at commit these must be the file's cells. */
typedef struct cyf_row_claim {
  char *name;
  int64_t n_cells;
} cyf_row_claim;

/** obs and row bounds that are written as the cells come (cyf_h5ad_writer_stream_obs). */
typedef struct cyf_obs_stream {
  bool on;
  int64_t n_cells, nnz; /**< announced */
  int64_t n_obs;        /**< cells whose obs is in the file */
  hid_t names, indptr;
  hid_t *codes; /**< [n_columns] */
  int64_t *n_categories;
  int64_t n_columns;
} cyf_obs_stream;

struct cyf_h5ad_writer {
  cyf_h5_output *output;
  cyf_h5ad_options options;
  int64_t n_genes, n_cells;
  hid_t obs, var, obsm, uns;
  bool genes_written, cell_names_written, failed;
  cyf_names columns; /**< of obs, in order */
  cyf_row_claim *claims;
  int64_t n_claims, claims_capacity;
  /** sparse X */
  hid_t matrix; /**< the group X, or the dense dataset */
  cyf_chunk_stream indices, values;
  int64_t n_pending, nnz;     /**< entries in the unfinished chunks; entries of all cells */
  cyf_deflater *deflater;     /**< of a compressed sparse X, else NULL */
  uint8_t *shuffled, *packed; /**< a chunk on its way to the file; the first with a deflater only */
  int64_t *indptr;            /**< [n_cells + 1]; of the present call alone where obs is streamed */
  int64_t indptr_capacity;
  cyf_obs_stream stream;
};

/** @{ */
/** X: create, append and finish. The caller holds the lock. */
cyf_status cyf_h5ad_matrix_create(cyf_h5ad_writer *writer);
cyf_status cyf_h5ad_matrix_append_csr(cyf_h5ad_writer *writer, const cyf_csr *rows);
cyf_status cyf_h5ad_matrix_finish(cyf_h5ad_writer *writer);
/** @} */

/** Frees what is held for X and closes its objects. */
void cyf_h5ad_matrix_destroy(cyf_h5ad_writer *writer);

/** Ends a public call: gives the lock back and remembers a failure, so that a half-written file is never committed. */
cyf_status cyf_h5ad_writer_finish_call(cyf_h5ad_writer *writer, cyf_status status);
/** Notes that `name`, for the message, has so many rows: at commit there must be as many cells. */
cyf_status cyf_h5ad_writer_claim_rows(cyf_h5ad_writer *writer, const char *name, int64_t n_cells);
/** Takes an obs column's name, once. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5ad_writer_claim_column(cyf_h5ad_writer *writer, const char *name, int64_t n_cells);
/** cyf_h5ad_writer_add_labels under the lock, with pandas' flag of categories that have an order. */
cyf_status cyf_h5ad_writer_put_labels(cyf_h5ad_writer *writer, const cyf_label_column *column, bool ordered);
/** Everything of a categorical column but its codes: an open dataset [n_cells] for these. */
cyf_status cyf_h5ad_create_labels(const cyf_h5ad_writer *writer, const cyf_label_column *column, int64_t n_cells,
                                  bool ordered, hid_t *ret_codes);
/** Type of X/indptr for so many entries; a constant of HDF5, not to be closed. */
hid_t cyf_h5ad_indptr_type(int64_t nnz);

/** @{ */
/** writer_stream.c: writes the row bounds of the next n cells, the ends of their entries in the file; and, at commit,
 * checks that all announced cells and entries came. */
cyf_status cyf_h5ad_stream_bounds(cyf_h5ad_writer *writer, int64_t n, const int64_t *ends);
cyf_status cyf_h5ad_stream_finish(cyf_h5ad_writer *writer);
/** @} */

/** Closes the datasets of a stream and frees its memory. */
void cyf_h5ad_stream_destroy(cyf_h5ad_writer *writer);
/** cyf_h5ad_writer_add_texts under the lock. */
cyf_status cyf_h5ad_writer_put_texts(cyf_h5ad_writer *writer, const char *name, char *const *values, int64_t n_cells);
/** A whole array of one (width < 0) or two dimensions with anndata's encoding. */
cyf_status cyf_h5ad_write_array(const cyf_h5ad_writer *writer, hid_t parent, const char *name, hid_t file_type,
                                hid_t memory_type, int64_t n, int64_t width, const void *values);
/** h5py's Boolean, an enumeration of FALSE and TRUE over int8; the caller closes it. */
hid_t cyf_h5ad_boolean_type(void);

/** Writes an object's attributes encoding-type and encoding-version. */
cyf_status cyf_h5ad_write_encoding(const cyf_h5_output *output, hid_t object, const char *type, const char *version);

#endif
