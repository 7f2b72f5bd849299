/* SPDX-License-Identifier: MIT */
/** @file
 * What lets one source of the per-element formulas compile for the CPU and for the GPU.
 *
 * CYF_HD marks a function for both sides; it is empty under a C compiler. Choices between computed floats go through
 * cyf_select: with ?: gcc keeps a branch around the arithmetic (it might trap) and does not vectorise the loop. */
#ifndef CYF_KERNELS_MATH_HOST_DEVICE_H
#define CYF_KERNELS_MATH_HOST_DEVICE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define CYF_HD __host__ __device__
#else
#define CYF_HD
#endif

/** The bits of a float. */
CYF_HD static inline uint32_t cyf_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/** The float that has these bits. */
CYF_HD static inline float cyf_bits_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/** condition ? a : b, both computed. */
CYF_HD static inline float cyf_select(int condition, float a, float b) {
  const uint32_t mask = 0u - (uint32_t)(condition != 0);
  return cyf_bits_float((cyf_float_bits(a) & mask) | (cyf_float_bits(b) & ~mask));
}

#endif
