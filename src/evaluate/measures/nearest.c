/* SPDX-License-Identifier: MIT */
/* Nearest neighbours across sets, and what they say of memorisation. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluate/compared.h"
#include "evaluate/measures/metrics.h"
#include "evaluate/measures/points.h"

/* A cell whose nearest training cell lies under this share of the distance to the second nearest counts as a copy. */
#define COPY_SHARE (1.0 / 3.0)

void cyf_nearest_two(int64_t n, int64_t n_base, int64_t n_dims, const double *points, const double *base,
                     double *distances) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) {
    double first = INFINITY, second = INFINITY;
    for (int64_t j = 0; j < n_base; j++) {
      double d2 = cyf_squared_distance(n_dims, points + i * n_dims, base + j * n_dims);
      if (d2 < first) {
        second = first;
        first = d2;
      } else if (d2 < second) {
        second = d2;
      }
    }
    distances[2 * i] = sqrt(first);
    distances[2 * i + 1] = sqrt(second);
  }
}

static int compare_double(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median distance to the nearest, and share of copies, of n points with their two distances (overwritten). */
static void sum_up(int64_t n, double *distances, double *ret_median, double *ret_copied) {
  int64_t n_copied = 0;
  for (int64_t i = 0; i < n; i++) {
    double first = distances[2 * i], second = distances[2 * i + 1];
    n_copied += first < COPY_SHARE * second;
    distances[i] = first;
  }
  qsort(distances, (size_t)n, sizeof(double), compare_double);
  *ret_median = 0.5 * (distances[(n - 1) / 2] + distances[n / 2]);
  *ret_copied = (double)n_copied / (double)n;
}

static cyf_status measure(int64_t n, int64_t n_train, int64_t n_dims, const double *points, const double *train,
                          double *ret_median, double *ret_copied) {
  double *distances = NULL;
  CYF_TRY(CYF_NEW(&distances, 2 * n));
  cyf_nearest_two(n, n_train, n_dims, points, train, distances);
  sum_up(n, distances, ret_median, ret_copied);
  cyf_free(distances);
  return CYF_OK;
}

cyf_status cyf_compare_nearest(const cyf_compared *c, const cyf_train_space *space, cyf_evaluation *e) {
  cyf_memorisation *m = &e->memorisation;
  if (!e->has_train || c->train.rows.n_cells < 2 || space->n_components == 0) return CYF_OK;
  int64_t n_train = c->train.rows.n_cells;
  CYF_TRY(measure(c->synthetic.rows.n_cells, n_train, space->n_components, space->synthetic, space->train,
                  &m->distance_synthetic, &m->copied.value));
  CYF_TRY(measure(c->real.rows.n_cells, n_train, space->n_components, space->real, space->train, &m->distance_real,
                  &m->copied.ceiling));
  m->available = true;
  m->ratio = (cyf_score){m->distance_real > 0.0 ? m->distance_synthetic / m->distance_real : NAN, 1.0};
  return CYF_OK;
}
