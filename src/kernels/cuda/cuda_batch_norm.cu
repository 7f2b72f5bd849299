/* SPDX-License-Identifier: MIT */
/* Batch norm with the activation that follows it. Memory traffic is the least possible: the sums read x (and d_y) once;
 * forward and backward read their inputs and write their output once. Columns' constants stay in the first-level cache.
 */
#include "kernels/cuda/cuda_kernels.cuh"
#include "kernels/math/activation.h"
#include "kernels/math/norm.h"

struct sum_and_square {
  int64_t c;
  const float *x;
  __device__ void operator()(int64_t i, int64_t j, double *sums) const {
    const double value = x[i * c + j];
    sums[0] += value;
    sums[1] += value * value;
  }
};
struct store_pair {
  int64_t c;
  double *sums;
  __device__ void operator()(int64_t j, const double *pair) const {
    sums[j] = pair[0];
    sums[c + j] = pair[1];
  }
};
cyf_status cyf_cuda_batch_norm_sums(cyf_device *device, int64_t n, int64_t c, const float *x, double *sums) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const sum_and_square f = {c, x};
  const store_pair finish = {c, sums};
  return cyf_cuda_end(&op, cyf_launch_columns<2>(op.d, n, c, f, finish), "batch_norm_sums");
}

struct finish_statistics {
  int64_t c;
  double n, momentum;
  const double *sums;
  float *mean, *inv_std, *running_mean, *running_var;
  __device__ void operator()(int64_t j) const {
    double column_mean, variance;
    cyf_moments(n, sums[j], sums[c + j], &column_mean, &variance);
    mean[j] = (float)column_mean;
    inv_std[j] = (float)cyf_inverse_std(variance);
    if (!running_mean) return;
    const double unbiased = n > 1.0 ? n / (n - 1.0) : 1.0;
    running_mean[j] = (float)(running_mean[j] + momentum * (column_mean - running_mean[j]));
    running_var[j] = (float)(running_var[j] + momentum * (variance * unbiased - running_var[j]));
  }
};
cyf_status cyf_cuda_batch_norm_finish(cyf_device *device, int64_t c, double n_total, const double *sums,
                                      double momentum, float *mean, float *inv_std, float *running_mean,
                                      float *running_var) {
  const finish_statistics f = {c,          n_total > 0.0 ? n_total : 1.0, momentum, sums, mean, inv_std, running_mean,
                               running_var};
  return cyf_element_op(device, "batch_norm_finish", c, f);
}

struct running_statistics {
  const float *running_mean, *running_var;
  float *mean, *inv_std;
  __device__ void operator()(int64_t j) const {
    mean[j] = running_mean[j];
    inv_std[j] = (float)cyf_inverse_std(running_var[j]);
  }
};
cyf_status cyf_cuda_batch_norm_running(cyf_device *device, int64_t c, const float *running_mean,
                                       const float *running_var, float *mean, float *inv_std) {
  const running_statistics f = {running_mean, running_var, mean, inv_std};
  return cyf_element_op(device, "batch_norm_running", c, f);
}

/* The arrays [columns] that the formulas of an element use. */
struct batch_norm {
  int64_t c;
  const float *mean, *inv_std, *gamma, *beta;
  cyf_activation act;
  const float *slope; /* read under PReLU alone */
  __device__ float normalized(float x, int64_t j) const { return cyf_normalized(x, mean[j], inv_std[j]); }
  __device__ float affine(float xhat, int64_t j) const { return cyf_norm_affine(xhat, gamma[j], beta[j]); }
  __device__ float activate(float z) const {
    if (act == CYF_PRELU) return cyf_prelu(z, *slope);
    return act == CYF_SILU ? cyf_silu(z) : z;
  }
  __device__ float derivative(float z) const {
    if (act == CYF_PRELU) return cyf_prelu_derivative(z, *slope);
    return act == CYF_SILU ? cyf_silu_derivative(z) : 1.0f;
  }
};

