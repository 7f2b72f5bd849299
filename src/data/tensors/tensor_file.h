/* SPDX-License-Identifier: MIT */
/** @file
 * HDF5 files of named tensors, strings and numbers in groups, as model.h5 and checkpoints are.
 *
 * Each dataset carries a checksum, as an attribute, which reading verifies. A path is "a/b" within the file; groups are
 * made where they are absent, and names may hold dots. Not collective: HDF5's serial driver is used, and every call
 * takes the lock of HDF5. Errors of reading are CYF_ERR_INPUT naming file and object, also where a checksum does not
 * agree; errors of writing are CYF_ERR_IO. After one of these a file can no longer be committed. */
#ifndef CYF_DATA_TENSORS_TENSOR_FILE_H
#define CYF_DATA_TENSORS_TENSOR_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"
#include "kernels/tensor.h"

/** A file that is being written, or one that is open for reading. */
typedef struct cyf_tensor_file cyf_tensor_file;

/** Starts "path.partial" for writing; nothing appears under `path` before commit. */
cyf_status cyf_tensor_file_create(const char *path, cyf_tensor_file **ret_file);
/** Flushes a new file to disk and renames it to its path. The handle is destroyed either way and set to NULL; on an
 * error the partial file is removed. Errors: CYF_ERR_IO; CYF_ERR_INTERNAL after a failed write. */
cyf_status cyf_tensor_file_commit(cyf_tensor_file **file);
/** Opens for reading. Errors: CYF_ERR_INPUT, also for an HDF5 file of another program or of a later version. */
cyf_status cyf_tensor_file_open(const char *path, cyf_tensor_file **ret_file);
/** Closes the file; a new one that was not committed is removed. NULL-safe, sets NULL. */
void cyf_tensor_file_close(cyf_tensor_file **file);
/** The path as it was given; the file's own. */
const char *cyf_tensor_file_path(const cyf_tensor_file *file);

/** Whether there is a group or dataset at `path`. Errors: CYF_ERR_INPUT, CYF_ERR_IO where that cannot be told. */
cyf_status cyf_tensor_file_has(cyf_tensor_file *file, const char *path, bool *ret_has);

/** @{ */
/** Write, or read, all tensors of a layout from or to flat[layout->total] in host memory. In the file they have
 * PyTorch's shapes and order. Reading is strict: the group must have exactly the layout's names and shapes. */
cyf_status cyf_tensor_file_write_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout,
                                        const float *flat);
cyf_status cyf_tensor_file_read_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout, float *flat);
/** @} */

/** @{ */
/** Write, or read, values[count] as one flat array of float32, such as an optimiser's moments. Reading needs the stored
 * count. */
cyf_status cyf_tensor_file_write_floats(cyf_tensor_file *file, const char *path, const float *values, int64_t count);
cyf_status cyf_tensor_file_read_floats(cyf_tensor_file *file, const char *path, float *values, int64_t count);
/** @} */

/** @{ */
/** Write, or read, an int64, a float64 or a UTF-8 string as a scalar dataset. The caller frees *ret_text with cyf_free.
 */
cyf_status cyf_tensor_file_write_int(cyf_tensor_file *file, const char *path, int64_t value);
cyf_status cyf_tensor_file_read_int(cyf_tensor_file *file, const char *path, int64_t *ret_value);
cyf_status cyf_tensor_file_write_real(cyf_tensor_file *file, const char *path, double value);
cyf_status cyf_tensor_file_read_real(cyf_tensor_file *file, const char *path, double *ret_value);
cyf_status cyf_tensor_file_write_text(cyf_tensor_file *file, const char *path, const char *text);
cyf_status cyf_tensor_file_read_text(cyf_tensor_file *file, const char *path, char **ret_text);
/** @} */

/** @{ */
/** Write, or read, a list of names, such as genes or categories. The caller destroys *ret_names. */
cyf_status cyf_tensor_file_write_names(cyf_tensor_file *file, const char *path, const cyf_names *names);
cyf_status cyf_tensor_file_read_names(cyf_tensor_file *file, const char *path, cyf_names *ret_names);
/** @} */

/** Writes values[count] as an array of int64. */
cyf_status cyf_tensor_file_write_ints(cyf_tensor_file *file, const char *path, const int64_t *values, int64_t count);
/** Reads an array of int64, (*ret_values)[*ret_count], which the caller frees with cyf_free. */
cyf_status cyf_tensor_file_read_ints(cyf_tensor_file *file, const char *path, int64_t **ret_values, int64_t *ret_count);

#endif
