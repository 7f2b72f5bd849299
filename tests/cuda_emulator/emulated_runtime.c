/* The CUDA runtime's memory, transfers and events on the CPU: done at once, or when the graph is launched that they are
 * captured into (emulated_graphs.cpp). What a capture does not allow fails. */
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

cudaError_t cudaMalloc(void **memory, size_t bytes) {
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

cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t stream) {
  return emulator_is_capturing(stream) ? cudaErrorInvalidValue : cudaMalloc(memory, bytes);
}

cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
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
  if (posix_memalign(memory, 4096, bytes) != 0) return cudaErrorMemoryAllocation;
  memset(*memory, FRESH_VALUE, bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void *memory) {
  free(memory);
  return cudaSuccess;
}
typedef struct transfer {
  void *to;
  const void *from;
  int value;
  size_t bytes;
} transfer;
static void run_copy(const void *argument) {
  const transfer *t = argument;
  memmove(t->to, t->from, t->bytes);
}
static void run_set(const void *argument) {
  const transfer *t = argument;
  memset(t->to, t->value, t->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
  static const char node;
  const transfer t = {.to = to, .from = from, .bytes = bytes};
  if (emulator_is_capturing(stream) && kind != cudaMemcpyDeviceToDevice) return cudaErrorInvalidValue;
  emulator_submit(stream, &node, run_copy, &t, sizeof t);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
  static const char node;
  const transfer t = {.to = memory, .value = value, .bytes = bytes};
  emulator_submit(stream, &node, run_set, &t, sizeof t);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
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

/* Events are addresses that are never looked at: work is done when the call that gives it returns. */
static char something;
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(int *mode) {
  (void)mode;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  (void)event, (void)flags;
  return emulator_is_capturing(stream) ? cudaErrorInvalidValue : cudaSuccess;
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
  (void)event;
  return emulator_is_capturing(stream) ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  (void)event;
  return emulator_is_capturing(NULL) ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  (void)event;
  return cudaSuccess;
}
