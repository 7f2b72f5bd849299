/* SPDX-License-Identifier: MIT */
/* Ranks, correlations and the area under the ROC curve. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluate/measures/metrics.h"

typedef struct placed_value {
  double value;
  int64_t place;
} placed_value;

static int compare_placed(const void *a, const void *b) {
  const placed_value *x = a, *y = b;
  if (x->value != y->value) return x->value < y->value ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

cyf_status cyf_average_ranks(int64_t n, const double *values, double *ranks) {
  placed_value *sorted = NULL;
  CYF_TRY(CYF_NEW(&sorted, n));
  for (int64_t i = 0; i < n; i++) sorted[i] = (placed_value){values[i], i};
  qsort(sorted, (size_t)n, sizeof(placed_value), compare_placed);
  for (int64_t first = 0, last; first < n; first = last) {
    for (last = first + 1; last < n && sorted[last].value == sorted[first].value;) last++;
    double rank = 0.5 * (double)(first + 1 + last); /* the mean of first + 1 .. last */
    for (int64_t i = first; i < last; i++) ranks[sorted[i].place] = rank;
  }
  cyf_free(sorted);
  return CYF_OK;
}

double cyf_pearson(int64_t n, const double *x, const double *y) {
  if (n < 2) return NAN;
  double mean_x = 0.0, mean_y = 0.0;
  bool x_varies = false, y_varies = false; /* asked exactly: the squares of a constant are its mean's rounding, not 0 */
  for (int64_t i = 0; i < n; i++) {
    mean_x += x[i];
    mean_y += y[i];
    x_varies = x_varies || x[i] != x[0];
    y_varies = y_varies || y[i] != y[0];
  }
  if (!x_varies || !y_varies || !isfinite(mean_x) || !isfinite(mean_y)) return NAN;
  mean_x /= (double)n;
  mean_y /= (double)n;
  double xx = 0.0, yy = 0.0, xy = 0.0;
  for (int64_t i = 0; i < n; i++) {
    double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return fmax(-1.0, fmin(1.0, xy / (sqrt(xx) * sqrt(yy))));
}

cyf_status cyf_spearman(int64_t n, const double *x, const double *y, double *ret_correlation) {
  cyf_status status = CYF_OK;
  double *rank_x = NULL, *rank_y = NULL;
  *ret_correlation = NAN;
  for (int64_t i = 0; i < n; i++) {
    if (isnan(x[i]) || isnan(y[i])) return CYF_OK; /* NAN has no rank */
  }
  CYF_TRY_CLEANUP(CYF_NEW(&rank_x, n));
  CYF_TRY_CLEANUP(CYF_NEW(&rank_y, n));
  CYF_TRY_CLEANUP(cyf_average_ranks(n, x, rank_x));
  CYF_TRY_CLEANUP(cyf_average_ranks(n, y, rank_y));
  *ret_correlation = cyf_pearson(n, rank_x, rank_y);
cleanup:
  cyf_free(rank_x);
  cyf_free(rank_y);
  return status;
}

cyf_status cyf_auc(int64_t n, const double *score, const uint8_t *label, double *ret_auc) {
  *ret_auc = NAN;
  double *rank = NULL;
  CYF_TRY(CYF_NEW(&rank, n));
  cyf_status status = cyf_average_ranks(n, score, rank);
  if (status == CYF_OK) {
    double rank_sum = 0.0, n_one = 0.0;
    for (int64_t i = 0; i < n; i++) {
      if (!label[i]) continue;
      rank_sum += rank[i];
      n_one += 1.0;
    }
    double n_zero = (double)n - n_one;
    if (n_one > 0 && n_zero > 0) *ret_auc = (rank_sum - 0.5 * n_one * (n_one + 1.0)) / (n_one * n_zero);
  }
  cyf_free(rank);
  return status;
}
