/* SPDX-License-Identifier: MIT */
/* Squared error of the last layer against a sparse target: by Gram matrices, whose cost does not grow with cells x
 * genes, or densely by blocks of genes. The first way never forms the output Y. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_gene_dense.h"
#include "kernels/cpu/cpu_kernels.h"

/* ---- dense ---- */

/* Replaces Y by 2 (Y - X) and returns the sum of (Y - X)^2. */
static double mse_row(const void *context, const cyf_cpu_block_row *row, float *y, float *gene_gradient) {
  (void)context;
  (void)gene_gradient;
  for (int64_t k = 0; k < row->n_entries; ++k) y[row->genes[k] - row->first_gene] -= row->values[k];
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < row->n_genes; ++j) {
    sum += (double)y[j] * (double)y[j];
    y[j] *= 2.0f;
  }
  return sum;
}

/* ---- Gram ---- */

/* With Y = h W' + 1 b', s = the column sums of h and X the target:
 *   sum (Y - X)^2 = <h'h, W'W> + 2 s.(W'b) + n b.b - 2 (sum_i h_i.(X W)_i + sum X b) + sum X^2
 *   d_h = 2 (h W'W + 1 (W'b)' - X W),  d_W = 2 (W h'h + b s' - X'h),  d_b = 2 (W s + n b - column sums of X). */
typedef struct gram {
  const cyf_device *device;
  const cyf_csr *x;
  int64_t hidden;
  const float *h, *w, *bias;
  float *h_gram, *w_gram; /* [hidden, hidden] */
  double *h_sum;          /* [hidden] s */
  double *w_bias;         /* [hidden] W'b */
  double bias_square;     /* b.b */
  float *xw;              /* [cells, hidden] X W; the caller's d_h where there is one */
  double *cell_sum;       /* [cells] */
} gram;

/* sums[hidden] = sum over rows of weight[row] * a[row, :] (weight NULL: 1), in double; rows are cut into chunks by
 * their number alone. */
static cyf_status weighted_row_sum(const cyf_device *device, int64_t rows, int64_t hidden, const float *a,
                                   const float *weight, double *sums) {
  enum { CHUNKS = 64 };
  double *partial = NULL;
  CYF_TRY(CYF_NEW(&partial, CHUNKS * hidden));
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, rows *hidden))
  for (int64_t chunk = 0; chunk < CHUNKS; ++chunk) {
    double *to = partial + chunk * hidden;
    for (int64_t i = chunk * rows / CHUNKS; i < (chunk + 1) * rows / CHUNKS; ++i) {
      const double factor = weight ? weight[i] : 1.0;
      const float *row = a + i * hidden;
#pragma omp simd
      for (int64_t j = 0; j < hidden; ++j) to[j] += factor * (double)row[j];
    }
  }
  memset(sums, 0, (size_t)hidden * sizeof *sums);
  for (int64_t chunk = 0; chunk < CHUNKS; ++chunk) {
    for (int64_t j = 0; j < hidden; ++j) sums[j] += partial[chunk * hidden + j];
  }
  cyf_free(partial);
  return CYF_OK;
}

static double dot(int64_t n, const float *a, const float *b) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; ++j) sum += (double)a[j] * (double)b[j];
  return sum;
}

/* Sum over cells of X^2 - 2 X b - 2 h.(X W). */
static double target_terms(gram *g) {
  const cyf_csr *x = g->x;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(g->device, x->n_cells * g->hidden))
  for (int64_t i = 0; i < x->n_cells; ++i) {
    double sum = 0.0;
    for (int64_t k = x->indptr[i]; k < x->indptr[i + 1]; ++k) {
      const double value = x->values[k];
      sum += value * (value - 2.0 * g->bias[x->indices[k]]);
    }
    g->cell_sum[i] = sum - 2.0 * dot(g->hidden, g->h + i * g->hidden, g->xw + i * g->hidden);
  }
  double total = 0.0;
  for (int64_t i = 0; i < x->n_cells; ++i) total += g->cell_sum[i];
  return total;
}

