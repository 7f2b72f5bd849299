/* SPDX-License-Identifier: MIT */
/** @file
 * Writing AnnData .h5ad files that stock anndata and scanpy read without a warning (anndata on-disk format 0.1.0 with
 * encoding attributes). Streams: cells are appended in blocks. Serial HDF5 driver; one writer a file. */
#ifndef CYF_DATA_H5AD_WRITER_H
#define CYF_DATA_H5AD_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/h5ad/reader.h"
#include "data/tables/labels.h"
#include "kernels/csr.h"

typedef struct cyf_h5ad_writer cyf_h5ad_writer;

typedef enum cyf_matrix_format {
  CYF_MATRIX_CSR_FLOAT32, /**< indices int32, data float32, optionally gzip */
  CYF_MATRIX_CSR_NBIT,    /**< counts: integers under N-bit (indices 16 bits; data 8 or 16), the atlas' format; or int32
                             with gzip */
  CYF_MATRIX_DENSE        /**< float32, chunked */
} cyf_matrix_format;

/** Entries of a stored chunk of X/indices and X/data unless told otherwise. A block of cells that training reads (some
 * 10^5 entries) begins and ends inside a chunk, so that on average one chunk too many is read: at 16,384 entries (32
 * KiB of 16-bit words) a few percent, while the chunk index stays small (one B-tree record a chunk). */
enum { CYF_H5AD_CHUNK_VALUES = 16384 };

/** How values lie in a stored chunk, for readers that take chunks as they are (H5Dread_chunk or by address). All chunks
 * are full size; entries past the end are zero.
 *   - 8 or 16 bits (CSR_NBIT): unsigned big-endian words of that width, then one byte, chunk_values * bits / 8 + 1
 *     bytes in all. Through HDF5 they read as int32 (data of 8 bits: int16, see integer_type() in the code). The types
 *     are signed, so one bit less is usable: counts to 127 or 32,767, up to 32,768 genes.
 *   - 32 bits, and CSR_FLOAT32, without gzip: no filter; little-endian int32 or float32, chunk_values * 4 bytes.
 *   - with gzip: the same 32-bit words under HDF5's shuffle and deflate filters, chunks of varying size.
 * indptr is int32 as the indices are (SciPy slices no mixed types), int64 from 2^31 entries on. */
typedef struct cyf_h5ad_options {
  cyf_matrix_format format;
  int data_bits;  /**< CSR_NBIT: 8, 16 or 32 (32: plain int32, the only choice with gzip); 0: 16, or 32 */
  int index_bits; /**< CSR_NBIT: 16, or 32 where there are more than 32,768 genes or with gzip; 0: whichever fits */
  int64_t chunk_values; /**< entries a chunk of indices/data (dense: about, in whole rows); 0: CYF_H5AD_CHUNK_VALUES
                           (dense: 16 times that) */
  int gzip_level;       /**< 0 to 9; 0: none */
  bool checksums;       /**< arrays of obs and obsm carry Fletcher-32 checksums, which HDF5 verifies as it reads */
} cyf_h5ad_options;

/** Starts "path.partial". Nothing appears under `path` before commit. Not collective. Errors: CYF_ERR_IO when it cannot
 * be made; CYF_ERR_INTERNAL for options that do not fit together. */
cyf_status cyf_h5ad_writer_create(const char *path, int64_t n_genes, const cyf_h5ad_options *options,
                                  cyf_h5ad_writer **ret_writer);

/** Appends cells, in any of the formats. The indices of a row must ascend and lie below n_genes. Memory: one chunk and 8
 * bytes a cell. Errors: CYF_ERR_IO (disk full: names the file); CYF_ERR_INPUT where CSR_NBIT meets a value that is not
 * an integer or does not fit data_bits, before anything of the call is written; CYF_ERR_INTERNAL on malformed rows.
 * After an error only commit (fails) or abandon may follow. */
cyf_status cyf_h5ad_writer_append_csr(cyf_h5ad_writer *writer, const cyf_csr *rows);

/** Once each, any time before commit; arrays are written at once. set_genes is required (n_genes names), or commit
 * fails. */
