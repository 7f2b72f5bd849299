/* SPDX-License-Identifier: MIT */
/** @file
 * The reverse process: DDPM, DDIM and DPM-Solver++(2M), guided by any number of classifiers and of the denoiser's own
 * conditions, with gradient interpolation. Cells are sampled in blocks of cyf_sampler_block consecutive indices; one
 * block is computed by one thread, so results do not depend on ranks or threads. */
#ifndef CYF_MODEL_DIFFUSION_SAMPLER_H
#define CYF_MODEL_DIFFUSION_SAMPLER_H

#include "model/classifier.h"
#include "model/denoiser.h"
#include "model/diffusion/methods.h"
#include "model/diffusion/schedule.h"

enum { CYF_SAMPLER_BLOCK = 256, CYF_SAMPLER_BLOCK_MAX = 2048, CYF_GUIDES_MAX = 16 };

/** Cells of a block on this device: CYF_SAMPLER_BLOCK, or what the device wants, at most CYF_SAMPLER_BLOCK_MAX. */
int64_t cyf_sampler_block(const cyf_device *device);

/** One attribute with n_terms weighted targets a cell. Two terms of one attribute are the paper's Gradient
 * Interpolation.
 *
 * With a classifier, by its gradients: DDPM mean += variance * weight * grad log p, the others eps -= sqrt(1 -
 * alpha_bar)
 * * the same. Without one, by the denoiser's own condition (classifier-free guidance, Ho & Salimans 2021): where e(y)
 * is the denoiser's answer under the labels y, eps = e() + w1 (e(y1) - e()) + w2 (e(y1, y2) - e(y1)) + ... over such
 * guides in their order, by p(y1, y2 | x) = p(y1 | x) p(y2 | x, y1); with equal weights that is e() + w (e(y1, y2) -
 * e()). A label of -1 or of weight 0 is left out. Several terms of a guide each add theirs, and later guides then do
 * not see that guide's labels. Weight 0 is the unconditional model, 1 the conditional one, more sharpens (what some
 * papers call w is this weight - 1). Each term is one more evaluation of the denoiser, all in one pass. */
typedef struct cyf_guide {
  const cyf_classifier *classifier; /**< NULL: condition `condition` of the denoiser */
  int n_terms;
  const int32_t *label; /**< [n_terms][n] device, -1: none */
  const float *weight;  /**< [n_terms][n] device */
  int condition;        /**< without a classifier */
} cyf_guide;

typedef struct cyf_sampler_config {
  cyf_sampler_method method;
  const cyf_schedule *schedule; /**< respaced */
  double eta;                   /**< DDIM: 0 deterministic */
  bool clip;                    /**< clip x0 to [-1, 1] */
  int guide_below;              /**< classifiers guide where the original timestep < this */
  uint64_t seed;
  const double
      *fixed_noise;  /**< tests only: [schedule n][n][latent] draws in order of execution; NULL: counter-based */
  cyf_graph **graph; /**< a step is launched as this graph (kernels/backend.h): NULL at first, kept from run to run by
                        the one thread that uses it, and destroyed by the caller. NULL: operation by operation */
} cyf_sampler_config;

/** Runs the whole reverse process for n cells of global indices [first, first + n), from x[n, latent] (device: x_T on
 * entry, x_0 on return). Steps go from the schedule's last to 0. n <= cyf_sampler_block where results must not depend
 * on threads. Thread-safe with one's own scratch. */
cyf_status cyf_sampler_run(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                           const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x);
/** x_T for cells [first, first + n): standard normals of CYF_RNG_START. */
cyf_status cyf_sampler_start(cyf_device *device, uint64_t seed, int64_t latent, int64_t first, int64_t n, float *x);
/** The forward process to the schedule's last step (Ho et al. 2020, eq. 4): x[n, latent] (device) is x_0 on entry and
 * x_t on return, with the noise that cyf_sampler_start draws for these cells. cyf_sampler_run goes on from there. */
cyf_status cyf_sampler_start_from(cyf_device *device, const cyf_schedule *schedule, uint64_t seed, int64_t latent,
                                  cyf_scratch *scratch, int64_t first, int64_t n, float *x);

#endif
