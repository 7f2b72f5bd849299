/* SPDX-License-Identifier: MIT */
/** @file
 * Helpers shared by the files that call HDF5. All expect the caller to hold cyf_hdf5_lock(). */
#ifndef CYF_DATA_HDF5_HDF5_FILE_H
#define CYF_DATA_HDF5_HDF5_FILE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/hdf5/hdf5_lock.h"

enum {
  CYF_H5_REASON_SIZE = 256,
  CYF_H5_TRANSFER_BYTES = 1 << 30, /**< HDF5 1.10 fails on transfers of 2 GiB and more; larger ones are cut */
  CYF_H5_STRING_BLOCK = 1 << 16    /**< strings a transfer of variable-length strings */
};

/** Writes HDF5's version, as loaded, and whether it is parallel, into text[size]. Takes the lock by itself. */
void cyf_hdf5_version(char *text, size_t size);

/** The most telling message of HDF5's error stack, the innermost one, as "file signature not found"; "unknown HDF5
 * error" when there is none. Returns `text`. */
const char *cyf_h5_reason(char text[CYF_H5_REASON_SIZE]);

/** Opens a file for reading. Locks are not required, so that read-only and lock-less file systems work. Errors:
 * CYF_ERR_INPUT: no such file, a folder, not permitted, empty, not HDF5, truncated, damaged; each names the file. */
cyf_status cyf_h5_open_file(const char *path, hid_t *ret_file);

/* --- objects. `where` in messages is the file's path. --- */

/** True where "a/b/c" exists below the location; no error when "a" is missing. */
bool cyf_h5_exists(hid_t location, const char *path);
/** H5I_GROUP, H5I_DATASET or H5I_BADID. */
H5I_type_t cyf_h5_object_type(hid_t location, const char *path);
/** Closes any kind of id and sets it to -1; ids < 0 are ignored. */
void cyf_h5_close_id(hid_t *id);
/** Extent of a dataset: its dimensions (up to 4) and how many. Errors: CYF_ERR_INPUT on more, on a null space, and on a
 * dataset that claims far more bytes than the file could hold (a damaged header must not make us allocate them). */
cyf_status cyf_h5_extent(hid_t dataset, const char *where, const char *name, int *ret_n_dims, int64_t shape[4]);
/** Reads elements [first, first + n) of a one-dimensional dataset, or rows [first, first + n) of `width` elements of a
 * two-dimensional one (width < 0: one-dimensional), as `type` of `type_size` bytes, in transfers below 2 GiB. Errors:
 * CYF_ERR_INPUT with HDF5's reason. */
cyf_status cyf_h5_read_range(hid_t dataset, hid_t type, size_t type_size, int64_t first, int64_t n, int64_t width,
                             const char *where, const char *name, void *ret_values);

/** Makes the two dataspaces of one transfer of such a range; the caller closes both, whatever comes. Returns a negative
 * number on failure. */
herr_t cyf_h5_select_range(hid_t dataset, int64_t first, int64_t n, int64_t width, hid_t *ret_file_space,
                           hid_t *ret_memory_space);
/** Elements (rows, where width >= 0) that a transfer below 2 GiB holds; at least 1. */
int64_t cyf_h5_rows_at_once(size_t type_size, int64_t width);

/** IEEE 754 binary16, little-endian: what h5py takes for numpy's float16. HDF5 predefines no such type. The caller
 * closes it. */
hid_t cyf_h5_half_type(void);

/* --- strings: variable- or fixed-length, of a one-dimensional dataset or a field of a compound one (field NULL: none)
 * --- */

/** Reads [first, first + n); ret_texts[i] are fresh strings (cyf_free), all NULL on error. Errors: CYF_ERR_INPUT, also
 * on text that is not UTF-8. */
cyf_status cyf_h5_read_strings(hid_t dataset, const char *field, int64_t first, int64_t n, const char *where,
                               const char *name, char **ret_texts);
