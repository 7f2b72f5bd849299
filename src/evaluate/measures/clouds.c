/* SPDX-License-Identifier: MIT */
#include "evaluate/measures/clouds.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluate/measures/points.h"

enum { NEIGHBOURS = 3 };

/* What one point has of all others. */
typedef struct around {
  double sum_own, sum_other;   /* of distances */
  double near_own, near_other; /* squared distance of the nearest */
  double radius;               /* squared distance of the third nearest of its own cloud */
} around;

/* Puts the squared distance among the NEIGHBOURS least, which ascend. */
static void insert(double d2, double least[NEIGHBOURS]) {
  for (int k = 0; k < NEIGHBOURS; k++) {
    if (d2 >= least[k]) continue;
    const double moved = least[k];
    least[k] = d2;
    d2 = moved;
  }
}

static around look_around(int64_t i, int64_t n_a, int64_t n, int64_t n_dims, const double *points) {
  around a = {.near_other = INFINITY};
  double least[NEIGHBOURS] = {INFINITY, INFINITY, INFINITY};
  for (int64_t j = 0; j < n; j++) {
    if (j == i) continue;
    const double d2 = cyf_squared_distance(n_dims, points + i * n_dims, points + j * n_dims);
    if ((i < n_a) == (j < n_a)) {
      a.sum_own += sqrt(d2);
      insert(d2, least);
    } else {
      a.sum_other += sqrt(d2);
      a.near_other = fmin(a.near_other, d2);
    }
  }
  a.near_own = least[0];
  a.radius = least[NEIGHBOURS - 1];
  return a;
}

/* Whether a point lies within the neighbourhood of one of the other cloud's. */
static bool is_covered(int64_t i, int64_t n_a, int64_t n, int64_t n_dims, const double *points, const around *of) {
  const int64_t first = i < n_a ? n_a : 0, end = i < n_a ? n : n_a;
  for (int64_t j = first; j < end; j++)
    if (cyf_squared_distance(n_dims, points + i * n_dims, points + j * n_dims) < of[j].radius) return true;
  return false;
}

cyf_status cyf_clouds_compare(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, cyf_clouds *ret_clouds) {
  const int64_t n = n_a + n_b;
  around *of = NULL;
  bool *covered = NULL;
  cyf_status status;
  *ret_clouds = (cyf_clouds){NAN, NAN, NAN, NAN};
  if (n_a == 0 || n_b == 0) return CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&of, n));
  CYF_TRY_CLEANUP(CYF_NEW(&covered, n));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) of[i] = look_around(i, n_a, n, n_dims, points);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) covered[i] = is_covered(i, n_a, n, n_dims, points, of);
  double own[2] = {0}, other = 0, right = 0;
  int64_t n_covered[2] = {0};
  for (int64_t i = 0; i < n; i++) {
    const int side = i >= n_a;
    own[side] += of[i].sum_own;
    other += of[i].sum_other;
    n_covered[side] += covered[i];
    right += of[i].near_own < of[i].near_other ? 1 : of[i].near_own > of[i].near_other ? 0 : 0.5;
  }
  const double a = (double)n_a, b = (double)n_b;
  ret_clouds->energy = other / (a * b) - own[0] / (a * a) - own[1] / (b * b);
  ret_clouds->nearest_accuracy = right / (a + b);
  if (n_a > NEIGHBOURS) ret_clouds->precision = (double)n_covered[1] / b;
  if (n_b > NEIGHBOURS) ret_clouds->recall = (double)n_covered[0] / a;
cleanup:
  cyf_free(of);
  cyf_free(covered);
  return status;
}

static int compare_double(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void cyf_samples_compare(int64_t n_a, double *a, int64_t n_b, double *b, double *ret_wasserstein, double *ret_ks) {
  *ret_wasserstein = *ret_ks = NAN;
  if (n_a == 0 || n_b == 0) return;
  qsort(a, (size_t)n_a, sizeof *a, compare_double);
  qsort(b, (size_t)n_b, sizeof *b, compare_double);
  double area = 0, largest = 0, last = fmin(a[0], b[0]), difference = 0;
  for (int64_t i = 0, j = 0; i < n_a || j < n_b;) {
    const double at = i == n_a ? b[j] : j == n_b ? a[i] : fmin(a[i], b[j]);
    area += difference * (at - last);
    while (i < n_a && a[i] == at) i++;
    while (j < n_b && b[j] == at) j++;
    difference = fabs((double)i / (double)n_a - (double)j / (double)n_b);
    largest = fmax(largest, difference);
    last = at;
  }
  *ret_wasserstein = area;
  *ret_ks = largest;
}
