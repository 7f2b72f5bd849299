/* SPDX-License-Identifier: MIT */
/* Random numbers, noising and dropout. Philox blocks are made VECTOR_BLOCKS at a time in loops that vectorise over
 * blocks. */
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/diffusion.h"
#include "kernels/math/philox.h"
#include "kernels/math/random.h"

enum { VECTOR_BLOCKS = 16 };

/* words[w][b]: word w of block first_block + b. */
static void philox_blocks(cyf_rng_key key, uint32_t step, uint64_t position, uint32_t first_block,
                          uint32_t words[4][VECTOR_BLOCKS]) {
#pragma omp simd
  for (int b = 0; b < VECTOR_BLOCKS; ++b) {
    const cyf_philox_words block = cyf_philox(key.word, step, position, first_block + (uint32_t)b);
    words[0][b] = block.w0;
    words[1][b] = block.w1;
    words[2][b] = block.w2;
    words[3][b] = block.w3;
  }
}

/* The words in the order of the elements they belong to. */
static void by_element(uint32_t words[4][VECTOR_BLOCKS], uint32_t order[4 * VECTOR_BLOCKS]) {
  for (int b = 0; b < VECTOR_BLOCKS; ++b) {
    for (int w = 0; w < 4; ++w) order[4 * b + w] = words[w][b];
  }
}

static void normals(uint32_t words[4][VECTOR_BLOCKS], float out[4 * VECTOR_BLOCKS]) {
  float values[4][VECTOR_BLOCKS];
#pragma omp simd
  for (int b = 0; b < VECTOR_BLOCKS; ++b) {
    cyf_box_muller(words[0][b], words[1][b], &values[0][b], &values[1][b]);
    cyf_box_muller(words[2][b], words[3][b], &values[2][b], &values[3][b]);
  }
  for (int b = 0; b < VECTOR_BLOCKS; ++b) {
    for (int w = 0; w < 4; ++w) out[4 * b + w] = values[w][b];
  }
}

cyf_status cyf_cpu_fill_normal(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                               const int64_t *position, int64_t first_position, float *out) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 8 * n * c))
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t at = (uint64_t)(position ? position[i] : first_position + i);
    for (int64_t j = 0; j < c; j += 4 * VECTOR_BLOCKS) {
      uint32_t words[4][VECTOR_BLOCKS];
      float values[4 * VECTOR_BLOCKS];
      philox_blocks(key, step, at, (uint32_t)(j / 4), words);
      normals(words, values);
      memcpy(out + i * c + j, values, (size_t)cyf_cpu_min(4 * VECTOR_BLOCKS, c - j) * sizeof *out);
    }
  }
  return CYF_OK;
}

cyf_status cyf_cpu_q_sample(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                            const int64_t *position, const float *x0, const int32_t *t, const float *signal,
                            const float *noise_level, float *eps, float *x_t) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 8 * n * c))
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t at = (uint64_t)(position ? position[i] : i);
    const float a = signal[t[i]], b = noise_level[t[i]];
    for (int64_t j = 0; j < c; j += 4 * VECTOR_BLOCKS) {
      const int64_t width = cyf_cpu_min(4 * VECTOR_BLOCKS, c - j);
      const float *from = x0 + i * c + j;
      float *noise = eps + i * c + j, *to = x_t + i * c + j;
      uint32_t words[4][VECTOR_BLOCKS];
      float values[4 * VECTOR_BLOCKS];
      philox_blocks(key, step, at, (uint32_t)(j / 4), words);
      normals(words, values);
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) {
        noise[k] = values[k];
        to[k] = cyf_q_sample(from[k], values[k], a, b);
      }
    }
  }
  return CYF_OK;
}

cyf_status cyf_cpu_fill_timesteps(cyf_device *d, int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position,
                                  int32_t least, int32_t bound, int32_t *out) {
  (void)d;
  for (int64_t i = 0; i < n; ++i) {
    const cyf_philox_words words = cyf_philox(key.word, step, (uint64_t)(position ? position[i] : i), 0);
    out[i] = cyf_timestep_of_word(words.w0, least, bound);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_dropout(cyf_device *d, int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key,
                           uint32_t step, const int64_t *position, float *y) {
  const uint32_t threshold = cyf_dropout_threshold(rate);
  const float keep_scale = (float)(1.0 / (1.0 - rate));
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 4 * n * c))
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < c; j += 4 * VECTOR_BLOCKS) {
      const int64_t width = cyf_cpu_min(4 * VECTOR_BLOCKS, c - j);
      const float *from = x + i * c + j;
      float *to = y + i * c + j;
      uint32_t words[4][VECTOR_BLOCKS], order[4 * VECTOR_BLOCKS];
      philox_blocks(key, step, (uint64_t)(position ? position[i] : i), (uint32_t)(j / 4), words);
      by_element(words, order);
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) to[k] = cyf_dropout(from[k], order[k], threshold, keep_scale);
    }
  }
  return CYF_OK;
}
