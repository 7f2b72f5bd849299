/* SPDX-License-Identifier: MIT */
/** @file
 * Linear discriminant analysis (Fisher 1936; Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 4.3)
 * with equal prior probabilities: it can be fitted to classes of a few points. Not collective. */
#ifndef CYF_EVALUATE_MEASURES_DISCRIMINANT_H
#define CYF_EVALUATE_MEASURES_DISCRIMINANT_H

#include <stdint.h>

#include "base/status.h"

/** A fitted classifier: the class of a point is that with the largest weights . point + intercept. */
typedef struct cyf_discriminant {
  int64_t n_classes, n_dims;
  double *weights;    /**< [n_classes, n_dims] */
  double *intercepts; /**< [n_classes]; -INFINITY of a class that had no point */
} cyf_discriminant;

/** Fits it to points [n, n_dims] of the classes class_code [n]; points with a negative code are left out. The classes
 * share one covariance S, of which the tenth part is replaced by its mean variance (Ledoit & Wolf 2004). So it can be
 * inverted where there are fewer points than dimensions. Freed with cyf_discriminant_destroy; empty after an error.
 * Errors: CYF_ERR_MEMORY, CYF_ERR_NUMERIC where S has no inverse, as of points that are all equal. */
cyf_status cyf_discriminant_fit(int64_t n, int64_t n_dims, const double *points, int64_t n_classes,
                                const int32_t *class_code, cyf_discriminant *ret_discriminant);
/** The class of one point [n_dims]. */
int32_t cyf_discriminant_class(const cyf_discriminant *discriminant, const double *point);
/** Frees what it holds and zeroes the struct. NULL-safe. */
void cyf_discriminant_destroy(cyf_discriminant *discriminant);

#endif
