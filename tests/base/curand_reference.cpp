/* SPDX-License-Identifier: MIT */
/* cuRAND's own Philox from the header that kernels include, compiled for the host. */
#if __has_include(<curand_kernel.h>)
#include <cuda_runtime.h>
#define QUALIFIERS static inline
#include <curand_kernel.h>

#include "curand_reference.h"

bool curand_reference_is_here(void) {
  return true;
}
void curand_reference_block(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]) {
  const uint4 c = {counter[0], counter[1], counter[2], counter[3]};
  const uint2 k = {key[0], key[1]};
  const uint4 words = curand_Philox4x32_10(c, k);
  ret_words[0] = words.x, ret_words[1] = words.y, ret_words[2] = words.z, ret_words[3] = words.w;
}
void curand_reference_stream(uint64_t seed, uint64_t subsequence, uint64_t offset, int count, uint32_t *ret_words) {
  curandStatePhilox4_32_10_t state;
  curand_init(seed, subsequence, offset, &state);
  for (int k = 0; k < count; ++k) ret_words[k] = curand(&state);
}
#else
#include "curand_reference.h"

bool curand_reference_is_here(void) {
  return false;
}
void curand_reference_block(const uint32_t *, const uint32_t *, uint32_t *) {}
void curand_reference_stream(uint64_t, uint64_t, uint64_t, int, uint32_t *) {}
#endif
