/* SPDX-License-Identifier: MIT */
/** @file
 * The reverse process by DDPM, DDIM or DPM-Solver++(2M), guided by any number of classifiers and of the denoiser's own
 * conditions. Cells are sampled in blocks of cyf_sampler_block consecutive indices. One thread computes a block, so
 * results do not depend on the number of ranks or threads. Not collective. */
#ifndef CYF_MODEL_DIFFUSION_SAMPLER_H
#define CYF_MODEL_DIFFUSION_SAMPLER_H

#include "model/classifier.h"
#include "model/denoiser.h"
#include "model/diffusion/methods.h"
#include "model/diffusion/schedule.h"

/** Cells of a block on the CPU and at most on any device; the most guides. */
enum { CYF_SAMPLER_BLOCK = 256, CYF_SAMPLER_BLOCK_MAX = 2048, CYF_GUIDES_MAX = 16 };

/** Cells of a block on this device: the device's block_cells, at most CYF_SAMPLER_BLOCK_MAX, or CYF_SAMPLER_BLOCK where
 * that is 0. */
int64_t cyf_sampler_block(const cyf_device *device);

/** What pulls cells towards labels of one attribute. Each cell has n_terms target labels with a weight each. Two terms
 * are the Gradient Interpolation of Luo et al. 2024.
 *
 * With a classifier the gradients of its log probabilities pull, grad = sum over terms of weight * d/dx log p(label |
 * x): DDPM:        mean += variance * grad the others:  eps -= sqrt(1 - alpha_bar) * grad
 *
 * Without one the denoiser's own condition pulls (classifier-free guidance, Ho & Salimans 2021). With e(y) the
 * denoiser's answer under the labels y, and the guides without a classifier taken in their order:
 *     eps = e() + w1 (e(y1) - e()) + w2 (e(y1, y2) - e(y1)) + ...
 * This follows p(y1, y2 | x) = p(y1 | x) p(y2 | x, y1). With equal weights it is e() + w (e(y1, y2) - e()). A label of
 * -1 or of weight 0 is left out. Where a guide has several terms, each adds its own difference, and later guides do not
 * see that guide's labels. Weight 0 is the unconditional model, 1 the conditional one, and more sharpens; some papers
 * call this weight - 1 their w. Each term is one more evaluation of the denoiser, all in one pass. */
typedef struct cyf_guide {
  const cyf_classifier *classifier; /**< NULL: the denoiser's condition number `condition` pulls */
  int n_terms;
  const int32_t *label; /**< [n_terms][n] device, -1: none */
  const float *weight;  /**< [n_terms][n] device */
  int condition;        /**< without a classifier */
} cyf_guide;

/** How a reverse process is run. What pointers lead to is the caller's. */
typedef struct cyf_sampler_config {
  cyf_sampler_method method;
  const cyf_schedule *schedule; /**< the steps to take; usually respaced */
  double eta;                   /**< DDIM: how much noise its steps add; 0: none */
  bool clip;                    /**< clip x0 to [-1, 1] */
  int guide_below;              /**< classifiers guide where the original timestep < this */
  uint64_t seed;
  double *guided; /**< NULL, or [schedule n]: to each step's element is added how strongly guidance acts, as the sum of
                     squares, over cells and coordinates, of what it changes eps by. The caller zeroes it, and no two
                     threads share one */
  const double *fixed_noise; /**< tests only: [schedule n][n][latent] draws in order of execution; NULL: by the seed */
  cyf_graph **graph;         /**< NULL: a step is launched operation by operation. Else it is launched as this graph
                                (kernels/backend.h). *graph is NULL at first; the one thread that uses it keeps it from
                                run to run, and the caller destroys it */
} cyf_sampler_config;

/** Runs the whole reverse process for n cells of global indices [first, first + n): x[n, latent] (device) is x_T on
 * entry and x_0 on return. Steps go from the schedule's last to 0. Where results must not depend on the number of
 * threads, n is at most cyf_sampler_block. Threads may call it at the same time, each with its own scratch. Errors:
 * CYF_ERR_NUMERIC naming the cell and the step that made it NaN or infinite, CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_sampler_run(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                           const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x);
/** Runs the process of cyf_sampler_run backwards: x[n, latent] (device) is x_0 on entry and x of the schedule's last
 * step on return. This is DDIM without noise, solved from x_0 on (Song et al. 2021, section 4.3), whatever
 * config->method says. Under the same guides cyf_sampler_run brings x back to about x_0, with smaller steps more
 * nearly. Errors: CYF_ERR_NUMERIC, CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_sampler_invert(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                              const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x);
/** x_T of cells [first, first + n): x[n, latent] (device) becomes standard normals of CYF_RNG_START. */
cyf_status cyf_sampler_start(cyf_device *device, uint64_t seed, int64_t latent, int64_t first, int64_t n, float *x);
/** The forward process to the schedule's last step (Ho et al. 2020, eq. 4). x[n, latent] (device) is x_0 on entry and
 * x_t on return, with the noise that cyf_sampler_start draws for these cells. cyf_sampler_run goes on from there. */
cyf_status cyf_sampler_start_from(cyf_device *device, const cyf_schedule *schedule, uint64_t seed, int64_t latent,
                                  cyf_scratch *scratch, int64_t first, int64_t n, float *x);

#endif
