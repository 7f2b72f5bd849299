/* SPDX-License-Identifier: MIT */
#include "model/layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double BATCH_NORM_MOMENTUM = 0.1;
static const double PRELU_START = 0.25;

enum { FULL_NAME_MAX = CYF_LAYER_NAME_MAX + 32 };

/* "LAYER.leaf"; layer names are bounded by keep_name, so it always fits. */
static void full_name(const char *layer, const char *leaf, char text[FULL_NAME_MAX]) {
  snprintf(text, FULL_NAME_MAX, "%s.%s", layer, leaf);
}

static cyf_status keep_name(const char *name, char kept[CYF_LAYER_NAME_MAX]) {
  const size_t length = strlen(name);
  if (length >= CYF_LAYER_NAME_MAX) return CYF_FAIL(CYF_ERR_INTERNAL, "layer name too long: %s", name);
  memcpy(kept, name, length + 1);
  return CYF_OK;
}

static cyf_status add_tensor(cyf_layout *layout, const char *layer, const char *leaf, cyf_tensor_kind kind, int n_dims,
                             int64_t rows, int64_t columns, int64_t *ret_offset) {
  char name[FULL_NAME_MAX];
  full_name(layer, leaf, name);
  return cyf_layout_add(layout, name, kind, n_dims, rows, columns, ret_offset);
}

static cyf_status fill(cyf_parameters *parameters, const char *layer, const char *leaf, double value) {
  char name[FULL_NAME_MAX];
  full_name(layer, leaf, name);
  return cyf_parameters_fill(parameters, name, value);
}

/* ---- declaration and initialisation ---- */

cyf_status cyf_linear_declare(cyf_parameters *parameters, const char *name, cyf_tensor_kind weight_kind, int64_t in,
                              int64_t out, cyf_linear *ret_linear) {
  cyf_layout *layout = &parameters->layout;
  CYF_TRY(keep_name(name, ret_linear->name));
  ret_linear->in = in;
  ret_linear->out = out;
  CYF_TRY(add_tensor(layout, name, "weight", weight_kind, 2, out, in, &ret_linear->weight));
  return add_tensor(layout, name, "bias", CYF_TENSOR_PLAIN, 1, out, 0, &ret_linear->bias);
}

cyf_status cyf_batch_norm_declare(cyf_parameters *parameters, const char *name, const char *slope_name, int64_t width,
                                  cyf_batch_norm *ret_norm) {
  cyf_layout *layout = &parameters->layout, *buffers = &parameters->buffer_layout;
  cyf_batch_norm *norm = ret_norm;
  CYF_TRY(keep_name(name, norm->name));
  CYF_TRY(keep_name(slope_name != NULL ? slope_name : "", norm->slope_name));
  norm->width = width;
  norm->slope = -1;
  norm->activation = slope_name != NULL ? CYF_PRELU : CYF_SILU;
  CYF_TRY(add_tensor(layout, name, "weight", CYF_TENSOR_PLAIN, 1, width, 0, &norm->gamma));
  CYF_TRY(add_tensor(layout, name, "bias", CYF_TENSOR_PLAIN, 1, width, 0, &norm->beta));
  if (slope_name != NULL) {
    CYF_TRY(add_tensor(layout, slope_name, "weight", CYF_TENSOR_PLAIN, 1, 1, 0, &norm->slope));
  }
  CYF_TRY(add_tensor(buffers, name, "running_mean", CYF_TENSOR_PLAIN, 1, width, 0, &norm->running_mean));
  CYF_TRY(add_tensor(buffers, name, "running_var", CYF_TENSOR_PLAIN, 1, width, 0, &norm->running_var));
  return add_tensor(buffers, name, "num_batches_tracked", CYF_TENSOR_COUNTER, 0, 0, 0, &norm->n_tracked);
}

cyf_status cyf_layer_norm_declare(cyf_parameters *parameters, const char *name, int64_t width,
                                  cyf_layer_norm *ret_norm) {
  cyf_layout *layout = &parameters->layout;
  CYF_TRY(keep_name(name, ret_norm->name));
  ret_norm->width = width;
  CYF_TRY(add_tensor(layout, name, "weight", CYF_TENSOR_PLAIN, 1, width, 0, &ret_norm->gamma));
  return add_tensor(layout, name, "bias", CYF_TENSOR_PLAIN, 1, width, 0, &ret_norm->beta);
}

