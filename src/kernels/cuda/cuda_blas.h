/* SPDX-License-Identifier: MIT */
/** @file
 * Matrix products on cuBLASLt. Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_BLAS_H
#define CYF_KERNELS_CUDA_CUDA_BLAS_H

#include "kernels/cuda/cuda_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

cyf_status cyf_cuda_blas_create(cyf_cuda_device *d, cyf_cuda_blas **ret_blas);
void cyf_cuda_blas_destroy(cyf_cuda_device *d, cyf_cuda_blas **blas);

/** What happens to a product before it is written. */
typedef enum cyf_cuda_epilogue { CYF_EPILOGUE_NONE, CYF_EPILOGUE_BIAS } cyf_cuda_epilogue;

/** One operand, row-major, `stride` elements from row to row; bfloat16 or float32, and transposed in the product or
 * not.
 */
typedef struct cyf_cuda_operand {
  const void *data;
  int64_t stride;
  bool bf16, transposed;
} cyf_cuda_operand;

/** c[m,n] = epilogue(alpha * a[m,k] b[k,n] + beta * c): shapes as used in the product, that is, after transposition.
 * Both operands are of one type; c and bias[n] are float32. float32 operands are multiplied as float32 or TF32 (tf32),
 * sums are float32. m, n, k may be 0. */
typedef struct cyf_cuda_product {
  int64_t m, n, k;
  cyf_cuda_operand a, b;
  float alpha, beta;
  float *c;
  int64_t c_stride;
  const float *bias;
  cyf_cuda_epilogue epilogue;
  bool tf32;
} cyf_cuda_product;
cyf_status cyf_cuda_multiply(cyf_cuda_device *d, const cyf_cuda_product *product);

/** What the product's epilogue does, on c that holds the product without it (cuda_dense.cu). */
void cyf_cuda_add_bias(const cyf_cuda_device *d, const cyf_cuda_product *product);

#ifdef __cplusplus
}
#endif

#endif
