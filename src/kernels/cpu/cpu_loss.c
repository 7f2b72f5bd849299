/* SPDX-License-Identifier: MIT */
/* Losses and sums of squares: double totals over chunks that depend on the size alone. */
#include <math.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"

static double total_of(int64_t n, const double *values) {
  double total = 0.0;
  for (int64_t k = 0; k < n; ++k) total += values[k];
  return total;
}

cyf_status cyf_cpu_squared_error(cyf_device *d, int64_t count, const float *prediction, const float *target,
                                 double scale, double *ret_sum, float *d_prediction) {
  const int64_t chunk_size = cyf_cpu_chunk_size(count);
  const float factor = (float)(2.0 * scale);
  double sums[CYF_CPU_SUM_CHUNKS] = {0};
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t first = 0; first < count; first += chunk_size) {
    const int64_t last = cyf_cpu_min(count, first + chunk_size);
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = first; k < last; ++k) {
      const double difference = (double)prediction[k] - (double)target[k];
      sum += difference * difference;
    }
    sums[first / chunk_size] = sum;
    if (!d_prediction) continue;
#pragma omp simd
    for (int64_t k = first; k < last; ++k) d_prediction[k] = factor * (prediction[k] - target[k]);
  }
  *ret_sum = total_of(CYF_CPU_SUM_CHUNKS, sums);
  return CYF_OK;
}

cyf_status cyf_cpu_square_sum(cyf_device *d, int64_t count, const float *x, double *square_sum) {
  const int64_t chunk_size = cyf_cpu_chunk_size(count);
  double sums[CYF_CPU_SUM_CHUNKS] = {0};
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t first = 0; first < count; first += chunk_size) {
    const int64_t last = cyf_cpu_min(count, first + chunk_size);
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = first; k < last; ++k) sum += (double)x[k] * (double)x[k];
    sums[first / chunk_size] = sum;
  }
  *square_sum = total_of(CYF_CPU_SUM_CHUNKS, sums);
  return CYF_OK;
}

/* log sum exp of a row in double, with its largest element taken out; *ret_best is the first index of that element. The
 * product with 0 makes minus infinity NaN, of which the exponential alone would make 0. */
static double log_sum_exp(int64_t classes, const float *logits, int64_t *ret_best) {
  int64_t best = 0;
  for (int64_t j = 1; j < classes; ++j) {
    if (logits[j] > logits[best]) best = j;
  }
  double sum = 0.0;
  for (int64_t j = 0; j < classes; ++j) sum += exp((double)logits[j] - (double)logits[best]) + 0.0 * (double)logits[j];
  *ret_best = best;
  return (double)logits[best] + log(sum);
}

/* One labelled cell: its loss; d_logits (may be NULL) = factor * (p - onehot). */
static double cross_entropy_row(int64_t classes, const float *logits, int32_t label, double factor, float *d_logits,
                                bool *ret_correct) {
  int64_t best;
  const double normalizer = log_sum_exp(classes, logits, &best);
  for (int64_t j = 0; d_logits && j < classes; ++j) {
    d_logits[j] = (float)(factor * (exp((double)logits[j] - normalizer) - (j == label ? 1.0 : 0.0)));
  }
  *ret_correct = best == label;
  return normalizer - (double)logits[label];
}

cyf_status cyf_cpu_cross_entropy(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                 const float *class_weight, double scale, double *ret_sum_loss, double *ret_sum_weight,
                                 int64_t *ret_n_correct, int64_t *ret_n_labelled, float *d_logits) {
  double *losses = NULL; /* one a cell, added in order */
  CYF_TRY(CYF_NEW(&losses, n));
  int64_t n_correct = 0, n_labelled = 0;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 16 * n * classes)) \
    reduction(+ : n_correct, n_labelled)
  for (int64_t i = 0; i < n; ++i) {
    float *gradient = d_logits ? d_logits + i * classes : NULL;
    if (label[i] < 0) {
      for (int64_t j = 0; gradient && j < classes; ++j) gradient[j] = 0.0f;
      continue;
    }
    const double weight = class_weight ? class_weight[label[i]] : 1.0;
    bool correct;
    losses[i] = weight * cross_entropy_row(classes, logits + i * classes, label[i], scale * weight, gradient, &correct);
    n_correct += correct;
    ++n_labelled;
  }
  double sum_weight = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    if (label[i] >= 0) sum_weight += class_weight ? class_weight[label[i]] : 1.0;
  }
  if (ret_sum_loss) *ret_sum_loss = total_of(n, losses);
  if (ret_sum_weight) *ret_sum_weight = sum_weight;
  if (ret_n_correct) *ret_n_correct = n_correct;
  if (ret_n_labelled) *ret_n_labelled = n_labelled;
  cyf_free(losses);
  return CYF_OK;
}

cyf_status cyf_cpu_log_prob_grad(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                 const float *w, float *d_logits) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 16 * n * classes))
  for (int64_t i = 0; i < n; ++i) {
    if (label[i] < 0) continue;
    const float *row = logits + i * classes;
    int64_t best;
    const double normalizer = log_sum_exp(classes, row, &best);
    for (int64_t j = 0; j < classes; ++j) {
      const double onehot = j == label[i] ? 1.0 : 0.0;
      d_logits[i * classes + j] += (float)(w[i] * (onehot - exp((double)row[j] - normalizer)));
    }
  }
  return CYF_OK;
}
