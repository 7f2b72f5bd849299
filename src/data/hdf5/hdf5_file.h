/* SPDX-License-Identifier: MIT */
/** @file
 * Helpers shared by the files that call HDF5. All expect the caller to hold cyf_hdf5_lock(), but for cyf_hdf5_version.
 * Not collective. In messages `where` is the file's path and `name` the object. */
#ifndef CYF_DATA_HDF5_HDF5_FILE_H
#define CYF_DATA_HDF5_HDF5_FILE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/hdf5/hdf5_lock.h"

/** Sizes. */
enum {
  CYF_H5_REASON_SIZE = 256,        /**< bytes of a message of HDF5's, and of a path within a file */
  CYF_H5_TRANSFER_BYTES = 1 << 30, /**< HDF5 1.10 fails on transfers of 2 GiB and more; larger ones are cut */
  CYF_H5_STRING_BLOCK = 1 << 16    /**< variable-length strings that are read or written at a time */
};

/** Writes the version of the HDF5 that was loaded, and whether it is parallel, into text[size]. Takes the lock itself.
 */
void cyf_hdf5_version(char *text, size_t size);

/** Writes the innermost message of HDF5's error stack, such as "file signature not found", which tells most. It is
 * "unknown HDF5 error" when there is none. Returns `text`. */
const char *cyf_h5_reason(char text[CYF_H5_REASON_SIZE]);

/** Opens a file for reading; the caller closes *ret_file. The file is not locked, so that file systems that are
 * read-only or have no locks work. Errors: CYF_ERR_INPUT naming the file and what is wrong: there is none, a folder,
 * not permitted, empty, not HDF5, truncated or damaged; CYF_ERR_IO where reading fails. */
cyf_status cyf_h5_open_file(const char *path, hid_t *ret_file);
/** @{ */
/** Whether every read of an open file, or of the file of an open object, went well so far. Some of HDF5's functions
 * give no sign of a failed read. Errors: CYF_ERR_IO with the system's reason, or where reading ended early;
 * CYF_ERR_INPUT where the file has changed meanwhile. */
cyf_status cyf_h5_check_reads(hid_t object, const char *where);
/** The same at the end of a call, given how that went. A failure that follows from a failed read, as that a dataset is
 * missing, gives way to the read's own reason. */
cyf_status cyf_h5_end_reads(hid_t object, const char *where, cyf_status status);
/** @} */

/* ---- objects ---- */

/** Says for the whole process whether what lies in other files is read: external links, external storage and virtual
 * datasets of other files. At first it is refused by name, by the functions below. */
void cyf_h5_follow_links(bool follow);

/** @{ */
/** Whether "a/b/c" exists below the location, a group: false also where "a" is missing or no group, and where a link
 * leads nowhere. That HDF5 cannot tell is no absence. Errors: CYF_ERR_INPUT where the file is damaged; those of
 * cyf_h5_check_reads. */
cyf_status cyf_h5_exists(hid_t location, const char *path, const char *where, bool *ret_exists);
cyf_status cyf_h5_has_attribute(hid_t object, const char *attribute, const char *where, bool *ret_has);
/** H5I_GROUP, H5I_DATASET, another type of object, or H5I_BADID where there is none. */
cyf_status cyf_h5_object_type(hid_t location, const char *path, const char *where, H5I_type_t *ret_type);
cyf_status cyf_h5_is_dataset(hid_t location, const char *path, const char *where, bool *ret_is);
/** @} */

/** Closes any kind of id and sets it to -1; ids < 0 are ignored. */
void cyf_h5_close_id(hid_t *id);
/** The shape of a dataset of up to 4 dimensions. Errors: CYF_ERR_INPUT on more dimensions, and on a null space. It is
 * also an error to claim far more bytes than the file could hold, so that a damaged header does not make us allocate
 * them. */
cyf_status cyf_h5_extent(hid_t dataset, const char *where, const char *name, int *ret_n_dims, int64_t shape[4]);
/** Reads elements [first, first + n) of a one-dimensional dataset (width < 0), or such rows of `width` elements of a
 * two-dimensional one. They are read as `type` of `type_size` bytes, in transfers below 2 GiB. Errors: CYF_ERR_INPUT
 * with HDF5's reason. */
