/* SPDX-License-Identifier: MIT */
/* Reverse steps and time embeddings. */
#include "kernels/coefficients.h"
#include "kernels/cpu/cpu_kernels.h"

/* Elements are taken in strips; where guidance or noise is absent, a strip of zeros stands for it. */
enum { STRIP = 1024 };
static const float zeros[STRIP];

static const float *strip_of(const float *array, int64_t first) {
  return array ? array + first : zeros;
}

cyf_status cyf_cpu_ddpm_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                             const float *guidance, const float *noise, float *x_prev) {
  const cyf_reverse_coefficients k = cyf_reverse_coefficients_of(s);
  const int clip = s->clip;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t first = 0; first < count; first += STRIP) {
    const float *g = strip_of(guidance, first), *z = strip_of(noise, first), *from = x + first, *e = eps + first;
    float *to = x_prev + first;
    const int64_t width = cyf_cpu_min(STRIP, count - first);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) to[j] = cyf_ddpm_element(&k, clip, from[j], e[j], g[j], z[j]);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_ddim_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                             const float *guidance, const float *noise, float *x_prev) {
  const cyf_reverse_coefficients k = cyf_reverse_coefficients_of(s);
  const int clip = s->clip;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t first = 0; first < count; first += STRIP) {
    const float *g = strip_of(guidance, first), *z = strip_of(noise, first), *from = x + first, *e = eps + first;
    float *to = x_prev + first;
    const int64_t width = cyf_cpu_min(STRIP, count - first);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) to[j] = cyf_ddim_element(&k, clip, from[j], e[j], g[j], z[j]);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_multistep_step(cyf_device *d, int64_t count, const cyf_multistep *s, const float *x,
                                  const float *eps, const float *guidance, float *x0_before, float *x_prev) {
  const cyf_multistep_coefficients k = cyf_multistep_coefficients_of(s);
  const int clip = s->clip;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, count))
  for (int64_t first = 0; first < count; first += STRIP) {
    const float *g = strip_of(guidance, first), *from = x + first, *e = eps + first;
    float *before = x0_before + first, *to = x_prev + first;
    const int64_t width = cyf_cpu_min(STRIP, count - first);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) to[j] = cyf_multistep_element(&k, clip, from[j], e[j], g[j], &before[j]);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_free_guidance(cyf_device *d, int64_t n, int64_t c, const float *base, const float *conditioned,
                                 const float *weight, float *eps) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, n *c))
  for (int64_t i = 0; i < n; ++i) {
    const float w = weight[i];
#pragma omp simd
    for (int64_t j = i * c; j < (i + 1) * c; ++j) eps[j] += cyf_free_guidance_element(base[j], conditioned[j], w);
  }
  return CYF_OK;
}

cyf_status cyf_cpu_time_embedding(cyf_device *d, int64_t n_rows, int64_t width, const int32_t *t, float *out) {
  const int64_t half = width / 2;
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(d, 16 * n_rows * width))
  for (int64_t i = 0; i < n_rows; ++i) {
    float *row = out + i * width;
    for (int64_t j = 0; j < half; ++j) {
      const double angle = (double)t[i] * cyf_time_frequency(j, half);
      row[j] = (float)cos(angle);
      row[half + j] = (float)sin(angle);
    }
    if (width % 2) row[width - 1] = 0.0f;
  }
  return CYF_OK;
}
