/* SPDX-License-Identifier: MIT */
/* Squared error of the last layer by Gram matrices. It is computed in float32 with double sums whatever the device's
 * precision, as its gradients are differences of large terms. With Y = h W' + 1 b', s = the column sums of h and X the
 * target:
 *   sum (Y - X)^2 = <h'h, W'W> + 2 s.(W'b) + n b.b - 2 (sum_i h_i.(X W)_i + sum X b) + sum X^2
 *   d_h = 2 (h W'W + 1 (W'b)' - X W),  d_W = 2 (W h'h + b s' - X'h),  d_b = 2 (W s + n b - column sums of X). */
#include "kernels/cuda/cuda_gene.cuh"

typedef struct gram {
  const cyf_csr *x;
  int64_t hidden;
  const float *h, *w, *bias;
  float *h_gram, *w_gram; /* [hidden, hidden] */
  double *h_sum, *w_bias; /* [hidden] s and W'b */
  double *cell_sum;       /* [cells] */
  float *xw;              /* [cells, hidden] */
} gram;

/* Column sums of a[rows, hidden], rows weighted (NULL: 1). */
struct weighted_row {
  int64_t hidden;
  const float *a, *weight;
  __device__ void operator()(int64_t i, int64_t j, double *sums) const {
    sums[0] += (weight ? (double)weight[i] : 1.0) * (double)a[i * hidden + j];
  }
};
struct store_column {
  double *to;
  __device__ void operator()(int64_t j, const double *sums) const { to[j] = sums[0]; }
};

/* cell_sum[i] = sum over the cell's entries of X^2 - 2 X b, less 2 h_i.(X W)_i. */
struct target_terms {
  cyf_csr x;
  int64_t hidden;
  const float *h, *bias, *xw;
  double *cell_sum;
  __device__ void operator()(int64_t i, int lane) const {
    double sum = 0.0;
    for (int64_t k = x.indptr[i] + lane; k < x.indptr[i + 1]; k += 32) {
      const double value = x.values[k];
      sum += value * (value - 2.0 * (double)bias[x.indices[k]]);
    }
    for (int64_t j = lane; j < hidden; j += 32) sum -= 2.0 * (double)h[i * hidden + j] * (double)xw[i * hidden + j];
    sum = cyf_warp_sum(sum);
    if (lane == 0) cell_sum[i] = sum;
  }
};

/* All terms of the value in one row: cells, the product of the Gram matrices, s.(W'b), b.b. */
struct value_terms {
  gram g;
  int64_t n, genes;
  __device__ double operator()(int64_t k) const {
    if (k < n) return g.cell_sum[k];
    k -= n;
    if (k < g.hidden * g.hidden) return (double)g.h_gram[k] * (double)g.w_gram[k];
    k -= g.hidden * g.hidden;
    if (k < g.hidden) return 2.0 * g.h_sum[k] * g.w_bias[k];
    k -= g.hidden;
    return (double)n * (double)g.bias[k] * (double)g.bias[k];
  }
};

struct add_outer { /* to[i, j] += factor * (column ? column[i] : 1) * row[j] */
  int64_t c;
  double factor;
  const float *column;
  const double *row;
  float *to;
  __device__ void operator()(int64_t i, int64_t j) const {
    to[i * c + j] += (float)(factor * (column ? (double)column[i] : 1.0)) * (float)row[j];
  }
};

struct bias_gradient { /* d_bias[gene] += factor * (w_gene . s + n b) */
  gram g;
  double factor, n;
  float *d_bias;
  __device__ void operator()(int64_t gene, int lane) const {
    double sum = 0.0;
    for (int64_t j = lane; j < g.hidden; j += 32) sum += (double)g.w[gene * g.hidden + j] * g.h_sum[j];
    sum = cyf_warp_sum(sum);
    if (lane == 0) d_bias[gene] += (float)(factor * (sum + n * (double)g.bias[gene]));
  }
};

static cyf_cuda_operand matrix(const float *x, int64_t stride) {
  const cyf_cuda_operand operand = {x, stride, false, false};
  return operand;
}