cyf_status cyf_h5_read_range(hid_t dataset, hid_t type, size_t type_size, int64_t first, int64_t n, int64_t width,
                             const char *where, const char *name, void *ret_values);
/** The same by a transfer property list. */
cyf_status cyf_h5_read_range_by(hid_t dataset, hid_t type, size_t type_size, int64_t first, int64_t n, int64_t width,
                                hid_t transfer, const char *where, const char *name, void *ret_values);

/** Fails where the dataset is stored with a filter that this HDF5 lacks. Errors: CYF_ERR_INPUT naming the filter. */
cyf_status cyf_h5_check_filters(hid_t dataset, const char *where, const char *name);
/** What to return where HDF5 could not read `name` of an object: that the file seems damaged, with HDF5's reason, or,
 * where the system failed, that. */
cyf_status cyf_h5_cannot_read(hid_t object, const char *where, const char *name);

/** The failure for a reason of HDF5's: `name` "cannot be `what`", since the file seems damaged, or since it is stored
 * in a format that came after this HDF5. Returns CYF_ERR_INPUT. */
cyf_status cyf_h5_unreadable(const char *where, const char *name, const char *what, const char *reason);

/** Makes the two dataspaces of one transfer of such a range; the caller closes both, also on failure. Returns a
 * negative number on failure. */
herr_t cyf_h5_select_range(hid_t dataset, int64_t first, int64_t n, int64_t width, hid_t *ret_file_space,
                           hid_t *ret_memory_space);
/** How many elements (rows, where width >= 0) a transfer below 2 GiB holds; at least 1. */
int64_t cyf_h5_rows_at_once(size_t type_size, int64_t width);

/** Makes the type of IEEE 754 binary16, little-endian, which h5py reads as numpy's float16. HDF5 predefines no such
 * type. The caller closes it. */
hid_t cyf_h5_half_type(void);

/* ---- reading strings, of variable or fixed length ---- */

/** Whether the elements of a dataset, or of one field of it, are strings. */
bool cyf_h5_holds_strings(hid_t dataset, const char *field);
/** Reads the strings [first, first + n) of a one-dimensional dataset, or of one field of a compound one (field NULL: it
 * is not compound). The caller frees ret_texts[n] with cyf_free; all are NULL on an error.
 *
 * Padding is no text: NULs at the end, spaces where the type pads with them, and all from the first NUL on where the
 * type ends there. Errors: CYF_ERR_INPUT, also on text that is not UTF-8 and on a NUL byte within a text. */
cyf_status cyf_h5_read_strings(hid_t dataset, const char *field, int64_t first, int64_t n, const char *where,
                               const char *name, char **ret_texts);
/** Frees n strings and the array; sets *texts to NULL. NULL-safe. */
void cyf_h5_free_strings(char ***texts, int64_t n);
/** Reads a scalar dataset of one string; the caller frees *ret_text with cyf_free. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5_read_text(hid_t dataset, const char *where, const char *name, char **ret_text);
/** Reads a scalar attribute of one string, which the caller frees with cyf_free; *ret_text is NULL when there is no
 * such attribute. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5_read_text_attribute(hid_t object, const char *attribute, const char *where, char **ret_text);
/** Reads an attribute that is an array of strings, which the caller frees with cyf_h5_free_strings. *ret_n is 0 where
 * it is absent or not of strings, since anndata writes an empty list as floats. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5_read_texts_attribute(hid_t object, const char *attribute, const char *where, char ***ret_texts,
                                       int64_t *ret_n);
/** Reads an attribute of integers of any type, or of Booleans as 0 and 1: *ret_n of them into values[max]; *ret_n is 0
 * when it is absent. Errors: CYF_ERR_INPUT. */
cyf_status cyf_h5_read_int_attribute(hid_t object, const char *attribute, const char *where, int64_t max,
                                     int64_t *values, int64_t *ret_n);

/* ---- files being written. Errors of all below are CYF_ERR_IO naming the file and the system's reason. ---- */

