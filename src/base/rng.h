/* SPDX-License-Identifier: MIT */
/** @file
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., SC11; Random123 on the CPU).
 *
 * A number is a pure function of (seed, purpose, step, position, block), so results never depend on the number of
 * ranks or threads. position is a global index: of a cell in the global batch, of a sampled cell, or of a parameter.
 * One block is four 32-bit words. Not collective. */
#ifndef CYF_BASE_RNG_H
#define CYF_BASE_RNG_H

#include <stdint.h>

/** What the numbers are for: streams of different purposes never overlap. Stored in checkpoints; append only. */
typedef enum cyf_rng_purpose {
  CYF_RNG_INIT = 1,           /**< parameter initialisation */
  CYF_RNG_NOISE = 2,          /**< training noise epsilon */
  CYF_RNG_TIMESTEP = 3,       /**< training timesteps */
  CYF_RNG_DROPOUT = 4,        /**< which activations a dropout layer zeroes */
  CYF_RNG_LANE_ORDER = 5,     /**< order of blocks and cells within a lane */
  CYF_RNG_SPLIT = 6,          /**< validation and hold-out membership */
  CYF_RNG_SHUFFLE = 7,        /**< the atlas-wide shuffle of prepare */
  CYF_RNG_START = 8,          /**< x_T of sampling */
  CYF_RNG_REVERSE = 9,        /**< noise of the reverse process */
  CYF_RNG_SYNTH = 10,         /**< the simulator */
  CYF_RNG_EVALUATE = 11,      /**< subsampling and forests in evaluate */
  CYF_RNG_CONDITION = 12,     /**< labels drawn for sampled cells */
  CYF_RNG_BALANCE = 13,       /**< which cells balanced sampling takes once more */
  CYF_RNG_LABEL_DROPOUT = 16, /**< labels that the denoiser is not told */
  CYF_RNG_COUNTS = 17,        /**< counts drawn for decoded cells */
  CYF_RNG_LIBRARY = 18        /**< total counts drawn for decoded cells */
} cyf_rng_purpose;

/** What a seed and a purpose come to: the key of Philox. */
typedef struct cyf_rng_key {
  uint32_t word[2];
} cyf_rng_key;

/** The key of a stream: a Philox block of the purpose under the seed. */
cyf_rng_key cyf_rng_key_make(uint64_t seed, cyf_rng_purpose purpose);

/** Four uniform 32-bit words for (key, step, position, block). step and block use their low 32 bits. */
void cyf_rng_block(cyf_rng_key key, uint32_t step, uint64_t position, uint32_t block, uint32_t ret_words[4]);

/** A uniform double in (0, 1) from one word: (w + 0.5) / 2^32. */
static inline double cyf_rng_unit(uint32_t word) {
  return ((double)word + 0.5) * (1.0 / 4294967296.0);
}

/** A sequential stream over one (key, step, position), for host code that draws a varying count of numbers. Its blocks
 * are taken in order from 0; members are private. */
typedef struct cyf_rng_stream {
  cyf_rng_key key;
  uint32_t step;
  uint64_t position;
  uint32_t block;
  uint32_t words[4];
  int n_left;
} cyf_rng_stream;

/** Sets the stream to its first number. */
void cyf_rng_stream_init(cyf_rng_stream *stream, cyf_rng_key key, uint32_t step, uint64_t position);
/** The next uniform 32-bit word. */
uint32_t cyf_rng_next(cyf_rng_stream *stream);
/** A uniform double in (0, 1) from the next word. */
double cyf_rng_next_unit(cyf_rng_stream *stream);
/** A uniform integer in [0, bound) from the next two words; bound >= 1. The bias is at most bound / 2^64. */
uint64_t cyf_rng_next_below(cyf_rng_stream *stream, uint64_t bound);
/** A standard normal number from the next two words (Box and Muller 1958). */
double cyf_rng_next_normal(cyf_rng_stream *stream);

/** Position of `index` under a pseudo-random permutation of [0, n) (a keyed Feistel network with cycle walking): O(1)
 * memory. Bijective for every n >= 1; index < n. */
uint64_t cyf_rng_permute(cyf_rng_key key, uint64_t n, uint64_t index);

#endif
