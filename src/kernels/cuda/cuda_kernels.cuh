/* SPDX-License-Identifier: MIT */
/** @file
 * What the .cu files share: launches, loops over elements and rows, and sums whose order is fixed by the sizes.
 *
 * The emulator of the tests (tests/cuda_emulator) compiles the same sources for the CPU; it brings its own CYF_LAUNCH
 * and CYF_SHARED. */
#ifndef CYF_KERNELS_CUDA_CUDA_KERNELS_CUH
#define CYF_KERNELS_CUDA_CUDA_KERNELS_CUH

#include <cuda_runtime.h>

#include "kernels/cuda/cuda_blas.h"
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/cuda_launch.h"
#include "kernels/cuda/cuda_slots.h"
#include "kernels/math/bfloat16.h"

#ifndef CYF_LAUNCH
/** Kernels with commas in their names go in parentheses. */
#define CYF_LAUNCH(kernel, shape, stream, ...)                                                      \
  do {                                                                                              \
    const auto cyf_kernel_ = kernel;                                                                \
    cyf_kernel_<<<dim3((shape).grid_x, (shape).grid_y), (shape).block, 0, (stream)>>>(__VA_ARGS__); \
  } while (0)
#define CYF_SHARED(type, name, count) __shared__ type name[count]
#endif

/* ---- loops ---- */

/** f(k) for k < count. Consecutive threads take consecutive elements, so every access is coalesced. */
template <typename F>
__global__ void cyf_each_element(int64_t count, F f) {
  const int64_t stride = (int64_t)gridDim.x * blockDim.x;
#pragma unroll 4
  for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count; k += stride) f(k);
}

/** f(i, j) for all rows and columns, without a division to tell them apart. */
template <typename F>
__global__ void cyf_each_cell(int64_t n, int64_t c, F f) {
  const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= c) return;
#pragma unroll 4
  for (int64_t i = blockIdx.y; i < n; i += gridDim.y) f(i, j);
}

/** f(i, lane) for every row, by one warp. */
template <typename F>
__global__ void cyf_each_warp(int64_t n, F f) {
  const int lane = (int)(threadIdx.x % 32);
  for (int64_t i = (int64_t)blockIdx.x * CYF_WARPS + threadIdx.x / 32; i < n; i += (int64_t)gridDim.x * CYF_WARPS) {
    f(i, lane);
  }
}

template <typename F>
static inline void cyf_launch_each_element(const cyf_cuda_device *d, int64_t count, const F &f) {
  if (count <= 0) return;
  const cyf_launch shape = cyf_launch_elements(count);
  CYF_LAUNCH(cyf_each_element<F>, shape, d->stream, count, f);
}
template <typename F>
static inline void cyf_launch_each_cell(const cyf_cuda_device *d, int64_t n, int64_t c, const F &f) {
  if (n <= 0 || c <= 0) return;
  const cyf_launch shape = cyf_launch_rows(n, c);
  CYF_LAUNCH(cyf_each_cell<F>, shape, d->stream, n, c, f);
}
template <typename F>
static inline void cyf_launch_each_warp(const cyf_cuda_device *d, int64_t n, const F &f) {
  if (n <= 0) return;
  const cyf_launch shape = cyf_launch_warps(n);
  CYF_LAUNCH(cyf_each_warp<F>, shape, d->stream, n, f);
}

/** Whole operations of one launch. */
template <typename F>
static inline cyf_status cyf_element_op(cyf_device *device, const char *name, int64_t count, const F &f) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  cyf_launch_each_element(op.d, count, f);
  return cyf_cuda_end(&op, CYF_OK, name);
}
template <typename F>
static inline cyf_status cyf_cell_op(cyf_device *device, const char *name, int64_t n, int64_t c, const F &f) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  cyf_launch_each_cell(op.d, n, c, f);
  return cyf_cuda_end(&op, CYF_OK, name);
}
template <typename F>
static inline cyf_status cyf_warp_op(cyf_device *device, const char *name, int64_t n, const F &f) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  cyf_launch_each_warp(op.d, n, f);
  return cyf_cuda_end(&op, CYF_OK, name);
}

/* ---- sums ---- */

