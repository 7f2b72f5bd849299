/* SPDX-License-Identifier: MIT */
/* What models of raw counts need beside gene_nb. Memory traffic is the least possible: each input and output once;
 * softmax_rows reads its rows again from the caches. Draws are limited by the random number generator and, for large
 * means, by the terms that inversion adds up. */
#include "kernels/cuda/cuda_kernels.cuh"
#include "kernels/math/library.h"
#include "kernels/math/negative_binomial.h"

struct csr_counts {
  cyf_csr x;
  const float *total;
  double target_sum;
  float *counts;
  __device__ void operator()(int64_t i, int lane) const {
    const double factor = (double)total[i] / target_sum;
    for (int64_t k = x.indptr[i] + lane; k < x.indptr[i + 1]; k += 32) {
      counts[k] = (float)rint(expm1((double)x.values[k]) * factor);
    }
  }
};
cyf_status cyf_cuda_csr_counts(cyf_device *device, const cyf_csr *cells, const float *total, double target_sum,
                               float *counts) {
  const csr_counts f = {*cells, total, target_sum, counts};
  return cyf_warp_op(device, "csr_counts", cells->n_cells, f);
}

struct library_nll {
  const float *head, *total;
  double scale;
  float *d_head;
  __device__ double operator()(int64_t i) const {
    float gradient[2];
    const double nll = cyf_library_nll(head + 2 * i, total[i], gradient);
    if (d_head) {
      d_head[2 * i] = (float)(scale * (double)gradient[0]);
      d_head[2 * i + 1] = (float)(scale * (double)gradient[1]);
    }
    return nll;
  }
};
cyf_status cyf_cuda_library_nll(cyf_device *device, int64_t n, const float *head, const float *total, double scale,
                                double *ret_sum_nll, float *d_head) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  void *slot;
  cyf_status status = cyf_cuda_scalar(op.d, ret_sum_nll, &slot);
  const library_nll f = {head, total, scale, d_head};
  const cyf_to_double finish = {(double *)slot};
  if (status == CYF_OK) status = cyf_launch_sum(op.d, n, f, finish);
  return cyf_cuda_end(&op, status, "library_nll");
}

struct library_size {
  const float *head, *normal;
  float *size;
  __device__ void operator()(int64_t i) const { size[i] = cyf_library_size(head + 2 * i, normal ? normal[i] : 0.0f); }
};
cyf_status cyf_cuda_library_size(cyf_device *device, int64_t n, const float *head, const float *normal, float *size) {
  const library_size f = {head, normal, size};
  return cyf_element_op(device, "library_size", n, f);
}

/* A block a row: a row of all genes is 113 KB and stays in the second-level cache between the passes. */
static __global__ void softmax_rows(int64_t n, int64_t c, const float *size, float *y) {
  CYF_SHARED(float, warp_most, CYF_WARPS);
  for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    float *row = y + i * c, most = -INFINITY;
    for (int64_t j = threadIdx.x; j < c; j += CYF_BLOCK) most = row[j] > most || isnan(row[j]) ? row[j] : most;
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, most, offset);
      most = other > most || isnan(other) ? other : most;
    }
    if (threadIdx.x % 32 == 0) warp_most[threadIdx.x / 32] = most;
    __syncthreads();
    for (int k = 0; k < CYF_WARPS; ++k) most = warp_most[k] > most || isnan(warp_most[k]) ? warp_most[k] : most;
    double sum = 0.0;
    for (int64_t j = threadIdx.x; j < c; j += CYF_BLOCK) {
      const float odd = row[j] * 0.0f; /* zero, but NaN for minus infinity, of which the exponential makes a number */
      row[j] = cyf_expf(row[j] - most);
      sum += (double)(row[j] + odd);
    }
    const float factor = (float)((size ? (double)size[i] : 1.0) / cyf_block_sum(sum)); /* ends with a barrier */
    for (int64_t j = threadIdx.x; j < c; j += CYF_BLOCK) row[j] *= factor;
  }
}
cyf_status cyf_cuda_softmax_rows(cyf_device *device, int64_t n, int64_t c, const float *size, float *y) {
  if (n == 0 || c == 0) return CYF_OK;
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const cyf_launch shape = cyf_launch_blocks(n);
  CYF_LAUNCH(softmax_rows, shape, op.d->stream, n, c, size, y);
  return cyf_cuda_end(&op, CYF_OK, "softmax_rows");
}

struct nb_draw {
  int64_t c;
  const float *mean, *log_theta;
  cyf_rng_key key;
  const int64_t *position;
  int64_t first_position;
  float *counts;
  __device__ void operator()(int64_t i, int64_t j) const {
    const uint64_t at = (uint64_t)(position ? position[i] : first_position + i);
    counts[i * c + j] = cyf_nb_draw(mean[i * c + j], expf(log_theta[j]), key.word, at, (uint32_t)j);
  }
};
cyf_status cyf_cuda_nb_draw(cyf_device *device, int64_t n, int64_t c, const float *mean, const float *log_theta,
                            cyf_rng_key key, const int64_t *position, int64_t first_position, float *counts) {
  const nb_draw f = {c, mean, log_theta, key, position, first_position, counts};
  return cyf_cell_op(device, "nb_draw", n, c, f);
}
