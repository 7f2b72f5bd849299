/* The CUDA runtime's memory, streams and graphs on the CPU. Everything is done at once; while a graph is recorded too,
 * so that a graph's launch has nothing left to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_runtime_api.h"

enum { GUARD_BYTES = 256, GUARD_VALUE = 0xA5, FRESH_VALUE = 0xFF /* NaN as float, double and bfloat16 */ };

/* A piece of device memory: the head, a guard, the memory, a guard; all in a ring. */
typedef struct piece {
  struct piece *before, *after;
  size_t bytes;
  char pad[64 - 2 * sizeof(void *) - sizeof(size_t)];
} piece;
static piece ring = {&ring, &ring, 0, {0}};
static size_t bytes_in_use;
static int capturing;

static void check(const piece *p) {
  const unsigned char *low = (const unsigned char *)(p + 1), *high = low + GUARD_BYTES + p->bytes;
  for (size_t k = 0; k < GUARD_BYTES; ++k) {
    if (low[k] == GUARD_VALUE && high[k] == GUARD_VALUE) continue;
    fprintf(stderr, "cuda emulator: a write %s device memory of %zu bytes\n",
            low[k] == GUARD_VALUE ? "behind" : "before", p->bytes);
    abort();
  }
}

void emulator_check_guards(void) {
  for (const piece *p = ring.after; p != &ring; p = p->after) check(p);
}

size_t emulator_bytes_in_use(void) {
  return bytes_in_use;
}

cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t stream) {
  (void)stream;
  if (capturing) return cudaErrorInvalidValue;
  piece *p = NULL;
  if (posix_memalign((void **)&p, 256, sizeof *p + 2 * GUARD_BYTES + bytes) != 0) return cudaErrorMemoryAllocation;
  char *low = (char *)(p + 1);
  memset(low, GUARD_VALUE, GUARD_BYTES);
  memset(low + GUARD_BYTES, FRESH_VALUE, bytes);
  memset(low + GUARD_BYTES + bytes, GUARD_VALUE, GUARD_BYTES);
  *p = (piece){ring.before, &ring, bytes, {0}};
  ring.before->after = p;
  ring.before = p;
  bytes_in_use += bytes;
  *memory = low + GUARD_BYTES;
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
  (void)stream;
  piece *p = (piece *)((char *)memory - GUARD_BYTES) - 1;
  check(p);
  p->before->after = p->after;
  p->after->before = p->before;
  bytes_in_use -= p->bytes;
  free(p);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
  (void)flags;
  return posix_memalign(memory, 4096, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *memory) {
  free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
  (void)stream;
  if (capturing && kind != cudaMemcpyDeviceToDevice) return cudaErrorInvalidValue;
  memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
  (void)stream;
  memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  (void)stream;
  if (capturing) return cudaErrorInvalidValue;
  emulator_check_guards();
  return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "emulated failure";
}
cudaError_t cudaGetLastError(void) {
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
  (void)device;
  *properties = (struct cudaDeviceProp){"emulator", (size_t)4 << 30, 132, 9, 0};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
  (void)device;
  *pool = NULL;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, int attribute, void *value) {
  (void)pool, (void)attribute, (void)value;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *left, size_t *total) {
  *total = (size_t)4 << 30;
  *left = *total > bytes_in_use ? *total - bytes_in_use : 0;
  return cudaSuccess;
}

/* Streams, events and graphs are addresses that are never looked at. */
static char something;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  (void)flags;
  *stream = (cudaStream_t)&something;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  (void)priority;
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, int *status) {
  (void)stream;
  *status = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(int *mode) {
  (void)mode;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  (void)stream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  (void)stream, (void)event, (void)flags;
  return capturing ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  (void)flags;
  *event = (cudaEvent_t)&something;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  (void)event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  (void)event, (void)stream;
  return capturing ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  (void)event;
  return capturing ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  (void)event; /* work is done when the call that gives it returns */
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, int mode) {
  (void)stream, (void)mode;
  if (capturing) return cudaErrorInvalidValue;
  capturing = 1;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  (void)stream;
  if (!capturing) return cudaErrorInvalidValue;
  capturing = 0;
  *graph = (cudaGraph_t)&something;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags) {
  (void)flags;
  *executable = graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info) {
  (void)executable, (void)graph;
  info->result = 0;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  (void)executable, (void)stream;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  (void)graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  (void)executable;
  return cudaSuccess;
}
