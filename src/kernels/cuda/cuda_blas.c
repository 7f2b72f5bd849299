/* SPDX-License-Identifier: MIT */
/* Matrix products on cuBLASLt: plans (descriptors and the library's chosen algorithm) are made once a shape and kept.
 *
 * cuBLASLt sees column-major matrices, so a row-major product c = a b is asked for as c' = b' a'. Its first operand is
 * b and its second a. A bias along c's columns is then one value for each row of c', as the epilogue wants it. */
#include "kernels/cuda/cuda_blas.h"

#include "base/memory.h"
#include "kernels/cuda/cublaslt_library.h"
#include "kernels/cuda/cuda_slots.h"

enum {
  PLANS = 128,
  WORKSPACE_BYTES = 32 << 20, /* what NVIDIA advises for Hopper */
  ALIGNMENT_MAX = 256
};

/* What a plan depends on; compared byte by byte, so it is zeroed first. */
typedef struct plan_key {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int32_t a_alignment, b_alignment, c_alignment;
  int32_t bf16, a_transposed, b_transposed, epilogue, tf32, accumulates;
} plan_key;

typedef struct plan {
  plan_key key;
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, c;
  cublasLtMatmulAlgo_t algorithm;
  bool possible; /* false: the library has no algorithm */
} plan;

struct cyf_cuda_blas {
  const cyf_cublaslt *library;
  cublasLtHandle_t handle;
  void *workspace;
  plan plans[PLANS];
  int n_plans, next; /* next: the plan to replace when all are used */
};

static cyf_status blas_fail(const cyf_cuda_blas *blas, cublasStatus_t error, const char *what) {
  const cyf_status code = error == CUBLAS_STATUS_ALLOC_FAILED ? CYF_ERR_MEMORY : CYF_ERR_DEVICE;
  return CYF_FAIL(code, "cuBLASLt: %s (in %s)", blas->library->status_string(error), what);
}
#define BLAS_TRY(call)                                                                    \
  do {                                                                                    \
    const cublasStatus_t blas_error_ = (call);                                            \
    if (blas_error_ != CUBLAS_STATUS_SUCCESS) return blas_fail(blas, blas_error_, #call); \
  } while (0)

static cyf_status open_library(cyf_cuda_device *d, cyf_cuda_blas *blas) {
  CYF_TRY(cyf_cublaslt_load(&blas->library));
  BLAS_TRY(blas->library->create(&blas->handle));
  return cyf_cuda_alloc(&d->base, WORKSPACE_BYTES, &blas->workspace);
}

cyf_status cyf_cuda_blas_create(cyf_cuda_device *d, cyf_cuda_blas **ret_blas) {
  CYF_TRY(CYF_NEW(ret_blas, 1));
  return open_library(d, *ret_blas); /* what was made is destroyed with the device */
}

static void destroy_plan(const cyf_cuda_blas *blas, plan *p) {
  if (p->desc) (void)blas->library->desc_destroy(p->desc);
  if (p->a) (void)blas->library->layout_destroy(p->a);
  if (p->b) (void)blas->library->layout_destroy(p->b);
  if (p->c) (void)blas->library->layout_destroy(p->c);
  *p = (plan){0};
}

void cyf_cuda_blas_destroy(cyf_cuda_device *d, cyf_cuda_blas **blas) {
  cyf_cuda_blas *b = *blas;
  if (!b) return;
  for (int k = 0; k < b->n_plans; ++k) destroy_plan(b, &b->plans[k]);
  if (b->handle) (void)b->library->destroy(b->handle);
  cyf_cuda_free(&d->base, b->workspace);
  cyf_free(*blas);
}

/* The largest power of two up to ALIGNMENT_MAX that divides the address. */
static int32_t alignment_of(const void *address) {
  const uintptr_t bits = (uintptr_t)address | ALIGNMENT_MAX;
  return (int32_t)(bits & (~bits + 1));
}

static plan_key key_of(const cyf_cuda_product *p) {
  plan_key key;
  memset(&key, 0, sizeof key);
  key.m = p->m, key.n = p->n, key.k = p->k;
  key.a_stride = p->a.stride, key.b_stride = p->b.stride, key.c_stride = p->c_stride;
  key.a_alignment = alignment_of(p->a.data), key.b_alignment = alignment_of(p->b.data);
  key.c_alignment = alignment_of(p->c);
  key.bf16 = p->a.bf16, key.a_transposed = p->a.transposed, key.b_transposed = p->b.transposed;
  key.epilogue = (int32_t)p->epilogue, key.tf32 = p->tf32, key.accumulates = p->beta != 0.0f;
  return key;
}

static cyf_status describe(cyf_cuda_blas *blas, const plan_key *key, plan *p) {
  const cyf_cublaslt *lt = blas->library;
  const cudaDataType_t type = key->bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cublasComputeType_t compute = key->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const cublasOperation_t op_a = key->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t op_b = key->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasLtEpilogue_t epilogue =
      key->epilogue == CYF_EPILOGUE_NONE ? CUBLASLT_EPILOGUE_DEFAULT : CUBLASLT_EPILOGUE_BIAS;
  p->key = *key;
  BLAS_TRY(lt->desc_create(&p->desc, compute, CUDA_R_32F));
  /* b is cuBLASLt's first operand. */
  BLAS_TRY(lt->desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op_b, sizeof op_b));
  BLAS_TRY(lt->desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &op_a, sizeof op_a));
  BLAS_TRY(lt->desc_set(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  const uint64_t a_rows = (uint64_t)(key->a_transposed ? key->k : key->m);
  const uint64_t a_columns = (uint64_t)(key->a_transposed ? key->m : key->k);
  const uint64_t b_rows = (uint64_t)(key->b_transposed ? key->n : key->k);
  const uint64_t b_columns = (uint64_t)(key->b_transposed ? key->k : key->n);
  BLAS_TRY(lt->layout_create(&p->a, type, a_columns, a_rows, key->a_stride));
  BLAS_TRY(lt->layout_create(&p->b, type, b_columns, b_rows, key->b_stride));
  BLAS_TRY(lt->layout_create(&p->c, CUDA_R_32F, (uint64_t)key->n, (uint64_t)key->m, key->c_stride));
  return CYF_OK;
}

static cyf_status choose_algorithm(cyf_cuda_blas *blas, plan *p) {
  const cyf_cublaslt *lt = blas->library;
  const uint64_t workspace = WORKSPACE_BYTES;
  const uint32_t first = (uint32_t)p->key.b_alignment, second = (uint32_t)p->key.a_alignment;
  const uint32_t output = (uint32_t)p->key.c_alignment;
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t best;
  int found = 0;
  BLAS_TRY(lt->preference_create(&preference));
  (void)lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
  (void)lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &first, sizeof first);
  (void)lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &second, sizeof second);
  (void)lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &output, sizeof output);
  (void)lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &output, sizeof output);
  const cublasStatus_t error =
      lt->heuristic(blas->handle, p->desc, p->b, p->a, p->c, p->c, preference, 1, &best, &found);
  (void)lt->preference_destroy(preference);
  p->possible = error == CUBLAS_STATUS_SUCCESS && found > 0;
  if (p->possible) p->algorithm = best.algo;
  if (error != CUBLAS_STATUS_NOT_SUPPORTED) BLAS_TRY(error);
  return CYF_OK;
}

