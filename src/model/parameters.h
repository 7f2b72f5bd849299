/* SPDX-License-Identifier: MIT */
/** @file
 * A model's trainable parameters (with gradients) and its buffers, each one flat array on the device. */
#ifndef CYF_MODEL_PARAMETERS_H
#define CYF_MODEL_PARAMETERS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/device.h"
#include "kernels/tensor.h"

/** Hears from a backward pass, layer by layer, that gradient[first, first + count) has got its last addition: these
 * pieces can be summed over ranks while the pass goes on. NULL function: nobody listens. Called in the same order on
 * every rank, whatever its cells, so that the listener may be collective. */
typedef struct cyf_gradient_listener {
  cyf_status (*ready)(void *context, int64_t first, int64_t count);
  void *context;
} cyf_gradient_listener;

/** Parameters [first, first + count) of the flat array that learn `rate` times as fast as the others, and without
 * weight decay; count 0: none. They are the array's last. */
typedef struct cyf_fast_range {
  int64_t first, count;
  double rate;
} cyf_fast_range;

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

/** After the layouts are complete: allocates the flat arrays (zero). Errors: CYF_ERR_MEMORY. Not collective. */
cyf_status cyf_parameters_allocate(cyf_parameters *parameters, cyf_device *device, int with_gradient);
/** Tells the listener that the gradient of the tensor of `count` floats at `offset` is final, its padding included. */
cyf_status cyf_parameters_ready(const cyf_parameters *parameters, int64_t offset, int64_t count);
/** Frees the arrays and the layouts and zeroes the struct; NULL-safe. */
void cyf_parameters_destroy(cyf_parameters *parameters);

/** Sums `count` doubles in device memory over ranks in place, in order with the device's work: what batch norm needs.
 * NULL function: one rank. Called in the same order on every rank, so that the implementation may be collective. */
typedef struct cyf_reducer {
  cyf_status (*sum)(void *context, double *values, int64_t count);
  void *context;
} cyf_reducer;

/** PyTorch's default initialisation of a Linear, element-wise counter-based: element e (in PyTorch's order) of the
 * named tensor becomes bound * (2u - 1), u from the CYF_RNG_INIT stream of the seed and the tensor's name. The bound of
 * a Linear layer's weight and bias is 1/sqrt(fan_in). Errors: CYF_ERR_INTERNAL when there is no such tensor. Not
 * collective. */
cyf_status cyf_parameters_init_uniform(cyf_parameters *parameters, const char *tensor, double bound, uint64_t seed);
/** Sets every element of the named tensor or buffer (norms 1 and 0, PReLU 0.25). Errors as above. Not collective. */
cyf_status cyf_parameters_fill(cyf_parameters *parameters, const char *tensor, double value);

#endif
