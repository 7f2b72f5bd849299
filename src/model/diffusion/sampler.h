/* The reverse process: DDPM and DDIM, guided by any number of classifiers, with gradient interpolation. Cells are
 * sampled in blocks of CYF_SAMPLER_BLOCK consecutive indices; one block is computed by one thread, so results do not
 * depend on ranks or threads. */
#ifndef CYF_MODEL_DIFFUSION_SAMPLER_H
#define CYF_MODEL_DIFFUSION_SAMPLER_H

#include "model/classifier.h"
#include "model/denoiser.h"
#include "model/diffusion/schedule.h"

enum { CYF_SAMPLER_BLOCK = 256, CYF_GUIDES_MAX = 16 };
typedef enum cyf_sampler_method { CYF_SAMPLER_DDPM, CYF_SAMPLER_DDIM } cyf_sampler_method;

/* One classifier with n_terms weighted targets a cell. Two terms of one classifier are the paper's Gradient
 * Interpolation. */
typedef struct cyf_guide {
  const cyf_classifier *classifier;
  int n_terms;
  const int32_t *label; /* [n_terms][n] device, -1: none */
  const float *weight;  /* [n_terms][n] device */
} cyf_guide;

typedef struct cyf_sampler_config {
  cyf_sampler_method method;
  const cyf_schedule *schedule; /* respaced */
  double eta;                   /* DDIM: 0 deterministic */
  bool clip;                    /* clip x0 to [-1, 1] */
  int guide_below;              /* guidance acts where the original timestep < this */
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
