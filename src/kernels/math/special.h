/* SPDX-License-Identifier: MIT */
/** @file
 * log-gamma and digamma in double, branch-light: shift the argument to at least 8 by recurrence, then the asymptotic
 * series (Abramowitz & Stegun 6.1.40, 6.3.18). Absolute error below 1e-12 times max(1, |value|) for x >= 1e-8. */
#ifndef CYF_KERNELS_MATH_SPECIAL_H
#define CYF_KERNELS_MATH_SPECIAL_H

#include "kernels/math/host_device.h"

/** log Gamma(x), x > 0. */
CYF_HD static inline double cyf_lgamma(double x) {
  double product = 1.0;
  while (x < 8.0) {
    product *= x;
    x += 1.0;
  }
  const double r = 1.0 / x, z = r * r;
  const double series =
      r *
      (1.0 / 12.0 + z * (-1.0 / 360.0 +
                         z * (1.0 / 1260.0 +
                              z * (-1.0 / 1680.0 + z * (1.0 / 1188.0 + z * (-691.0 / 360360.0 + z * (1.0 / 156.0)))))));
  return (x - 0.5) * log(x) - x + 0.918938533204672742 /* log(2 pi) / 2 */ + series - log(product);
}

/** psi(x) = d log Gamma / dx, x > 0. */
CYF_HD static inline double cyf_digamma(double x) {
  double shift = 0.0;
  while (x < 8.0) {
    shift += 1.0 / x;
    x += 1.0;
  }
  const double r = 1.0 / x, z = r * r;
  const double series =
      z * (1.0 / 12.0 + z * (-1.0 / 120.0 +
                             z * (1.0 / 252.0 +
                                  z * (-1.0 / 240.0 + z * (1.0 / 132.0 + z * (-691.0 / 32760.0 + z * (1.0 / 12.0)))))));
  return log(x) - 0.5 * r - series - shift;
}

#endif
