/* SPDX-License-Identifier: MIT */
#include "saved/parameters_file.h"

#include <stdio.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/finite.h"

enum { PATH_TEXT_MAX = 128 };

cyf_status cyf_floats_to_host(cyf_device *device, const float *values, int64_t count, float **ret_host) {
  CYF_TRY(CYF_NEW(ret_host, count));
  if (count == 0) return CYF_OK;
  cyf_status status = device->ops->download(device, *ret_host, values, sizeof(float) * (size_t)count);
  if (status == CYF_OK) status = device->ops->synchronize(device);
  if (status != CYF_OK) cyf_free(*ret_host);
  return status;
}

cyf_status cyf_floats_to_device(cyf_device *device, const float *host, int64_t count, float *values) {
  if (count == 0) return CYF_OK;
  CYF_TRY(device->ops->upload(device, values, host, sizeof(float) * (size_t)count));
  return device->ops->synchronize(device);
}

static void part_path(const char *group, const char *part, char path[PATH_TEXT_MAX]) {
  snprintf(path, PATH_TEXT_MAX, "%s%s%s", group, group[0] != '\0' ? "/" : "", part);
}

static cyf_status write_layout(cyf_tensor_file *file, const char *path, cyf_device *device, const cyf_layout *layout,
                               const float *values) {
  if (layout->total == 0) return CYF_OK;
  float *host = NULL;
  CYF_TRY(cyf_floats_to_host(device, values, layout->total, &host));
  cyf_status status = cyf_layout_check_finite(layout, host, cyf_tensor_file_path(file), path);
  if (status == CYF_OK) status = cyf_tensor_file_write_layout(file, path, layout, host);
  cyf_free(host);
  return status;
}

static cyf_status read_layout(cyf_tensor_file *file, const char *path, cyf_device *device, const cyf_layout *layout,
                              float *values) {
  if (layout->total == 0) return CYF_OK;
  float *host = NULL;
  CYF_TRY(CYF_NEW(&host, layout->total));
  cyf_status status = cyf_tensor_file_read_layout(file, path, layout, host);
  if (status == CYF_OK) status = cyf_layout_check_finite(layout, host, cyf_tensor_file_path(file), path);
  if (status == CYF_OK) status = cyf_floats_to_device(device, host, layout->total, values);
  cyf_free(host);
  return status;
}

cyf_status cyf_parameters_write(cyf_tensor_file *file, const char *group, const cyf_parameters *parameters,
                                const float *weights) {
  char path[PATH_TEXT_MAX];
  part_path(group, "parameters", path);
  const float *values = weights != NULL ? weights : parameters->value;
  CYF_TRY(write_layout(file, path, parameters->device, &parameters->layout, values));
  part_path(group, "buffers", path);
  return write_layout(file, path, parameters->device, &parameters->buffer_layout, parameters->buffer);
}

cyf_status cyf_parameters_read(cyf_tensor_file *file, const char *group, cyf_parameters *parameters) {
  char path[PATH_TEXT_MAX];
  part_path(group, "parameters", path);
  CYF_TRY(read_layout(file, path, parameters->device, &parameters->layout, parameters->value));
  part_path(group, "buffers", path);
  return read_layout(file, path, parameters->device, &parameters->buffer_layout, parameters->buffer);
}

cyf_status cyf_parameters_checksum(const cyf_parameters *parameters, uint64_t *ret_checksum) {
  float *weights = NULL, *buffers = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_floats_to_host(parameters->device, parameters->value, parameters->layout.total, &weights));
  CYF_TRY_CLEANUP(
      cyf_floats_to_host(parameters->device, parameters->buffer, parameters->buffer_layout.total, &buffers));
  uint64_t sum = cyf_checksum(1, weights, sizeof(float) * (size_t)parameters->layout.total);
  *ret_checksum = cyf_checksum(sum, buffers, sizeof(float) * (size_t)parameters->buffer_layout.total);
cleanup:
  cyf_free(weights);
  cyf_free(buffers);
  return status;
}
