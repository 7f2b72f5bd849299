/* SPDX-License-Identifier: MIT */
/* Random numbers, noising and dropout: each thread makes a Philox block of four numbers, by the same function as the
 * CPU. Speed is limited by the generator's integer multiplications for normals, and by memory (8 bytes an element) for
 * dropout. */
#include "kernels/cuda/cuda_kernels.cuh"
#include "kernels/math/diffusion.h"
#include "kernels/math/philox.h"
#include "kernels/math/random.h"

static __device__ inline cyf_philox_words words_of(const cyf_rng_key &key, uint32_t step, const int64_t *position,
                                                   int64_t first_position, int64_t i, int64_t block) {
  return cyf_philox(key.word, step, (uint64_t)(position ? position[i] : first_position + i), (uint32_t)block);
}

struct fill_normal {
  int64_t c;
  cyf_rng_key key;
  uint32_t step;
  const int64_t *position;
  int64_t first_position;
  float *out;
  __device__ void operator()(int64_t i, int64_t block) const {
    const cyf_philox_words w = words_of(key, step, position, first_position, i, block);
    float z[4];
    cyf_box_muller(w.w0, w.w1, &z[0], &z[1]);
    cyf_box_muller(w.w2, w.w3, &z[2], &z[3]);
    for (int k = 0; k < 4; ++k) {
      if (4 * block + k < c) out[i * c + 4 * block + k] = z[k];
    }
  }
};
cyf_status cyf_cuda_fill_normal(cyf_device *device, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                                const int64_t *position, int64_t first_position, float *out) {
  const fill_normal f = {c, key, step, position, first_position, out};
  return cyf_cell_op(device, "fill_normal", n, cyf_ceil_div(c, 4), f);
}

struct q_sample {
  int64_t c;
  cyf_rng_key key;
  uint32_t step;
  const int64_t *position;
  const float *x0;
  const int32_t *t;
  const float *signal, *noise_level;
  float *eps, *x_t;
  __device__ void operator()(int64_t i, int64_t block) const {
    const cyf_philox_words w = words_of(key, step, position, 0, i, block);
    const float a = signal[t[i]], b = noise_level[t[i]];
    float z[4];
    cyf_box_muller(w.w0, w.w1, &z[0], &z[1]);
    cyf_box_muller(w.w2, w.w3, &z[2], &z[3]);
    for (int k = 0; k < 4; ++k) {
      const int64_t at = i * c + 4 * block + k;
      if (4 * block + k >= c) break;
      eps[at] = z[k];
      x_t[at] = cyf_q_sample(x0[at], z[k], a, b);
    }
  }
};
cyf_status cyf_cuda_q_sample(cyf_device *device, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                             const int64_t *position, const float *x0, const int32_t *t, const float *signal,
                             const float *noise_level, float *eps, float *x_t) {
  const q_sample f = {c, key, step, position, x0, t, signal, noise_level, eps, x_t};
  return cyf_cell_op(device, "q_sample", n, cyf_ceil_div(c, 4), f);
}

struct fill_timesteps {
  cyf_rng_key key;
  uint32_t step;
  const int64_t *position;
  int32_t least, bound;
  int32_t *out;
  __device__ void operator()(int64_t i) const {
    out[i] = cyf_timestep_of_word(words_of(key, step, position, 0, i, 0).w0, least, bound);
  }
};
cyf_status cyf_cuda_fill_timesteps(cyf_device *device, int64_t n, cyf_rng_key key, uint32_t step,
                                   const int64_t *position, int32_t least, int32_t bound, int32_t *out) {
  const fill_timesteps f = {key, step, position, least, bound, out};
  return cyf_element_op(device, "fill_timesteps", n, f);
}

struct dropout {
  int64_t c;
  const float *x;
  cyf_rng_key key;
  uint32_t step, threshold;
  float keep_scale;
  const int64_t *position;
  float *y;
  __device__ void operator()(int64_t i, int64_t block) const {
    const cyf_philox_words w = words_of(key, step, position, 0, i, block);
    const uint32_t words[4] = {w.w0, w.w1, w.w2, w.w3};
    for (int k = 0; k < 4; ++k) {
      const int64_t at = i * c + 4 * block + k;
      if (4 * block + k < c) y[at] = cyf_dropout(x[at], words[k], threshold, keep_scale);
    }
  }
};
cyf_status cyf_cuda_dropout(cyf_device *device, int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key,
                            uint32_t step, const int64_t *position, float *y) {
  const dropout f = {c, x, key, step, cyf_dropout_threshold(rate), (float)(1.0 / (1.0 - rate)), position, y};
  return cyf_cell_op(device, "dropout", n, cyf_ceil_div(c, 4), f);
}
