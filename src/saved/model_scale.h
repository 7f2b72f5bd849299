/* SPDX-License-Identifier: MIT */
/** @file
 * Cells beside a model are held to the scale that it was trained on. No function here is collective. */
#ifndef CYF_SAVED_MODEL_SCALE_H
#define CYF_SAVED_MODEL_SCALE_H

#include "base/status.h"
#include "data/atlas/atlas.h"
#include "data/h5ad/values.h"
#include "saved/model_file.h"

/** How settled values (cyf_values_settle) of the cells at `path` come to the model's scale.
 *
 * Where that is exact they are brought to it. A warning names both where it cannot be told whether they are on one
 * scale, as where a target is unknown. Errors: CYF_ERR_INPUT, naming both, where they are on different ones. */
cyf_status cyf_model_rescaling(const cyf_model *model, const char *path, const cyf_values *values,
                               cyf_rescaling *ret_rescaling);
/** The same for the cells of an atlas. */
cyf_status cyf_model_atlas_rescaling(const cyf_model *model, const cyf_atlas *atlas, cyf_rescaling *ret_rescaling);

enum { CYF_SCALE_TEXT_SIZE = 96 };
/** What the values that a model takes and gives are: "log1p(counts / total x TARGET)", or "log1p, target unknown" where
 * the target is 0. Returns `text`. */
const char *cyf_scale_text(double target, char text[CYF_SCALE_TEXT_SIZE]);

#endif
