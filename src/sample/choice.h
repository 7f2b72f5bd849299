/* SPDX-License-Identifier: MIT */
/** @file
 * Choices that sampling leaves to the model where the command line is silent: the reverse process and what guides it.
 */
#ifndef CYF_SAMPLE_CHOICE_H
#define CYF_SAMPLE_CHOICE_H

#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

/** The reverse process by its name (NULL: the model's, sample.method) and its steps (NULL: the
 * model's sample.steps where the method is the model's, else "auto"; the text is static, the caller's or the model's).
 * Errors: CYF_ERR_USAGE for an unknown name. */
cyf_status cyf_choose_method(const char *command, const cyf_settings *settings, const char *method, const char *steps,
                             cyf_sampler_method *ret_method, const char **ret_steps);

typedef enum cyf_guidance_mode { CYF_GUIDANCE_AUTO, CYF_GUIDANCE_CLASSIFIER, CYF_GUIDANCE_FREE } cyf_guidance_mode;

/** From "auto" (or NULL), "classifier", "free". Errors: CYF_ERR_USAGE. */
cyf_status cyf_guidance_mode_parse(const char *command, const char *text, cyf_guidance_mode *ret_mode);
/** What guides an attribute, without labels and weights: its classifier, or the denoiser's condition, which AUTO
 * prefers. Errors: CYF_ERR_USAGE where the model lacks what the mode wants. */
cyf_status cyf_choose_guide(const cyf_model *model, int64_t attribute, cyf_guidance_mode mode, cyf_guide *ret_guide);

#endif
