/* SPDX-License-Identifier: MIT */
/** @file
 * Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11), written out so that
 * gcc vectorises it over blocks and nvcc compiles it. Integer-equal to base/rng.h's cyf_rng_block. */
#ifndef CYF_KERNELS_MATH_PHILOX_H
#define CYF_KERNELS_MATH_PHILOX_H

#include "kernels/math/host_device.h"

/** Four words held by name: an array would keep gcc from vectorising over blocks. */
typedef struct cyf_philox_words {
  uint32_t w0, w1, w2, w3;
} cyf_philox_words;

/** One round: two 32x32->64 products, their halves crossed and mixed with the round key. */
CYF_HD static inline cyf_philox_words cyf_philox_round(cyf_philox_words c, uint32_t key0, uint32_t key1) {
  const uint64_t product0 = (uint64_t)0xD2511F53u * c.w0, product1 = (uint64_t)0xCD9E8D57u * c.w2;
  cyf_philox_words next;
  next.w0 = (uint32_t)(product1 >> 32) ^ c.w1 ^ key0;
  next.w1 = (uint32_t)product1;
  next.w2 = (uint32_t)(product0 >> 32) ^ c.w3 ^ key1;
  next.w3 = (uint32_t)product0;
  return next;
}

/** Block `block` at (step, position) under the key; the same counter layout as cyf_rng_block. */
CYF_HD static inline cyf_philox_words cyf_philox(const uint32_t key[2], uint32_t step, uint64_t position,
                                                 uint32_t block) {
  uint32_t key0 = key[0], key1 = key[1];
  cyf_philox_words c;
  c.w0 = block;
  c.w1 = step;
  c.w2 = (uint32_t)position;
  c.w3 = (uint32_t)(position >> 32);
#if defined(__CUDA_ARCH__)
#pragma unroll
#elif defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    c = cyf_philox_round(c, key0, key1);
    key0 += 0x9E3779B9u; /* the Weyl sequence of the key: golden ratio, sqrt(3) - 1 */
    key1 += 0xBB67AE85u;
  }
  return c;
}

#endif
