/* SPDX-License-Identifier: MIT */
/* The CUDA runtime's memory and transfers on the CPU: done when their stream comes to them (emulated_streams.cpp), or
 * in the graph that they are captured into (emulated_graphs.cpp). What a capture does not allow fails. */
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
  emulator_finish();
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

static void run_free(const void *argument) {
  piece *p = (piece *)(*(char *const *)argument - GUARD_BYTES) - 1;
  check(p);
  p->before->after = p->after;
  p->after->before = p->before;
  bytes_in_use -= p->bytes;
  memset(p + 1, FRESH_VALUE, 2 * GUARD_BYTES + p->bytes); /* a later read shows as NaN */
  free(p);
}

cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
  static const char node;
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
  emulator_submit(stream, &node, run_free, &memory, sizeof memory);
  return cudaSuccess;
}

/* Pinned memory, by which transfers are told that may come late. */
typedef struct pinned {
  const char *memory;
  size_t bytes;
  struct pinned *next;
} pinned;
static pinned *all_pinned;

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
  (void)flags;
  if (posix_memalign(memory, 4096, bytes) != 0) return cudaErrorMemoryAllocation;
  memset(*memory, FRESH_VALUE, bytes);
  pinned *p = malloc(sizeof *p);
  if (p == NULL) abort();
  *p = (pinned){*memory, bytes, all_pinned};
  all_pinned = p;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void *memory) {
  emulator_finish();
  for (pinned **at = &all_pinned; *at != NULL; at = &(*at)->next) {
    pinned *p = *at;
    if (p->memory != memory) continue;
    *at = p->next;
    free(p);
    break;
  }
  free(memory);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *memory) {
  attributes->type = cudaMemoryTypeUnregistered;
  for (const pinned *p = all_pinned; p != NULL; p = p->next) {
    if ((const char *)memory >= p->memory && (const char *)memory < p->memory + p->bytes)
      attributes->type = cudaMemoryTypeHost;
  }
  return cudaSuccess;
}

typedef struct transfer {
  void *to;
  const void *from;
  int value; /* to set, or the kind of a copy */
  size_t bytes;
} transfer;
/* Ends the program unless memory[bytes] lies in a piece of device memory as it is at this time. */
static void check_device_memory(const void *memory, size_t bytes) {
  const char *from = memory;
  for (const piece *p = ring.after; p != &ring; p = p->after) {
    const char *low = (const char *)(p + 1) + GUARD_BYTES;
    if (from >= low && from + bytes <= low + p->bytes) return;
  }
  fprintf(stderr, "cuda emulator: a transfer of %zu bytes to or from what is no device memory any more\n", bytes);
  abort();
}
static void run_copy(const void *argument) {
  const transfer *t = argument;
  if (t->value != cudaMemcpyHostToDevice) check_device_memory(t->from, t->bytes);
  if (t->value != cudaMemcpyDeviceToHost) check_device_memory(t->to, t->bytes);
  memmove(t->to, t->from, t->bytes);
}
static void run_set(const void *argument) {
  const transfer *t = argument;
  check_device_memory(t->to, t->bytes);
  memset(t->to, t->value, t->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
  static const char node;
  const transfer t = {.to = to, .from = from, .value = (int)kind, .bytes = bytes};
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
/* The pool: a GiB of freed memory that it keeps, beside what is in use. */
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, int attribute, void *value) {
  (void)pool;
  *(uint64_t *)value = bytes_in_use + (attribute == cudaMemPoolAttrReservedMemCurrent ? (uint64_t)1 << 30 : 0);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *left, size_t *total) {
  *total = (size_t)4 << 30;
  *left = *total > bytes_in_use ? *total - bytes_in_use : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(int *mode) {
  (void)mode;
  return cudaSuccess;
}
