/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the sampler's files; not for others. */
#ifndef CYF_MODEL_DIFFUSION_SAMPLER_INTERNAL_H
#define CYF_MODEL_DIFFUSION_SAMPLER_INTERNAL_H

#include "model/diffusion/sampler.h"

/** The state of one cyf_sampler_run. */
typedef struct sampler_run {
  const cyf_sampler_config *config;
  const cyf_denoiser *denoiser;
  int n_guides;
  const cyf_guide *guides;
  cyf_device *device;
  cyf_scratch *scratch;
  int64_t first, n, latent;
  bool inverts; /* from x_0 to the last step */
  cyf_rng_key noise_key;
  const int32_t *timestep;       /**< [steps] device: the schedule's */
  cyf_denoiser_rows rows;        /**< of the denoiser's evaluations; a step sets rows.time */
  float *eps, *guidance, *noise; /**< [n, latent] */
  float *x0_before;              /**< [n, latent] DPM-Solver++: the predicted x_0 of the step before */
  double *square;          /**< [2][steps] device, for config->guided: squares of the classifiers' guidance, and of what
                              the denoiser's conditions add to eps; NULL: not wanted */
  int32_t *not_finite;     /**< [n] steps since the cell was first not finite, that one included; 0: it never was */
  float *fixed_noise_host; /**< [n, latent], tests only */
  int n_free;              /**< terms of classifier-free guidance, over all guides */
  int free_base[1 +
                CYF_GUIDES_MAX]; /**< for each term's copy of the cells: the copy that its answer is compared with */
  int32_t *free_label;           /**< [n_conditions][(1 + n_free) n] host */
  float *free_x, *free_eps;      /**< [(1 + n_free) n, latent] */
} sampler_run;

/** Counts the terms of classifier-free guidance. If there are any, sets up the denoiser's evaluation of one copy of the
 * cells without labels and one copy for each term. */
cyf_status cyf_sampler_prepare_free(sampler_run *run);
/** run->eps of x at step i of the schedule, with classifier-free guidance. One pass through the denoiser. */
cyf_status cyf_sampler_predict(const sampler_run *run, int i, const float *x);
/** run->guidance = sum over the guides with a classifier and their terms of weight * grad log p; *ret_guidance NULL
 * where no classifier acts. */
cyf_status cyf_sampler_sum_gradients(const sampler_run *run, int i, const float *x, const float **ret_guidance);

/** DDIM without noise the other way: x from step i - 1 of the schedule, or x_0 where i is 0, to step i. run->eps is the
 * prediction at step i for the x that comes in. */
cyf_status cyf_sampler_step_up(const sampler_run *run, int i, const float *guidance, float *x);

/* The steps of cyf_methods: cyf_sampler_step_ddpm and so on. */
#define CYF_METHOD_STEP(enumerator, name, steps, noise, step)                                                  \
  cyf_status cyf_sampler_step_##step(const sampler_run *run, int i, const float *guidance, const float *draws, \
                                     float *x);
#define CYF_METHOD_NOTHING()
CYF_SAMPLER_METHODS(CYF_METHOD_STEP, CYF_METHOD_NOTHING)

#endif