/* The whole sum; *ret_output_square is the sum of Y^2 alone. */
static double gram_value(gram *g, double *ret_output_square) {
  const int64_t hidden = g->hidden;
  double square = (double)g->x->n_cells * g->bias_square;
  for (int64_t i = 0; i < hidden; ++i) {
    square += dot(hidden, g->h_gram + i * hidden, g->w_gram + i * hidden) + 2.0 * g->h_sum[i] * g->w_bias[i];
  }
  *ret_output_square = square;
  return square + target_terms(g);
}

/* Whether the error of float32 gradients by Gram matrices stays within 1e-4 of the largest gradient. These gradients
 * are differences of large terms. W h'h sums n_cells terms of the same sign, while the difference sums n_cells
 * residuals of random sign. So the relative error grows as sqrt(n_cells * Y^2 / residual^2). The factor was measured in
 * the worst case, a target that is the output plus white noise, with 512 to 1,024 cells and 8,000 to 12,000 genes. The
 * loss itself is a double sum and stays exact far beyond. */
static bool gradients_are_precise(const gram *g, double residual_square, double output_square) {
  const double error_factor = 5e-7, error_allowed = 1e-4;
  const double limit = error_allowed / error_factor;
  return (double)g->x->n_cells * output_square <= limit * limit * residual_square;
}

static cyf_status gram_prepare(gram *g) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden;
  cyf_cpu_gram(g->device, n, hidden, g->h, g->h_gram);
  cyf_cpu_gram(g->device, genes, hidden, g->w, g->w_gram);
  CYF_TRY(weighted_row_sum(g->device, n, hidden, g->h, NULL, g->h_sum));
  CYF_TRY(weighted_row_sum(g->device, genes, hidden, g->w, g->bias, g->w_bias));
  g->bias_square = dot(genes, g->bias, g->bias);
  cyf_cpu_fill_rows(g->device, n, hidden, NULL, g->xw);
  return cyf_cpu_sparse_product(g->device, g->x, hidden, g->w, g->xw);
}

/* d_h holds X W on entry. */
static void gram_input_gradient(const gram *g, double scale, float *d_h) {
  const int64_t n = g->x->n_cells, hidden = g->hidden;
  const float factor = (float)(2.0 * scale);
  cyf_cpu_gemm_nn(g->device, n, hidden, hidden, factor, g->h, g->w_gram, -factor, d_h);
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(g->device, n *hidden))
  for (int64_t i = 0; i < n; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < hidden; ++j) d_h[i * hidden + j] += factor * (float)g->w_bias[j];
  }
}

static cyf_status gram_weight_gradient(const gram *g, double scale, float *d_w, float *d_bias) {
  const int64_t n = g->x->n_cells, genes = g->x->n_genes, hidden = g->hidden;
  const double factor = 2.0 * scale;
  cyf_cpu_gemm_nn(g->device, genes, hidden, hidden, (float)factor, g->w, g->h_gram, 1.0f, d_w);
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(g->device, genes *hidden))
  for (int64_t gene = 0; gene < genes; ++gene) {
    const float *row = g->w + gene * hidden, weight = (float)(factor * g->bias[gene]);
    float *d_row = d_w + gene * hidden;
    double product = 0.0;
#pragma omp simd reduction(+ : product)
    for (int64_t j = 0; j < hidden; ++j) {
      product += (double)row[j] * g->h_sum[j];
      d_row[j] += weight * (float)g->h_sum[j];
    }
    d_bias[gene] += (float)(factor * (product + (double)n * g->bias[gene]));
  }
  return cyf_cpu_sparse_transposed_product(g->device, g->x, hidden, -factor, g->h, d_w, d_bias);
}

