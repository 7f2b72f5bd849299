/* SPDX-License-Identifier: MIT */
/** @file
 * The layers that models are built of: Linear, BatchNorm1d with its activation, and LayerNorm. A layer knows where its
 * tensors lie in the model's flat arrays; the device's operations do the arithmetic. Not collective, but for what calls
 * a reducer. */
#ifndef CYF_MODEL_LAYERS_H
#define CYF_MODEL_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/backend.h"
#include "model/parameters.h"

/** Bytes of a layer's name, with its final NUL. */
enum { CYF_LAYER_NAME_MAX = 64 };

/** y = x W' + b. */
typedef struct cyf_linear {
  char name[CYF_LAYER_NAME_MAX]; /**< tensors NAME.weight [out, in], NAME.bias [out] */
  int64_t in, out;
  int64_t weight, bias; /**< offsets into value and gradient */
} cyf_linear;

/** BatchNorm1d (eps 1e-5, momentum 0.1) followed by PReLU with one slope, or SiLU. */
typedef struct cyf_batch_norm {
  char name[CYF_LAYER_NAME_MAX];       /**< NAME.weight, NAME.bias; buffers NAME.running_mean, NAME.running_var,
                                          NAME.num_batches_tracked */
  char slope_name[CYF_LAYER_NAME_MAX]; /**< PReLU: SLOPE_NAME.weight [1]; "" for SiLU */
  cyf_activation activation;
  int64_t width;
  int64_t gamma, beta, slope;                   /**< offsets into value and gradient; slope -1 for SiLU */
  int64_t running_mean, running_var, n_tracked; /**< offsets into buffer */
} cyf_batch_norm;

/** LayerNorm's scale and shift; the device's operation includes the SiLU that follows. */
typedef struct cyf_layer_norm {
  char name[CYF_LAYER_NAME_MAX];
  int64_t width;
  int64_t gamma, beta; /**< offsets into value and gradient */
} cyf_layer_norm;

/** What a training step carries from layer to layer. */
typedef struct cyf_train_context {
  cyf_scratch *scratch;
  const cyf_reducer *reducer; /**< NULL: one rank */
  int64_t n_global;           /**< cells that batch statistics are taken over */
  const float *one;           /**< device scalar 1, what num_batches_tracked grows by */
} cyf_train_context;

/** What batch norm keeps from its forward to its backward pass. */
typedef struct cyf_batch_norm_saved {
  const float *x;        /**< [n, width], the input */
  float *mean, *inv_std; /**< [width] */
} cyf_batch_norm_saved;

/** @{ */
/** Declares a layer's tensors, before cyf_parameters_allocate. Errors: CYF_ERR_INTERNAL for a name that is too long,
 * CYF_ERR_MEMORY. slope_name NULL: SiLU follows the norm, else PReLU with that slope. */
cyf_status cyf_linear_declare(cyf_parameters *parameters, const char *name, cyf_tensor_kind weight_kind, int64_t in,
                              int64_t out, cyf_linear *ret_linear);
cyf_status cyf_batch_norm_declare(cyf_parameters *parameters, const char *name, const char *slope_name, int64_t width,
                                  cyf_batch_norm *ret_norm);
cyf_status cyf_layer_norm_declare(cyf_parameters *parameters, const char *name, int64_t width,
                                  cyf_layer_norm *ret_norm);
/** @} */

/** @{ */
/** PyTorch's default initialisation; that of Linear depends on the seed. */
cyf_status cyf_linear_init(cyf_parameters *parameters, const cyf_linear *linear, uint64_t seed);
cyf_status cyf_batch_norm_init(cyf_parameters *parameters, const cyf_batch_norm *norm);
cyf_status cyf_layer_norm_init(cyf_parameters *parameters, const cyf_layer_norm *norm);
/** @} */

/** y[n,out] (+)= x[n,in] W' + b. */
cyf_status cyf_linear_forward(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n, const float *x,
                              bool accumulate, float *y);
/** Adds the gradients of weight and bias, which are final then; d_x[n,in] (+)= d_y W. d_x NULL: not wanted. */
cyf_status cyf_linear_backward(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n, const float *x,
                               const float *d_y, bool accumulate, float *d_x);

/** @{ */
/** Says that the layer's gradients are final (cyf_parameters_ready), for layers whose backward pass is not done by the
 * functions here. */
cyf_status cyf_linear_ready(const cyf_parameters *parameters, const cyf_linear *linear);
cyf_status cyf_layer_norm_ready(const cyf_parameters *parameters, const cyf_layer_norm *norm);
/** @} */

/** d_x[n,in] (+)= d_y W alone, for guidance, where parameters are constants. */
cyf_status cyf_linear_input_grad(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n,
                                 const float *d_y, bool accumulate, float *d_x);

/** y[n,width] = act(norm(x)) with the statistics of the global batch, which also move the running statistics. x must
 * stay untouched until the backward pass (y may not be x). Calls the reducer once. */
cyf_status cyf_batch_norm_train_forward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                        const cyf_train_context *context, int64_t n, const float *x, float *y,
                                        cyf_batch_norm_saved *ret_saved);
/** d_y[n,width]: dLoss/dy on entry, dLoss/dx on return, which depends on the cells of all ranks. Adds the gradients of
 * gamma, beta and slope from the local cells, which are final then and are summed over ranks with all others. Calls the
 * reducer once. */
cyf_status cyf_batch_norm_train_backward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                         const cyf_train_context *context, int64_t n, const cyf_batch_norm_saved *saved,
                                         float *d_y);
/** y[n,width] = act(norm(x)) with the running statistics. y may be x unless the backward pass follows. Mean and inv_std
 * lie in scratch; ret_saved may be NULL. */
cyf_status cyf_batch_norm_eval_forward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                       cyf_scratch *scratch, int64_t n, const float *x, float *y,
                                       cyf_batch_norm_saved *ret_saved);
/** d_y[n,width]: dLoss/dy on entry, dLoss/dx on return, the running statistics being constants. */
cyf_status cyf_batch_norm_eval_backward(const cyf_parameters *parameters, const cyf_batch_norm *norm, int64_t n,
                                        const cyf_batch_norm_saved *saved, float *d_y);

#endif
