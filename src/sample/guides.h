/* SPDX-License-Identifier: MIT */
/** @file
 * Conditions made into the guides that the sampler takes. */
#ifndef CYF_SAMPLE_GUIDES_H
#define CYF_SAMPLE_GUIDES_H

#include "model/diffusion/sampler.h"
#include "sample/choice.h"
#include "sample/conditions.h"

/** Fills guides[*ret_n_guides], which has room for CYF_GUIDES_MAX, for the cells [first, first + n). Each guide is a
 * classifier or the denoiser itself, with labels and weights in scratch memory on the device. A condition whose weight
 * is 0 for all these cells gets none. Waits for the device. Thread-safe where each thread has its own scratch. Not
 * collective. Errors: CYF_ERR_USAGE (cyf_choose_guide), CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_make_guides(const cyf_model *model, const cyf_conditions *conditions, cyf_guidance_mode mode,
                           cyf_scratch *scratch, int64_t first, int64_t n, cyf_guide *guides, int *ret_n_guides);

#endif
