/* SPDX-License-Identifier: MIT */
/* Operations along rows, one warp for a row: layer norm with SiLU, and unit length. A row (4 KB at 1,024 columns) is
 * read again from the first-level cache, so that inputs are read from memory once and outputs written once. The
 * gradients of layer norm's parameters take a second pass over x and d_y. */
#include "kernels/cuda/cuda_kernels.cuh"
#include "kernels/math/activation.h"
#include "kernels/math/norm.h"

struct layer_forward {
  int64_t c;
  const float *x, *gamma, *beta;
  float *y, *mean, *inv_std;
  /* The variance is taken from deviations from the mean, so that no digits cancel. */
  __device__ void operator()(int64_t i, int lane) const {
    const float *row = x + i * c;
    double sum = 0.0, square = 0.0;
    for (int64_t j = lane; j < c; j += 32) sum += (double)row[j];
    const double row_mean = cyf_warp_sum(sum) / (double)c;
    for (int64_t j = lane; j < c; j += 32) square += ((double)row[j] - row_mean) * ((double)row[j] - row_mean);
    const float m = (float)row_mean, s = (float)cyf_inverse_std(cyf_warp_sum(square) / (double)c);
    for (int64_t j = lane; j < c; j += 32) {
      y[i * c + j] = cyf_silu(cyf_norm_affine(cyf_normalized(row[j], m, s), gamma[j], beta[j]));
    }
    if (lane == 0 && mean) mean[i] = m;
    if (lane == 0 && inv_std) inv_std[i] = s;
  }
};
cyf_status cyf_cuda_layer_norm_silu_forward(cyf_device *device, int64_t n, int64_t c, const float *x,
                                            const float *gamma, const float *beta, float *y, float *mean,
                                            float *inv_std) {
  const layer_forward f = {c, x, gamma, beta, y, mean, inv_std};
  return cyf_warp_op(device, "layer_norm_silu_forward", n, f);
}

struct layer_gradients {
  int64_t c;
  const float *x, *d_y, *gamma, *beta, *mean, *inv_std;
  __device__ float d_z(int64_t i, int64_t j, float *ret_xhat) const {
    *ret_xhat = cyf_normalized(x[i * c + j], mean[i], inv_std[i]);
    return cyf_silu_derivative(cyf_norm_affine(*ret_xhat, gamma[j], beta[j])) * d_y[i * c + j];
  }
};
struct layer_backward {
  layer_gradients g;
  float *d_x;
  __device__ void operator()(int64_t i, int lane) const {
    double sum_g = 0.0, sum_gx = 0.0;
    float xhat;
    for (int64_t j = lane; j < g.c; j += 32) {
      const float value = g.gamma[j] * g.d_z(i, j, &xhat);
      sum_g += (double)value;
      sum_gx += (double)(value * xhat);
    }
    const float mean_g = (float)(cyf_warp_sum(sum_g) / (double)g.c);
    const float mean_gx = (float)(cyf_warp_sum(sum_gx) / (double)g.c);
    for (int64_t j = lane; j < g.c; j += 32) { /* d_x may be d_y: each element is read before it is written */
      const float value = g.gamma[j] * g.d_z(i, j, &xhat);
      d_x[i * g.c + j] = cyf_norm_input_gradient(value, xhat, g.inv_std[i], mean_g, mean_gx);
    }
  }
};
struct layer_parameters {
  layer_gradients g;
  __device__ void operator()(int64_t i, int64_t j, double *sums) const {
    float xhat;
    const float d_z = g.d_z(i, j, &xhat);
    sums[0] += (double)(d_z * xhat);
    sums[1] += (double)d_z;
  }
};
struct add_gamma_beta {
  float *d_gamma, *d_beta;
  __device__ void operator()(int64_t j, const double *sums) const {
    d_gamma[j] += (float)sums[0];
    d_beta[j] += (float)sums[1];
  }
};
cyf_status cyf_cuda_layer_norm_silu_backward(cyf_device *device, int64_t n, int64_t c, const float *x, const float *d_y,
                                             const float *gamma, const float *beta, const float *mean,
                                             const float *inv_std, float *d_x, float *d_gamma, float *d_beta) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const layer_gradients g = {c, x, d_y, gamma, beta, mean, inv_std};
  cyf_status status = CYF_OK;
  if (d_gamma) { /* first, as d_x may be d_y */
    const layer_parameters f = {g};
    const add_gamma_beta finish = {d_gamma, d_beta};
    status = cyf_launch_columns<2>(op.d, n, c, f, finish);
  }
  const layer_backward f = {g, d_x};
  if (status == CYF_OK) cyf_launch_each_warp(op.d, n, f);
  return cyf_cuda_end(&op, status, "layer_norm_silu_backward");
}

