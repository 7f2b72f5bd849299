/* SPDX-License-Identifier: MIT */
#include "model/parameters.h"

#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "kernels/backend.h"

cyf_status cyf_parameters_allocate(cyf_parameters *parameters, cyf_device *device, int with_gradient) {
  const size_t value_bytes = (size_t)parameters->layout.total * sizeof(float);
  const size_t buffer_bytes = (size_t)parameters->buffer_layout.total * sizeof(float);
  parameters->device = device;
  CYF_TRY(device->ops->alloc(device, value_bytes, (void **)&parameters->value));
  if (with_gradient) CYF_TRY(device->ops->alloc(device, value_bytes, (void **)&parameters->gradient));
  if (buffer_bytes > 0) CYF_TRY(device->ops->alloc(device, buffer_bytes, (void **)&parameters->buffer));
  return CYF_OK;
}

cyf_status cyf_parameters_ready(const cyf_parameters *parameters, int64_t offset, int64_t count) {
  const cyf_gradient_listener *listener = &parameters->listener;
  return listener->ready == NULL ? CYF_OK : listener->ready(listener->context, offset, cyf_layout_room(count));
}

void cyf_parameters_destroy(cyf_parameters *parameters) {
  if (parameters == NULL) return;
  cyf_device *device = parameters->device;
  if (device != NULL) {
    device->ops->free(device, parameters->value);
    device->ops->free(device, parameters->gradient);
    device->ops->free(device, parameters->buffer);
  }
  cyf_layout_destroy(&parameters->layout);
  cyf_layout_destroy(&parameters->buffer_layout);
  memset(parameters, 0, sizeof(*parameters));
}

/* Looks among the trainable tensors, then among the buffers; *ret_flat is the device array the tensor lies in. */
static cyf_status find_tensor(cyf_parameters *parameters, const char *name, const cyf_named_tensor **ret_tensor,
                              float **ret_flat) {
  *ret_tensor = cyf_layout_find(&parameters->layout, name);
  *ret_flat = parameters->value;
  if (*ret_tensor != NULL) return CYF_OK;
  *ret_tensor = cyf_layout_find(&parameters->buffer_layout, name);
  *ret_flat = parameters->buffer;
  if (*ret_tensor == NULL) return CYF_FAIL(CYF_ERR_INTERNAL, "the model has no tensor named %s", name);
  return CYF_OK;
}

/* Uploads the values of one tensor, given in PyTorch's order, into its place and memory form. */
static cyf_status upload_tensor(cyf_device *device, const cyf_named_tensor *tensor, const float *torch_order,
                                float *flat) {
  float *memory_order = NULL;
  CYF_TRY(CYF_NEW(&memory_order, tensor->count));
  cyf_named_tensor at_start = *tensor;
  at_start.offset = 0;
  cyf_tensor_from_torch_order(&at_start, torch_order, memory_order);
  const cyf_status status =
      device->ops->upload(device, flat + tensor->offset, memory_order, (size_t)tensor->count * sizeof(float));
  cyf_free(memory_order);
  return status;
}

/* FNV-1a: gives every tensor its own random stream, whatever the order in which tensors are initialised. */
static uint32_t name_hash(const char *name) {
  uint32_t hash = 2166136261u;
  for (const unsigned char *c = (const unsigned char *)name; *c != 0; c++) hash = (hash ^ *c) * 16777619u;
  return hash;
}

cyf_status cyf_parameters_init_uniform(cyf_parameters *parameters, const char *tensor_name, double bound,
                                       uint64_t seed) {
  const cyf_named_tensor *tensor = NULL;
  float *flat = NULL;
  CYF_TRY(find_tensor(parameters, tensor_name, &tensor, &flat));
  float *values = NULL;
  CYF_TRY(CYF_NEW(&values, tensor->count));
  const cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_INIT);
  const uint32_t step = name_hash(tensor_name);
  for (int64_t first = 0; first < tensor->count; first += 4) {
    uint32_t words[4];
    cyf_rng_block(key, step, (uint64_t)(first / 4), 0, words);
    for (int64_t e = first; e < first + 4 && e < tensor->count; e++) {
      values[e] = (float)(bound * (2.0 * cyf_rng_unit(words[e - first]) - 1.0));
    }
  }
  const cyf_status status = upload_tensor(parameters->device, tensor, values, flat);
  cyf_free(values);
  return status;
}

cyf_status cyf_parameters_fill(cyf_parameters *parameters, const char *tensor_name, double value) {
  const cyf_named_tensor *tensor = NULL;
  float *flat = NULL;
  CYF_TRY(find_tensor(parameters, tensor_name, &tensor, &flat));
  float *values = NULL;
  CYF_TRY(CYF_NEW(&values, tensor->count));
  for (int64_t e = 0; e < tensor->count; e++) values[e] = (float)value;
  const cyf_status status = upload_tensor(parameters->device, tensor, values, flat);
  cyf_free(values);
  return status;
}
