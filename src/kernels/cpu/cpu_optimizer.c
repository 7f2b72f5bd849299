/* AdamW and the moving average in one pass over memory, which is what bounds it. */
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math/optimizer.h"

static cyf_adamw_coefficients coefficients_of(const cyf_adamw *s, double gradient_scale, double ema_decay) {
  const double correction1 = 1.0 - pow(s->beta1, (double)s->step), correction2 = 1.0 - pow(s->beta2, (double)s->step);
  return (cyf_adamw_coefficients){
      .gradient_scale = (float)gradient_scale,
      .decay = (float)(1.0 - s->learning_rate * s->weight_decay),
      .one_minus_beta1 = (float)(1.0 - s->beta1),
      .beta2 = (float)s->beta2,
      .one_minus_beta2 = (float)(1.0 - s->beta2),
      .step_size = (float)(s->learning_rate / correction1),
      .recip_sqrt_correction2 = (float)(1.0 / sqrt(correction2)),
      .epsilon = (float)s->epsilon,
      .ema_decay = (float)ema_decay,
      .one_minus_ema_decay = (float)(1.0 - ema_decay),
  };
}

cyf_status cyf_cpu_adamw(cyf_device *d, int64_t count, const cyf_adamw *settings, float *parameter, float *gradient,
                         float *first_moment, float *second_moment, float *ema, double ema_decay) {
  double gradient_scale = settings->gradient_scale;
  if (settings->square_sum) {
    int finite;
    gradient_scale = cyf_clipped_scale(*settings->square_sum, gradient_scale, settings->clip_norm, &finite);
    if (!finite) {
      memset(gradient, 0, (size_t)count * sizeof *gradient);
      return CYF_OK;
    }
  }
  const cyf_adamw_coefficients k = coefficients_of(settings, gradient_scale, ema_decay);
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
