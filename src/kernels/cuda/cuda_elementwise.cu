/* SPDX-License-Identifier: MIT */
/* Operations that touch each element once, by one launch each. Memory traffic is the least possible: inputs are read
 * once and outputs written once. Tables (rows of labels, timesteps, signal levels) stay in the caches. */
#include "kernels/cuda/cuda_blas.h"
#include "kernels/cuda/cuda_kernels.cuh"
#include "kernels/math/activation.h"
#include "kernels/math/diffusion.h"

/* ---- activations, scaled sums ---- */

struct silu_forward {
  const float *x;
  float *y;
  __device__ void operator()(int64_t k) const { y[k] = cyf_silu(x[k]); }
};
cyf_status cyf_cuda_silu_forward(cyf_device *device, int64_t count, const float *x, float *y) {
  const silu_forward f = {x, y};
  return cyf_element_op(device, "silu_forward", count, f);
}

struct silu_backward {
  const float *x, *d_y;
  bool accumulate;
  float *d_x;
  __device__ void operator()(int64_t k) const {
    const float g = cyf_silu_derivative(x[k]) * d_y[k];
    d_x[k] = accumulate ? d_x[k] + g : g;
  }
};
cyf_status cyf_cuda_silu_backward(cyf_device *device, int64_t count, const float *x, const float *d_y, bool accumulate,
                                  float *d_x) {
  const silu_backward f = {x, d_y, accumulate, d_x};
  return cyf_element_op(device, "silu_backward", count, f);
}

struct axpy {
  float alpha;
  const float *x;
  float *y;
  __device__ void operator()(int64_t k) const { y[k] += alpha * x[k]; }
};
cyf_status cyf_cuda_axpy(cyf_device *device, int64_t count, double alpha, const float *x, float *y) {
  const axpy f = {(float)alpha, x, y};
  return cyf_element_op(device, "axpy", count, f);
}

struct scaled {
  float alpha;
  float *y;
  __device__ void operator()(int64_t k) const { y[k] *= alpha; }
};
cyf_status cyf_cuda_scale(cyf_device *device, int64_t count, double alpha, float *y) {
  const scaled f = {(float)alpha, y};
  return cyf_element_op(device, "scale", count, f);
}

/* ---- row tables ---- */

struct add_rows {
  int64_t c;
  const float *table;
  const int32_t *row;
  float *y;
  __device__ void operator()(int64_t i, int64_t j) const { y[i * c + j] += table[(row ? row[i] : 0) * c + j]; }
};
cyf_status cyf_cuda_add_rows(cyf_device *device, int64_t n, int64_t c, const float *table, const int32_t *row,
                             float *y) {
  const add_rows f = {c, table, row, y};
  return cyf_cell_op(device, "add_rows", n, c, f);
}

/* Computes d_table[r] for one range of columns. The block looks through all row numbers, CYF_BLOCK at a time, and
 * adds the cells of row r in their order. Every block reads the row numbers (4 n bytes) from the cache: 32 MB in all
 * for 8,192 cells of 1,000 timesteps. d_y is read once. */
static __global__ void sum_rows(int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows,
                                float *d_table) {
  CYF_SHARED(int, matches, CYF_BLOCK);
  CYF_SHARED(int, warp_matches, CYF_WARPS);
  const int lane = (int)(threadIdx.x % 32), warp = (int)(threadIdx.x / 32);
  const int64_t j = (int64_t)blockIdx.x * CYF_BLOCK + threadIdx.x;
  for (int64_t r = blockIdx.y; r < n_rows; r += gridDim.y) {
    double sum = 0.0;
    for (int64_t first = 0; first < n; first += CYF_BLOCK) {
      const int64_t i = first + threadIdx.x;
      const bool match = i < n && row[i] == r;
      const unsigned mask = __ballot_sync(0xffffffffu, match);
      if (lane == 0) warp_matches[warp] = __popc(mask);
      __syncthreads();
      int before = 0, total = 0;
      for (int k = 0; k < CYF_WARPS; ++k) {
        before += k < warp ? warp_matches[k] : 0;
        total += warp_matches[k];
      }
      if (match) matches[before + __popc(mask & ((1u << lane) - 1))] = (int)threadIdx.x;
      __syncthreads();
      /* The next turn writes `matches` only after its first barrier, when all threads have read them. */
      for (int k = 0; j < c && k < total; ++k) sum += (double)d_y[(first + matches[k]) * c + j];
    }
    if (j < c) d_table[r * c + j] = (float)sum;
  }
}

