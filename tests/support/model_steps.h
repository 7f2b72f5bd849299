/* SPDX-License-Identifier: MIT */
/* Single calls for what training and sampling do in several: finding the distinct timesteps of a batch, then a step of
 * the denoiser or the classifier. */
#ifndef CYF_TESTS_MODEL_STEPS_H
#define CYF_TESTS_MODEL_STEPS_H

#include "kernels/backend.h"
#include "model/classifier.h"
#include "model/denoiser.h"

/* One training step, waited for: *ret_sum is there on return. */
static inline cyf_status denoiser_step(cyf_denoiser *denoiser, int64_t n, const float *x_t, const int32_t *t,
                                       const int32_t *labels, const float *eps, int64_t n_global, double *ret_sum) {
  cyf_device *device = cyf_denoiser_get_device(denoiser);
  cyf_denoiser_rows rows = {0};
  cyf_scratch *scratch = NULL;
  CYF_TRY(cyf_scratch_create(device, &scratch));
  cyf_status status;
  if (n > 0) CYF_TRY_CLEANUP(cyf_denoiser_rows_find(denoiser, scratch, n, t, labels, &rows));
  CYF_TRY_CLEANUP(cyf_denoiser_train_rows(denoiser, n, x_t, &rows, eps, n_global, ret_sum));
  status = device->ops->synchronize(device);
cleanup:
  cyf_scratch_destroy(&scratch);
  return status;
}

/* The one row of a timestep that all cells share, as a step of the sampler has it. */
static inline cyf_status one_timestep(cyf_device *device, cyf_scratch *scratch, int32_t t, cyf_time_rows *ret_rows) {
  int32_t *t_device = NULL;
  CYF_TRY(cyf_scratch_int32(scratch, 1, &t_device));
  CYF_TRY(device->ops->upload(device, t_device, &t, sizeof t));
  *ret_rows = (cyf_time_rows){.n_rows = 1, .t = t_device};
  return CYF_OK;
}

/* out[n, latent] at one timestep. */
static inline cyf_status denoiser_at(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                     int32_t t, const int32_t *labels, float *out) {
  const size_t mark = cyf_scratch_mark(scratch);
  cyf_denoiser_rows rows = {0};
  cyf_status status;
  CYF_TRY_CLEANUP(one_timestep(cyf_denoiser_get_device(denoiser), scratch, t, &rows.time));
  CYF_TRY_CLEANUP(cyf_denoiser_rows_find_labels(denoiser, scratch, n, labels, &rows));
  CYF_TRY_CLEANUP(cyf_denoiser_eval_rows(denoiser, scratch, n, x_t, &rows, out));
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}

/* gradient[n, latent] += the classifier's at one timestep. */
static inline cyf_status guidance_at(cyf_classifier *classifier, cyf_scratch *scratch, int64_t n, const float *x_t,
                                     int32_t t, int n_terms, const int32_t *label, const float *weight,
                                     float *gradient) {
  const size_t mark = cyf_scratch_mark(scratch);
  cyf_time_rows rows;
  cyf_status status;
  CYF_TRY_CLEANUP(one_timestep(cyf_classifier_parameters(classifier)->device, scratch, t, &rows));
  CYF_TRY_CLEANUP(cyf_classifier_guidance_rows(classifier, scratch, n, x_t, &rows, n_terms, label, weight, gradient));
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}

#endif
