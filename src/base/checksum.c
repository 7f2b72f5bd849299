/* SPDX-License-Identifier: MIT */
/* The 64-bit checksum of checkpoints and model files. Cytoforge's own; it must never change, since files carry it.
 *
 * The bytes are read as little-endian 64-bit words on every machine, four words a step, each into its own accumulator:
 *     a_i <- rotate_left(a_i ^ word_i, 27) * MULTIPLIER
 * The four multiplications of a step do not wait for each other, so the speed is that of memory. Words after the last
 * whole step go to accumulators 0, 1, 2 in turn. The last 1 to 7 bytes, padded with zeros to a word, go to accumulator
 * 3. The accumulators and the length are then folded, each through a bijective finaliser, so any change within one word
 * always changes the sum. */
#include "base/checksum.h"

#include <string.h>

static const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15); /* 2^64 over the golden ratio, odd */

static uint64_t load_le64(const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

static inline uint64_t absorb(uint64_t accumulator, uint64_t word) {
  const uint64_t mixed = accumulator ^ word;
  return (mixed << 27 | mixed >> 37) * multiplier;
}

/* Every input bit reaches every output bit. The multipliers are the first 128 bits of the fraction of pi, made odd. */
static uint64_t finalise(uint64_t x) {
  x = (x ^ x >> 32) * UINT64_C(0x243F6A8885A308D3);
  x = (x ^ x >> 29) * UINT64_C(0x13198A2E03707345);
  return x ^ x >> 32;
}

uint64_t cyf_checksum(uint64_t seed, const void *bytes, size_t size) {
  const unsigned char *next = bytes;
  uint64_t a[4];
  for (uint64_t i = 0; i < 4; ++i) a[i] = finalise(seed + (i + 1) * multiplier);
  size_t left = size;
  for (; left >= 32; left -= 32, next += 32) {
    a[0] = absorb(a[0], load_le64(next));
    a[1] = absorb(a[1], load_le64(next + 8));
    a[2] = absorb(a[2], load_le64(next + 16));
    a[3] = absorb(a[3], load_le64(next + 24));
  }
  for (int i = 0; left >= 8; ++i, left -= 8, next += 8) a[i] = absorb(a[i], load_le64(next));
  if (left > 0) {
    unsigned char padded[8] = {0};
    memcpy(padded, next, left);
    a[3] = absorb(a[3], load_le64(padded));
  }
  uint64_t sum = (uint64_t)size * multiplier;
  for (int i = 0; i < 4; ++i) sum = finalise(sum ^ a[i]) * multiplier;
  return finalise(sum);
}
