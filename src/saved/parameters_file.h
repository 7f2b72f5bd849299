/* SPDX-License-Identifier: MIT */
/** @file
 * A model's parameters and buffers in a file of named tensors. */
#ifndef CYF_SAVED_PARAMETERS_FILE_H
#define CYF_SAVED_PARAMETERS_FILE_H

#include <stdint.h>

#include "data/tensors/tensor_file.h"
#include "model/parameters.h"

/** Writes GROUP/parameters and GROUP/buffers (group "": at the top); an empty layout is left out. weights:
 * [layout.total] device, in place of parameters->value (an average of the weights), or NULL. Not collective. Errors:
 * CYF_ERR_IO. */
cyf_status cyf_parameters_write(cyf_tensor_file *file, const char *group, const cyf_parameters *parameters,
                                const float *weights);
/** Reads them into parameters->value and ->buffer; names and shapes must agree both ways. Errors: CYF_ERR_INPUT. */
cyf_status cyf_parameters_read(cyf_tensor_file *file, const char *group, cyf_parameters *parameters);

/** Checksum of a model's weights and buffers, in the order of their layouts on the host: what says whose latents these
 * are. Not collective. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_parameters_checksum(const cyf_parameters *parameters, uint64_t *ret_checksum);

/** A host copy of `count` device floats, freed with cyf_free. */
cyf_status cyf_floats_to_host(cyf_device *device, const float *values, int64_t count, float **ret_host);
/** The other way. */
cyf_status cyf_floats_to_device(cyf_device *device, const float *host, int64_t count, float *values);

#endif
