/* SPDX-License-Identifier: MIT */
/* What the CUDA backend uses of the CUDA runtime, on the CPU. Work is done when something waits for it, streams in any
 * order that events allow. Device memory has guards around it and starts as NaN. For C and C++. */
#ifndef CYF_EMULATED_CUDA_RUNTIME_API_H
#define CYF_EMULATED_CUDA_RUNTIME_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorNotReady = 600,
  cudaErrorGraphExecUpdateFailure = 910
} cudaError_t;
typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_pool *cudaMemPool_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph *cudaGraphExec_t;
typedef struct cudaGraphExecUpdateResultInfo {
  int result;
} cudaGraphExecUpdateResultInfo;
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int multiProcessorCount, major, minor;
};
enum cudaMemoryType { cudaMemoryTypeUnregistered = 0, cudaMemoryTypeHost = 1 };
struct cudaPointerAttributes {
  enum cudaMemoryType type;
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum { cudaMemPoolAttrReleaseThreshold = 4, cudaMemPoolAttrReservedMemCurrent = 5, cudaMemPoolAttrUsedMemCurrent = 7 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2 };
enum { cudaStreamCaptureModeRelaxed = 2 };
enum { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };
typedef enum cudaDataType { CUDA_R_32F = 0, CUDA_R_16BF = 14 } cudaDataType_t;

const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, int attribute, void *value);
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, int attribute, void *value);
cudaError_t cudaMemGetInfo(size_t *left, size_t *total);
cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream);
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
/* What the NCCL plane calls besides; a process of one rank has none, but it is linked. */
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, int *status);
cudaError_t cudaThreadExchangeStreamCaptureMode(int *mode);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, int mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

/* ---- the emulator's own ---- */

/* The seed of the order in which the threads of a block run between two barriers, and streams beside each other. */
void emulator_seed(uint64_t seed);
/* Ends the program if a guard around any device memory was written to. */
void emulator_check_guards(void);
/* Does all work that waits in any stream; says how much waits. */
void emulator_finish(void);
int64_t emulator_waiting(void);
/* Bytes of device memory in use, and kernels launched so far, once all work is done. */
size_t emulator_bytes_in_use(void);
int64_t emulator_launches(void);

/* Work on a stream: run(a copy of argument[bytes]) when its turn comes, or as a node of the graph that the stream is
 * captured into. `what` tells nodes apart. */
void emulator_submit(cudaStream_t stream, const void *what, void (*run)(const void *argument), const void *argument,
                     size_t bytes);
/* True while this stream (NULL: any stream) is captured. */
int emulator_is_capturing(cudaStream_t stream);

/* How many graphs were launched, made anew, or had their arguments exchanged so far, and the nodes of the last one. */
typedef struct emulator_graph_counts {
  int64_t launched, instantiated, updated, n_nodes;
} emulator_graph_counts;
emulator_graph_counts emulator_graphs(void);
/* The first node, from this one on, whose arguments an exchange has changed since the last emulator_forget_exchanged;
 * -1: none. Padding bytes between arguments count as well. */
int64_t emulator_next_exchanged(int64_t node);
void emulator_forget_exchanged(void);
/* A fault to be found: exchanging succeeds and leaves one node's arguments as they were first recorded. -1: none. */
void emulator_freeze_node(int64_t node);

#ifdef __cplusplus
}
#endif

#endif
