/* The reverse process: DDPM, DDIM and DPM-Solver++(2M), guided by any number of classifiers and of the denoiser's own
 * conditions, with gradient interpolation. Cells are sampled in blocks of CYF_SAMPLER_BLOCK consecutive indices; one
 * block is computed by one thread, so results do not depend on ranks or threads. */
#ifndef CYF_MODEL_DIFFUSION_SAMPLER_H
#define CYF_MODEL_DIFFUSION_SAMPLER_H

#include "model/classifier.h"
#include "model/denoiser.h"
#include "model/diffusion/schedule.h"

enum { CYF_SAMPLER_BLOCK = 256, CYF_GUIDES_MAX = 16 };
typedef enum cyf_sampler_method { CYF_SAMPLER_DDPM, CYF_SAMPLER_DDIM, CYF_SAMPLER_DPM } cyf_sampler_method;

/* One attribute with n_terms weighted targets a cell. Two terms of one classifier are the paper's Gradient
 * Interpolation. With a classifier, its gradients: DDPM mean += variance * weight * grad log p, the others eps -=
 * sqrt(1
 * - alpha_bar) * the same. Without one, the denoiser's own condition (classifier-free guidance, Ho & Salimans 2021):
 * eps = eps_null + sum over all such terms of weight * (eps_term - eps_null), where eps_null has no label and eps_term
 * only the term's (Liu et al. 2022, eq. 11). Weight 0 is the unconditional model, 1 the conditional one, more sharpens:
 * what some papers call w is this weight - 1. Each term is one more evaluation of the denoiser, in the same pass. */
typedef struct cyf_guide {
  const cyf_classifier *classifier; /* NULL: condition `condition` of the denoiser */
  int n_terms;
  const int32_t *label; /* [n_terms][n] device, -1: none */
  const float *weight;  /* [n_terms][n] device */
  int condition;        /* without a classifier */
} cyf_guide;

typedef struct cyf_sampler_config {
  cyf_sampler_method method;
  const cyf_schedule *schedule; /* respaced */
  double eta;                   /* DDIM: 0 deterministic */
  bool clip;                    /* clip x0 to [-1, 1] */
  int guide_below;              /* classifiers guide where the original timestep < this */
  uint64_t seed;
  const double *fixed_noise; /* tests only: [schedule n][n][latent] draws in order of execution; NULL: counter-based */
} cyf_sampler_config;

/* Runs the whole reverse process for n cells of global indices [first, first + n), from x[n, latent] (device: x_T on
 * entry, x_0 on return). Steps go from the schedule's last to 0. n <= CYF_SAMPLER_BLOCK where results must not depend
 * on threads. Thread-safe with one's own scratch. */
cyf_status cyf_sampler_run(const cyf_sampler_config *config, const cyf_denoiser *denoiser, int n_guides,
                           const cyf_guide *guides, cyf_scratch *scratch, int64_t first, int64_t n, float *x);
/* x_T for cells [first, first + n): standard normals of CYF_RNG_START. */
cyf_status cyf_sampler_start(cyf_device *device, uint64_t seed, int64_t latent, int64_t first, int64_t n, float *x);

#endif
