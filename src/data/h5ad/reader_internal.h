/* SPDX-License-Identifier: MIT */
/** @file
 * The reader's state. Private to reader*.c and copy_column.c; functions here expect the caller to hold the lock. */
#ifndef CYF_DATA_H5AD_READER_INTERNAL_H
#define CYF_DATA_H5AD_READER_INTERNAL_H

#include "data/h5ad/reader.h"
#include "data/hdf5/hdf5_file.h"

/** obs or var: a group of columns, or (anndata before 0.7) one compound dataset. */
typedef struct cyf_h5ad_frame {
  char *name;   /**< path in the file, "obs" or "raw/var" */
  hid_t object; /**< -1 when the file has none */
  bool compound;
  char *index; /**< the index column's name; NULL: none, rows are numbered */
  int64_t n_rows;
  cyf_names columns; /**< in order, without the index */
} cyf_h5ad_frame;

/** How the matrix is stored. */
typedef enum cyf_layout_kind { CYF_LAYOUT_CSR, CYF_LAYOUT_CSC, CYF_LAYOUT_DENSE } cyf_layout_kind;

/** Types of numbers whose gzip-compressed chunks we inflate ourselves (reader_deflated.c). */
typedef enum cyf_number_type {
  CYF_NUMBER_OTHER, /**< any other: read through HDF5 */
  CYF_NUMBER_INT32,
  CYF_NUMBER_INT64,
  CYF_NUMBER_UINT16,
  CYF_NUMBER_UINT32,
  CYF_NUMBER_FLOAT32,
  CYF_NUMBER_FLOAT64
} cyf_number_type;

/** How a one-dimensional dataset under gzip is stored. */
typedef struct cyf_deflated_form {
  cyf_number_type type; /**< OTHER: not in a form that we inflate ourselves */
  bool shuffled;        /**< also under HDF5's shuffle filter */
  int64_t chunk_values;
} cyf_deflated_form;

struct cyf_h5ad {
  char *path;
  char *matrix; /**< its name in the file */
  hid_t file;
  cyf_h5ad_frame obs, var;
  cyf_layout_kind layout;
  int64_t n_cells, n_genes, nnz;
  int64_t n_repeating_rows;      /**< of those read so far, with several entries for one gene */
  hid_t values, indices;         /**< datasets; dense: values alone */
  int values_bits, indices_bits; /**< 8 or 16 where N-bit chunks can be taken as they are stored; 0: through HDF5 */
  cyf_deflated_form values_form, indices_form;
  bool takes_any;  /**< rows may hold any values, also negative ones and NaN */
  int64_t *indptr; /**< of the stored rows (CSR) or columns (CSC) */
  /** A CSC matrix after its first use: its transpose, rows of cells */
  int64_t *row_start;
  int32_t *row_genes;
  float *row_values;
  /** Entries of rows (CSC: columns) that are still to be checked or placed, a bounded number at a time */
  int64_t scratch_capacity;
  int32_t *scratch_genes;
  float *scratch_values;
};

/** reader_matrix.c: finds and checks the matrix; sets layout, sizes, datasets and indptr. */
cyf_status cyf_h5ad_matrix_open(cyf_h5ad *file, const char *matrix);
/** not_anndata.c: fails, naming what the file is, which has no matrix where AnnData has one. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5ad_refuse_layout(const cyf_h5ad *file);
/** not_anndata.c: fails likewise, but lets AnnData pass that has no matrix. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5ad_check_layout(const cyf_h5ad *file);
/** Whether it is a loom file, whose layers have genes as rows and so cannot be taken for AnnData's. */
cyf_status cyf_h5ad_is_loom(const cyf_h5ad *file, bool *ret_is);
/** reader_rows.c: cyf_h5ad_read_rows, its arguments checked. */
cyf_status cyf_h5ad_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows);

/** reader_exact.c: whether `values` are what the file holds for rows [first, first + n) of the matrix' values, which
 * have `width` values a row; width -1: for entries of a sparse matrix. Errors: CYF_ERR_INPUT for a whole number that
 * float32 cannot hold. */
cyf_status cyf_h5ad_check_exact(const cyf_h5ad *file, int64_t first, int64_t n, int64_t width, const float *values);

/** reader_packed.c: bits a value, 8 or 16, of a dataset in the N-bit form that writer.h describes; 0 for any other. */
int cyf_h5ad_packed_bits(hid_t dataset);
/** Reads entries [first, first + n) of such a dataset into one of the two arrays (the other NULL). Where a chunk turns
 * out to be in another form, *ret_done is false without an error: the caller then reads through HDF5. */
cyf_status cyf_h5ad_packed_read(hid_t dataset, int bits, int64_t first, int64_t n, int32_t *integers, float *reals,
                                bool *ret_done);

