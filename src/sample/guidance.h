/* SPDX-License-Identifier: MIT */
/** @file
 * How strongly each attribute's classifier guides: "--guidance 2", "--guidance cell_type=2,donor=1". */
#ifndef CYF_SAMPLE_GUIDANCE_H
#define CYF_SAMPLE_GUIDANCE_H

#include <stdbool.h>

#include "base/names.h"
#include "saved/model_file.h"

typedef struct cyf_guidance {
  double common;   /**< where nothing else is said */
  bool has_common; /**< the user said it */
  double *of;      /**< [n_attributes of the model], NAN: not said */
} cyf_guidance;

/** @{ */
/** The default for every attribute, as published: 2. */
cyf_status cyf_guidance_create(const cyf_model *model, cyf_guidance *ret_guidance);
cyf_status cyf_guidance_copy(const cyf_model *model, const cyf_guidance *from, cyf_guidance *ret_guidance);
/** @} */

void cyf_guidance_destroy(cyf_guidance *guidance); /**< NULL-safe */
/** Reads "2" or "cell_type=2,donor=1" into it. Errors: CYF_ERR_USAGE (no number or below zero, an unknown attribute
 * with the nearest and the known ones, one said twice). */
cyf_status cyf_guidance_read(const cyf_model *model, const char *text, cyf_guidance *guidance);

/** @{ */
/** All values of an option. */
cyf_status cyf_guidance_make(const cyf_model *model, const cyf_texts *texts, cyf_guidance *ret_guidance);
double cyf_guidance_of(const cyf_guidance *guidance, int64_t attribute);
/** @} */

#endif