static __device__ inline double cyf_warp_sum(double x) {
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

/** The sum over a block of CYF_BLOCK threads, to all of them. */
static __device__ inline double cyf_block_sum(double x) {
  CYF_SHARED(double, parts, CYF_WARPS);
  x = cyf_warp_sum(x);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  double total = 0.0;
  for (int k = 0; k < CYF_WARPS; ++k) total += parts[k];
  __syncthreads(); /* `parts` may be used again */
  return total;
}

/** partial[block] = the block's share of the sum of f(k), k < count. */
template <typename F>
__global__ void cyf_total_parts(int64_t count, F f, double *partial) {
  double sum = 0.0;
  const int64_t stride = (int64_t)gridDim.x * blockDim.x;
#pragma unroll 4
  for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count; k += stride) sum += f(k);
  sum = cyf_block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/** finish(sum of f(k), k < count), by one block. */
template <typename F, typename Finish>
__global__ void cyf_total_finish(int64_t count, F f, Finish finish) {
  double sum = 0.0;
  for (int64_t k = threadIdx.x; k < count; k += blockDim.x) sum += f(k);
  sum = cyf_block_sum(sum);
  if (threadIdx.x == 0) finish(sum);
}

struct cyf_from_doubles {
  const double *x;
  __device__ double operator()(int64_t k) const { return x[k]; }
};
struct cyf_to_double {
  double *to;
  __device__ void operator()(double sum) const { *to = sum; }
};
struct cyf_to_integer {
  int64_t *to;
  __device__ void operator()(double sum) const { *to = (int64_t)sum; }
};

/** finish(sum over k of f(k)): two launches, `count` elements read once. */
template <typename F, typename Finish>
static inline cyf_status cyf_launch_sum(cyf_cuda_device *d, int64_t count, const F &f, const Finish &finish) {
  double *partial;
  const cyf_launch shape = cyf_launch_total(count);
  const cyf_launch one = {1, 1, CYF_BLOCK};
  CYF_TRY(cyf_cuda_doubles(d, shape.grid_x, &partial));
  const cyf_from_doubles parts = {partial};
  CYF_LAUNCH(cyf_total_parts<F>, shape, d->stream, count, f, partial);
  CYF_LAUNCH((cyf_total_finish<cyf_from_doubles, Finish>), one, d->stream, (int64_t)shape.grid_x, parts, finish);
  return CYF_OK;
}

/** partial[(s * chunks + chunk) * c + j] = sum over the chunk's rows of element s of f(i, j, sums). A warp reads 32
 * columns of a row, the 8 warps of a block every 8th row. */
template <int SUMS, typename F>
__global__ void cyf_column_parts(int64_t n, int64_t c, F f, double *partial) {
  CYF_SHARED(double, parts, SUMS *CYF_BLOCK);
  const int64_t chunks = gridDim.y, chunk = blockIdx.y, j = (int64_t)blockIdx.x * 32 + threadIdx.x % 32;
  const int warp = (int)(threadIdx.x / 32);
  double sums[SUMS];
  for (int s = 0; s < SUMS; ++s) sums[s] = 0.0;
  if (j < c) {
#pragma unroll 4
    for (int64_t i = chunk * n / chunks + warp; i < (chunk + 1) * n / chunks; i += CYF_WARPS) f(i, j, sums);
  }
  for (int s = 0; s < SUMS; ++s) parts[s * CYF_BLOCK + threadIdx.x] = sums[s];
  __syncthreads();
  if (warp != 0 || j >= c) return;
  for (int s = 0; s < SUMS; ++s) {
    double sum = 0.0;
    for (int k = 0; k < CYF_WARPS; ++k) sum += parts[s * CYF_BLOCK + k * 32 + threadIdx.x];
    partial[(s * chunks + chunk) * c + j] = sum;
  }
}

/** finish(j, sums) for a column from its chunks, in order. */
template <int SUMS, typename Finish>
struct cyf_column_finish {
  int64_t c, chunks;
  const double *partial;
  Finish finish;
  __device__ void operator()(int64_t j) const {
    double sums[SUMS];
    for (int s = 0; s < SUMS; ++s) {
      sums[s] = 0.0;
      for (int64_t k = 0; k < chunks; ++k) sums[s] += partial[(s * chunks + k) * c + j];
    }
    finish(j, sums);
  }
};

/** Column sums of SUMS values at once: what f reads is read once; the partial sums are at most a 64th of it per value.
 */
template <int SUMS, typename F, typename Finish>
static inline cyf_status cyf_launch_columns(cyf_cuda_device *d, int64_t n, int64_t c, const F &f,
                                            const Finish &finish) {
  if (c <= 0) return CYF_OK;
  double *partial;
  const cyf_launch shape = cyf_launch_column_sums(n, c);
  CYF_TRY(cyf_cuda_doubles(d, SUMS * (int64_t)shape.grid_y * c, &partial));
  CYF_LAUNCH((cyf_column_parts<SUMS, F>), shape, d->stream, n, c, f, partial);
  const cyf_column_finish<SUMS, Finish> rest = {c, (int64_t)shape.grid_y, partial, finish};
  cyf_launch_each_element(d, c, rest);
  return CYF_OK;
}

/* ---- numbers of either type ---- */

static __device__ inline float cyf_load(const float *x) {
  return *x;
}
static __device__ inline float cyf_load(const uint16_t *x) {
  return cyf_float_of_bfloat16(*x);
}
static __device__ inline void cyf_store(float *to, float x) {
  *to = x;
}
static __device__ inline void cyf_store(uint16_t *to, float x) {
  *to = cyf_bfloat16_of(x);
}

/** to[j] += factor * column sum j of x[n, stride], first c columns. */
template <typename T>
struct cyf_sum_of {
  const T *x;
  int64_t stride;
  __device__ void operator()(int64_t i, int64_t j, double *sums) const {
    sums[0] += (double)cyf_load(x + i * stride + j);
  }
};
struct cyf_add_column {
  float *to;
  double factor;
  __device__ void operator()(int64_t j, const double *sums) const { to[j] += (float)(factor * sums[0]); }
};
template <typename T>
static inline cyf_status cyf_add_column_sums(cyf_cuda_device *d, int64_t n, int64_t c, const T *x, int64_t stride,
                                             double factor, float *to) {
  const cyf_sum_of<T> f = {x, stride};
  const cyf_add_column finish = {to, factor};
  return cyf_launch_columns<1>(d, n, c, f, finish);
}

#endif
