/* SPDX-License-Identifier: MIT */
/** @file
 * How strongly cells are pulled towards the labels of each attribute: "--guidance 2", "--guidance cell_type=2,donor=1".
 * No function here is collective. */
#ifndef CYF_SAMPLE_GUIDANCE_H
#define CYF_SAMPLE_GUIDANCE_H

#include <stdbool.h>

#include "base/names.h"
#include "saved/model_file.h"

/** The strength of guidance, of each attribute. */
typedef struct cyf_guidance {
  double common;   /**< of each attribute that has none of its own; NAN: each has its usual one */
  bool has_common; /**< the user gave `common` */
  double *of;      /**< [n_attributes of the model] of each attribute, NAN: it has none of its own; owned */
  double *usual;   /**< [n_attributes of the model] of each attribute, where nothing is said; owned */
} cyf_guidance;

/** @{ */
/** Makes the usual guidance, or a copy of another one, in which has_common is false. Usual is 2 with a classifier, as
 * published, and 1.5 where the denoiser is told the label, unless by_classifiers. benchmarks/results/defaults.md has
 * figures. The caller frees it with cyf_guidance_destroy. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_guidance_create(const cyf_model *model, bool by_classifiers, cyf_guidance *ret_guidance);
cyf_status cyf_guidance_copy(const cyf_model *model, const cyf_guidance *from, cyf_guidance *ret_guidance);
/** @} */

/** Frees what the guidance holds. NULL-safe. */
void cyf_guidance_destroy(cyf_guidance *guidance);
/** Reads "2" or "cell_type=2,donor=1" into the guidance. Errors: CYF_ERR_USAGE (no number, or one below zero; an
 * unknown attribute, with the nearest and the known ones; one given twice). */
cyf_status cyf_guidance_read(const cyf_model *model, const char *text, cyf_guidance *guidance);

/** Reads all texts of a repeated option, as cyf_guidance_read does, over the default. The caller frees the result with
 * cyf_guidance_destroy. Errors: CYF_ERR_USAGE, CYF_ERR_MEMORY. */
cyf_status cyf_guidance_make(const cyf_model *model, const cyf_texts *texts, bool by_classifiers,
                             cyf_guidance *ret_guidance);
/** The strength for an attribute, given by its place in the model. */
double cyf_guidance_of(const cyf_guidance *guidance, int64_t attribute);

#endif
