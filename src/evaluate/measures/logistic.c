/* SPDX-License-Identifier: MIT */
/* Multinomial logistic regression. */
#include <cblas.h>
#include <math.h>

#include "base/memory.h"
#include "evaluate/measures/metrics.h"

enum { MAX_ITERATIONS = 2000 };
#define GRADIENT_TOLERANCE 1e-8 /* per point */

/* What the objective needs. */
typedef struct problem {
  int64_t n, n_dims, n_classes;
  const double *points; /* [n, n_dims] standardised */
  const int32_t *class_code;
  double l2;
  double *probability; /* [n, n_classes] */
  double *loss;        /* [n] */
} problem;

/* probability [n, n_classes] = points weights' + intercepts. */
static void linear_scores(int64_t n, int64_t n_dims, int64_t n_classes, const double *points, const double *weights,
                          double *scores) {
  const double *intercepts = weights + n_classes * n_dims;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t c = 0; c < n_classes; c++) scores[i * n_classes + c] = intercepts[c];
  }
  if (n_dims == 0) return;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n_classes, (int)n_dims, 1.0, points, (int)n_dims,
              weights, (int)n_dims, 1.0, scores, (int)n_classes);
}

/* Scores of one point to softmax; returns log of the sum of exponentials. */
static double softmax(int64_t n_classes, double *scores) {
  double largest = scores[0], sum = 0.0;
  for (int64_t c = 1; c < n_classes; c++) largest = fmax(largest, scores[c]);
  for (int64_t c = 0; c < n_classes; c++) {
    scores[c] = exp(scores[c] - largest);
    sum += scores[c];
  }
  for (int64_t c = 0; c < n_classes; c++) scores[c] /= sum;
  return largest + log(sum);
}

static void objective(void *context, const double *x, double *ret_value, double *gradient) {
  problem *p = context;
  int64_t n_classes = p->n_classes, n_weights = n_classes * p->n_dims;
  linear_scores(p->n, p->n_dims, n_classes, p->points, x, p->probability);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < p->n; i++) {
    double *row = p->probability + i * n_classes;
    double own = row[p->class_code[i]];
    p->loss[i] = softmax(n_classes, row) - own;
    row[p->class_code[i]] -= 1.0;
  }
  double value = 0.0, squares = 0.0;
  for (int64_t i = 0; i < p->n; i++) value += p->loss[i];
  for (int64_t k = 0; k < n_weights; k++) {
    squares += x[k] * x[k];
    gradient[k] = p->l2 * x[k];
  }
  for (int64_t c = 0; c < n_classes; c++) gradient[n_weights + c] = 0.0;
  for (int64_t i = 0; i < p->n; i++) {
    for (int64_t c = 0; c < n_classes; c++) gradient[n_weights + c] += p->probability[i * n_classes + c];
  }
  if (p->n_dims > 0) {
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)n_classes, (int)p->n_dims, (int)p->n, 1.0, p->probability,
                (int)n_classes, p->points, (int)p->n_dims, 1.0, gradient, (int)p->n_dims);
  }
  *ret_value = value + 0.5 * p->l2 * squares;
}

/* Mean and standard deviation (divisor n) of each input. */
static void measure_inputs(int64_t n, int64_t n_dims, const double *points, double *mean, double *scale) {
  for (int64_t k = 0; k < n_dims; k++) {
    double sum = 0.0, squares = 0.0, largest = 0.0;
    for (int64_t i = 0; i < n; i++) sum += points[i * n_dims + k];
    mean[k] = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
      double difference = points[i * n_dims + k] - mean[k];
      squares += difference * difference;
      largest = fmax(largest, fabs(points[i * n_dims + k]));
    }
    double deviation = sqrt(squares / (double)n);
    scale[k] = deviation > 1e-12 * largest ? deviation : 1.0;
  }
}

static void standardise(const cyf_logistic *model, int64_t n, const double *points, double *ret_points) {
  for (int64_t i = 0; i < n; i++) {
    for (int64_t k = 0; k < model->n_dims; k++) {
      int64_t at = i * model->n_dims + k;
      ret_points[at] = (points[at] - model->mean[k]) / model->scale[k];
    }
  }
}

cyf_status cyf_logistic_fit(int64_t n, int64_t n_dims, const double *points, int64_t n_classes,
                            const int32_t *class_code, double l2, cyf_logistic *ret_model) {
  cyf_status status = CYF_OK;
  int64_t n_parameters = n_classes * (n_dims + 1);
  double *standard = NULL;
  problem p = {.n = n, .n_dims = n_dims, .n_classes = n_classes, .class_code = class_code, .l2 = l2};
  *ret_model = (cyf_logistic){.n_classes = n_classes, .n_dims = n_dims};
  CYF_TRY_CLEANUP(CYF_NEW(&ret_model->mean, n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_model->scale, n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_model->weights, n_parameters));
  ret_model->intercepts = ret_model->weights + n_classes * n_dims;
  CYF_TRY_CLEANUP(CYF_NEW(&standard, n * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&p.probability, n * n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&p.loss, n));
  measure_inputs(n, n_dims, points, ret_model->mean, ret_model->scale);
  standardise(ret_model, n, points, standard);
  p.points = standard;
  CYF_TRY_CLEANUP(cyf_lbfgs_minimize(objective, &p, n_parameters, ret_model->weights, GRADIENT_TOLERANCE * (double)n,
                                     MAX_ITERATIONS, &ret_model->n_iterations));
cleanup:
  cyf_free(standard);
  cyf_free(p.probability);
  cyf_free(p.loss);
  if (status != CYF_OK) cyf_logistic_destroy(ret_model);
  return status;
}

cyf_status cyf_logistic_predict(const cyf_logistic *model, int64_t n, const double *points, int32_t *class_code) {
  cyf_status status = CYF_OK;
  double *standard = NULL, *scores = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&standard, n * model->n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&scores, n * model->n_classes));
  standardise(model, n, points, standard);
  linear_scores(n, model->n_dims, model->n_classes, standard, model->weights, scores);
  for (int64_t i = 0; i < n; i++) {
    class_code[i] = 0;
    for (int64_t c = 1; c < model->n_classes; c++) {
      if (scores[i * model->n_classes + c] > scores[i * model->n_classes + class_code[i]]) class_code[i] = (int32_t)c;
    }
  }
cleanup:
  cyf_free(standard);
  cyf_free(scores);
  return status;
}

void cyf_logistic_destroy(cyf_logistic *model) {
  if (!model) return;
  cyf_free(model->mean);
  cyf_free(model->scale);
  cyf_free(model->weights);
  *model = (cyf_logistic){0};
}
