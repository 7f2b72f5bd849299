/* SPDX-License-Identifier: MIT */
/** @file
 * Sparse cells as dense strips. Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_GENE_CUH
#define CYF_KERNELS_CUDA_CUDA_GENE_CUH

#include "kernels/cuda/cuda_dense.cuh"

/** strip[i, stride] = row i of x, padding included, by one block: zeros in 16-byte stores, then the entries over them
 * while the lines are still in the cache. Memory traffic is the least possible: the strip is written once and 8 bytes
 * an entry are read. */
template <typename T>
__global__ void cyf_densify(cyf_csr x, int64_t first, int64_t n, int64_t stride, T *strip) {
  const int64_t vectors = stride * (int64_t)sizeof(T) / 16;
  const uint4 zero = {0, 0, 0, 0};
  for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    T *row = strip + i * stride;
    for (int64_t k = threadIdx.x; k < vectors; k += CYF_BLOCK) ((uint4 *)row)[k] = zero;
    __syncthreads();
    const int64_t end = x.indptr[first + i + 1];
    for (int64_t k = x.indptr[first + i] + threadIdx.x; k < end; k += CYF_BLOCK)
      cyf_store(row + x.indices[k], x.values[k]);
  }
}

/** Rows [first, first + n) of x as an operand; `memory` holds n rows of `stride` elements. */
static inline cyf_cuda_operand cyf_cuda_dense_rows(const cyf_cuda_device *d, const cyf_csr *x, int64_t first, int64_t n,
                                                   int64_t stride, bool bf16, void *memory) {
  const cyf_launch shape = cyf_launch_blocks(n);
  if (bf16) {
    CYF_LAUNCH(cyf_densify<uint16_t>, shape, d->stream, *x, first, n, stride, (uint16_t *)memory);
  } else {
    CYF_LAUNCH(cyf_densify<float>, shape, d->stream, *x, first, n, stride, (float *)memory);
  }
  const cyf_cuda_operand operand = {memory, stride, bf16, false};
  return operand;
}

/** gene_mse by Gram matrices, always in float32 (cuda_gene_gram.cu). d_h, d_w, d_bias: all or none. */
cyf_status cyf_cuda_gram_mse(cyf_cuda_device *d, const cyf_csr *target, int64_t hidden, const float *h, const float *w,
                             const float *bias, double scale, double *ret_sum_squared, float *d_h, float *d_w,
                             float *d_bias);

#endif
