/* SPDX-License-Identifier: MIT */
/** @file
 * float32 exp, log, log1p, sine and cosine without branches or tables, so that loops over them vectorise.
 *
 * Polynomial coefficients are minimax fits made for this file (exp) or Taylor coefficients where the interval is short
 * enough for them (the rest). Errors stated are against the exact value; tests/kernels/test_ops_dense.c measures them.
 */
#ifndef CYF_KERNELS_MATH_ELEMENTARY_H
#define CYF_KERNELS_MATH_ELEMENTARY_H

#include "kernels/math/host_device.h"

/** exp(x), within 2 units in the last place. Saturates: at least 1.2e-38 below x = -87.33, at most 3.4e38 above 88.72.
 * NaN stays NaN. */
CYF_HD static inline float cyf_expf(float x) {
  const float rounding = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low mantissa bits */
  x = cyf_select(x > 88.722f, 88.722f, x);
  x = cyf_select(x < -87.33f, -87.33f, x);
  const float shifted = x * 1.44269504f + rounding;
  const float k = shifted - rounding;
  /* ln 2 in two parts, the first short enough that k times it is exact. */
  const float r = (x - k * 0.693115234f) - k * 3.19461833e-5f;
  const float q = 0.49999994f + r * (0.16666515f + r * (0.041668456f + r * (0.008369419f + r * 0.0013813145f)));
  const float p = 1.0f + (r + r * r * q);
  return cyf_bits_float(cyf_float_bits(p) + ((cyf_float_bits(shifted) - 0x4B400000u) << 23));
}

/** log(1 + f) for f in [-0.293, 0.4143], relative error below 2e-7: 2 artanh(f / (2 + f)) as a series. */
CYF_HD static inline float cyf_log1pf_small(float f) {
  const float s = f / (2.0f + f), z = s * s;
  const float series = z * (0.333333333f + z * (0.2f + z * (0.142857143f + z * (0.111111111f + z * 0.0909090909f))));
  return 2.0f * (s + s * series);
}

/** log(x) for positive normal x, relative error below 2e-7 (also near 1). */
CYF_HD static inline float cyf_logf(float x) {
  const uint32_t sqrt_half = 0x3F3504F3u; /* mantissas are taken in [sqrt(1/2), sqrt(2)) */
  const uint32_t offset = cyf_float_bits(x) - sqrt_half;
  const float exponent = (float)((int32_t)offset >> 23);
  const float mantissa = cyf_bits_float((offset & 0x007FFFFFu) + sqrt_half);
  return exponent * 0.693147181f + cyf_log1pf_small(mantissa - 1.0f);
}

/** log(1 + x) for x >= 0, relative error below 4e-7, exact where x is tiny. */
CYF_HD static inline float cyf_log1pf(float x) {
  const float y = 1.0f + x;
  /* What rounding 1 + x lost, divided by y, is what the logarithm misses. */
  const float lost = cyf_select(x > 1.0f, 1.0f - (y - x), x - (y - 1.0f));
  const float large = cyf_logf(y) + lost / y;
  return cyf_select(x < 0.4f, cyf_log1pf_small(x), large);
}

/** Cosine and sine of the angle 2 pi (word + 1/2) / 2^32, absolute error below 1e-7. The quadrant is taken from the
 * integer, so no precision is lost to the reduction. */
CYF_HD static inline void cyf_cos_sin_of_word(uint32_t word, float *ret_cos, float *ret_sin) {
  const uint32_t quadrant = (word + 0x20000000u) >> 30; /* 4 means 0 */
  const int32_t offset = (int32_t)(word - (quadrant << 30));
  const float angle = ((float)offset + 0.5f) * 1.46291808e-9f; /* 2 pi / 2^32; within +- pi/4 */
  const float z = angle * angle;
  const float sine =
      angle + angle * z * (-0.166666667f + z * (0.00833333333f + z * (-1.98412698e-4f + z * 2.75573192e-6f)));
  const float cosine =
      1.0f + z * (-0.5f + z * (0.0416666667f + z * (-0.00138888889f + z * (2.48015873e-5f - z * 2.75573192e-7f))));
  const float cos_size = cyf_select(quadrant & 1u, sine, cosine);
  const float sin_size = cyf_select(quadrant & 1u, cosine, sine);
  /* cos is negative in quadrants 1 and 2, sin in quadrants 2 and 3: flip the sign bit. */
  *ret_cos = cyf_bits_float(cyf_float_bits(cos_size) ^ (((quadrant + 1u) & 2u) << 30));
  *ret_sin = cyf_bits_float(cyf_float_bits(sin_size) ^ ((quadrant & 2u) << 30));
}

/** -log((word + 1/2) / 2^32), relative error below 4e-7 even where the argument is within 2^-32 of 1. */
CYF_HD static inline float cyf_minus_log_of_word(uint32_t word) {
  const float unit = ((float)word + 0.5f) * 2.32830644e-10f;
  const float distance = ((float)~word + 0.5f) * 2.32830644e-10f; /* 1 - the argument, exact to float's precision */
  const uint32_t sqrt_half = 0x3F3504F3u;
  const uint32_t offset = cyf_float_bits(unit) - sqrt_half;
  const int near_one = word >= 0xB504F334u;
  const float exponent = cyf_select(near_one, 0.0f, (float)((int32_t)offset >> 23));
  const float mantissa = cyf_bits_float((offset & 0x007FFFFFu) + sqrt_half);
  const float f = cyf_select(near_one, -distance, mantissa - 1.0f);
  return -(exponent * 0.693147181f + cyf_log1pf_small(f));
}

#endif
