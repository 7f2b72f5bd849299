/* SPDX-License-Identifier: MIT */
/** @file
 * The tensor file's state and its checked arrays. Private to tensor_file*.c; functions here expect the caller to
 * hold the lock. */
#ifndef CYF_DATA_TENSORS_TENSOR_FILE_INTERNAL_H
#define CYF_DATA_TENSORS_TENSOR_FILE_INTERNAL_H

#include "data/hdf5/hdf5_file.h"
#include "data/tensors/tensor_file.h"

struct cyf_tensor_file {
  char *path;
  hid_t file;
  cyf_h5_output *output; /**< NULL when reading */
  bool failed;           /**< a write failed: never to be committed */
};

/** The type of an array's elements. */
typedef struct cyf_element {
  hid_t file_type, memory_type;
  size_t size;
  H5T_class_t class;
  const char *name; /**< for messages: "float64 numbers", "integers" */
} cyf_element;

/** @{ */
/** The types of elements that files have. */
cyf_element cyf_element_float32(void);
cyf_element cyf_element_float64(void);
cyf_element cyf_element_int64(void);
/** @} */

/** Writes an array of n_dims 0 to 2 with its checksum. */
cyf_status cyf_tensor_array_write(cyf_tensor_file *file, const char *path, const cyf_element *element, int n_dims,
                                  const int64_t *shape, const void *values);
/** Reads an array into values; n_dims and shape must be those stored. Verifies the checksum. */
cyf_status cyf_tensor_array_read(cyf_tensor_file *file, const char *path, const cyf_element *element, int n_dims,
                                 const int64_t *shape, void *values);

/** Opens a dataset, which the caller closes, and gives its dimensions. Errors: CYF_ERR_INPUT when there is none. */
cyf_status cyf_tensor_dataset_open(cyf_tensor_file *file, const char *path, hid_t *ret_dataset, int *ret_n_dims,
                                   int64_t shape[4]);
/** @{ */
/** Write a dataset's checksum as its attribute, or compare it with that; `path` is for messages. */
cyf_status cyf_tensor_checksum_write(cyf_tensor_file *file, hid_t dataset, const char *path, uint64_t checksum);
cyf_status cyf_tensor_checksum_verify(cyf_tensor_file *file, hid_t dataset, const char *path, uint64_t checksum);
/** @} */

#endif
