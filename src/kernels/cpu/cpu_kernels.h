/* SPDX-License-Identifier: MIT */
/** @file
 * The CPU backend's functions, one a slot of struct cyf_ops (documented there), and what its files share. Internal. */
#ifndef CYF_KERNELS_CPU_CPU_KERNELS_H
#define CYF_KERNELS_CPU_CPU_KERNELS_H

#include <omp.h>

#include "kernels/slots.h"

extern const cyf_ops cyf_cpu_ops;

/** Threads for one operation: those of the device, or one inside a parallel region. */
static inline int cyf_cpu_threads(const cyf_device *device) {
  return omp_in_parallel() ? 1 : device->n_threads;
}

/** Threads for about `work` element operations: one where starting more would cost more than they save. */
static inline int cyf_cpu_threads_for(const cyf_device *device, int64_t work) {
  enum { LEAST_WORK = 1 << 15 };
  return work < LEAST_WORK ? 1 : cyf_cpu_threads(device);
}

static inline int64_t cyf_cpu_min(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* ---- sums whose value does not depend on the number of threads ---- */

/** A sum over an array is cut into at most this many chunks, whose sums are added in order. The cut depends on the
 * number of elements alone, so that results do not depend on the number of threads. */
enum { CYF_CPU_SUM_CHUNKS = 128 };
static inline int64_t cyf_cpu_chunk_size(int64_t count) {
  enum { LEAST = 4096 };
  const int64_t even = (count + CYF_CPU_SUM_CHUNKS - 1) / CYF_CPU_SUM_CHUNKS;
  return even < LEAST ? LEAST : (even + 15) / 16 * 16;
}

/** Columns of a matrix are summed in tiles of this many: one task each. */
enum { CYF_CPU_COLUMN_TILE = 32 };

/** sums[c] (+)= column sums of x[n,c], accumulated in double and added to in float. */
void cyf_cpu_add_column_sums(const cyf_device *device, int64_t n, int64_t c, const float *x, double factor,
                             float *sums);

/* ---- matrix products (row-major float32, leading dimensions = widths) ---- */

/** c[m,n] = alpha a[m,k] b[n,k]' + beta c. */
void cyf_cpu_gemm_nt(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[m,n] = alpha a[m,k] b[k,n] + beta c. */
void cyf_cpu_gemm_nn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[m,n] = alpha a[k,m]' b[k,n] + beta c. */
void cyf_cpu_gemm_tn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[n,n] = a[k,n]' a, both triangles. */
void cyf_cpu_gram(const cyf_device *device, int64_t k, int64_t n, const float *a, float *c);

/** @{ */
/** Every row of y[n,c] = bias (NULL: zero), or += bias. */
void cyf_cpu_fill_rows(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y);
void cyf_cpu_add_bias(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y);
/** @} */

/* ---- sparse products (cpu_sparse.c) ---- */

/** y[n,out] += X W for X [n,genes] sparse, W [genes,out]. */
cyf_status cyf_cpu_sparse_product(const cyf_device *device, const cyf_csr *x, int64_t out, const float *w, float *y);
/** d_w[genes,out] += alpha X' d_y; d_x_sum[genes] (NULL: skipped) += alpha column sums of X. */
cyf_status cyf_cpu_sparse_transposed_product(const cyf_device *device, const cyf_csr *x, int64_t out, double alpha,
                                             const float *d_y, float *d_w, float *d_x_sum);

/* ---- the slots ---- */

/* One function serves several slots here, as host and device memory are the same. */
#define cyf_cpu_alloc_host cyf_cpu_alloc
#define cyf_cpu_free_host cyf_cpu_free
#define cyf_cpu_upload cyf_cpu_copy
#define cyf_cpu_download cyf_cpu_copy
#define cyf_cpu_upload_async cyf_cpu_copy
#define cyf_cpu_event_record cyf_cpu_event_mark
#define cyf_cpu_event_await cyf_cpu_event_mark

#define CYF_CPU_SLOT(name) CYF_DECLARE_SLOT(cyf_cpu_##name, name);
CYF_SLOTS(CYF_CPU_SLOT)
#undef CYF_CPU_SLOT

#endif