static cyf_status find_plan(cyf_cuda_blas *blas, const cyf_cuda_product *product, plan **ret_plan) {
  const plan_key key = key_of(product);
  for (int k = 0; k < blas->n_plans; ++k) {
    *ret_plan = &blas->plans[k];
    if (memcmp(&blas->plans[k].key, &key, sizeof key) == 0) return CYF_OK;
  }
  plan *p = &blas->plans[blas->next];
  blas->next = (blas->next + 1) % PLANS;
  if (blas->n_plans < PLANS) ++blas->n_plans;
  destroy_plan(blas, p);
  cyf_status status = describe(blas, &key, p);
  if (status == CYF_OK) status = choose_algorithm(blas, p);
  if (status != CYF_OK) destroy_plan(blas, p); /* an empty key matches no product: its strides are 0 */
  *ret_plan = p;
  return status;
}

/* The library is told how operands are aligned, but not how the bias is, which its epilogues read 16 bytes at a time.
 * So a bias that is not aligned to 16 bytes is copied. */
static cyf_status aligned_bias(cyf_cuda_device *d, const float *bias, int64_t n, const float **ret_bias) {
  float *copy;
  *ret_bias = bias;
  if ((uintptr_t)bias % 16 == 0) return CYF_OK;
  CYF_TRY(cyf_cuda_floats(d, n, &copy));
  *ret_bias = copy;
  return cyf_cuda_copy(&d->base, copy, bias, (size_t)n * sizeof *bias);
}

/* The product alone, and then what its epilogue would have done in a pass over it. A few shapes (vectors, rows that are
 * not aligned) have no algorithm with an epilogue. */
static cyf_status without_epilogue(cyf_cuda_device *d, const cyf_cuda_product *product) {
  cyf_cuda_product plain = *product;
  if (product->epilogue == CYF_EPILOGUE_NONE) {
    return CYF_FAIL(CYF_ERR_DEVICE, "cuBLASLt has no algorithm for a product of %lld x %lld x %lld",
                    (long long)product->m, (long long)product->n, (long long)product->k);
  }
  plain.epilogue = CYF_EPILOGUE_NONE;
  CYF_TRY(cyf_cuda_multiply(d, &plain));
  cyf_cuda_add_bias(d, product);
  return CYF_OK;
}

cyf_status cyf_cuda_multiply(cyf_cuda_device *d, const cyf_cuda_product *product) {
  cyf_cuda_blas *blas = d->blas;
  plan *p;
  if (product->m == 0 || product->n == 0) return CYF_OK;
  if (product->k == 0) {
    if (product->beta == 1.0f && product->epilogue == CYF_EPILOGUE_NONE) return CYF_OK;
    return CYF_FAIL(CYF_ERR_INTERNAL, "a product over nothing with an epilogue");
  }
  CYF_TRY(find_plan(blas, product, &p));
  if (!p->possible) return without_epilogue(d, product);
  if (product->epilogue != CYF_EPILOGUE_NONE) {
    const float *bias;
    CYF_TRY(aligned_bias(d, product->bias, product->n, &bias));
    BLAS_TRY(blas->library->desc_set(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
  }
  BLAS_TRY(blas->library->matmul(blas->handle, p->desc, &product->alpha, product->b.data, p->b, product->a.data, p->a,
                                 &product->beta, product->c, p->c, product->c, p->c, &p->algorithm, blas->workspace,
                                 WORKSPACE_BYTES, d->stream));
  return CYF_OK;
}
