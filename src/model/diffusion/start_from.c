/* SPDX-License-Identifier: MIT */
/* Starting the reverse process from cells that exist. */
#include <math.h>

#include "model/diffusion/sampler.h"

cyf_status cyf_sampler_start_from(cyf_device *device, const cyf_schedule *schedule, uint64_t seed, int64_t latent,
                                  cyf_scratch *scratch, int64_t first, int64_t n, float *x) {
  const double alpha_bar = schedule->alpha_bar[schedule->n - 1];
  const size_t mark = cyf_scratch_mark(scratch);
  float *noise = NULL;
  if (n == 0) return CYF_OK;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, n * latent, &noise));
  CYF_TRY_CLEANUP(cyf_sampler_start(device, seed, latent, first, n, noise));
  CYF_TRY_CLEANUP(device->ops->scale(device, n * latent, sqrt(alpha_bar), x));
  CYF_TRY_CLEANUP(device->ops->axpy(device, n * latent, sqrt(1.0 - alpha_bar), noise, x));
  status = device->ops->synchronize(device);
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}
