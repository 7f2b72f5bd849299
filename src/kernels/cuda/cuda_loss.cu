/* SPDX-License-Identifier: MIT */
/* Losses, sums of squares and AdamW. Memory traffic is the least possible: inputs are read once, gradients written
 * once. AdamW with its moving average reads five floats for each parameter (parameter, gradient, two moments, average)
 * and writes them back, for four parameters at a time. */
#include "kernels/cuda/cuda_kernels.cuh"

/* ---- squared error, sum of squares ---- */

struct squared_error {
  const float *prediction, *target;
  float factor;
  float *d_prediction;
  __device__ double operator()(int64_t k) const {
    const double difference = (double)prediction[k] - (double)target[k];
    if (d_prediction) d_prediction[k] = factor * (prediction[k] - target[k]);
    return difference * difference;
  }
};
cyf_status cyf_cuda_squared_error(cyf_device *device, int64_t count, const float *prediction, const float *target,
                                  double scale, double *ret_sum, float *d_prediction) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  void *slot;
  cyf_status status = cyf_cuda_scalar(op.d, ret_sum, &slot);
  const squared_error f = {prediction, target, (float)(2.0 * scale), d_prediction};
  const cyf_to_double finish = {(double *)slot};
  if (status == CYF_OK) status = cyf_launch_sum(op.d, count, f, finish);
  return cyf_cuda_end(&op, status, "squared_error");
}

struct square {
  const float *x;
  __device__ double operator()(int64_t k) const { return (double)x[k] * (double)x[k]; }
};
cyf_status cyf_cuda_square_sum(cyf_device *device, int64_t count, const float *x, double *sum) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const square f = {x};
  const cyf_to_double finish = {sum};
  return cyf_cuda_end(&op, cyf_launch_sum(op.d, count, f, finish), "square_sum");
}

/* ---- softmax, a warp a cell ---- */

/* log sum exp of a row in double with its largest element taken out; *ret_best is the first index of that element. The
 * product with 0 makes minus infinity NaN, of which the exponential alone would make 0. */
static __device__ inline double log_sum_exp(int64_t classes, const float *logits, int lane, int64_t *ret_best) {
  int64_t best = lane < classes ? lane : classes - 1;
  for (int64_t j = lane; j < classes; j += 32) {
    if (logits[j] > logits[best]) best = j;
  }
  float largest = logits[best];
  for (int offset = 16; offset > 0; offset /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, largest, offset);
    const int64_t other_best = __shfl_xor_sync(0xffffffffu, best, offset);
    if (other > largest || (other == largest && other_best < best)) {
      largest = other;
      best = other_best;
    }
  }
  double sum = 0.0;
  for (int64_t j = lane; j < classes; j += 32)
    sum += exp((double)logits[j] - (double)largest) + 0.0 * (double)logits[j];
  *ret_best = best;
  return (double)largest + log(cyf_warp_sum(sum));
}

/* results[cell + q n]: weighted loss, weight, whether it is right, whether it has a label. */
struct cross_entropy {
  int64_t n, classes;
  const float *logits;
  const int32_t *label;
  const float *class_weight;
  double scale;
  double *results;
  float *d_logits;
  __device__ void operator()(int64_t i, int lane) const {
    const float *row = logits + i * classes;
    const int32_t y = label[i];
    int64_t best;
    const double normalizer = log_sum_exp(classes, row, lane, &best);
    const double weight = y < 0 ? 0.0 : class_weight ? (double)class_weight[y] : 1.0;
    for (int64_t j = lane; d_logits && j < classes; j += 32) {
      const double difference = exp((double)row[j] - normalizer) - (j == y ? 1.0 : 0.0);
      d_logits[i * classes + j] = y < 0 ? 0.0f : (float)(scale * weight * difference);
    }
    if (lane != 0) return;
    results[i] = y < 0 ? 0.0 : weight * (normalizer - (double)row[y]);
    results[n + i] = weight;
    results[2 * n + i] = y >= 0 && best == y ? 1.0 : 0.0;
    results[3 * n + i] = y < 0 ? 0.0 : 1.0;
  }
};
static cyf_status sum_results(cyf_cuda_device *d, int64_t n, const double *results, void *host, bool integer) {
  void *slot;
  if (!host) return CYF_OK;
  CYF_TRY(cyf_cuda_scalar(d, host, &slot));
  const cyf_from_doubles f = {results};
  const cyf_to_double as_double = {(double *)slot};
  const cyf_to_integer as_integer = {(int64_t *)slot};
  return integer ? cyf_launch_sum(d, n, f, as_integer) : cyf_launch_sum(d, n, f, as_double);
}
static cyf_status run_cross_entropy(cyf_cuda_device *d, int64_t n, int64_t classes, const float *logits,
                                    const int32_t *label, const float *class_weight, double scale, double *ret_sum_loss,
                                    double *ret_sum_weight, int64_t *ret_n_correct, int64_t *ret_n_labelled,
                                    float *d_logits) {
  double *results;
  CYF_TRY(cyf_cuda_doubles(d, 4 * n, &results));
  const cross_entropy f = {n, classes, logits, label, class_weight, scale, results, d_logits};
  cyf_launch_each_warp(d, n, f);
  CYF_TRY(sum_results(d, n, results, ret_sum_loss, false));
  CYF_TRY(sum_results(d, n, results + n, ret_sum_weight, false));
  CYF_TRY(sum_results(d, n, results + 2 * n, ret_n_correct, true));
  return sum_results(d, n, results + 3 * n, ret_n_labelled, true);
}
cyf_status cyf_cuda_cross_entropy(cyf_device *device, int64_t n, int64_t classes, const float *logits,
                                  const int32_t *label, const float *class_weight, double scale, double *ret_sum_loss,
                                  double *ret_sum_weight, int64_t *ret_n_correct, int64_t *ret_n_labelled,
                                  float *d_logits) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const cyf_status status = run_cross_entropy(op.d, n, classes, logits, label, class_weight, scale, ret_sum_loss,
                                              ret_sum_weight, ret_n_correct, ret_n_labelled, d_logits);
  return cyf_cuda_end(&op, status, "cross_entropy");
}

