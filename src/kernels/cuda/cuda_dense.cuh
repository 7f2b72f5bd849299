/* SPDX-License-Identifier: MIT */
/** @file
 * Operands of matrix products in the device's precision. Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_DENSE_CUH
#define CYF_KERNELS_CUDA_CUDA_DENSE_CUH

#include "kernels/cuda/cuda_kernels.cuh"

/** x[rows, columns] as an operand: itself, or with `bf16` a copy whose rows start at whole lines (reads 4 and writes 2
 * bytes an element; pads are zero). Valid until the operation ends. */
cyf_status cyf_cuda_operand_of(cyf_cuda_device *d, bool bf16, int64_t rows, int64_t columns, const float *x,
                               cyf_cuda_operand *ret_operand);

static inline cyf_cuda_operand cyf_transposed(cyf_cuda_operand x) {
  x.transposed = !x.transposed;
  return x;
}

/** c[m,n] = alpha a b + beta c with rows of c next to each other and no epilogue. */
static inline cyf_status cyf_cuda_plain_product(cyf_cuda_device *d, int64_t m, int64_t n, int64_t k, double alpha,
                                                const cyf_cuda_operand &a, const cyf_cuda_operand &b, double beta,
                                                bool tf32, float *c) {
  const cyf_cuda_product product = {m, n, k, a, b, (float)alpha, (float)beta, c, n, NULL, CYF_EPILOGUE_NONE, tf32};
  return cyf_cuda_multiply(d, &product);
}

#endif
