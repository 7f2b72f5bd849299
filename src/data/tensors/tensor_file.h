/* SPDX-License-Identifier: MIT */
/** @file
 * HDF5 files of named tensors, strings and numbers in groups: model.h5 and checkpoints are written through this. Each
 * dataset carries a checksum attribute that reading verifies. Serial driver; one writer. */
#ifndef CYF_DATA_TENSORS_TENSOR_FILE_H
#define CYF_DATA_TENSORS_TENSOR_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tables/labels.h"
#include "kernels/tensor.h"

typedef struct cyf_tensor_file cyf_tensor_file;

/** Starts "path.partial"; commit makes it `path` (fsync, rename). Errors: CYF_ERR_IO. */
cyf_status cyf_tensor_file_create(const char *path, cyf_tensor_file **ret_file);
cyf_status cyf_tensor_file_commit(cyf_tensor_file **file); /**< destroys it either way */
/** Opens for reading. Errors: CYF_ERR_INPUT. */
cyf_status cyf_tensor_file_open(const char *path, cyf_tensor_file **ret_file);
/** Closes; an uncommitted new file is removed. NULL-safe. */
void cyf_tensor_file_close(cyf_tensor_file **file);
const char *cyf_tensor_file_path(const cyf_tensor_file *file);

/** group: "a/b", made where absent; names may hold dots. */
bool cyf_tensor_file_has(cyf_tensor_file *file, const char *path);

/** @{ */
/** All tensors of a layout from / into a flat host buffer, in PyTorch's shapes and order. Reading is strict: names and
 * shapes must agree both ways. Errors: CYF_ERR_INPUT naming file and tensor, also on a checksum mismatch. */
cyf_status cyf_tensor_file_write_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout,
                                        const float *flat);
cyf_status cyf_tensor_file_read_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout, float *flat);
/** @} */

/** @{ */
/** A raw flat float array (optimiser moments). Reading needs the same count. */
cyf_status cyf_tensor_file_write_floats(cyf_tensor_file *file, const char *path, const float *values, int64_t count);
cyf_status cyf_tensor_file_read_floats(cyf_tensor_file *file, const char *path, float *values, int64_t count);
/** @} */

/** @{ */
/** Scalars and strings, as scalar datasets. Strings are UTF-8, freed with cyf_free. */
cyf_status cyf_tensor_file_write_int(cyf_tensor_file *file, const char *path, int64_t value);
cyf_status cyf_tensor_file_read_int(cyf_tensor_file *file, const char *path, int64_t *ret_value);
cyf_status cyf_tensor_file_write_real(cyf_tensor_file *file, const char *path, double value);
cyf_status cyf_tensor_file_read_real(cyf_tensor_file *file, const char *path, double *ret_value);
cyf_status cyf_tensor_file_write_text(cyf_tensor_file *file, const char *path, const char *text);
cyf_status cyf_tensor_file_read_text(cyf_tensor_file *file, const char *path, char **ret_text);
/** @} */

/** @{ */
/** A list of names (genes, categories). */
cyf_status cyf_tensor_file_write_names(cyf_tensor_file *file, const char *path, const cyf_names *names);
cyf_status cyf_tensor_file_read_names(cyf_tensor_file *file, const char *path, cyf_names *ret_names);
cyf_status cyf_tensor_file_write_ints(cyf_tensor_file *file, const char *path, const int64_t *values, int64_t count);
/** @} */

/** *ret_values freed with cyf_free. */
cyf_status cyf_tensor_file_read_ints(cyf_tensor_file *file, const char *path, int64_t **ret_values, int64_t *ret_count);

#endif