static cyf_status prepare(cyf_cuda_device *d, gram *g) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden;
  const cyf_cuda_operand h = matrix(g->h, hidden), w = matrix(g->w, hidden);
  CYF_TRY(cyf_cuda_floats(d, hidden * hidden, &g->h_gram));
  CYF_TRY(cyf_cuda_floats(d, hidden * hidden, &g->w_gram));
  CYF_TRY(cyf_cuda_doubles(d, hidden, &g->h_sum));
  CYF_TRY(cyf_cuda_doubles(d, hidden, &g->w_bias));
  CYF_TRY(cyf_cuda_doubles(d, n, &g->cell_sum));
  if (!g->xw) CYF_TRY(cyf_cuda_floats(d, n * hidden, &g->xw));
  CYF_TRY(cyf_cuda_plain_product(d, hidden, hidden, n, 1.0, cyf_transposed(h), h, 0.0, false, g->h_gram));
  CYF_TRY(cyf_cuda_plain_product(d, hidden, hidden, genes, 1.0, cyf_transposed(w), w, 0.0, false, g->w_gram));
  const weighted_row sum_h = {hidden, g->h, NULL}, sum_w = {hidden, g->w, g->bias};
  const store_column to_h = {g->h_sum}, to_w = {g->w_bias};
  CYF_TRY(cyf_launch_columns<1>(d, n, hidden, sum_h, to_h));
  return cyf_launch_columns<1>(d, genes, hidden, sum_w, to_w);
}

/* X W, and with d_w the terms of X in the gradients of W and b, strip by strip. */
static cyf_status target_products(cyf_cuda_device *d, const gram *g, double factor, float *d_w, float *d_bias) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden, stride = cyf_strip_stride(genes);
  const int64_t strip = cyf_strip_cells(n, stride * (int64_t)sizeof(float), d->strip_bytes);
  float *memory;
  CYF_TRY(cyf_cuda_floats(d, strip * stride, &memory));
  for (int64_t first = 0; first < n; first += strip) {
    const int64_t cells = cyf_least(strip, n - first);
    const cyf_cuda_operand x = cyf_cuda_dense_rows(d, g->x, first, cells, stride, false, memory);
    CYF_TRY(cyf_cuda_plain_product(d, cells, hidden, genes, 1.0, x, matrix(g->w, hidden), 0.0, false,
                                   g->xw + first * hidden));
    if (!d_w) continue;
    CYF_TRY(cyf_cuda_plain_product(d, genes, hidden, cells, -factor, cyf_transposed(x),
                                   matrix(g->h + first * hidden, hidden), 1.0, false, d_w));
    CYF_TRY(cyf_add_column_sums(d, cells, genes, (const float *)memory, stride, -factor, d_bias));
  }
  return CYF_OK;
}

static cyf_status value(cyf_cuda_device *d, const gram *g, double *ret_sum_squared) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden;
  void *slot;
  CYF_TRY(cyf_cuda_scalar(d, ret_sum_squared, &slot));
  const target_terms cells = {*g->x, hidden, g->h, g->bias, g->xw, g->cell_sum};
  const value_terms terms = {*g, n, genes};
  const cyf_to_double finish = {(double *)slot};
  cyf_launch_each_warp(d, n, cells);
  return cyf_launch_sum(d, n + hidden * hidden + hidden + genes, terms, finish);
}

static cyf_status gradients(cyf_cuda_device *d, const gram *g, double factor, float *d_h, float *d_w, float *d_bias) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden;
  /* d_h holds X W. */
  CYF_TRY(cyf_cuda_plain_product(d, n, hidden, hidden, factor, matrix(g->h, hidden), matrix(g->w_gram, hidden), -factor,
                                 false, d_h));
  CYF_TRY(cyf_cuda_plain_product(d, genes, hidden, hidden, factor, matrix(g->w, hidden), matrix(g->h_gram, hidden), 1.0,
                                 false, d_w));
  const add_outer to_h = {hidden, factor, NULL, g->w_bias, d_h}, to_w = {hidden, factor, g->bias, g->h_sum, d_w};
  const bias_gradient to_bias = {*g, factor, (double)n, d_bias};
  cyf_launch_each_cell(d, n, hidden, to_h);
  cyf_launch_each_cell(d, genes, hidden, to_w);
  cyf_launch_each_warp(d, genes, to_bias);
  return CYF_OK;
}

cyf_status cyf_cuda_gram_mse(cyf_cuda_device *d, const cyf_csr *target, int64_t hidden, const float *h, const float *w,
                             const float *bias, double scale, double *ret_sum_squared, float *d_h, float *d_w,
                             float *d_bias) {
  gram g = {target, hidden, h, w, bias, NULL, NULL, NULL, NULL, NULL, d_h};
  const double factor = 2.0 * scale;
  if (target->n_cells == 0) {
    void *slot;
    CYF_TRY(cyf_cuda_scalar(d, ret_sum_squared, &slot));
    const cyf_from_doubles nothing = {NULL};
    const cyf_to_double finish = {(double *)slot};
    return cyf_launch_sum(d, 0, nothing, finish);
  }
  CYF_TRY(prepare(d, &g));
  CYF_TRY(target_products(d, &g, factor, d_w, d_bias));
  CYF_TRY(value(d, &g, ret_sum_squared));
  return d_h ? gradients(d, &g, factor, d_h, d_w, d_bias) : CYF_OK;
}
