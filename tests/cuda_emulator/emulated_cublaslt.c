/* SPDX-License-Identifier: MIT */
/* cuBLASLt's products on OpenBLAS: operands widened from bfloat16 or cut to TF32's 10 bits (as tensor cores take them;
 * a library that rounds them first errs less), sums in float32. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cublaslt_library.h"
#include "kernels/math/bfloat16.h"

struct emulated_desc {
  cublasComputeType_t compute;
  cublasOperation_t op_a, op_b;
  cublasLtEpilogue_t epilogue;
  const float *bias;
};
struct emulated_layout {
  cudaDataType_t type;
  int64_t rows, columns, leading; /* column-major */
};

static cublasStatus_t make(void **ret, size_t bytes) {
  *ret = calloc(1, bytes);
  return *ret ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

static cublasStatus_t create(cublasLtHandle_t *handle) {
  return make((void **)handle, 1);
}
static cublasStatus_t destroy(cublasLtHandle_t handle) {
  free(handle);
  return CUBLAS_STATUS_SUCCESS;
}
static cublasStatus_t desc_create(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  const cublasStatus_t status = make((void **)desc, sizeof **desc);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  (*desc)->compute = compute;
  (*desc)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  return status;
}
static cublasStatus_t desc_destroy(cublasLtMatmulDesc_t desc) {
  free(desc);
  return CUBLAS_STATUS_SUCCESS;
}
static cublasStatus_t desc_set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const void *value,
                               size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_DESC_TRANSA) memcpy(&desc->op_a, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_TRANSB) memcpy(&desc->op_b, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE) memcpy(&desc->epilogue, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER) memcpy(&desc->bias, value, bytes);
  /* The real one takes any address, and its kernels then read it 16 bytes at a time. */
  return (uintptr_t)desc->bias % 16 == 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
static cublasStatus_t layout_create(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                    uint64_t columns, int64_t leading) {
  if (leading < (int64_t)rows) return CUBLAS_STATUS_INVALID_VALUE;
  const cublasStatus_t status = make((void **)layout, sizeof **layout);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  **layout = (struct emulated_layout){type, (int64_t)rows, (int64_t)columns, leading};
  return status;
}
static cublasStatus_t layout_destroy(cublasLtMatrixLayout_t layout) {
  free(layout);
  return CUBLAS_STATUS_SUCCESS;
}
static cublasStatus_t preference_create(cublasLtMatmulPreference_t *preference) {
  return make((void **)preference, 1);
}
static cublasStatus_t preference_destroy(cublasLtMatmulPreference_t preference) {
  free(preference);
  return CUBLAS_STATUS_SUCCESS;
}
static cublasStatus_t preference_set(cublasLtMatmulPreference_t preference,
                                     cublasLtMatmulPreferenceAttributes_t attribute, const void *value, size_t bytes) {
  (void)preference, (void)attribute, (void)value, (void)bytes;
  return CUBLAS_STATUS_SUCCESS;
}
static cublasStatus_t heuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                cublasLtMatmulPreference_t preference, int wanted,
                                cublasLtMatmulHeuristicResult_t results[], int *found) {
  (void)handle, (void)preference, (void)wanted, (void)d;
  const int64_t k_a = desc->op_a == CUBLAS_OP_T ? a->rows : a->columns;
  const int64_t k_b = desc->op_b == CUBLAS_OP_T ? b->columns : b->rows;
  const int64_t m = desc->op_a == CUBLAS_OP_T ? a->columns : a->rows;
  const int64_t n = desc->op_b == CUBLAS_OP_T ? b->rows : b->columns;
  *found = 0;
  if (k_a != k_b || m != c->rows || n != c->columns || a->type != b->type) return CUBLAS_STATUS_INVALID_VALUE;
  memset(results, 0, sizeof *results);
  /* The real one refuses some shapes; here it is vectors. */
  if (desc->epilogue != CUBLASLT_EPILOGUE_DEFAULT && m == 1) return CUBLAS_STATUS_NOT_SUPPORTED;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

/* The operand as float32, rows next to each other. */
static float *operand(const struct emulated_layout *x, const void *data, int tf32) {
  float *copy = calloc((size_t)(x->rows * x->columns), sizeof *copy);
  for (int64_t j = 0; copy && j < x->columns; ++j) {
    for (int64_t i = 0; i < x->rows; ++i) {
      const int64_t from = j * x->leading + i;
      float value =
          x->type == CUDA_R_16BF ? cyf_float_of_bfloat16(((const uint16_t *)data)[from]) : ((const float *)data)[from];
      if (tf32) value = cyf_bits_float(cyf_float_bits(value) & ~0x1FFFu);
      copy[j * x->rows + i] = value;
    }
  }
  return copy;
}

/* One product, with all that it was asked for: descriptors may change before a graph is launched. */
typedef struct product {
  struct emulated_desc desc;
  struct emulated_layout a_layout, b_layout, c_layout;
  const void *a, *b;
  float alpha, beta, *out;
} product;

static void add_epilogue(const product *p) {
  for (int64_t j = 0; p->desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT && j < p->c_layout.columns; ++j) {
    for (int64_t i = 0; i < p->c_layout.rows; ++i) p->out[j * p->c_layout.leading + i] += p->desc.bias[i];
  }
}

static void run_product(const void *argument) {
  const product *p = argument;
  const int tf32 = p->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const int64_t k = p->desc.op_a == CUBLAS_OP_T ? p->a_layout.rows : p->a_layout.columns;
  float *a = operand(&p->a_layout, p->a, tf32), *b = operand(&p->b_layout, p->b, tf32);
  if (!a || !b) abort();
  cblas_sgemm(CblasColMajor, p->desc.op_a == CUBLAS_OP_T ? CblasTrans : CblasNoTrans,
              p->desc.op_b == CUBLAS_OP_T ? CblasTrans : CblasNoTrans, (blasint)p->c_layout.rows,
              (blasint)p->c_layout.columns, (blasint)k, p->alpha, a, (blasint)p->a_layout.rows, b,
              (blasint)p->b_layout.rows, p->beta, p->out, (blasint)p->c_layout.leading);
  add_epilogue(p);
  free(a);
  free(b);
}

static cublasStatus_t matmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                             cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                             const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                             cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                             size_t workspace_bytes, cudaStream_t stream) {
  static const char node;
  (void)handle, (void)c, (void)d_layout, (void)algo, (void)workspace, (void)workspace_bytes;
  const product p = {*desc, *a_layout, *b_layout, *c_layout, a, b, *(const float *)alpha, *(const float *)beta, d};
  emulator_submit(stream, &node, run_product, &p, sizeof p);
  return CUBLAS_STATUS_SUCCESS;
}

static const char *status_string(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "invalid value" : "emulated failure";
}

cyf_status cyf_cublaslt_load(const cyf_cublaslt **ret_library) {
  static const cyf_cublaslt library = {
      create,        destroy,        desc_create,       desc_destroy,       desc_set,
      layout_create, layout_destroy, preference_create, preference_destroy, preference_set,
      heuristic,     matmul,         status_string};
  *ret_library = &library;
  return CYF_OK;
}