#define NORM_FLOOR 1e-12f

struct unit_forward {
  int64_t c;
  const float *x;
  float *y, *norm;
  __device__ void operator()(int64_t i, int lane) const {
    double square = 0.0;
    for (int64_t j = lane; j < c; j += 32) square += (double)x[i * c + j] * (double)x[i * c + j];
    const float length = (float)sqrt(cyf_warp_sum(square));
    const float floored = length > NORM_FLOOR || length != length ? length : NORM_FLOOR;
    const float factor = cyf_unit_factor(floored);
    for (int64_t j = lane; j < c; j += 32) y[i * c + j] = x[i * c + j] * factor;
    if (lane == 0 && norm) norm[i] = floored;
  }
};
cyf_status cyf_cuda_l2_normalize_forward(cyf_device *device, int64_t n, int64_t c, const float *x, float *y,
                                         float *norm) {
  const unit_forward f = {c, x, y, norm};
  return cyf_warp_op(device, "l2_normalize_forward", n, f);
}

struct unit_backward {
  int64_t c;
  const float *y, *norm, *d_y;
  float *d_x;
  __device__ void operator()(int64_t i, int lane) const {
    double dot = 0.0;
    for (int64_t j = lane; j < c; j += 32) dot += (double)y[i * c + j] * (double)d_y[i * c + j];
    /* A row at the floor is divided by a constant: its gradient has no radial part to take out. */
    const float sum = (float)cyf_warp_sum(dot), radial = norm[i] > NORM_FLOOR ? sum : 0.0f, factor = 1.0f / norm[i];
    for (int64_t j = lane; j < c; j += 32) d_x[i * c + j] = (d_y[i * c + j] - y[i * c + j] * radial) * factor;
  }
};
cyf_status cyf_cuda_l2_normalize_backward(cyf_device *device, int64_t n, int64_t c, const float *y, const float *norm,
                                          const float *d_y, float *d_x) {
  const unit_backward f = {c, y, norm, d_y, d_x};
  return cyf_warp_op(device, "l2_normalize_backward", n, f);
}

/* ---- rows that are not finite ---- */

struct note_not_finite {
  int64_t c;
  const float *x;
  int64_t age; /* of 64 bits, so that there is no padding: a graph compares the bytes of arguments */
  int32_t *found;
  __device__ void operator()(int64_t i, int lane) const {
    bool odd = false;
    for (int64_t j = lane; j < c; j += 32) odd = odd || !(fabsf(x[i * c + j]) <= 3.402823466e38f); /* FLT_MAX */
    const unsigned mask = __ballot_sync(0xffffffffu, odd);
    if (lane == 0) found[i] = found[i] > 0 ? found[i] + (int32_t)age : mask != 0;
  }
};
cyf_status cyf_cuda_note_not_finite(cyf_device *device, int64_t n, int64_t c, const float *x, int32_t age,
                                    int32_t *found) {
  const note_not_finite f = {c, x, age, found};
  return cyf_warp_op(device, "note_not_finite", n, f);
}
