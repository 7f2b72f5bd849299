/* SPDX-License-Identifier: MIT */
/** @file
 * Writing AnnData .h5ad files that stock anndata and scanpy read without a warning (anndata's on-disk format 0.1.0 with
 * encoding attributes).
 *
 * Cells are appended in blocks. The serial HDF5 driver is used, and each file has a writer of its own. Every call takes
 * the lock of HDF5. Not collective. After an error only commit, which then fails, or abandon may follow. */
#ifndef CYF_DATA_H5AD_WRITER_H
#define CYF_DATA_H5AD_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/h5ad/reader.h"
#include "data/tables/labels.h"
#include "kernels/csr.h"

/** A file that is being written. */
typedef struct cyf_h5ad_writer cyf_h5ad_writer;

/** How X is stored. */
typedef enum cyf_matrix_format {
  CYF_MATRIX_CSR_FLOAT32, /**< indices int32, data float32, optionally gzip */
  CYF_MATRIX_CSR_NBIT,    /**< the atlas' format of counts: integers under HDF5's N-bit filter, indices of 16 bits and
                             data of 8 or 16; int32 where those do not fit, or with gzip */
  CYF_MATRIX_DENSE        /**< float32, chunked */
} cyf_matrix_format;

/** Entries of a stored chunk of X/indices and X/data unless told otherwise. Training reads blocks of some 10^5 entries,
 * which begin and end inside a chunk, so on average one chunk too many is read. At 16,384 entries (32 KiB of 16-bit
 * words) that is a few percent, and the file's index of chunks, one B-tree record each, stays small. */
enum { CYF_H5AD_CHUNK_VALUES = 16384 };

/** The form of the file.
 *
 * Values lie in a stored chunk as follows, for readers that take chunks as they are (docs/atlas-format.md). Chunks are
 * stored at full size; entries past the end are zero.
 *   - 8 or 16 bits (CSR_NBIT): unsigned big-endian words of that width, then one byte, chunk_values * bits / 8 + 1
 *     bytes in all. Through HDF5 they read as int32 (data of 8 bits: int16, see integer_type() in writer_matrix.c). The
 *     types are signed, so one bit less is usable: counts to 127 or 32,767, up to 32,768 genes.
 *   - 32 bits, and CSR_FLOAT32, without gzip: no filter; little-endian int32 or float32, chunk_values * 4 bytes.
 *   - with gzip: the same 32-bit words under HDF5's shuffle and deflate filters, chunks of varying size.
 * indptr is int32 as the indices are, since SciPy slices only matrices whose pointers and indices are of one type. From
 * 2^31 entries on it is int64. */
typedef struct cyf_h5ad_options {
  cyf_matrix_format format;
  int data_bits;  /**< CSR_NBIT: 8, 16 or 32 (32: plain int32, the only choice with gzip); 0: 16, or 32 */
  int index_bits; /**< CSR_NBIT: 16, or 32 where there are more than 32,768 genes or with gzip; 0: whichever fits */
  int64_t chunk_values; /**< entries a chunk of indices/data (dense: about, in whole rows); 0: CYF_H5AD_CHUNK_VALUES
                           (dense: 16 times that) */
  int gzip_level;       /**< 0 to 9; 0: none */
  bool checksums;       /**< arrays of obs and obsm carry Fletcher-32 checksums, which HDF5 verifies as it reads */
  bool sealed;          /**< a file of cytoforge's own (data/hdf5/hdf5_seal.h) */
} cyf_h5ad_options;

/** Starts "path.partial". Nothing appears under `path` before commit. Errors: CYF_ERR_IO when it cannot be made;
 * CYF_ERR_INTERNAL for options that do not fit together. */
cyf_status cyf_h5ad_writer_create(const char *path, int64_t n_genes, const cyf_h5ad_options *options,
                                  cyf_h5ad_writer **ret_writer);

/** Appends cells [n_cells, n_genes], in any of the formats; the indices of a row must ascend and lie below n_genes.
 *
 * Memory: one chunk and 8 bytes a cell. Errors: CYF_ERR_IO, as of a full disk, naming the file; CYF_ERR_INTERNAL on
 * malformed rows; CYF_ERR_INPUT where CSR_NBIT meets a value that is not an integer or does not fit data_bits. Then
 * nothing of the call has been written. */
cyf_status cyf_h5ad_writer_append_csr(cyf_h5ad_writer *writer, const cyf_csr *rows);

