/* SPDX-License-Identifier: MIT */
/** @file
 * What the files of the CUDA backend share. Internal; for C and for CUDA C++.
 *
 * Every operation is a begin, launches on the device's one stream, and an end. Nothing waits for the GPU but download,
 * synchronize and a full staging buffer. */
#ifndef CYF_KERNELS_CUDA_CUDA_INTERNAL_H
#define CYF_KERNELS_CUDA_CUDA_INTERNAL_H

/* In C++ these must come before the block with C linkage. */
#include <cuda_runtime_api.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "kernels/backend.h"
#include "kernels/coefficients.h"

typedef struct cyf_cuda_staging cyf_cuda_staging;
typedef struct cyf_cuda_blas cyf_cuda_blas;

typedef struct cyf_cuda_device {
  cyf_device base; /**< first: a cyf_device is one of these */
  int ordinal;
  int n_multiprocessors;
  cyf_precision precision;
  size_t bytes;
  int64_t strip_bytes;  /**< CYF_STRIP_BYTES; tests choose less */
  cudaStream_t stream;  /**< the work queue */
  cudaStream_t copies;  /**< the copy queue */
  cudaEvent_t joint;    /**< for one queue to wait for the other */
  bool graphs;          /**< CYTOFORGE_GRAPHS=0: steps run operation by operation */
  cyf_graph *recording; /**< the graph that is being recorded */
  pthread_mutex_t lock; /**< one operation at a time */
  cyf_scratch *scratch; /**< temporaries of the operation that runs; work of the next waits in the stream */
  cyf_cuda_staging *staging;
  cyf_cuda_blas *blas;
  char name[256];
} cyf_cuda_device;

extern const cyf_ops cyf_cuda_ops;

/** Records a CUDA failure: CYF_ERR_MEMORY or CYF_ERR_DEVICE. */
cyf_status cyf_cuda_fail(cudaError_t error, const char *what);
static inline cyf_status cyf_cuda_check(cudaError_t error, const char *what) {
  return error == cudaSuccess ? CYF_OK : cyf_cuda_fail(error, what);
}
#define CYF_CUDA_TRY(call)                                                  \
  do {                                                                      \
    const cudaError_t cyf_error_ = (call);                                  \
    if (cyf_error_ != cudaSuccess) return cyf_cuda_fail(cyf_error_, #call); \
  } while (0)

/* ---- operations ---- */

/** An operation between its begin and its end. */
typedef struct cyf_cuda_op {
  cyf_cuda_device *d;
  size_t mark; /**< of the scratch */
} cyf_cuda_op;

/** Takes the device for this thread. */
cyf_cuda_op cyf_cuda_begin(cyf_device *device);
/** The same without temporaries, for transfers; then cyf_cuda_leave. */
cyf_cuda_device *cyf_cuda_enter(cyf_device *device);
cyf_status cyf_cuda_leave(cyf_cuda_device *d, cyf_status status);
/** Gives it and the operation's temporaries back; a launch that failed becomes the status, with the operation's name.
 */
cyf_status cyf_cuda_end(const cyf_cuda_op *op, cyf_status status, const char *name);

/** Where the GPU may write an 8-byte scalar that synchronize() copies to host_scalar (a double or int64_t); NULL for
 * NULL. Within begin and end. */
cyf_status cyf_cuda_scalar(cyf_cuda_device *d, void *host_scalar, void **ret_slot);

/** Temporaries of the running operation, 64-byte aligned. */
static inline cyf_status cyf_cuda_floats(cyf_cuda_device *d, int64_t count, float **ret) {
  return cyf_scratch_floats(d->scratch, count, ret);
}
static inline cyf_status cyf_cuda_doubles(cyf_cuda_device *d, int64_t count, double **ret) {
  return cyf_scratch_doubles(d->scratch, count, ret);
}
static inline cyf_status cyf_cuda_bf16s(cyf_cuda_device *d, int64_t count, uint16_t **ret) {
  return cyf_scratch_bytes(d->scratch, (size_t)count * sizeof **ret, (void **)ret);
}

/* ---- memory (cuda_memory.c, cuda_staging.c) ---- */

cyf_status cyf_cuda_staging_create(cyf_cuda_device *d, cyf_cuda_staging **ret_staging);
void cyf_cuda_staging_destroy(cyf_cuda_staging **staging);
/** Copies through pinned memory. to_device returns when `host` may be reused, to_host when it is filled. */
cyf_status cyf_cuda_staging_to_device(cyf_cuda_device *d, void *to, const void *host, size_t bytes);
cyf_status cyf_cuda_staging_to_host(cyf_cuda_device *d, void *host, const void *from, size_t bytes);
/** Waits for the stream and hands out all scalars. */
cyf_status cyf_cuda_staging_flush(cyf_cuda_device *d);
/** Room for the scalars of a graph, within which nothing can be waited for. */
cyf_status cyf_cuda_staging_make_room(cyf_cuda_device *d);

#ifdef __cplusplus
}
#endif

#endif
