/* SPDX-License-Identifier: MIT */
/* Dense linear layers: one product each, with the bias in its epilogue. */
#include "kernels/cuda/cuda_dense.cuh"
#include "kernels/math/activation.h"

struct to_bf16 {
  int64_t columns, stride;
  const float *x;
  uint16_t *to;
  __device__ void operator()(int64_t i, int64_t j) const {
    to[i * stride + j] = j < columns ? cyf_bfloat16_of(x[i * columns + j]) : (uint16_t)0;
  }
};

cyf_status cyf_cuda_operand_of(cyf_cuda_device *d, bool bf16, int64_t rows, int64_t columns, const float *x,
                               cyf_cuda_operand *ret_operand) {
  const cyf_cuda_operand as_is = {x, columns, false, false};
  *ret_operand = as_is;
  if (!bf16 || rows == 0) return CYF_OK;
  uint16_t *copy;
  const int64_t stride = cyf_ceil_div(columns, 8) * 8; /* 16 bytes: what tensor cores load */
  CYF_TRY(cyf_cuda_bf16s(d, rows * stride, &copy));
  const to_bf16 f = {columns, stride, x, copy};
  cyf_launch_each_cell(d, rows, stride, f);
  const cyf_cuda_operand made = {copy, stride, true, false};
  *ret_operand = made;
  return CYF_OK;
}

static bool is_bf16(const cyf_cuda_device *d) {
  return d->precision == CYF_PRECISION_BF16;
}
static bool is_tf32(const cyf_cuda_device *d) {
  return d->precision == CYF_PRECISION_TF32;
}

static cyf_status forward(cyf_cuda_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *w,
                          const float *bias, bool accumulate, cyf_cuda_epilogue epilogue, float *y) {
  cyf_cuda_operand a, b;
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n, in, x, &a));
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n > 0 ? out : 0, in, w, &b));
  const cyf_cuda_product product = {n, out, in,   a,        cyf_transposed(b), 1.0f, accumulate ? 1.0f : 0.0f,
                                    y, out, bias, epilogue, is_tf32(d)};
  return cyf_cuda_multiply(d, &product);
}

cyf_status cyf_cuda_linear_forward(cyf_device *device, int64_t n, int64_t in, int64_t out, const float *x,
                                   const float *w, const float *bias, bool accumulate, float *y) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const cyf_cuda_epilogue epilogue = bias ? CYF_EPILOGUE_BIAS : CYF_EPILOGUE_NONE;
  return cyf_cuda_end(&op, forward(op.d, n, in, out, x, w, bias, accumulate, epilogue, y), "linear_forward");
}

/* Not cuBLASLt's own epilogue, which makes 0 of NaN: one more pass over y, small beside the product over `hidden`. */
struct relu {
  float *y;
  __device__ void operator()(int64_t k) const { y[k] = cyf_relu(y[k]); }
};
cyf_status cyf_cuda_gene_decode(cyf_device *device, int64_t n, int64_t hidden, int64_t genes, const float *h,
                                const float *w, const float *bias, float *y) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const relu f = {y};
  const cyf_status status = forward(op.d, n, hidden, genes, h, w, bias, false, CYF_EPILOGUE_BIAS, y);
  if (status == CYF_OK) cyf_launch_each_element(op.d, n * genes, f);
  return cyf_cuda_end(&op, status, "gene_decode");
}

static cyf_status input_grad(cyf_cuda_device *d, int64_t n, int64_t in, int64_t out, const float *d_y, const float *w,
                             bool accumulate, float *d_x) {
  cyf_cuda_operand a, b;
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n, out, d_y, &a));
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n > 0 ? out : 0, in, w, &b));
  return cyf_cuda_plain_product(d, n, in, out, 1.0, a, b, accumulate ? 1.0 : 0.0, is_tf32(d), d_x);
}
cyf_status cyf_cuda_linear_input_grad(cyf_device *device, int64_t n, int64_t in, int64_t out, const float *d_y,
                                      const float *w, bool accumulate, float *d_x) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  return cyf_cuda_end(&op, input_grad(op.d, n, in, out, d_y, w, accumulate, d_x), "linear_input_grad");
}

static cyf_status weight_grad(cyf_cuda_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *d_y,
                              float *d_w, float *d_bias) {
  cyf_cuda_operand a, b;
  if (n == 0) return CYF_OK;
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n, out, d_y, &a));
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), n, in, x, &b));
  CYF_TRY(cyf_cuda_plain_product(d, out, in, n, 1.0, cyf_transposed(a), b, 1.0, is_tf32(d), d_w));
  return d_bias ? cyf_add_column_sums(d, n, out, d_y, out, 1.0, d_bias) : CYF_OK;
}
cyf_status cyf_cuda_linear_weight_grad(cyf_device *device, int64_t n, int64_t in, int64_t out, const float *x,
                                       const float *d_y, float *d_w, float *d_bias) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  return cyf_cuda_end(&op, weight_grad(op.d, n, in, out, x, d_y, d_w, d_bias), "linear_weight_grad");
}
