/* SPDX-License-Identifier: MIT */
/* Limited-memory BFGS. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluate/measures/metrics.h"

enum { N_PAIRS = 10, MAX_LINE_STEPS = 60 };
#define ARMIJO 1e-4
#define CURVATURE 0.9

/* The present point, its surroundings and the last pairs (step s, gradient change y). */
typedef struct lbfgs {
  int64_t n;
  double value, new_value;
  double *gradient, *direction, *new_x, *new_gradient; /* [n] */
  double *s, *y;                                       /* [N_PAIRS, n], a ring */
  double inverse_sy[N_PAIRS];
  int64_t n_stored; /* pairs ever stored */
} lbfgs;

static void lbfgs_free(lbfgs *l) {
  cyf_free(l->gradient);
  cyf_free(l->direction);
  cyf_free(l->new_x);
  cyf_free(l->new_gradient);
  cyf_free(l->s);
  cyf_free(l->y);
}

static cyf_status lbfgs_alloc(int64_t n, lbfgs *l) {
  *l = (lbfgs){.n = n};
  CYF_TRY(CYF_NEW(&l->gradient, n));
  CYF_TRY(CYF_NEW(&l->direction, n));
  CYF_TRY(CYF_NEW(&l->new_x, n));
  CYF_TRY(CYF_NEW(&l->new_gradient, n));
  CYF_TRY(CYF_NEW(&l->s, n * N_PAIRS));
  return CYF_NEW(&l->y, n * N_PAIRS);
}

/* direction = -H gradient by the two-loop recursion. */
static void find_direction(lbfgs *l) {
  int n = (int)l->n;
  double alpha[N_PAIRS];
  int64_t oldest = l->n_stored > N_PAIRS ? l->n_stored - N_PAIRS : 0;
  for (int64_t i = 0; i < l->n; i++) l->direction[i] = -l->gradient[i];
  for (int64_t pair = l->n_stored - 1; pair >= oldest; pair--) {
    int64_t slot = pair % N_PAIRS;
    alpha[slot] = l->inverse_sy[slot] * cblas_ddot(n, l->s + slot * l->n, 1, l->direction, 1);
    cblas_daxpy(n, -alpha[slot], l->y + slot * l->n, 1, l->direction, 1);
  }
  if (l->n_stored > 0) {
    int64_t slot = (l->n_stored - 1) % N_PAIRS;
    const double *y = l->y + slot * l->n;
    cblas_dscal(n, 1.0 / (l->inverse_sy[slot] * cblas_ddot(n, y, 1, y, 1)), l->direction, 1);
  } else {
    double norm = cblas_dnrm2(n, l->gradient, 1);
    cblas_dscal(n, norm > 1.0 ? 1.0 / norm : 1.0, l->direction, 1);
  }
  for (int64_t pair = oldest; pair < l->n_stored; pair++) {
    int64_t slot = pair % N_PAIRS;
    double beta = l->inverse_sy[slot] * cblas_ddot(n, l->y + slot * l->n, 1, l->direction, 1);
    cblas_daxpy(n, alpha[slot] - beta, l->s + slot * l->n, 1, l->direction, 1);
  }
}

/* Finds a step that meets the weak Wolfe conditions by bisection and doubling; false when none lowers the value. */
static int line_search(lbfgs *l, cyf_objective objective, void *context, const double *x) {
  int n = (int)l->n;
  double slope = cblas_ddot(n, l->gradient, 1, l->direction, 1);
  double low = 0.0, high = INFINITY, step = 1.0;
  if (!(slope < 0.0)) return 0;
  for (int i = 0; i < MAX_LINE_STEPS; i++) {
    for (int64_t k = 0; k < l->n; k++) l->new_x[k] = x[k] + step * l->direction[k];
    objective(context, l->new_x, &l->new_value, l->new_gradient);
    if (!(l->new_value <= l->value + ARMIJO * step * slope)) {
      high = step;
    } else if (cblas_ddot(n, l->new_gradient, 1, l->direction, 1) < CURVATURE * slope) {
      low = step;
    } else {
      return 1;
    }
    step = isinf(high) ? 2.0 * step : 0.5 * (low + high);
  }
  return l->new_value < l->value;
}

/* Takes the new point over and remembers the pair, unless rounding has spoilt its curvature. */
static void accept(lbfgs *l, double *x) {
  int n = (int)l->n;
  int64_t slot = l->n_stored % N_PAIRS;
  double *s = l->s + slot * l->n, *y = l->y + slot * l->n;
  for (int64_t i = 0; i < l->n; i++) {
    s[i] = l->new_x[i] - x[i];
    y[i] = l->new_gradient[i] - l->gradient[i];
  }
  double sy = cblas_ddot(n, s, 1, y, 1);
  if (sy > 1e-16 * cblas_ddot(n, y, 1, y, 1)) {
    l->inverse_sy[slot] = 1.0 / sy;
    l->n_stored++;
  }
  memcpy(x, l->new_x, (size_t)l->n * sizeof(double));
  memcpy(l->gradient, l->new_gradient, (size_t)l->n * sizeof(double));
  l->value = l->new_value;
}

cyf_status cyf_lbfgs_minimize(cyf_objective objective, void *context, int64_t n, double *x, double tolerance,
                              int64_t max_iterations, int64_t *ret_iterations) {
  lbfgs l;
  *ret_iterations = 0;
  cyf_status status = lbfgs_alloc(n, &l);
  if (status == CYF_OK) {
    objective(context, x, &l.value, l.gradient);
    for (; *ret_iterations < max_iterations; ++*ret_iterations) {
      double largest = 0.0;
      for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(l.gradient[i]));
      if (largest <= tolerance) break;
      find_direction(&l);
      if (!line_search(&l, objective, context, x)) break;
      accept(&l, x);
    }
  }
  lbfgs_free(&l);
  return status;
}