struct norm_forward {
  batch_norm b;
  const float *x;
  float *y;
  __device__ void operator()(int64_t i, int64_t j) const {
    y[i * b.c + j] = b.activate(b.affine(b.normalized(x[i * b.c + j], j), j));
  }
};
cyf_status cyf_cuda_batch_norm_forward(cyf_device *device, int64_t n, int64_t c, const float *x, const float *mean,
                                       const float *inv_std, const float *gamma, const float *beta, cyf_activation act,
                                       const float *slope, float *y) {
  const norm_forward f = {{c, mean, inv_std, gamma, beta, act, slope}, x, y};
  return cyf_cell_op(device, "batch_norm_forward", n, c, f);
}

/* Sums of d_z, d_z * xhat and, under PReLU, d_y * z where z <= 0. */
struct backward_parts {
  batch_norm b;
  const float *x, *d_y;
  __device__ void operator()(int64_t i, int64_t j, double *sums) const {
    const float gradient = d_y[i * b.c + j], xhat = b.normalized(x[i * b.c + j], j), z = b.affine(xhat, j);
    const double d_z = b.derivative(z) * gradient;
    sums[0] += d_z;
    sums[1] += d_z * xhat;
    if (b.act == CYF_PRELU) sums[2] += (double)(gradient * cyf_prelu_slope_derivative(z));
  }
};
struct store_three {
  int64_t c;
  double *sums, *slope_sums;
  __device__ void operator()(int64_t j, const double *three) const {
    sums[j] = three[0];
    sums[c + j] = three[1];
    slope_sums[j] = three[2];
  }
};
struct add_to_float {
  float *to;
  __device__ void operator()(double sum) const { *to += (float)sum; }
};
cyf_status cyf_cuda_batch_norm_backward_sums(cyf_device *device, int64_t n, int64_t c, const float *x, const float *d_y,
                                             const float *mean, const float *inv_std, const float *gamma,
                                             const float *beta, cyf_activation act, const float *slope, double *sums,
                                             float *d_slope) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  double *slope_sums;
  cyf_status status = cyf_cuda_doubles(op.d, c, &slope_sums);
  if (status == CYF_OK) {
    const backward_parts f = {{c, mean, inv_std, gamma, beta, act, slope}, x, d_y};
    const store_three finish = {c, sums, slope_sums};
    status = cyf_launch_columns<3>(op.d, n, c, f, finish);
  }
  if (status == CYF_OK && act == CYF_PRELU && d_slope) {
    const cyf_from_doubles f = {slope_sums};
    const add_to_float finish = {d_slope};
    status = cyf_launch_sum(op.d, c, f, finish);
  }
  return cyf_cuda_end(&op, status, "batch_norm_backward_sums");
}

struct norm_backward {
  batch_norm b;
  const float *x, *d_y;
  const double *sums;
  double n_total;
  float *d_x;
  __device__ void operator()(int64_t i, int64_t j) const {
    const float xhat = b.normalized(x[i * b.c + j], j), d_z = b.derivative(b.affine(xhat, j)) * d_y[i * b.c + j];
    const float mean_z = sums ? (float)(sums[j] / n_total) : 0.0f;
    const float mean_zx = sums ? (float)(sums[b.c + j] / n_total) : 0.0f;
    d_x[i * b.c + j] = b.gamma[j] * cyf_norm_input_gradient(d_z, xhat, b.inv_std[j], mean_z, mean_zx);
  }
};
cyf_status cyf_cuda_batch_norm_backward(cyf_device *device, int64_t n, int64_t c, const float *x, const float *d_y,
                                        const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                        cyf_activation act, const float *slope, const double *sums, double n_total,
                                        float *d_x) {
  const norm_backward f = {{c, mean, inv_std, gamma, beta, act, slope}, x, d_y, sums, n_total, d_x};
  return cyf_cell_op(device, "batch_norm_backward", n, c, f);
}

struct add_param_grad {
  int64_t c;
  const double *sums;
  float *d_gamma, *d_beta;
  __device__ void operator()(int64_t j) const {
    d_beta[j] += (float)sums[j];
    d_gamma[j] += (float)sums[c + j];
  }
};
cyf_status cyf_cuda_batch_norm_param_grad(cyf_device *device, int64_t c, const double *sums, float *d_gamma,
                                          float *d_beta) {
  const add_param_grad f = {c, sums, d_gamma, d_beta};
  return cyf_element_op(device, "batch_norm_param_grad", c, f);
}
