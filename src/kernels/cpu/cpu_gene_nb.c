/* SPDX-License-Identifier: MIT */
/* The negative-binomial likelihood of raw counts on the last layer's output. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_gene_dense.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/negative_binomial.h"

typedef struct nb_context {
  const float *size;  /* [cells] */
  const float *theta; /* [genes] */
} nb_context;

/* Genes are taken this many at a time: first all as if their counts were zero, then those with positive counts. The
 * second pass needs the Y that the first one replaces, and keeps a copy of so many. */
enum { STRIP = 256 };

static double zero_counts(int64_t n_genes, float size, const float *theta, const float *log_mu, float *d_log_mu,
                          float *d_log_theta) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n_genes; ++j) {
    float nll;
    cyf_nb_zero(size * cyf_expf(log_mu[j]), theta[j], &nll, &d_log_mu[j], &d_log_theta[j]);
    sum += (double)nll;
  }
  return sum;
}

/* Adds the terms of the positive counts of genes [first, first + n_genes), numbered from the block's first, from entry
 * *k on. */
static double positive_counts(const cyf_cpu_block_row *row, int64_t first, int64_t n_genes, double size,
                              const float *theta, const float *log_mu, float *d_log_mu, float *d_log_theta,
                              int64_t *k) {
  double sum = 0.0;
  for (; *k < row->n_entries && row->genes[*k] < row->first_gene + first + n_genes; ++*k) {
    const int64_t j = row->genes[*k] - row->first_gene - first;
    const double count = row->values[*k];
    double nll, by_log_mu, by_log_theta;
    if (count == 0.0) continue; /* a stored zero */
    cyf_nb_positive(count, size * exp((double)log_mu[j]), theta[j], &nll, &by_log_mu, &by_log_theta);
    sum += nll;
    d_log_mu[j] += (float)by_log_mu;
    d_log_theta[j] += (float)by_log_theta;
  }
  return sum;
}

static double nb_row(const void *context, const cyf_cpu_block_row *row, float *y, float *gene_gradient) {
  const nb_context *nb = context;
  const float size = nb->size[row->cell];
  float log_mu[STRIP], unwanted[STRIP];
  double sum = 0.0;
  int64_t k = 0;
  for (int64_t first = 0; first < row->n_genes; first += STRIP) {
    const int64_t width = cyf_cpu_min(STRIP, row->n_genes - first);
    const float *theta = nb->theta + row->first_gene + first;
    float *d_log_theta = gene_gradient ? gene_gradient + first : unwanted;
    memcpy(log_mu, y + first, (size_t)width * sizeof *log_mu);
    sum += zero_counts(width, size, theta, log_mu, y + first, d_log_theta);
    sum += positive_counts(row, first, width, size, theta, log_mu, y + first, d_log_theta, &k);
  }
  return sum;
}

cyf_status cyf_cpu_gene_nb(cyf_device *d, const cyf_csr *counts, const float *size, int64_t hidden, const float *h,
                           const float *w, const float *bias, const float *log_theta, double scale, double *ret_sum_nll,
                           float *d_h, float *d_w, float *d_bias, float *d_log_theta) {
  float *theta = NULL;
  CYF_TRY(CYF_NEW(&theta, counts->n_genes));
  for (int64_t g = 0; g < counts->n_genes; ++g) theta[g] = expf(log_theta[g]);
  const nb_context context = {.size = size, .theta = theta};
  const cyf_cpu_gene_loss loss = {.target = counts,
                                  .hidden = hidden,
                                  .h = h,
                                  .w = w,
                                  .bias = bias,
                                  .row_loss = nb_row,
                                  .context = &context,
                                  .scale = scale,
                                  .d_h = d_h,
                                  .d_w = d_w,
                                  .d_bias = d_bias,
                                  .d_gene = d_log_theta};
  const cyf_status status = cyf_cpu_gene_loss_blocked(d, &loss, ret_sum_nll);
  cyf_free(theta);
  return status;
}
