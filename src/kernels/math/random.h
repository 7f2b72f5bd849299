/* SPDX-License-Identifier: MIT */
/** @file
 * From Philox words to normals, dropout masks and timesteps. */
#ifndef CYF_KERNELS_MATH_RANDOM_H
#define CYF_KERNELS_MATH_RANDOM_H

#include "kernels/math/elementary.h"

/** Two standard normals of two words (Box & Muller 1958): radius sqrt(-2 log u) with u from the first word, angle 2 pi
 * v from the second, u and v = (word + 1/2) / 2^32. */
CYF_HD static inline void cyf_box_muller(uint32_t word_radius, uint32_t word_angle, float *ret_first,
                                         float *ret_second) {
  const float radius = sqrtf(2.0f * cyf_minus_log_of_word(word_radius));
  float cosine, sine;
  cyf_cos_sin_of_word(word_angle, &cosine, &sine);
  *ret_first = radius * cosine;
  *ret_second = radius * sine;
}

/** Elements whose word is below this are dropped: with probability `rate`, to 2^-32. rate in [0, 1). */
CYF_HD static inline uint32_t cyf_dropout_threshold(double rate) {
  return (uint32_t)(rate * 4294967296.0);
}
/** 0 where the word drops the element, else x * keep_scale, with keep_scale = 1 / (1 - rate). */
CYF_HD static inline float cyf_dropout(float x, uint32_t word, uint32_t threshold, float keep_scale) {
  return cyf_select(word < threshold, 0.0f, x * keep_scale);
}

/** A uniform integer in [least, bound), bound > least, by multiply-shift. */
CYF_HD static inline int32_t cyf_timestep_of_word(uint32_t word, int32_t least, int32_t bound) {
  return least + (int32_t)(((uint64_t)word * (uint32_t)(bound - least)) >> 32);
}

#endif
