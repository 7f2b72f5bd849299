/* SPDX-License-Identifier: MIT */
/* Any dataset or attribute of any HDF5 file, for reference data (tests/golden). Not collective; takes the HDF5 lock. */
#ifndef CYF_TESTS_REFERENCE_FILE_H
#define CYF_TESTS_REFERENCE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Read a dataset as doubles or as int64. The caller frees *ret_values with cyf_free; *ret_n_dims of shape[4] are set.
 * Errors: CYF_ERR_INPUT. */
cyf_status cyf_hdf5_read_doubles(const char *path, const char *dataset, double **ret_values, int *ret_n_dims,
                                 int64_t shape[4]);
cyf_status cyf_hdf5_read_int64(const char *path, const char *dataset, int64_t **ret_values, int *ret_n_dims,
                               int64_t shape[4]);
/* An attribute of an object ("/" for the file) as int64s, freed with cyf_free. Errors: CYF_ERR_INPUT. */
cyf_status cyf_hdf5_read_int_attribute(const char *path, const char *object, const char *attribute,
                                       int64_t **ret_values, int64_t *ret_count);
/* Whether a dataset is stored in an integer type. Errors: CYF_ERR_INPUT. */
cyf_status cyf_hdf5_is_integer(const char *path, const char *dataset, bool *ret_is_integer);

#endif
