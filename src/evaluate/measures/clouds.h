/* SPDX-License-Identifier: MIT */
/** @file
 * Measures of two clouds of points, by the distances between all of them. Points are [n_a + n_b, n_dims] row-major; the
 * first n_a are A (real), the others B (synthetic). Not collective; the same for any number of threads. */
#ifndef CYF_EVALUATE_MEASURES_CLOUDS_H
#define CYF_EVALUATE_MEASURES_CLOUDS_H

#include <stdint.h>

#include "base/status.h"

/** What is measured. NAN where a cloud has too few points. */
typedef struct cyf_clouds {
  /** 2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs, a point with itself included (Szekely & Rizzo 2013, the
   * V-statistic): 0 where both are the same. */
  double energy;
  /** Share of points whose nearest other point is of their own cloud (Lopez-Paz & Oquab 2017): 0.5 where both are
   * alike and equally large, 1 where they lie apart. Equally near ones count by halves. */
  double nearest_accuracy;
  /** The share of B within the neighbourhood of a point of A, and that of A the other way round. A neighbourhood is the
   * open ball to a point's third nearest of its cloud (Kynkaanniemi et al. 2019, k = 3). */
  double precision, recall;
} cyf_clouds;

/** Measures them in O(n^2 n_dims). Errors: CYF_ERR_MEMORY. */
cyf_status cyf_clouds_compare(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, cyf_clouds *ret_clouds);

/** Compares two samples of one number: *ret_wasserstein is the area between their distribution functions (the
 * 1-Wasserstein distance), *ret_ks their largest difference (Kolmogorov-Smirnov). Sorts both in place. NAN without
 * numbers. */
void cyf_samples_compare(int64_t n_a, double *a, int64_t n_b, double *b, double *ret_wasserstein, double *ret_ks);

#endif
