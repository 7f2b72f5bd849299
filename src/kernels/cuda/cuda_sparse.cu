/* SPDX-License-Identifier: MIT */
/* Cells as an atlas stores them are turned into sparse batches, and so are dense rows. Memory traffic is the least
 * possible: expand reads the compact cells once (3 to 8 bytes an entry) and writes 8 bytes an entry (12 with counts).
 * Count and fill read x once each. */
#include "kernels/cuda/cuda_kernels.cuh"

struct csr_expand {
  cyf_compact x;
  const int64_t *row, *indptr;
  int32_t *indices;
  float *values, *counts;
  __device__ float count_at(int64_t k) const {
    switch (x.count_type) {
      case CYF_COUNT_UINT8:
        return ((const uint8_t *)x.counts)[k];
      case CYF_COUNT_UINT16:
        return ((const uint16_t *)x.counts)[k];
      case CYF_COUNT_UINT32:
        return (float)((const uint32_t *)x.counts)[k];
      default:
        return ((const float *)x.counts)[k];
    }
  }
  __device__ void operator()(int64_t i, int lane) const {
    const int64_t cell = row ? row[i] : i, at = x.indptr[cell], n_here = x.indptr[cell + 1] - at;
    const int64_t to = indptr ? indptr[i] : at;
    const float factor = x.factor ? x.factor[cell] : 0.0f;
    for (int64_t k = lane; k < n_here; k += 32) {
      const float count = count_at(at + k);
      indices[to + k] = x.index_type == CYF_INDEX_UINT16 ? (int32_t)((const uint16_t *)x.indices)[at + k]
                                                         : (int32_t)((const uint32_t *)x.indices)[at + k];
      if (values) values[to + k] = x.factor ? cyf_log1pf(count * factor) : count;
      if (counts) counts[to + k] = count;
    }
  }
};
cyf_status cyf_cuda_csr_expand(cyf_device *device, const cyf_compact *x, int64_t n, const int64_t *row,
                               const int64_t *indptr, int64_t nnz, int32_t *indices, float *values, float *counts) {
  (void)nnz; /* the rows' own bounds say it */
  const csr_expand f = {*x, row, indptr, indices, values, counts};
  return cyf_warp_op(device, "csr_expand", n, f);
}

/* indptr[i + 1] = entries of row i; not_finite[i] = those that are NaN or infinite. */
struct sparse_count {
  int64_t c;
  const float *x;
  int64_t *indptr;
  double *not_finite;
  __device__ void operator()(int64_t i, int lane) const {
    int positive = 0, odd = 0;
    for (int64_t j = lane; j < c; j += 32) {
      const float value = x[i * c + j];
      positive += value > 0.0f;
      odd += !(fabsf(value) <= 3.402823466e38f); /* FLT_MAX; NaN fails too */
    }
    for (int offset = 16; offset > 0; offset /= 2) {
      positive += __shfl_xor_sync(0xffffffffu, positive, offset);
      odd += __shfl_xor_sync(0xffffffffu, odd, offset);
    }
    if (lane != 0) return;
    indptr[i + 1] = positive;
    not_finite[i] = odd;
  }
};

/* indptr[0] = 0, indptr[i + 1] += indptr[i], by one block: each thread sums a range, the block the threads' sums. Eight
 * bytes a cell, small beside the rows themselves. */
static __global__ void running_sums(int64_t n, int64_t *indptr) {
  CYF_SHARED(int64_t, sums, CYF_BLOCK);
  const int64_t first = threadIdx.x * n / CYF_BLOCK, last = (threadIdx.x + 1) * n / CYF_BLOCK;
  int64_t sum = 0;
  for (int64_t i = first; i < last; ++i) sum += indptr[i + 1];
  sums[threadIdx.x] = sum;
  __syncthreads();
  int64_t before = 0;
  for (unsigned k = 0; k < threadIdx.x; ++k) before += sums[k];
  for (int64_t i = first; i < last; ++i) {
    before += indptr[i + 1];
    indptr[i + 1] = before;
  }
  if (threadIdx.x == 0) indptr[0] = 0;
}

static cyf_status count_rows(cyf_cuda_device *d, int64_t n, int64_t c, const float *x, int64_t *indptr,
                             int64_t *ret_n_not_finite) {
  double *not_finite;
  void *slot;
  CYF_TRY(cyf_cuda_doubles(d, n, &not_finite));
  CYF_TRY(cyf_cuda_scalar(d, ret_n_not_finite, &slot));
  const sparse_count f = {c, x, indptr, not_finite};
  const cyf_from_doubles parts = {not_finite};
  const cyf_to_integer finish = {(int64_t *)slot};
  const cyf_launch one = {1, 1, CYF_BLOCK};
  cyf_launch_each_warp(d, n, f);
  CYF_LAUNCH(running_sums, one, d->stream, n, indptr);
  return cyf_launch_sum(d, n, parts, finish);
}
cyf_status cyf_cuda_sparse_count(cyf_device *device, int64_t n, int64_t c, const float *x, int64_t *indptr,
                                 int64_t *ret_n_not_finite) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  return cyf_cuda_end(&op, count_rows(op.d, n, c, x, indptr, ret_n_not_finite), "sparse_count");
}

struct sparse_fill {
  int64_t c;
  const float *x;
  const int64_t *indptr;
  int32_t *indices;
  float *values;
  __device__ void operator()(int64_t i, int lane) const {
    int64_t at = indptr[i];
    for (int64_t first = 0; first < c; first += 32) {
      const int64_t j = first + lane;
      const float value = j < c ? x[i * c + j] : 0.0f;
      const unsigned mask = __ballot_sync(0xffffffffu, value > 0.0f);
      if (value > 0.0f) {
        const int64_t to = at + __popc(mask & ((1u << lane) - 1));
        indices[to] = (int32_t)j;
        values[to] = value;
      }
      at += __popc(mask);
    }
  }
};
cyf_status cyf_cuda_sparse_fill(cyf_device *device, int64_t n, int64_t c, const float *x, const int64_t *indptr,
                                int32_t *indices, float *values) {
  const sparse_fill f = {c, x, indptr, indices, values};
  return cyf_warp_op(device, "sparse_fill", n, f);
}
