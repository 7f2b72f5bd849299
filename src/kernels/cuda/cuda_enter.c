/* SPDX-License-Identifier: MIT */
/* How every operation begins and ends: one thread at a time, its temporaries, and what went wrong. */
#include "kernels/cuda/cuda_internal.h"

cyf_status cyf_cuda_fail(cudaError_t error, const char *what) {
  const cyf_status code = error == cudaErrorMemoryAllocation ? CYF_ERR_MEMORY : CYF_ERR_DEVICE;
  (void)cudaGetLastError(); /* it is reported here, not by the next launch */
  return CYF_FAIL(code, "CUDA: %s (in %s)", cudaGetErrorString(error), what);
}

cyf_cuda_device *cyf_cuda_enter(cyf_device *device) {
  cyf_cuda_device *d = (cyf_cuda_device *)device;
  pthread_mutex_lock(&d->lock);
  (void)cudaSetDevice(d->ordinal); /* each thread has a setting of its own */
  return d;
}

cyf_status cyf_cuda_leave(cyf_cuda_device *d, cyf_status status) {
  pthread_mutex_unlock(&d->lock);
  return status;
}

cyf_cuda_op cyf_cuda_begin(cyf_device *device) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return (cyf_cuda_op){d, cyf_scratch_mark(d->scratch)};
}

cyf_status cyf_cuda_end(const cyf_cuda_op *op, cyf_status status, const char *name) {
  const cudaError_t error = cudaGetLastError();
  cyf_scratch_release(op->d->scratch, op->mark);
  if (status == CYF_OK) status = cyf_cuda_check(error, name);
  return cyf_cuda_leave(op->d, status);
}
