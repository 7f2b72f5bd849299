/* SPDX-License-Identifier: MIT */
/** @file
 * From conditions to what the sampler is guided by. */
#ifndef CYF_SAMPLE_GUIDES_H
#define CYF_SAMPLE_GUIDES_H

#include "model/diffusion/sampler.h"
#include "sample/choice.h"
#include "sample/conditions.h"

/** The guides of cells [first, first + n): what guides each condition (its classifier, or the denoiser itself) with its
 * labels and weights, in scratch memory.
 * Conditions that guide none of the cells are left out. guides: room for CYF_GUIDES_MAX. Thread-safe with one's own
 * scratch. */
cyf_status cyf_make_guides(const cyf_model *model, const cyf_conditions *conditions, cyf_guidance_mode mode,
                           cyf_scratch *scratch, int64_t first, int64_t n, cyf_guide *guides, int *ret_n_guides);

#endif