struct log_prob_grad {
  int64_t classes;
  const float *logits;
  const int32_t *label;
  const float *w;
  float *d_logits;
  __device__ void operator()(int64_t i, int lane) const {
    const float *row = logits + i * classes;
    if (label[i] < 0) return; /* the same for the whole warp */
    int64_t best;
    const double normalizer = log_sum_exp(classes, row, lane, &best);
    for (int64_t j = lane; j < classes; j += 32) {
      const double onehot = j == label[i] ? 1.0 : 0.0;
      d_logits[i * classes + j] += (float)(w[i] * (onehot - exp((double)row[j] - normalizer)));
    }
  }
};
cyf_status cyf_cuda_log_prob_grad(cyf_device *device, int64_t n, int64_t classes, const float *logits,
                                  const int32_t *label, const float *w, float *d_logits) {
  const log_prob_grad f = {classes, logits, label, w, d_logits};
  return cyf_warp_op(device, "log_prob_grad", n, f);
}

/* ---- AdamW ---- */

struct adamw {
  cyf_adamw_coefficients k;
  double gradient_scale, clip_norm;
  const double *square_sum;
  float *parameter, *gradient, *first_moment, *second_moment, *ema;

  /* The update's coefficients with this step's clipping; false: the norm is not finite. */
  __device__ bool clip(cyf_adamw_coefficients *ret_k) const {
    int finite = 1;
    *ret_k = k;
    if (!square_sum) return true;
    ret_k->gradient_scale = (float)cyf_clipped_scale(*square_sum, gradient_scale, clip_norm, &finite);
    return finite;
  }
  __device__ void update(const cyf_adamw_coefficients *c, int64_t j) const {
    cyf_adamw_element(c, gradient[j], &parameter[j], &first_moment[j], &second_moment[j]);
    if (ema) ema[j] = cyf_ema_element(c, ema[j], parameter[j]);
    gradient[j] = 0.0f;
  }
};

static __device__ inline void adamw_one(const cyf_adamw_coefficients *c, float *p, float *m, float *v, float *g,
                                        float *e) {
  cyf_adamw_element(c, *g, p, m, v);
  *e = cyf_ema_element(c, *e, *p);
  *g = 0.0f;
}

/* Four parameters a turn; all arrays start at multiples of 16 bytes. The rest of count / 4 goes by ones. */
static __global__ void adamw_by_four(int64_t count, adamw f) {
  cyf_adamw_coefficients c;
  if (!f.clip(&c)) return;
  const int64_t stride = (int64_t)gridDim.x * blockDim.x, first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const float4 zero = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int64_t k = first; k < count / 4; k += stride) {
    float4 *gradient = (float4 *)f.gradient + k;
    float4 p = ((float4 *)f.parameter)[k], m = ((float4 *)f.first_moment)[k], v = ((float4 *)f.second_moment)[k];
    float4 g = *gradient, e = f.ema ? ((float4 *)f.ema)[k] : zero;
    adamw_one(&c, &p.x, &m.x, &v.x, &g.x, &e.x);
    adamw_one(&c, &p.y, &m.y, &v.y, &g.y, &e.y);
    adamw_one(&c, &p.z, &m.z, &v.z, &g.z, &e.z);
    adamw_one(&c, &p.w, &m.w, &v.w, &g.w, &e.w);
    ((float4 *)f.parameter)[k] = p;
    ((float4 *)f.first_moment)[k] = m;
    ((float4 *)f.second_moment)[k] = v;
    *gradient = g;
    if (f.ema) ((float4 *)f.ema)[k] = e;
  }
  for (int64_t j = count / 4 * 4 + first; j < count; j += stride) f.update(&c, j);
}

static __global__ void adamw_by_one(int64_t count, adamw f) {
  cyf_adamw_coefficients c;
  if (!f.clip(&c)) return;
  const int64_t stride = (int64_t)gridDim.x * blockDim.x;
  for (int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; j < count; j += stride) f.update(&c, j);
}

cyf_status cyf_cuda_adamw(cyf_device *device, int64_t count, const cyf_adamw *settings, float *parameter,
                          float *gradient, float *first_moment, float *second_moment, float *ema, double ema_decay) {
  if (count <= 0) return CYF_OK;
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const adamw f = {cyf_adamw_coefficients_of(settings, settings->gradient_scale, ema_decay),
                   settings->gradient_scale,
                   settings->clip_norm,
                   settings->square_sum,
                   parameter,
                   gradient,
                   first_moment,
                   second_moment,
                   ema};
  const uintptr_t bits =
      (uintptr_t)parameter | (uintptr_t)gradient | (uintptr_t)first_moment | (uintptr_t)second_moment | (uintptr_t)ema;
  const cyf_launch shape = cyf_launch_elements(count);
  if (bits % sizeof(float4) == 0) {
    CYF_LAUNCH(adamw_by_four, shape, op.d->stream, count, f);
  } else {
    CYF_LAUNCH(adamw_by_one, shape, op.d->stream, count, f);
  }
  return cyf_cuda_end(&op, CYF_OK, "adamw");
}
