/* SPDX-License-Identifier: MIT */
/* GPUs: how many there are, and the making of a device. */
#include "kernels/cuda/cuda_device.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kernels/cuda/cuda_blas.h"
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/cuda_launch.h"

int cyf_cuda_device_count(const char **ret_reason) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  const char *reason = "";
  (void)cudaGetLastError();
  if (error == cudaErrorInsufficientDriver) {
    int version = 0;
    (void)cudaDriverGetVersion(&version);
    reason = version == 0 ? "no CUDA driver" : "the CUDA driver is older than this build needs";
  } else if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    reason = "no CUDA device";
  } else if (error != cudaSuccess) {
    reason = cudaGetErrorString(error);
  }
  if (ret_reason) *ret_reason = reason;
  return error == cudaSuccess ? count : 0;
}

/* The oldest GPUs that the binary holds code for. */
enum { LEAST_MAJOR = 8 };

/* For the number of distinct timesteps of a batch. With a thousand timesteps, a large batch nearly always has all of
 * them, and a small one a number that varies by a few. */
enum { ROW_UNIT = 64 };

/* With a few hundred cells the gaps between kernels take most of a denoiser's step; with 2,048 cells the kernels do.
 * Decoded to 30,000 genes, so many cells take a quarter of a GB for each thread. */
enum { BLOCK_CELLS = 2048 };

static cyf_status describe(cyf_cuda_device *d) {
  struct cudaDeviceProp properties;
  CYF_CUDA_TRY(cudaGetDeviceProperties(&properties, d->ordinal));
  if (properties.major < LEAST_MAJOR) {
    return CYF_FAIL(CYF_ERR_DEVICE, "GPU %d (%s) has compute capability %d.%d; 8.0 or later is needed", d->ordinal,
                    properties.name, properties.major, properties.minor);
  }
  snprintf(d->name, sizeof d->name, "%s", properties.name);
  d->bytes = properties.totalGlobalMem;
  d->n_multiprocessors = properties.multiProcessorCount;
  return CYF_OK;
}

/* Freed memory stays with the process: the next allocation of the size costs nothing. */
static cyf_status keep_freed_memory(const cyf_cuda_device *d) {
  cudaMemPool_t pool;
  uint64_t all = UINT64_MAX;
  CYF_CUDA_TRY(cudaDeviceGetDefaultMemPool(&pool, d->ordinal));
  CYF_CUDA_TRY(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
  return CYF_OK;
}

static void destroy_backend(cyf_device *device) {
  cyf_cuda_device *d = (cyf_cuda_device *)device;
  (void)cudaSetDevice(d->ordinal);
  if (d->stream) (void)cudaStreamSynchronize(d->stream);
  if (d->copies) (void)cudaStreamSynchronize(d->copies);
  cyf_cuda_blas_destroy(d, &d->blas);
  cyf_scratch_destroy(&d->scratch);
  cyf_cuda_staging_destroy(&d->staging);
  if (d->joint) (void)cudaEventDestroy(d->joint);
  if (d->copies) (void)cudaStreamDestroy(d->copies);
  if (d->stream) (void)cudaStreamDestroy(d->stream);
  pthread_mutex_destroy(&d->lock);
}

static cyf_status open_device(cyf_cuda_device *d) {
  CYF_CUDA_TRY(cudaSetDevice(d->ordinal));
  CYF_TRY(describe(d));
  CYF_CUDA_TRY(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
  CYF_CUDA_TRY(cudaStreamCreateWithFlags(&d->copies, cudaStreamNonBlocking));
  CYF_CUDA_TRY(cudaEventCreateWithFlags(&d->joint, cudaEventDisableTiming));
  CYF_TRY(keep_freed_memory(d));
  CYF_TRY(cyf_scratch_create(&d->base, &d->scratch));
  CYF_TRY(cyf_cuda_staging_create(d, &d->staging));
  return cyf_cuda_blas_create(d, &d->blas);
}

cyf_status cyf_device_create_cuda(int ordinal, int n_threads, cyf_precision precision, cyf_device **ret_device) {
  const char *reason;
  const int count = cyf_cuda_device_count(&reason);
  *ret_device = NULL;
  if (count == 0) return CYF_FAIL(CYF_ERR_DEVICE, "no GPU can be used: %s", reason);
  if (ordinal < 0 || ordinal >= count) {
    return CYF_FAIL(CYF_ERR_DEVICE, "GPU %d was asked for, but there %s %d (from 0)", ordinal,
                    count == 1 ? "is" : "are", count);
  }
  cyf_cuda_device *d;
  CYF_TRY(CYF_NEW(&d, 1));
  d->base.ops = &cyf_cuda_ops;
  d->base.n_threads = n_threads > 0 ? n_threads : cyf_cpus_allowed();
  d->base.destroy_backend = destroy_backend;
  d->base.row_unit = ROW_UNIT;
  d->base.block_cells = BLOCK_CELLS;
  d->ordinal = ordinal;
  d->precision = precision;
  d->strip_bytes = CYF_STRIP_BYTES;
  const char *graphs = getenv("CYTOFORGE_GRAPHS");
  d->graphs = !graphs || strcmp(graphs, "0") != 0;
  pthread_mutexattr_t recursive; /* the scratch allocates through the table */
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&d->lock, &recursive);
  pthread_mutexattr_destroy(&recursive);
  cyf_device *device = &d->base;
  const cyf_status status = open_device(d);
  if (status != CYF_OK) {
    cyf_device_destroy(&device);
    return status;
  }
  *ret_device = device;
  return CYF_OK;
}

const char *cyf_cuda_device_name(const cyf_device *device) {
  return ((const cyf_cuda_device *)device)->name;
}

size_t cyf_cuda_device_bytes(const cyf_device *device) {
  return ((const cyf_cuda_device *)device)->bytes;
}

void *cyf_cuda_stream(cyf_device *device) {
  return ((cyf_cuda_device *)device)->stream;
}
