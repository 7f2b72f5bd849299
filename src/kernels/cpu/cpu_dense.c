/* SPDX-License-Identifier: MIT */
/* Dense linear layers on OpenBLAS. */
#include <cblas.h>
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/activation.h"

/* OpenBLAS's OpenMP build runs on as many threads as the calling thread's OpenMP setting says, and on one inside a
 * parallel region. The setting is each thread's own, so a device used from another thread than its maker's sets it. */
static void use_device_threads(const cyf_device *device) {
  if (!omp_in_parallel() && omp_get_max_threads() != device->n_threads) omp_set_num_threads(device->n_threads);
}

/* BLAS wants leading dimensions of at least 1 even for empty matrices. */
static blasint leading(int64_t width) {
  return width > 0 ? (blasint)width : 1;
}

static void gemm(const cyf_device *device, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, int64_t m, int64_t n,
                 int64_t k, float alpha, const float *a, int64_t width_a, const float *b, int64_t width_b, float beta,
                 float *c) {
  if (m == 0 || n == 0) return;
  use_device_threads(device);
  cblas_sgemm(CblasRowMajor, trans_a, trans_b, (blasint)m, (blasint)n, (blasint)k, alpha, a, leading(width_a), b,
              leading(width_b), beta, c, leading(n));
}

void cyf_cpu_gemm_nt(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c) {
  gemm(device, CblasNoTrans, CblasTrans, m, n, k, alpha, a, k, b, k, beta, c);
}

void cyf_cpu_gemm_nn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c) {
  gemm(device, CblasNoTrans, CblasNoTrans, m, n, k, alpha, a, k, b, n, beta, c);
}

void cyf_cpu_gemm_tn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c) {
  gemm(device, CblasTrans, CblasNoTrans, m, n, k, alpha, a, m, b, n, beta, c);
}

void cyf_cpu_gram(const cyf_device *device, int64_t k, int64_t n, const float *a, float *c) {
  if (n == 0) return;
  use_device_threads(device);
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)n, (blasint)k, 1.0f, a, leading(n), 0.0f, c, leading(n));
  enum { TILE = 32 };
#pragma omp parallel for schedule(static, 1) num_threads(cyf_cpu_threads_for(device, n *n))
  for (int64_t tile = 0; tile < n; tile += TILE) {
    for (int64_t column0 = 0; column0 <= tile; column0 += TILE) {
      for (int64_t i = tile; i < cyf_cpu_min(tile + TILE, n); ++i) {
        for (int64_t j = column0; j < cyf_cpu_min(column0 + TILE, i); ++j) c[i * n + j] = c[j * n + i];
      }
    }
  }
}

void cyf_cpu_fill_rows(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, n *c))
  for (int64_t i = 0; i < n; ++i) {
    if (bias) {
      memcpy(y + i * c, bias, (size_t)c * sizeof *y);
    } else {
      memset(y + i * c, 0, (size_t)c * sizeof *y);
    }
  }
}

void cyf_cpu_add_bias(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, n *c))
  for (int64_t i = 0; i < n; ++i) {
    float *row = y + i * c;
#pragma omp simd
    for (int64_t j = 0; j < c; ++j) row[j] += bias[j];
  }
}

void cyf_cpu_add_column_sums(const cyf_device *device, int64_t n, int64_t c, const float *x, double factor,
                             float *sums) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, n *c))
  for (int64_t first = 0; first < c; first += CYF_CPU_COLUMN_TILE) {
    const int64_t width = cyf_cpu_min(CYF_CPU_COLUMN_TILE, c - first);
    double total[CYF_CPU_COLUMN_TILE] = {0};
    for (int64_t i = 0; i < n; ++i) {
      const float *row = x + i * c + first;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) total[j] += (double)row[j];
    }
    for (int64_t j = 0; j < width; ++j) sums[first + j] += (float)(factor * total[j]);
  }
}

cyf_status cyf_cpu_linear_forward(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *w,
                                  const float *bias, bool accumulate, float *y) {
  if (!accumulate && bias) cyf_cpu_fill_rows(d, n, out, bias, y);
  if (accumulate && bias) cyf_cpu_add_bias(d, n, out, bias, y);
  cyf_cpu_gemm_nt(d, n, out, in, 1.0f, x, w, accumulate || bias ? 1.0f : 0.0f, y);
  return CYF_OK;
}

cyf_status cyf_cpu_linear_input_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *d_y,
                                     const float *w, bool accumulate, float *d_x) {
  cyf_cpu_gemm_nn(d, n, in, out, 1.0f, d_y, w, accumulate ? 1.0f : 0.0f, d_x);
  return CYF_OK;
}

cyf_status cyf_cpu_linear_weight_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x,
                                      const float *d_y, float *d_w, float *d_bias) {
  cyf_cpu_gemm_tn(d, out, in, n, 1.0f, d_y, x, 1.0f, d_w);
  if (d_bias) cyf_cpu_add_column_sums(d, n, out, d_y, 1.0, d_bias);
  return CYF_OK;
}

cyf_status cyf_cpu_gene_decode(cyf_device *d, int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w,
                               const float *bias, float *y) {
  CYF_TRY(cyf_cpu_linear_forward(d, n, hidden, genes, h, w, bias, false, y));
#pragma omp parallel for simd schedule(static) num_threads(cyf_cpu_threads_for(d, n *genes))
  for (int64_t k = 0; k < n * genes; ++k) y[k] = cyf_relu(y[k]);
  return CYF_OK;
}
