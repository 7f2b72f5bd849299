/* SPDX-License-Identifier: MIT */
/* Memory of the GPU: the first operations of the table (kernels/backend.h). */
#include "base/memory.h"
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/cuda_slots.h"

static cyf_status take(cyf_cuda_device *d, size_t size, cudaStream_t stream, void **ret_memory) {
  const cudaError_t error = d->recording ? cudaMalloc(ret_memory, size) : cudaMallocAsync(ret_memory, size, stream);
  if (error == cudaErrorMemoryAllocation) {
    size_t left = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&left, &total);
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory on GPU %d: %zu bytes asked for, %zu of %zu are free", d->ordinal,
                    size, left, total);
  }
  CYF_TRY(cyf_cuda_check(error, "cudaMalloc"));
  return cyf_cuda_check(cudaMemsetAsync(*ret_memory, 0, size, stream), "cudaMemsetAsync");
}

/* What is queued in `queue` from now on starts when `other` has done all that it holds now. */
static cyf_status queue_behind(const cyf_cuda_device *d, cudaStream_t queue, cudaStream_t other) {
  CYF_TRY(cyf_cuda_check(cudaEventRecord(d->joint, other), "cudaEventRecord"));
  return cyf_cuda_check(cudaStreamWaitEvent(queue, d->joint, 0), "cudaStreamWaitEvent");
}

/* Memory comes from the stream's pool: it is taken and given back in the order of the stream's work. So freeing waits
 * for nothing, and what still runs keeps its memory. The copy queue follows that order too. It may use memory only once
 * that is taken and cleared, and memory is given back only after the copies queued before. While the stream is captured
 * (when a scratch grows), memory of the pool would belong to the graph. Then memory is taken beside the stream, and
 * only the copy queue waits. */
static cyf_status alloc_zeroed(cyf_cuda_device *d, size_t bytes, void **ret_memory) {
  CYF_TRY(take(d, bytes > 0 ? bytes : 1, d->recording ? d->copies : d->stream, ret_memory));
  if (!d->recording) return queue_behind(d, d->copies, d->stream);
  return cyf_cuda_check(cudaStreamSynchronize(d->copies), "cudaStreamSynchronize");
}

cyf_status cyf_cuda_alloc(cyf_device *device, size_t bytes, void **ret_memory) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  *ret_memory = NULL;
  return cyf_cuda_leave(d, alloc_zeroed(d, bytes, ret_memory));
}

void cyf_cuda_free(cyf_device *device, void *memory) {
  if (!memory) return;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  (void)queue_behind(d, d->stream, d->copies);
  (void)cudaFreeAsync(memory, d->stream);
  (void)cyf_cuda_leave(d, CYF_OK);
}

cyf_status cyf_cuda_upload(cyf_device *device, void *device_memory, const void *host, size_t bytes) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(d, cyf_cuda_staging_to_device(d, device_memory, host, bytes));
}

cyf_status cyf_cuda_download(cyf_device *device, void *host, const void *device_memory, size_t bytes) {
  if (bytes == 0) return CYF_OK;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  struct cudaPointerAttributes about;
  cyf_status status = cyf_cuda_check(cudaPointerGetAttributes(&about, host), "cudaPointerGetAttributes");
  if (status == CYF_OK && about.type == cudaMemoryTypeHost) { /* pinned: the GPU writes there by itself, and later */
    status = cyf_cuda_check(cudaMemcpyAsync(host, device_memory, bytes, cudaMemcpyDeviceToHost, d->stream), "download");
  } else if (status == CYF_OK) {
    status = cyf_cuda_staging_to_host(d, host, device_memory, bytes);
  }
  return cyf_cuda_leave(d, status);
}

cyf_status cyf_cuda_copy(cyf_device *device, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return CYF_OK;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(
      d, cyf_cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, d->stream), "cudaMemcpyAsync"));
}

cyf_status cyf_cuda_zero(cyf_device *device, void *memory, size_t bytes) {
  if (bytes == 0) return CYF_OK;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(d, cyf_cuda_check(cudaMemsetAsync(memory, 0, bytes, d->stream), "cudaMemsetAsync"));
}

cyf_status cyf_cuda_synchronize(cyf_device *device) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(d, cyf_cuda_staging_flush(d));
}

size_t cyf_cuda_free_bytes(cyf_device *device) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  size_t left = 0, total = 0;
  uint64_t reserved = 0, used = 0; /* the pool keeps what is freed */
  cudaMemPool_t pool;
  cudaError_t error = cudaMemGetInfo(&left, &total);
  if (error == cudaSuccess) error = cudaDeviceGetDefaultMemPool(&pool, d->ordinal);
  if (error == cudaSuccess) error = cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved);
  if (error == cudaSuccess) error = cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used);
  if (error != cudaSuccess) (void)cudaGetLastError();
  (void)cyf_cuda_leave(d, CYF_OK);
  return left + (size_t)(reserved > used ? reserved - used : 0);
}

cyf_status cyf_cuda_alloc_host(cyf_device *device, size_t bytes, void **ret_memory) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  const size_t size = bytes > 0 ? bytes : 1;
  *ret_memory = NULL;
  const cyf_status status = cyf_cuda_check(cudaHostAlloc(ret_memory, size, cudaHostAllocPortable), "cudaHostAlloc");
  if (status == CYF_OK) memset(*ret_memory, 0, size);
  return cyf_cuda_leave(d, status);
}

void cyf_cuda_free_host(cyf_device *device, void *memory) {
  if (!memory) return;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  (void)cudaFreeHost(memory);
  (void)cyf_cuda_leave(d, CYF_OK);
}