/** The index of var: n_genes names, written at once. Called once, any time before commit, which fails without it. */
cyf_status cyf_h5ad_writer_set_genes(cyf_h5ad_writer *writer, const cyf_names *genes);
/** The index of obs, written at once: n_cells names. Called once, any time before commit. Where `names` is NULL or this
 * is never called, cells are named "0", "1" and so on. */
cyf_status cyf_h5ad_writer_set_cell_names(cyf_h5ad_writer *writer, const char *const *names, int64_t n_cells);
/** Adds a categorical obs column of n_cells codes, -1 for a missing value; columns keep the order of the calls. Errors:
 * CYF_ERR_INPUT for a name that comes twice or is not usable ("", "_index"); CYF_ERR_INTERNAL on a code out of range.
 */
cyf_status cyf_h5ad_writer_add_labels(cyf_h5ad_writer *writer, const cyf_label_column *column);
/** Has obs (its index and categorical columns) and the row bounds written as cells come, so that memory does not grow
 * with the number of cells.
 *
 * Called before the first cell, for a sparse file whose n_cells and nnz are known; commit fails where others come.
 * Of columns[n_columns] the names and categories are taken, not the codes. Obs is then given by append_obs, and
 * set_cell_names and add_labels are not called. */
cyf_status cyf_h5ad_writer_stream_obs(cyf_h5ad_writer *writer, int64_t n_cells, int64_t nnz,
                                      const cyf_label_column *columns, int64_t n_columns);
/** obs of the next n cells after cyf_h5ad_writer_stream_obs: names[n] and codes[n_columns][n], -1 for a missing value.
 */
cyf_status cyf_h5ad_writer_append_obs(cyf_h5ad_writer *writer, const char *const *names, const int32_t *const *codes,
                                      int64_t n);
/** Adds an obs column of float64. Errors: of the name as cyf_h5ad_writer_add_labels. */
cyf_status cyf_h5ad_writer_add_numbers(cyf_h5ad_writer *writer, const char *name, const double *values,
                                       int64_t n_cells);

/** @{ */
/** Adds an obs column of int64, or of strings. Errors: of the name as cyf_h5ad_writer_add_labels. */
cyf_status cyf_h5ad_writer_add_integers(cyf_h5ad_writer *writer, const char *name, const int64_t *values,
                                        int64_t n_cells);
cyf_status cyf_h5ad_writer_add_texts(cyf_h5ad_writer *writer, const char *name, char *const *values, int64_t n_cells);
/** @} */

/** Copies an obs column of an open file, all its n_cells rows, as the kind that it is.
 *
 * Integers become int64, reals stay float32 or float64, and Booleans and strings stay as they are. Categorical columns
 * keep their categories (as text), their order, and the mark that they are ordered. Missing values stay missing: NaN
 * among reals, anndata's nullable arrays for integers and Booleans. Strings of which some are missing become a
 * categorical column, since only recent versions of anndata read missing strings. Whatever older encoding the column
 * has, today's is written. Errors: CYF_ERR_INPUT as cyf_h5ad_read_labels and cyf_h5ad_writer_add_labels, CYF_ERR_IO. */
cyf_status cyf_h5ad_copy_column(cyf_h5ad *file, const char *column, cyf_h5ad_writer *writer);
/** Writes obsm/NAME, float32 [n_cells, width], at once. */
cyf_status cyf_h5ad_writer_set_obsm(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                    const float *values);
/** Writes obsm/NAME [n_cells, width] of numbers that are IEEE 754 binary16 in memory; numpy reads them as float16. */
cyf_status cyf_h5ad_writer_set_obsm_half(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                         const void *halves);

/** @{ */
/** Writes uns/cytoforge/KEY: a string, an int64 or a float64. */
cyf_status cyf_h5ad_writer_set_uns_text(cyf_h5ad_writer *writer, const char *key, const char *value);
cyf_status cyf_h5ad_writer_set_uns_int(cyf_h5ad_writer *writer, const char *key, int64_t value);
cyf_status cyf_h5ad_writer_set_uns_real(cyf_h5ad_writer *writer, const char *key, double value);
/** @} */

/** Checks that everything has n_cells rows, flushes the file to disk and renames it to its final path. The writer is
 * destroyed either way and set to NULL. On an error the partial file is removed and `path` is as it was. Errors:
 * CYF_ERR_IO, CYF_ERR_INTERNAL. */
cyf_status cyf_h5ad_writer_commit(cyf_h5ad_writer **writer);
/** Destroys the writer without a file: the partial one is removed. NULL-safe, sets NULL. */
void cyf_h5ad_writer_abandon(cyf_h5ad_writer **writer);

#endif
