/* SPDX-License-Identifier: MIT */
#include "evaluate/measures/discriminant.h"

#include <cblas.h>
#include <math.h>

#include "base/memory.h"
#include "evaluate/measures/lapack.h"

/* The part of the covariance that is replaced by its mean variance. */
static const double SHRINKAGE = 0.1;

/* What is known of the classes while it is fitted. */
typedef struct fit {
  int64_t n, n_dims, n_classes;
  const double *points;
  const int32_t *class_code;
  int64_t *n_of;      /* [n_classes] */
  double *mean;       /* [n_classes, n_dims] */
  double *covariance; /* [n_dims, n_dims] */
  double *centred;    /* [n, n_dims] the points that count, less their class's mean */
} fit;

static void find_means(fit *f) {
  for (int64_t i = 0; i < f->n; i++) {
    if (f->class_code[i] < 0) continue;
    f->n_of[f->class_code[i]]++;
    cblas_daxpy((int)f->n_dims, 1, f->points + i * f->n_dims, 1, f->mean + f->class_code[i] * f->n_dims, 1);
  }
  for (int64_t c = 0; c < f->n_classes; c++)
    if (f->n_of[c] > 0) cblas_dscal((int)f->n_dims, 1 / (double)f->n_of[c], f->mean + c * f->n_dims, 1);
}

static void find_covariance(fit *f) {
  int64_t n = 0, n_used = 0;
  for (int64_t i = 0; i < f->n; i++) {
    if (f->class_code[i] < 0) continue;
    double *row = f->centred + n++ * f->n_dims;
    cblas_dcopy((int)f->n_dims, f->points + i * f->n_dims, 1, row, 1);
    cblas_daxpy((int)f->n_dims, -1, f->mean + f->class_code[i] * f->n_dims, 1, row, 1);
  }
  for (int64_t c = 0; c < f->n_classes; c++) n_used += f->n_of[c] > 0;
  const double divisor = n > n_used ? (double)(n - n_used) : 1;
  if (n > 0)
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)f->n_dims, (int)n, (1 - SHRINKAGE) / divisor, f->centred,
                (int)f->n_dims, 0, f->covariance, (int)f->n_dims);
  double trace = 0;
  for (int64_t d = 0; d < f->n_dims; d++) trace += f->covariance[d * f->n_dims + d] / (1 - SHRINKAGE);
  for (int64_t d = 0; d < f->n_dims; d++) f->covariance[d * f->n_dims + d] += SHRINKAGE * trace / (double)f->n_dims;
}

/* weights = means times the inverse of the covariance; intercept = -1/2 mean . weights. */
static cyf_status solve(fit *f, cyf_discriminant *d) {
  const int n_dims = (int)f->n_dims, n_classes = (int)f->n_classes;
  int info = 0;
  cblas_dcopy(n_classes * n_dims, f->mean, 1, d->weights, 1);
  /* The upper triangle of a row-major matrix is the lower one of LAPACK's, and our rows are its columns. */
  if (n_dims > 0) dposv_("L", &n_dims, &n_classes, f->covariance, &n_dims, d->weights, &n_dims, &info, 1);
  if (info != 0) return CYF_FAIL(CYF_ERR_NUMERIC, "the covariance of %lld points has no inverse", (long long)f->n);
  for (int64_t c = 0; c < f->n_classes; c++)
    d->intercepts[c] = f->n_of[c] == 0
                           ? -INFINITY
                           : -0.5 * cblas_ddot(n_dims, f->mean + c * f->n_dims, 1, d->weights + c * f->n_dims, 1);
  return CYF_OK;
}

cyf_status cyf_discriminant_fit(int64_t n, int64_t n_dims, const double *points, int64_t n_classes,
                                const int32_t *class_code, cyf_discriminant *ret_discriminant) {
  cyf_discriminant *d = ret_discriminant;
  fit f = {.n = n, .n_dims = n_dims, .n_classes = n_classes, .points = points, .class_code = class_code};
  cyf_status status;
  *d = (cyf_discriminant){.n_classes = n_classes, .n_dims = n_dims};
  CYF_TRY_CLEANUP(CYF_NEW(&d->weights, n_classes * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&d->intercepts, n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&f.n_of, n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&f.mean, n_classes * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&f.covariance, n_dims * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&f.centred, n * n_dims));
  find_means(&f);
  find_covariance(&f);
  status = solve(&f, d);
cleanup:
  cyf_free(f.n_of);
  cyf_free(f.mean);
  cyf_free(f.covariance);
  cyf_free(f.centred);
  if (status != CYF_OK) cyf_discriminant_destroy(d);
  return status;
}

int32_t cyf_discriminant_class(const cyf_discriminant *d, const double *point) {
  int32_t best = 0;
  double largest = -INFINITY;
  for (int64_t c = 0; c < d->n_classes; c++) {
    const double score = d->intercepts[c] + cblas_ddot((int)d->n_dims, d->weights + c * d->n_dims, 1, point, 1);
    if (score > largest) {
      largest = score;
      best = (int32_t)c;
    }
  }
  return best;
}

void cyf_discriminant_destroy(cyf_discriminant *d) {
  if (d == NULL) return;
  cyf_free(d->weights);
  cyf_free(d->intercepts);
  *d = (cyf_discriminant){0};
}
