/* SPDX-License-Identifier: MIT */
/** @file
 * bfloat16: the upper half of a float, rounded to the nearest, ties to even. */
#ifndef CYF_KERNELS_MATH_BFLOAT16_H
#define CYF_KERNELS_MATH_BFLOAT16_H

#include "kernels/math/host_device.h"

/** The nearest bfloat16, as its 16 bits. NaN stays NaN. */
CYF_HD static inline uint16_t cyf_bfloat16_of(float x) {
  const uint32_t bits = cyf_float_bits(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u); /* NaN stays NaN */
  return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

/** The float of these 16 bits, exactly. */
CYF_HD static inline float cyf_float_of_bfloat16(uint16_t x) {
  return cyf_bits_float((uint32_t)x << 16);
}

#endif