/** reader_deflated.c: the form of a one-dimensional dataset under gzip, with or without shuffle. */
void cyf_h5ad_deflated_form(hid_t dataset, cyf_deflated_form *ret_form);
/** As cyf_h5ad_packed_read, for a dataset of such a form whose type is not OTHER. Uses OpenMP threads. */
cyf_status cyf_h5ad_deflated_read(hid_t dataset, const cyf_deflated_form *form, int64_t first, int64_t n,
                                  int32_t *integers, float *reals, bool *ret_done);

/* ---- reader_frame.c, reader_column.c, reader_values.c and reader_text.c ---- */

/** What a column of obs or var holds. */
typedef enum cyf_column_kind {
  CYF_COLUMN_TEXT,
  CYF_COLUMN_INTEGER,
  CYF_COLUMN_REAL,
  CYF_COLUMN_BOOLEAN,
  CYF_COLUMN_CATEGORICAL,
  CYF_COLUMN_UNREADABLE
} cyf_column_kind;

/** How reals are stored. */
typedef enum cyf_real_precision { CYF_REAL_DOUBLE, CYF_REAL_SINGLE, CYF_REAL_HALF } cyf_real_precision;

/** A column of obs or var in memory. */
typedef struct cyf_column {
  cyf_column_kind kind;
  int64_t n;
  char **text;                  /**< TEXT */
  int64_t *integer;             /**< INTEGER, BOOLEAN (0 or 1), CATEGORICAL (codes, -1 missing) */
  bool is_unsigned;             /**< INTEGER: some are above INT64_MAX, and all are uint64 of the same bits */
  double *real;                 /**< REAL */
  cyf_real_precision precision; /**< REAL: as stored, which sets how many digits name it */
  int8_t *missing;              /**< [n] 1 where there is no value; NULL: none */
  char **category;              /**< CATEGORICAL: their names in order */
  int64_t n_categories;
  bool ordered; /**< CATEGORICAL: the categories have an order (where the file says so in the way of anndata 0.8) */
} cyf_column;

/** Opens obs or var. Where `path` is absent, object stays -1. n_rows is the matrix' number of cells or genes; -1: there
 * is no matrix, and the frame has as many rows as its index. Errors:
 * CYF_ERR_INPUT where the frame has another number of rows. */
cyf_status cyf_h5ad_frame_open(const cyf_h5ad *file, const char *path, int64_t n_rows, cyf_h5ad_frame *ret_frame);
/** Closes the object and frees the names. */
void cyf_h5ad_frame_close(cyf_h5ad_frame *frame);
/** The kind of a column without reading it; UNREADABLE when absent, damaged, or of an unknown encoding or type. Errors:
 * those of cyf_h5_check_reads. */
cyf_status cyf_h5ad_column_kind(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                cyf_column_kind *ret_kind);
/** Why a column is UNREADABLE, for a message. Returns `text`. */
const char *cyf_h5ad_column_fault(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                  char text[CYF_H5_REASON_SIZE]);
/** Reads a whole column. Errors: CYF_ERR_INPUT; of an absent column it lists those there are. */
cyf_status cyf_h5ad_column_read(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                cyf_column *ret_column);
/** Frees what the column holds; also of a zeroed one. */
void cyf_h5ad_column_destroy(cyf_column *column);
/** reader_text.c: element i as a fresh string, NULL when missing. Numbers are as short as they read back ("270",
 * "10.5"), Booleans are "True" or "False". */
cyf_status cyf_h5ad_column_text(const cyf_column *column, int64_t i, char **ret_text);
/** reader_values.c: what elements of this type are as a column. */
cyf_column_kind cyf_h5ad_kind_of_type(hid_t type);
/** reader_values.c: reads n elements of a dataset, or of one field (NULL: none) of a compound one, into an empty
 * column: exactly, whatever their type. Enumerations are Booleans (FALSE, TRUE and perhaps NA, which is missing) or
 * categories of the members' names. Errors: CYF_ERR_INPUT, naming what the elements are where they cannot be read. */
cyf_status cyf_h5ad_read_values(const cyf_h5ad *file, hid_t dataset, const char *field, int64_t n, const char *name,
                                cyf_column *column);
/** Any column as labels, the way cyf_h5ad_read_labels describes; the caller destroys *labels, also on an error. */
cyf_status cyf_h5ad_column_to_labels(const cyf_column *column, const char *name, cyf_label_column *labels);
/** Names of rows [first, first + n) as fresh strings: the index, or the rows' numbers where there is none. */
cyf_status cyf_h5ad_frame_names(const cyf_h5ad *file, const cyf_h5ad_frame *frame, int64_t first, int64_t n,
                                char **ret_names);

/** What comes before HDF5 looks at a file of cells: files of ours are compared with their checksums, those of other
 * programs are walked by another process. Errors: CYF_ERR_INPUT naming the file. */
cyf_status cyf_h5ad_look_first(const char *path);

#endif