cyf_status cyf_linear_init(cyf_parameters *parameters, const cyf_linear *linear, uint64_t seed) {
  const double bound = 1.0 / sqrt((double)linear->in);
  char name[FULL_NAME_MAX];
  full_name(linear->name, "weight", name);
  CYF_TRY(cyf_parameters_init_uniform(parameters, name, bound, seed));
  full_name(linear->name, "bias", name);
  return cyf_parameters_init_uniform(parameters, name, bound, seed);
}

cyf_status cyf_batch_norm_init(cyf_parameters *parameters, const cyf_batch_norm *norm) {
  CYF_TRY(fill(parameters, norm->name, "weight", 1.0));
  CYF_TRY(fill(parameters, norm->name, "bias", 0.0));
  if (norm->slope >= 0) CYF_TRY(fill(parameters, norm->slope_name, "weight", PRELU_START));
  CYF_TRY(fill(parameters, norm->name, "running_mean", 0.0));
  CYF_TRY(fill(parameters, norm->name, "running_var", 1.0));
  return fill(parameters, norm->name, "num_batches_tracked", 0.0);
}

cyf_status cyf_layer_norm_init(cyf_parameters *parameters, const cyf_layer_norm *norm) {
  CYF_TRY(fill(parameters, norm->name, "weight", 1.0));
  return fill(parameters, norm->name, "bias", 0.0);
}

/* ---- Linear ---- */

cyf_status cyf_linear_forward(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n, const float *x,
                              bool accumulate, float *y) {
  cyf_device *d = parameters->device;
  if (n == 0) return CYF_OK;
  return d->ops->linear_forward(d, n, linear->in, linear->out, x, parameters->value + linear->weight,
                                parameters->value + linear->bias, accumulate, y);
}

cyf_status cyf_linear_input_grad(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n,
                                 const float *d_y, bool accumulate, float *d_x) {
  cyf_device *d = parameters->device;
  if (n == 0) return CYF_OK;
  return d->ops->linear_input_grad(d, n, linear->in, linear->out, d_y, parameters->value + linear->weight, accumulate,
                                   d_x);
}

cyf_status cyf_linear_ready(const cyf_parameters *parameters, const cyf_linear *linear) {
  CYF_TRY(cyf_parameters_ready(parameters, linear->bias, linear->out));
  return cyf_parameters_ready(parameters, linear->weight, linear->in * linear->out);
}

cyf_status cyf_linear_backward(const cyf_parameters *parameters, const cyf_linear *linear, int64_t n, const float *x,
                               const float *d_y, bool accumulate, float *d_x) {
  cyf_device *d = parameters->device;
  if (n > 0)
    CYF_TRY(d->ops->linear_weight_grad(d, n, linear->in, linear->out, x, d_y, parameters->gradient + linear->weight,
                                       parameters->gradient + linear->bias));
  CYF_TRY(cyf_linear_ready(parameters, linear));
  if (d_x == NULL) return CYF_OK;
  return cyf_linear_input_grad(parameters, linear, n, d_y, accumulate, d_x);
}

cyf_status cyf_layer_norm_ready(const cyf_parameters *parameters, const cyf_layer_norm *norm) {
  CYF_TRY(cyf_parameters_ready(parameters, norm->beta, norm->width));
  return cyf_parameters_ready(parameters, norm->gamma, norm->width);
}

/* ---- batch norm ---- */

static cyf_status reduce(const cyf_reducer *reducer, int64_t count, double *sums) {
  return reducer == NULL || reducer->sum == NULL ? CYF_OK : reducer->sum(reducer->context, sums, count);
}

static const float *slope_of(const cyf_parameters *parameters, const cyf_batch_norm *norm) {
  return norm->slope >= 0 ? parameters->value + norm->slope : NULL;
}

static cyf_status batch_norm_ready(const cyf_parameters *parameters, const cyf_batch_norm *norm) {
  if (norm->slope >= 0) CYF_TRY(cyf_parameters_ready(parameters, norm->slope, 1));
  CYF_TRY(cyf_parameters_ready(parameters, norm->beta, norm->width));
  return cyf_parameters_ready(parameters, norm->gamma, norm->width);
}

