/* SPDX-License-Identifier: MIT */
/** @file
 * A model's trainable parameters (with gradients) and its buffers, each one flat array on the device. */
#ifndef CYF_MODEL_PARAMETERS_H
#define CYF_MODEL_PARAMETERS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/device.h"
#include "kernels/tensor.h"

/** Called by a backward pass, layer by layer, when gradient[first, first + count) is final. So these ranges can be
 * summed over ranks while the pass goes on. NULL function: nobody listens. Called in the same order on every rank,
 * whatever its cells, so that the listener may be collective. */
typedef struct cyf_gradient_listener {
  cyf_status (*ready)(void *context, int64_t first, int64_t count);
  void *context;
} cyf_gradient_listener;

/** Parameters [first, first + count) of the flat array, its last ones, that learn `rate` times as fast as the others
 * and without weight decay; count 0: none. */
typedef struct cyf_fast_range {
  int64_t first, count;
  double rate;
} cyf_fast_range;

/** A model's flat arrays and where each tensor lies in them. Zero-initialise before use. */
typedef struct cyf_parameters {
  cyf_device *device;
  cyf_layout layout;        /**< trainable tensors */
  cyf_layout buffer_layout; /**< batch-norm running statistics; empty for the denoiser */
  float *value;             /**< [layout.total] device */
  float *gradient;          /**< [layout.total] device; NULL for inference-only models */
  float *buffer;            /**< [buffer_layout.total] device */
  cyf_gradient_listener listener;
  cyf_fast_range fast;
} cyf_parameters;

/** Allocates the flat arrays, all zero, once the layouts are complete. Errors: CYF_ERR_MEMORY. Not collective. */
cyf_status cyf_parameters_allocate(cyf_parameters *parameters, cyf_device *device, int with_gradient);
/** Tells the listener that the gradient of the tensor of `count` floats at `offset` is final, its padding included. */
cyf_status cyf_parameters_ready(const cyf_parameters *parameters, int64_t offset, int64_t count);
/** Frees the arrays and the layouts and zeroes the struct; NULL-safe. */
void cyf_parameters_destroy(cyf_parameters *parameters);

/** Sums values[count] in device memory over ranks, in place and in order with the device's work; batch norm needs it.
 * NULL function: one rank. Called in the same order on every rank, so that the implementation may be collective. */
typedef struct cyf_reducer {
  cyf_status (*sum)(void *context, double *values, int64_t count);
  void *context;
} cyf_reducer;

/** Sets the named tensor to uniform random numbers in (-bound, bound). A Linear layer of PyTorch has bound 1 /
 * sqrt(fan_in) for weight and bias. Element e, in PyTorch's order, depends on the seed, the tensor's name and e alone
 * (CYF_RNG_INIT). Errors: CYF_ERR_INTERNAL when there is no such tensor. Not collective. */
cyf_status cyf_parameters_init_uniform(cyf_parameters *parameters, const char *tensor, double bound, uint64_t seed);
/** Sets every element of the named tensor or buffer to `value`. Errors as above. Not collective. */
cyf_status cyf_parameters_fill(cyf_parameters *parameters, const char *tensor, double value);

#endif