/** A file that is being written, as "path.partial".
 *
 * After a failed flush HDF5's state is undefined. So files are written through a small driver of our own
 * (hdf5_output_driver.c), which remembers the first failed write and hides it from HDF5. Files then always close
 * cleanly, and cyf_h5_output_check and cyf_h5_output_commit report the failure. Times are not stored in the file, so
 * that equal content gives equal bytes. */
typedef struct cyf_h5_output cyf_h5_output;

/** Starts the file. Nothing appears under `path` before commit. */
cyf_status cyf_h5_output_create(const char *path, cyf_h5_output **ret_output);
/** The same for files that only cytoforge writes: sealed (hdf5_seal.h), and with strings of fixed length, so that no
 * text lies in a heap of HDF5's. */
cyf_status cyf_h5_output_create_sealed(const char *path, cyf_h5_output **ret_output);
bool cyf_h5_output_is_sealed(const cyf_h5_output *output);
/** The HDF5 file to write to, which `output` owns. */
hid_t cyf_h5_output_file(const cyf_h5_output *output);
/** The final path; `output` owns it. */
const char *cyf_h5_output_path(const cyf_h5_output *output);
/** Fails where an HDF5 call did (a negative result), or any write so far. `what` is the object, for the message. */
cyf_status cyf_h5_output_check(const cyf_h5_output *output, int64_t result, const char *what);
/** Closes the file, flushes it to disk and renames it to its final path. After any failed write the partial file is
 * removed instead, and this fails. *output is destroyed either way and set to NULL. */
cyf_status cyf_h5_output_commit(cyf_h5_output **output);
/** Closes and removes the partial file; NULL-safe, sets NULL. */
void cyf_h5_output_discard(cyf_h5_output **output);

/** @{ */
/** Writes an attribute of one string, or of an array of n strings. */
cyf_status cyf_h5_write_text_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       const char *text);
cyf_status cyf_h5_write_texts_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                        char *const *texts, int64_t n);
/** @} */

/** Writes an attribute of n numbers, given as memory_type and stored as file_type; n = -1: a scalar. */
cyf_status cyf_h5_write_ints_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       hid_t file_type, hid_t memory_type, const void *values,
                                       int64_t n /* -1: scalar */);
/** A property list for links whose groups are made where they are missing; the caller closes it. */
hid_t cyf_h5_intermediate_groups(void);
/** Creates a group below `parent`, a group or the file, with anndata's attributes of encoding (type NULL: none). The
 * caller closes *ret_group, as the datasets of all below. */
cyf_status cyf_h5_create_group(const cyf_h5_output *output, hid_t parent, const char *name, const char *type,
                               const char *version, hid_t *ret_group);
/** Creates a contiguous dataset; n_dims 0: scalar. Missing groups on the way are made. */
cyf_status cyf_h5_create_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                 int n_dims, const int64_t *shape, hid_t *ret_dataset);
/** Creates a dataset in chunks with Fletcher-32 checksums, which HDF5 verifies as it reads. One without elements is
 * contiguous. */
cyf_status cyf_h5_create_checked_dataset(const cyf_h5_output *output, hid_t parent, const char *name, hid_t file_type,
                                         int n_dims, const int64_t *shape, hid_t *ret_dataset);
/** Writes elements, or rows where width >= 0, as cyf_h5_read_range reads them. */
cyf_status cyf_h5_write_range(const cyf_h5_output *output, hid_t dataset, hid_t type, size_t type_size, int64_t first,
                              int64_t n, int64_t width, const char *name, const void *values);
/** Writes a one-dimensional dataset of n variable-length UTF-8 strings; where texts is NULL, "0", "1" and so on. Where
 * ret_dataset is NULL, the dataset is closed. */
cyf_status cyf_h5_write_strings(const cyf_h5_output *output, hid_t parent, const char *name, char *const *texts,
                                int64_t n, hid_t *ret_dataset);
/** Makes the type of variable-length UTF-8 strings; the caller closes it. */
hid_t cyf_h5_text_type(void);
/** Writes a scalar dataset of one string. */
cyf_status cyf_h5_write_text(const cyf_h5_output *output, hid_t parent, const char *name, const char *text,
                             hid_t *ret_dataset);

#endif