cyf_status cyf_batch_norm_train_forward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                        const cyf_train_context *context, int64_t n, const float *x, float *y,
                                        cyf_batch_norm_saved *ret_saved) {
  cyf_device *d = parameters->device;
  const int64_t c = norm->width;
  float *mean = NULL, *inv_std = NULL;
  double *sums = NULL;
  CYF_TRY(cyf_scratch_floats(context->scratch, c, &mean));
  CYF_TRY(cyf_scratch_floats(context->scratch, c, &inv_std));
  CYF_TRY(cyf_scratch_doubles(context->scratch, 2 * c, &sums));
  CYF_TRY(d->ops->batch_norm_sums(d, n, c, x, sums));
  CYF_TRY(reduce(context->reducer, 2 * c, sums));
  CYF_TRY(d->ops->batch_norm_finish(d, c, (double)context->n_global, sums, BATCH_NORM_MOMENTUM, mean, inv_std,
                                    parameters->buffer + norm->running_mean, parameters->buffer + norm->running_var));
  CYF_TRY(d->ops->axpy(d, 1, 1.0, context->one, parameters->buffer + norm->n_tracked));
  *ret_saved = (cyf_batch_norm_saved){.x = x, .mean = mean, .inv_std = inv_std};
  return d->ops->batch_norm_forward(d, n, c, x, mean, inv_std, parameters->value + norm->gamma,
                                    parameters->value + norm->beta, norm->activation, slope_of(parameters, norm), y);
}

cyf_status cyf_batch_norm_train_backward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                         const cyf_train_context *context, int64_t n, const cyf_batch_norm_saved *saved,
                                         float *d_y) {
  cyf_device *d = parameters->device;
  const int64_t c = norm->width;
  const float *gamma = parameters->value + norm->gamma, *beta = parameters->value + norm->beta;
  float *d_slope = norm->slope >= 0 ? parameters->gradient + norm->slope : NULL;
  double *sums = NULL;
  CYF_TRY(cyf_scratch_doubles(context->scratch, 2 * c, &sums));
  CYF_TRY(d->ops->batch_norm_backward_sums(d, n, c, saved->x, d_y, saved->mean, saved->inv_std, gamma, beta,
                                           norm->activation, slope_of(parameters, norm), sums, d_slope));
  CYF_TRY(
      d->ops->batch_norm_param_grad(d, c, sums, parameters->gradient + norm->gamma, parameters->gradient + norm->beta));
  CYF_TRY(batch_norm_ready(parameters, norm));
  CYF_TRY(reduce(context->reducer, 2 * c, sums));
  return d->ops->batch_norm_backward(d, n, c, saved->x, d_y, saved->mean, saved->inv_std, gamma, beta, norm->activation,
                                     slope_of(parameters, norm), sums, (double)context->n_global, d_y);
}

cyf_status cyf_batch_norm_eval_forward(const cyf_parameters *parameters, const cyf_batch_norm *norm,
                                       cyf_scratch *scratch, int64_t n, const float *x, float *y,
                                       cyf_batch_norm_saved *ret_saved) {
  cyf_device *d = parameters->device;
  const int64_t c = norm->width;
  float *mean = NULL, *inv_std = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, c, &mean));
  CYF_TRY(cyf_scratch_floats(scratch, c, &inv_std));
  CYF_TRY(d->ops->batch_norm_running(d, c, parameters->buffer + norm->running_mean,
                                     parameters->buffer + norm->running_var, mean, inv_std));
  if (ret_saved != NULL) *ret_saved = (cyf_batch_norm_saved){.x = x, .mean = mean, .inv_std = inv_std};
  return d->ops->batch_norm_forward(d, n, c, x, mean, inv_std, parameters->value + norm->gamma,
                                    parameters->value + norm->beta, norm->activation, slope_of(parameters, norm), y);
}

cyf_status cyf_batch_norm_eval_backward(const cyf_parameters *parameters, const cyf_batch_norm *norm, int64_t n,
                                        const cyf_batch_norm_saved *saved, float *d_y) {
  cyf_device *d = parameters->device;
  return d->ops->batch_norm_backward(d, n, norm->width, saved->x, d_y, saved->mean, saved->inv_std,
                                     parameters->value + norm->gamma, parameters->value + norm->beta, norm->activation,
                                     slope_of(parameters, norm), NULL, 1.0, d_y);
}
