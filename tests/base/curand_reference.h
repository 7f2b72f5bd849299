/* SPDX-License-Identifier: MIT */
/* cuRAND's Philox4x32-10 on the host, for test_philox_curand.c. */
#ifndef CYF_TESTS_CURAND_REFERENCE_H
#define CYF_TESTS_CURAND_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* False where the tests were built without cuRAND's headers: the functions below then do nothing. */
bool curand_reference_is_here(void);
/* One block of four words, by curand_Philox4x32_10. */
void curand_reference_block(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]);
/* The words that curand() gives one by one after curand_init(seed, subsequence, offset). */
void curand_reference_stream(uint64_t seed, uint64_t subsequence, uint64_t offset, int count, uint32_t *ret_words);

#ifdef __cplusplus
}
#endif

#endif
