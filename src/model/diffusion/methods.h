/* SPDX-License-Identifier: MIT */
/** @file
 * The sampling methods, listed once. The setting sample.method, the option --method, help texts, messages and the
 * sampler read this list. A new method is a file with its step function and a line here. Not collective. */
#ifndef CYF_MODEL_DIFFUSION_METHODS_H
#define CYF_MODEL_DIFFUSION_METHODS_H

#include "base/status.h"
#include "base/words.h"

/** The list, as METHOD(enumerator, name, steps, noise, step) for each method with AND() in between. `steps` are those
 * of the setting "auto" (benchmarks/results/steps.md): for dpm++ few that come within noise of ddpm over all timesteps,
 * for ddim so many that more change little. `noise` is a cyf_method_noise without its prefix. `step` is the end of a
 * function's name, cyf_sampler_step_.... Texts have the methods in this order. */
#define CYF_SAMPLER_METHODS(METHOD, AND)     \
  METHOD(DDPM, "ddpm", "all", ALWAYS, ddpm)  \
  AND()                                      \
  METHOD(DDIM, "ddim", "50", WITH_ETA, ddim) \
  AND()                                      \
  METHOD(DPM, "dpm++", "lambda15", NEVER, multistep)

/** @{ */
/** What METHOD and AND of the list are below: the parts of a method, and what stands between two of them. */
#define CYF_METHOD_ENUMERATOR(enumerator, name, steps, noise, step) CYF_SAMPLER_##enumerator
#define CYF_METHOD_WORD(enumerator, name, steps, noise, step) name
#define CYF_METHOD_STEPS(enumerator, name, steps, noise, step) steps " for " name
#define CYF_METHOD_COMMA() ,
#define CYF_METHOD_BAR() "|"
#define CYF_METHOD_COMMA_TEXT() ", "
/** @} */

/** How x_t becomes the x of the next earlier step. CYF_SAMPLER_DDPM (Ho et al. 2020), CYF_SAMPLER_DDIM (Song et al.
 * 2021) and CYF_SAMPLER_DPM (DPM-Solver++(2M), Lu et al. 2022): indices of cyf_methods, and values of sample.method. */
typedef enum cyf_sampler_method {
  CYF_SAMPLER_METHODS(CYF_METHOD_ENUMERATOR, CYF_METHOD_COMMA),
  CYF_SAMPLER_N_METHODS
} cyf_sampler_method;

/** The words of cyf_sampler_method, in its order. */
static const char *const cyf_sampler_method_words[] = {CYF_SAMPLER_METHODS(CYF_METHOD_WORD, CYF_METHOD_COMMA), NULL};
static_assert(CYF_WORDS_LENGTH(cyf_sampler_method_words) == CYF_SAMPLER_N_METHODS, "a word for each method");
/** "ddpm|ddim|dpm++" */
#define CYF_SAMPLER_WORDS CYF_SAMPLER_METHODS(CYF_METHOD_WORD, CYF_METHOD_BAR)
/** "all for ddpm, 50 for ddim, lambda15 for dpm++" */
#define CYF_SAMPLER_STEPS CYF_SAMPLER_METHODS(CYF_METHOD_STEPS, CYF_METHOD_COMMA_TEXT)

/** Whether a step draws noise; the step to x_0 never does. WITH_ETA: where eta is not 0. */
typedef enum cyf_method_noise { CYF_NOISE_NEVER, CYF_NOISE_WITH_ETA, CYF_NOISE_ALWAYS } cyf_method_noise;

struct sampler_run; /* sampler_internal.h */

/** One method. */
typedef struct cyf_method {
  const char *name;
  const char *steps; /**< of "auto", as cyf_schedule_respace takes them */
  cyf_method_noise noise;
  /** x[n, latent] (device) from step i of the schedule to step i - 1, or to x_0 where i is 0. run->eps holds the
   * denoiser's prediction at x; guidance[n, latent] and noise[n, latent] are NULL where there are none. Operations of
   * the work queue alone, so that a step can be a graph (kernels/backend.h). */
  cyf_status (*step)(const struct sampler_run *run, int i, const float *guidance, const float *noise, float *x);
} cyf_method;

/** All methods, indexed by cyf_sampler_method. */
extern const cyf_method cyf_methods[CYF_SAMPLER_N_METHODS];

/** "ddpm", "ddim" or "dpm++", a static string. */
const char *cyf_method_name(cyf_sampler_method method);

#endif
