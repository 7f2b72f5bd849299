/* SPDX-License-Identifier: MIT */
/* The functions of kernels/cuda/cuda_device.h in a build without CUDA: there are no GPUs. */
#include "kernels/cuda/cuda_device.h"

#ifndef CYF_HAVE_CUDA

int cyf_cuda_device_count(const char **ret_reason) {
  if (ret_reason) *ret_reason = "built without CUDA";
  return 0;
}

cyf_status cyf_device_create_cuda(int ordinal, int n_threads, cyf_precision precision, cyf_device **ret_device) {
  (void)ordinal, (void)n_threads, (void)precision;
  *ret_device = NULL;
  return CYF_FAIL(CYF_ERR_DEVICE, "this cytoforge was built without CUDA (CMake's CYTOFORGE_CUDA)");
}

const char *cyf_cuda_device_name(const cyf_device *device) {
  (void)device;
  return "";
}

size_t cyf_cuda_device_bytes(const cyf_device *device) {
  (void)device;
  return 0;
}

void *cyf_cuda_stream(cyf_device *device) {
  (void)device;
  return NULL;
}

#endif
