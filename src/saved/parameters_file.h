/* SPDX-License-Identifier: MIT */
/** @file
 * A model's parameters (what training changes) and buffers (running statistics) in a file of named tensors. No function
 * here is collective. */
#ifndef CYF_SAVED_PARAMETERS_FILE_H
#define CYF_SAVED_PARAMETERS_FILE_H

#include <stdint.h>

#include "data/tensors/tensor_file.h"
#include "model/parameters.h"

/** Writes the tensors of a model into GROUP/parameters and GROUP/buffers; group "" is the top of the file. Of the two,
 * one without tensors is not written. weights: [layout.total] on the device, the values to write as parameters, such as
 * an average over training steps; NULL: parameters->value. Errors: CYF_ERR_IO, CYF_ERR_NUMERIC (one is not finite). */
cyf_status cyf_parameters_write(cyf_tensor_file *file, const char *group, const cyf_parameters *parameters,
                                const float *weights);
/** Reads GROUP/parameters and GROUP/buffers into parameters->value and ->buffer. The file must hold exactly the tensors
 * of the layouts, with their shapes. Errors: CYF_ERR_INPUT, CYF_ERR_NUMERIC naming a tensor that is not finite. */
cyf_status cyf_parameters_read(cyf_tensor_file *file, const char *group, cyf_parameters *parameters);

/** Checksum of a model's weights and buffers, in the order of their layouts. Latents on disk carry it, so that they are
 * never used with another autoencoder than their own. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_parameters_checksum(const cyf_parameters *parameters, uint64_t *ret_checksum);

/** Copies values[count] from the device to new memory of the host, which the caller frees with cyf_free. Waits for the
 * device. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_floats_to_host(cyf_device *device, const float *values, int64_t count, float **ret_host);
/** Copies host[count] to values[count] on the device. Waits for the device. Errors: CYF_ERR_DEVICE. */
cyf_status cyf_floats_to_device(cyf_device *device, const float *host, int64_t count, float *values);

#endif
