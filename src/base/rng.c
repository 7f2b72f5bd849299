/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 from Random123, and what is drawn from it. */
#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

static void philox_block(const uint32_t counter_words[4], const uint32_t key_words[2], uint32_t ret_words[4]) {
  const philox4x32_ctr_t counter = {{counter_words[0], counter_words[1], counter_words[2], counter_words[3]}};
  const philox4x32_key_t key = {{key_words[0], key_words[1]}};
  const philox4x32_ctr_t words = philox4x32(counter, key);
  for (int i = 0; i < 4; ++i) ret_words[i] = words.v[i];
}

cyf_rng_key cyf_rng_key_make(uint64_t seed, cyf_rng_purpose purpose) {
  const uint32_t counter[4] = {(uint32_t)purpose, 0, 0, 0};
  const uint32_t seed_words[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t words[4];
  philox_block(counter, seed_words, words);
  return (cyf_rng_key){{words[0], words[1]}};
}

void cyf_rng_block(cyf_rng_key key, uint32_t step, uint64_t position, uint32_t block, uint32_t ret_words[4]) {
  const uint32_t counter[4] = {block, step, (uint32_t)position, (uint32_t)(position >> 32)};
  philox_block(counter, key.word, ret_words);
}

void cyf_rng_stream_init(cyf_rng_stream *stream, cyf_rng_key key, uint32_t step, uint64_t position) {
  *stream = (cyf_rng_stream){.key = key, .step = step, .position = position};
}

uint32_t cyf_rng_next(cyf_rng_stream *stream) {
  if (stream->n_left == 0) {
    cyf_rng_block(stream->key, stream->step, stream->position, stream->block++, stream->words);
    stream->n_left = 4;
  }
  return stream->words[4 - stream->n_left--];
}

double cyf_rng_next_unit(cyf_rng_stream *stream) {
  return cyf_rng_unit(cyf_rng_next(stream));
}

uint64_t cyf_rng_next_below(cyf_rng_stream *stream, uint64_t bound) {
  const uint64_t low = cyf_rng_next(stream);
  const uint64_t word = (uint64_t)cyf_rng_next(stream) << 32 | low;
  return (uint64_t)(((unsigned __int128)word * bound) >> 64);
}

/* Box and Muller (1958); the sine half is not kept, so that a draw always takes two words. */
double cyf_rng_next_normal(cyf_rng_stream *stream) {
  const double radius = sqrt(-2.0 * log(cyf_rng_next_unit(stream)));
  return radius * cos(2.0 * M_PI * cyf_rng_next_unit(stream));
}

/* Eight Feistel rounds, each a whole Philox block. Four already give a pseudo-random permutation of large domains (Luby
 * and Rackoff, 1988); small ones need more. The step number keeps these blocks apart from ordinary ones under the same
 * key. */
enum { FEISTEL_ROUNDS = 8 };
static const uint32_t feistel_step_base = 0xFE000000u;

static uint64_t feistel(cyf_rng_key key, uint64_t n, int half_bits, uint64_t value) {
  const uint32_t mask = (uint32_t)((UINT64_C(1) << half_bits) - 1);
  uint32_t left = (uint32_t)(value >> half_bits), right = (uint32_t)value & mask;
  for (uint32_t round = 0; round < FEISTEL_ROUNDS; ++round) {
    uint32_t words[4];
    cyf_rng_block(key, feistel_step_base + round, n, right, words);
    const uint32_t mixed = left ^ (words[0] & mask);
    left = right;
    right = mixed;
  }
  return (uint64_t)left << half_bits | right;
}

uint64_t cyf_rng_permute(cyf_rng_key key, uint64_t n, uint64_t index) {
  if (n <= 1) return 0;
  const int bits = 64 - __builtin_clzll(n - 1), half_bits = (bits + 1) / 2;
  /* Cycle walking: the network permutes [0, 4^half_bits), fewer than 4n values; follow the cycle until back inside. */
  uint64_t value = index;
  do {
    value = feistel(key, n, half_bits, value);
  } while (value >= n);
  return value;
}