/* With ret_precise not NULL, gradients that would be too inexact are not computed and *ret_precise is false. */
static cyf_status mse_gram(const cyf_device *d, const cyf_csr *target, int64_t hidden, const float *h, const float *w,
                           const float *bias, double scale, double *ret_sum_squared, float *d_h, float *d_w,
                           float *d_bias, bool *ret_precise) {
  gram g = {.device = d, .x = target, .hidden = hidden, .h = h, .w = w, .bias = bias, .xw = d_h};
  float *own_xw = NULL;
  double output_square;
  bool wanted = d_h != NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&g.h_gram, hidden * hidden));
  CYF_TRY_CLEANUP(CYF_NEW(&g.w_gram, hidden * hidden));
  CYF_TRY_CLEANUP(CYF_NEW(&g.h_sum, hidden));
  CYF_TRY_CLEANUP(CYF_NEW(&g.w_bias, hidden));
  CYF_TRY_CLEANUP(CYF_NEW(&g.cell_sum, target->n_cells));
  if (!d_h) {
    CYF_TRY_CLEANUP(CYF_NEW(&own_xw, target->n_cells * hidden));
    g.xw = own_xw;
  }
  CYF_TRY_CLEANUP(gram_prepare(&g));
  *ret_sum_squared = gram_value(&g, &output_square);
  if (wanted && ret_precise) wanted = *ret_precise = gradients_are_precise(&g, *ret_sum_squared, output_square);
  if (wanted) {
    gram_input_gradient(&g, scale, d_h);
    CYF_TRY_CLEANUP(gram_weight_gradient(&g, scale, d_w, d_bias));
  }
cleanup:
  cyf_free(g.h_gram);
  cyf_free(g.w_gram);
  cyf_free(g.h_sum);
  cyf_free(g.w_bias);
  cyf_free(g.cell_sum);
  cyf_free(own_xw);
  return status;
}

/* ---- the choice ---- */

/* Times in units of one multiply-add of a large matrix product; the other constants are measured
 * (benchmarks/bench_ops.c). */
static bool gram_is_cheaper(const cyf_csr *x, int64_t hidden, bool gradients) {
  const double sparse_cost = 3.5; /* of one multiply-add of the sparse products */
  const double element_cost = 60; /* of one element of Y: bias, target, square, column sum */
  const double n = (double)x->n_cells, genes = (double)x->n_genes, k = (double)hidden;
  const double nnz = (double)(x->indptr[x->n_cells] - x->indptr[0]);
  const double dense_cost = n * genes * (k * (gradients ? 3.0 : 1.0) + element_cost);
  const double gram_cost = 0.5 * (genes + n) * k * k + (gradients ? (genes + n) * k * k : 0.0) +
                           nnz * k * sparse_cost * (gradients ? 2.0 : 1.0) + genes * k * (gradients ? 60.0 : 20.0);
  return gram_cost < dense_cost;
}

cyf_status cyf_cpu_gene_mse(cyf_device *d, cyf_gene_mode mode, const cyf_csr *target, int64_t hidden, const float *h,
                            const float *w, const float *bias, double scale, double *ret_sum_squared, float *d_h,
                            float *d_w, float *d_bias) {
  const bool gradients = d_h || d_w || d_bias, all = d_h && d_w && d_bias;
  *ret_sum_squared = 0.0;
  if (target->n_cells == 0) return CYF_OK;
  if (gradients == all && mode == CYF_GENE_GRAM) {
    return mse_gram(d, target, hidden, h, w, bias, scale, ret_sum_squared, d_h, d_w, d_bias, NULL);
  }
  if (gradients == all && mode == CYF_GENE_AUTO && gram_is_cheaper(target, hidden, gradients)) {
    bool precise = true;
    CYF_TRY(mse_gram(d, target, hidden, h, w, bias, scale, ret_sum_squared, d_h, d_w, d_bias, &precise));
    if (precise) return CYF_OK;
  }
  /* Where only some of the gradients are wanted, which is rare, the dense way does. */
  const cyf_cpu_gene_loss loss = {.target = target,
                                  .hidden = hidden,
                                  .h = h,
                                  .w = w,
                                  .bias = bias,
                                  .row_loss = mse_row,
                                  .scale = scale,
                                  .d_h = d_h,
                                  .d_w = d_w,
                                  .d_bias = d_bias};
  return cyf_cpu_gene_loss_blocked(d, &loss, ret_sum_squared);
}
