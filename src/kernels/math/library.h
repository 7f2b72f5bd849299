/* SPDX-License-Identifier: MIT */
/** @file
 * A cell's library size (total count) as log-normal. A model predicts the mean m and the log standard deviation s of
 * its logarithm:
 *   -log p(total) = log total + s + log(2 pi) / 2 + r^2 / 2,  r = (log total - m) exp(-s).
 * s is held in [-4, 2]: a standard deviation between 2 per cent of the total and a factor of 1,600. */
#ifndef CYF_KERNELS_MATH_LIBRARY_H
#define CYF_KERNELS_MATH_LIBRARY_H

#include "kernels/math/elementary.h"

/** s held in [-4, 2]; NaN stays NaN. */
CYF_HD static inline float cyf_library_log_deviation(float s) {
  return cyf_select(s < -4.0f, -4.0f, cyf_select(s > 2.0f, 2.0f, s));
}

/** The negative log-likelihood of one cell and its gradient by head[0] = m and head[1] = s; zero for a cell without
 * counts. Where s is out of its bounds, its gradient is kept only if a descent step would lead back. */
CYF_HD static inline double cyf_library_nll(const float head[2], float total, float d_head[2]) {
  d_head[0] = d_head[1] = 0.0f;
  if (!(total > 0.0f)) return 0.0;
  const double s = cyf_library_log_deviation(head[1]), inverse = exp(-s), log_total = log((double)total);
  const double r = (log_total - head[0]) * inverse, by_s = 1.0 - r * r;
  const int held = (head[1] < -4.0f && by_s > 0.0) || (head[1] > 2.0f && by_s < 0.0);
  d_head[0] = (float)(-r * inverse);
  d_head[1] = held ? 0.0f : (float)by_s;
  return log_total + s + 0.91893853320467274 + 0.5 * r * r;
}

/** exp(m + exp(s) * normal): a drawn total count for a standard normal number, or the median for 0. */
CYF_HD static inline float cyf_library_size(const float head[2], float normal) {
  return expf(head[0] + expf(cyf_library_log_deviation(head[1])) * normal);
}

#endif
