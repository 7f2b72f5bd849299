/* SPDX-License-Identifier: MIT */
/** @file
 * What sampling does where the user has not said it: which reverse process, and what guides it. The model decides. No
 * function here is collective. `command` stands first in messages: "sample". */
#ifndef CYF_SAMPLE_CHOICE_H
#define CYF_SAMPLE_CHOICE_H

#include "base/words.h"
#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

/** Chooses the reverse process and its steps. method: a name of cyf_methods; NULL: the settings' sample.method. steps:
 * as --steps takes it. NULL: the settings' sample.steps where the method is the settings' too, else the method's own
 * number, which "auto" also means. *ret_steps is static or belongs to the caller or the settings. Errors: CYF_ERR_USAGE
 * for an unknown method. */
cyf_status cyf_choose_method(const char *command, const cyf_settings *settings, const char *method, const char *steps,
                             cyf_sampler_method *ret_method, const char **ret_steps);

/** What pulls cells towards a label: a classifier's gradient (classifier guidance), or the denoiser's own prediction
 * with the label beside that without (classifier-free guidance). AUTO: the latter where the denoiser is told the label.
 */
typedef enum cyf_guidance_mode {
  CYF_GUIDANCE_AUTO,
  CYF_GUIDANCE_CLASSIFIER,
  CYF_GUIDANCE_FREE,
  CYF_GUIDANCE_MODES
} cyf_guidance_mode;
/** The words of cyf_guidance_mode, in its order. */
static const char *const cyf_guidance_mode_words[] = {"auto", "classifier", "free", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_guidance_mode_words) == CYF_GUIDANCE_MODES, "a word for each mode");

/** Reads a word of cyf_guidance_mode_words; NULL: AUTO. Errors: CYF_ERR_USAGE. */
cyf_status cyf_guidance_mode_parse(const char *command, const char *text, cyf_guidance_mode *ret_mode);
/** Gives the guide of an attribute, still without labels and weights. Nothing of it is to be freed. Errors:
 * CYF_ERR_USAGE where the model lacks what the mode wants. */
cyf_status cyf_choose_guide(const cyf_model *model, int64_t attribute, cyf_guidance_mode mode, cyf_guide *ret_guide);

#endif