struct replace_column {
  float *to;
  __device__ void operator()(int64_t j, const double *sums) const { to[j] = (float)sums[0]; }
};
cyf_status cyf_cuda_sum_rows(cyf_device *device, int64_t n, int64_t c, const float *d_y, const int32_t *row,
                             int64_t n_rows, float *d_table) {
  if (n_rows == 0 || c == 0) return CYF_OK;
  const cyf_cuda_op op = cyf_cuda_begin(device);
  cyf_status status = CYF_OK;
  if (row) {
    const cyf_launch shape = {(unsigned)cyf_ceil_div(c, CYF_BLOCK), (unsigned)cyf_least(n_rows, CYF_GRID_Y_MAX),
                              CYF_BLOCK};
    CYF_LAUNCH(sum_rows, shape, op.d->stream, n, c, d_y, row, n_rows, d_table);
  } else { /* all in row 0 */
    const cyf_sum_of<float> f = {d_y, c};
    const replace_column finish = {d_table};
    if (n_rows > 1) (void)cudaMemsetAsync(d_table + c, 0, (size_t)((n_rows - 1) * c) * sizeof *d_table, op.d->stream);
    status = cyf_launch_columns<1>(op.d, n, c, f, finish);
  }
  return cyf_cuda_end(&op, status, "sum_rows");
}

/* ---- diffusion ---- */

/* One whole sampler update an element; DDIM or DDPM is the same choice for all. */
struct reverse_step {
  cyf_reverse_coefficients k;
  bool ddim, clip;
  const float *x, *eps, *guidance, *noise;
  float *x_prev;
  __device__ void operator()(int64_t i) const {
    const float g = guidance ? guidance[i] : 0.0f, z = noise ? noise[i] : 0.0f;
    x_prev[i] = ddim ? cyf_ddim_element(&k, clip, x[i], eps[i], g, z) : cyf_ddpm_element(&k, clip, x[i], eps[i], g, z);
  }
};
cyf_status cyf_cuda_ddpm_step(cyf_device *device, int64_t count, const cyf_reverse_step *s, const float *x,
                              const float *eps, const float *guidance, const float *noise, float *x_prev) {
  const reverse_step f = {cyf_reverse_coefficients_of(s), false, s->clip, x, eps, guidance, noise, x_prev};
  return cyf_element_op(device, "ddpm_step", count, f);
}
cyf_status cyf_cuda_ddim_step(cyf_device *device, int64_t count, const cyf_reverse_step *s, const float *x,
                              const float *eps, const float *guidance, const float *noise, float *x_prev) {
  const reverse_step f = {cyf_reverse_coefficients_of(s), true, s->clip, x, eps, guidance, noise, x_prev};
  return cyf_element_op(device, "ddim_step", count, f);
}

struct multistep {
  cyf_multistep_coefficients k;
  bool clip;
  const float *x, *eps, *guidance;
  float *x0_before, *x_prev;
  __device__ void operator()(int64_t i) const {
    x_prev[i] = cyf_multistep_element(&k, clip, x[i], eps[i], guidance ? guidance[i] : 0.0f, &x0_before[i]);
  }
};
cyf_status cyf_cuda_multistep_step(cyf_device *device, int64_t count, const cyf_multistep *s, const float *x,
                                   const float *eps, const float *guidance, float *x0_before, float *x_prev) {
  const multistep f = {cyf_multistep_coefficients_of(s), s->clip, x, eps, guidance, x0_before, x_prev};
  return cyf_element_op(device, "multistep_step", count, f);
}

struct free_guidance {
  int64_t c;
  const float *base, *conditioned, *weight;
  float *eps;
  __device__ void operator()(int64_t i, int64_t j) const {
    const int64_t k = i * c + j;
    eps[k] += cyf_free_guidance_element(base[k], conditioned[k], weight[i]);
  }
};
cyf_status cyf_cuda_free_guidance(cyf_device *device, int64_t n, int64_t c, const float *base, const float *conditioned,
                                  const float *weight, float *eps) {
  const free_guidance f = {c, base, conditioned, weight, eps};
  return cyf_cell_op(device, "free_guidance", n, c, f);
}

struct time_embedding {
  int64_t width;
  const int32_t *t;
  float *out;
  __device__ void operator()(int64_t i, int64_t j) const {
    const int64_t half = width / 2;
    const double angle = (double)t[i] * cyf_time_frequency(j < half ? j : j - half, half > 0 ? half : 1);
    out[i * width + j] = j >= 2 * half ? 0.0f : (float)(j < half ? cos(angle) : sin(angle));
  }
};
cyf_status cyf_cuda_time_embedding(cyf_device *device, int64_t n_rows, int64_t width, const int32_t *t, float *out) {
  const time_embedding f = {width, t, out};
  return cyf_cell_op(device, "time_embedding", n_rows, width, f);
}

/* ---- a product's bias ---- */

struct add_bias {
  int64_t stride;
  const float *bias;
  float *c;
  __device__ void operator()(int64_t i, int64_t j) const { c[i * stride + j] += bias[j]; }
};
void cyf_cuda_add_bias(const cyf_cuda_device *d, const cyf_cuda_product *p) {
  const add_bias f = {p->c_stride, p->bias, p->c};
  cyf_launch_each_cell(d, p->m, p->n, f);
}
