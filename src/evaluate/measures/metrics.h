/* SPDX-License-Identifier: MIT */
/** @file
 * The measures, each on plain arrays: points are [n, n_dims] row-major in double precision (scores on principal
 * components). In joint sets the first n_a points are A (real), the others B (synthetic). None is collective. */
#ifndef CYF_EVALUATE_MEASURES_METRICS_H
#define CYF_EVALUATE_MEASURES_METRICS_H

#include <stdint.h>

#include "base/status.h"

/* ---- correlation.c ---- */

/** Ranks 1..n, ties share the mean of theirs. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_average_ranks(int64_t n, const double *values, double *ranks);
/** Pearson's correlation; NAN for n < 2 or where either is constant or not finite. */
double cyf_pearson(int64_t n, const double *x, const double *y);
/** Spearman's: Pearson's of the average ranks. */
cyf_status cyf_spearman(int64_t n, const double *x, const double *y, double *ret_correlation);
/** Area under the ROC curve of `score` for label 1 against label 0, ties counted half (Mann-Whitney); NAN where a class
 * has no member. */
cyf_status cyf_auc(int64_t n, const double *score, const uint8_t *label, double *ret_auc);

/* ---- mmd.c ---- */

/** Squared maximum mean discrepancy, biased estimator (Gretton et al. 2012, eq. 5): mean K_AA + mean K_BB - 2 mean
 * K_AB. K is a sum of five Gaussian kernels exp(-d2 / b) of the squared distance d2. Their bandwidths b are mean d2 / 4
 * times 1, 2, 4, 8 and 16, where the mean is taken over the ordered pairs i != j of the joint set. 0 where all points
 * are equal. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_mmd(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double *ret_mmd);

/* ---- lisi.c ---- */

/** Local inverse Simpson's index (Korsunsky et al. 2019) of each point for the grouping A/B. As in the authors' code,
 * its neighbours are the 3 x perplexity nearest points, where the point itself is counted and then left out. Their
 * weights are exp(-beta d), with beta such that the weights' entropy is log(perplexity). Where there are fewer points,
 * all are neighbours and the perplexity is a third of their number (at least 1). lisi [n_a + n_b], in [1, 2]; NAN for a
 * single point. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_lisi(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double perplexity, double *lisi);

/* ---- forest.c ---- */

/** The shape of a random forest. */
typedef struct cyf_forest_options {
  int64_t n_trees;
  int64_t depth;            /**< 1 to 10 */
  int64_t n_features_tried; /**< at each split; 0: the square root of n_dims, rounded down, at least 1 */
  uint64_t seed;
} cyf_forest_options;

/** Random forest (Breiman 2001) for two classes: CART trees with Gini impurity on bootstrap samples. A new point's
 * probability is the mean, over trees, of the share of label 1 in its leaf. Trains on points [n, n_dims] with label
 * 0/1, fills probability [n_new]. The same for any number of threads. Errors: CYF_ERR_USAGE (options out of range),
 * CYF_ERR_MEMORY. */
cyf_status cyf_forest_predict(int64_t n, int64_t n_dims, const double *points, const uint8_t *label, int64_t n_new,
                              const double *new_points, const cyf_forest_options *options, double *probability);

/** AUC of a forest that tells B from A. test_fraction of A and of B (rounded, chosen by seed) are tested, the others
 * train. NAN where A or B has fewer than 4 points. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_forest_auc(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double test_fraction,
                          const cyf_forest_options *options, double *ret_auc);

/* ---- nearest.c ---- */

/** distances [n, 2]: Euclidean, from each of n points to its nearest and second nearest of n_base others (INFINITY
 * where there are fewer). */
void cyf_nearest_two(int64_t n, int64_t n_base, int64_t n_dims, const double *points, const double *base,
                     double *distances);

/* ---- logistic.c ---- */

/** Multinomial logistic regression on standardised inputs. */
typedef struct cyf_logistic {
  int64_t n_classes, n_dims;
  double *mean, *scale; /**< [n_dims] standardisation; scale 1 where an input is constant */
  double *weights;      /**< [n_classes, n_dims], then the intercepts [n_classes] */
  double *intercepts;   /**< points into weights */
  int64_t n_iterations;
} cyf_logistic;

/** Minimises sum of log-losses + l2/2 |weights|^2 (intercepts are not penalised) by L-BFGS. It stops when the largest
 * gradient entry is below 1e-8 times the number of points, or nothing improves. class_code in [0, n_classes). Freed
 * with cyf_logistic_destroy; empty after an error. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_logistic_fit(int64_t n, int64_t n_dims, const double *points, int64_t n_classes,
                            const int32_t *class_code, double l2, cyf_logistic *ret_model);
/** The most probable class of each of n points: class_code [n]. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_logistic_predict(const cyf_logistic *model, int64_t n, const double *points, int32_t *class_code);
/** Frees what the model holds and zeroes the struct. NULL-safe. */
void cyf_logistic_destroy(cyf_logistic *model);

/* ---- lbfgs.c ---- */

/** value and gradient [n] of the function at x [n]. */
typedef void (*cyf_objective)(void *context, const double *x, double *ret_value, double *gradient);
/** Minimises a smooth convex function by L-BFGS, in place from x [n] (Nocedal & Wright, Numerical Optimization,
 * algorithm 7.5, with ten pairs and a line search for the weak Wolfe conditions). Stops when the largest gradient entry
 * is at most `tolerance`, after max_iterations, or when the line search finds no lower point. Errors: CYF_ERR_MEMORY.
 */
cyf_status cyf_lbfgs_minimize(cyf_objective objective, void *context, int64_t n, double *x, double tolerance,
                              int64_t max_iterations, int64_t *ret_iterations);

#endif