cyf_status cyf_h5ad_writer_set_genes(cyf_h5ad_writer *writer, const cyf_names *genes);
/** The obs index. names NULL, or never called: "0", "1", ...; else n_cells names. */
cyf_status cyf_h5ad_writer_set_cell_names(cyf_h5ad_writer *writer, const char *const *names, int64_t n_cells);
/** A categorical obs column; n_cells codes, -1 missing. Repeated for more columns; order is kept. Errors: CYF_ERR_INPUT
 * on a column name twice or one that is not usable ("", "_index"); CYF_ERR_INTERNAL on a code out of range. */
cyf_status cyf_h5ad_writer_add_labels(cyf_h5ad_writer *writer, const cyf_label_column *column);
/** For a sparse file of a known size, before the first cell: obs (index and categorical columns) and row bounds go to
 * the file with the cells, so that memory does not grow with them. columns[n_columns]: names and categories; codes are
 * not looked at. n_cells and nnz must then come true. Replaces set_cell_names and add_labels. */
cyf_status cyf_h5ad_writer_stream_obs(cyf_h5ad_writer *writer, int64_t n_cells, int64_t nnz,
                                      const cyf_label_column *columns, int64_t n_columns);
/** obs of the next n cells: names[n], codes[n_columns][n] (-1 missing). */
cyf_status cyf_h5ad_writer_append_obs(cyf_h5ad_writer *writer, const char *const *names, const int32_t *const *codes,
                                      int64_t n);
/** A numeric obs column. */
cyf_status cyf_h5ad_writer_add_numbers(cyf_h5ad_writer *writer, const char *name, const double *values,
                                       int64_t n_cells);

/** @{ */
/** Obs columns of whole numbers and of strings, as add_numbers. */
cyf_status cyf_h5ad_writer_add_integers(cyf_h5ad_writer *writer, const char *name, const int64_t *values,
                                        int64_t n_cells);
cyf_status cyf_h5ad_writer_add_texts(cyf_h5ad_writer *writer, const char *name, char *const *values, int64_t n_cells);
/** @} */

/** Copies an obs column of a file (its n_cells rows) with its kind: integers as int64, Booleans, reals as float32 or
 * float64, strings, categoricals with their categories (as text) in order and whether they are ordered. Missing values
 * stay missing: NaN among reals, anndata's nullable arrays for integers and Booleans; strings of which some are missing
 * become a categorical, since only recent versions of anndata read missing strings. Any of the encodings that the
 * reader understands is written as today's. Errors: CYF_ERR_INPUT as cyf_h5ad_read_labels and
 * cyf_h5ad_writer_add_labels, CYF_ERR_IO. */
cyf_status cyf_h5ad_copy_column(cyf_h5ad *file, const char *column, cyf_h5ad_writer *writer);
/** obsm/NAME [n_cells, width] float32. */
cyf_status cyf_h5ad_writer_set_obsm(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                    const float *values);
/** The same of IEEE 754 binary16 as they lie in memory; numpy reads them as float16. */
cyf_status cyf_h5ad_writer_set_obsm_half(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                         const void *halves);

/** @{ */
/** uns/cytoforge/KEY: a string, number or integer. */
cyf_status cyf_h5ad_writer_set_uns_text(cyf_h5ad_writer *writer, const char *key, const char *value);
cyf_status cyf_h5ad_writer_set_uns_int(cyf_h5ad_writer *writer, const char *key, int64_t value);
cyf_status cyf_h5ad_writer_set_uns_real(cyf_h5ad_writer *writer, const char *key, double value);
/** @} */

/** Checks that everything has n_cells rows, closes, fsyncs and renames onto the final path. The writer is destroyed
 * either way, and on an error the partial file is removed and `path` is as it was. Errors: CYF_ERR_IO,
 * CYF_ERR_INTERNAL. */
cyf_status cyf_h5ad_writer_commit(cyf_h5ad_writer **writer);
/** Abandons the file and removes the partial one. NULL-safe. */
void cyf_h5ad_writer_abandon(cyf_h5ad_writer **writer);

#endif
