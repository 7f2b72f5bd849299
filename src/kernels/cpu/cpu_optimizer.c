/* SPDX-License-Identifier: MIT */
/* AdamW and the moving average in one pass over memory, whose speed is the limit. */
#include "kernels/coefficients.h"
#include "kernels/cpu/cpu_kernels.h"

cyf_status cyf_cpu_adamw(cyf_device *d, int64_t count, const cyf_adamw *settings, float *parameter, float *gradient,
                         float *first_moment, float *second_moment, float *ema, double ema_decay) {
  double gradient_scale = settings->gradient_scale;
  if (settings->square_sum) {
    int finite;
    gradient_scale = cyf_clipped_scale(*settings->square_sum, gradient_scale, settings->clip_norm, &finite);
    if (!finite) return CYF_OK;
  }
  const cyf_adamw_coefficients k = cyf_adamw_coefficients_of(settings, gradient_scale, ema_decay);
  const int threads = cyf_cpu_threads_for(d, count);
  if (ema) {
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (int64_t j = 0; j < count; ++j) {
      cyf_adamw_element(&k, gradient[j], &parameter[j], &first_moment[j], &second_moment[j]);
      ema[j] = cyf_ema_element(&k, ema[j], parameter[j]);
      gradient[j] = 0.0f;
    }
  } else {
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (int64_t j = 0; j < count; ++j) {
      cyf_adamw_element(&k, gradient[j], &parameter[j], &first_moment[j], &second_moment[j]);
      gradient[j] = 0.0f;
    }
  }
  return CYF_OK;
}