/** Frees n strings and the array; sets *texts to NULL. NULL-safe. */
void cyf_h5_free_strings(char ***texts, int64_t n);
/** A scalar string dataset. */
cyf_status cyf_h5_read_text(hid_t dataset, const char *where, const char *name, char **ret_text);
/** A scalar string attribute; *ret_text is NULL when there is no such attribute. */
cyf_status cyf_h5_read_text_attribute(hid_t object, const char *attribute, const char *where, char **ret_text);
/** A string-array attribute; empty where it is absent or not of strings (anndata writes an empty list as floats). */
cyf_status cyf_h5_read_texts_attribute(hid_t object, const char *attribute, const char *where, char ***ret_texts,
                                       int64_t *ret_n);
/** An integer attribute of any integer type; *ret_n values into values[max]; 0 when absent. */
cyf_status cyf_h5_read_int_attribute(hid_t object, const char *attribute, const char *where, int64_t max,
                                     int64_t *values, int64_t *ret_n);

/* --- files being written --- */

/** A file under construction: "path.partial", written through a small driver of our own (hdf5_output_driver.c)
 * that remembers the first failed write and hides it from HDF5, whose state after a failed flush is undefined: files
 * always close cleanly, and the failure is ours to tell. */
typedef struct cyf_h5_output cyf_h5_output;

/** @{ */
/** Starts the file. Errors: CYF_ERR_IO naming it and the system's reason. */
cyf_status cyf_h5_output_create(const char *path, cyf_h5_output **ret_output);
hid_t cyf_h5_output_file(const cyf_h5_output *output);
/** @} */

const char *cyf_h5_output_path(const cyf_h5_output *output); /**< the final path */
/** Judges an HDF5 call's result (negative: failed) together with the writes so far. `what` is the object, for the
 * message. Errors: CYF_ERR_IO naming the file and the reason ("No space left on device"). */
cyf_status cyf_h5_output_check(const cyf_h5_output *output, int64_t result, const char *what);
/** Closes, fsyncs, renames onto the final path; any failed write removes the partial file and is CYF_ERR_IO. Destroys
 * *output either way. */
cyf_status cyf_h5_output_commit(cyf_h5_output **output);
/** Closes and removes the partial file. NULL-safe. */
void cyf_h5_output_discard(cyf_h5_output **output);

/** @{ */
/** Writers; `parent` is a group or the file. Attributes of time are left out, so that equal content gives equal bytes.
 * Errors: CYF_ERR_IO. */
cyf_status cyf_h5_write_text_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       const char *text);
cyf_status cyf_h5_write_texts_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                        char *const *texts, int64_t n);
/** @} */

cyf_status cyf_h5_write_ints_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       hid_t file_type, hid_t memory_type, const void *values,
                                       int64_t n /* -1: scalar */);
/** Creates a group with anndata's encoding attributes (type NULL: none). */
cyf_status cyf_h5_create_group(const cyf_h5_output *output, hid_t parent, const char *name, const char *type,
                               const char *version, hid_t *ret_group);
/** Creates a contiguous dataset; n_dims 0: scalar. Missing groups on the way are made. */
cyf_status cyf_h5_create_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                 int n_dims, const int64_t *shape, hid_t *ret_dataset);
/** The same in chunks with Fletcher-32 checksums, which HDF5 verifies as it reads (contiguous where there is nothing to
 * store). */
cyf_status cyf_h5_create_checked_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                         int n_dims, const int64_t *shape, hid_t *ret_dataset);
/** Writes elements (rows, where width >= 0) as cyf_h5_read_range reads them. */
cyf_status cyf_h5_write_range(const cyf_h5_output *output, hid_t dataset, hid_t type, size_t type_size, int64_t first,
                              int64_t n, int64_t width, const char *name, const void *values);
/** A one-dimensional dataset of variable-length UTF-8 strings, in blocks; texts NULL: "0", "1", ... *ret_dataset may be
 * NULL (closed then). */
cyf_status cyf_h5_write_strings(const cyf_h5_output *output, hid_t parent, const char *name, char *const *texts,
                                int64_t n, hid_t *ret_dataset);
/** Variable-length UTF-8 strings; the caller closes it. */
hid_t cyf_h5_text_type(void);
/** A scalar string dataset. */
cyf_status cyf_h5_write_text(const cyf_h5_output *output, hid_t parent, const char *name, const char *text,
                             hid_t *ret_dataset);

#endif
