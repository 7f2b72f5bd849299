/* SPDX-License-Identifier: MIT */
/* Kernels on the CPU: a launch runs block after block. The threads of a block are fibers, in an order that is drawn
 * anew after each barrier, so that a missing barrier shows. Shared memory starts as NaN. */
#ifndef CYF_EMULATED_CUDA_RUNTIME_H
#define CYF_EMULATED_CUDA_RUNTIME_H

#include <cuda_runtime_api.h>
#include <math.h>

#include <functional>

#define __global__
#define __device__
#define __host__

struct uint3 {
  unsigned x, y, z;
};
struct uint4 {
  unsigned x, y, z, w;
};
struct float4 {
  float x, y, z, w;
};
extern uint3 threadIdx, blockIdx, blockDim, gridDim;

/* Runs kernel() for every thread of every block, or puts that into the graph that the stream is captured into. `what`:
 * the kernel's address, by which a graph's nodes are told apart; arguments[bytes]: how a node's arguments are. */
void emulator_launch(cudaStream_t stream, const void *what, unsigned grid_x, unsigned grid_y, unsigned block,
                     const std::function<void()> &kernel, const void *arguments, size_t bytes);
/* The block's shared array of this place in the source. */
void *emulator_shared(const void *place, size_t bytes);
void __syncthreads(void);
/* Each lane gives 8 bytes and gets those of lane `from` (all 32 lanes take part, as with a full mask). */
uint64_t emulator_exchange(uint64_t value, int from);

/* Arguments are taken at the launch, as a GPU's are: a graph holds their values. */
#define CYF_LAUNCH(kernel, shape, stream, ...)                                                                    \
  do {                                                                                                            \
    const auto cyf_kernel_ = kernel;                                                                              \
    const auto cyf_bound_ = std::bind(cyf_kernel_, __VA_ARGS__);                                                  \
    emulator_launch(stream, (const void *)cyf_kernel_, (shape).grid_x, (shape).grid_y, (shape).block, cyf_bound_, \
                    &cyf_bound_, sizeof cyf_bound_);                                                              \
  } while (0)
#define CYF_SHARED(type, name, count) \
  static const char name##_place = 0; \
  type *const name = (type *)emulator_shared(&name##_place, sizeof(type) * (count))

template <typename T>
static inline T __shfl_xor_sync(unsigned, T value, int mask) {
  uint64_t bits = 0;
  static_assert(sizeof value <= sizeof bits, "at most 8 bytes");
  __builtin_memcpy(&bits, &value, sizeof value);
  bits = emulator_exchange(bits, (int)(threadIdx.x % 32) ^ mask);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
static inline unsigned __ballot_sync(unsigned, bool predicate) {
  unsigned mask = 0;
  for (int lane = 0; lane < 32; ++lane) mask |= (unsigned)emulator_exchange(predicate, lane) << lane;
  return mask;
}
static inline int __popc(unsigned bits) {
  return __builtin_popcount(bits);
}

#endif
