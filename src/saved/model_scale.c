/* SPDX-License-Identifier: MIT */
#include "saved/model_scale.h"

#include <stdio.h>

#include "base/log.h"
#include "kernels/math/normalisation.h"

static const double beyond_doubt = 1.01; /* a sum so far above a target is of another */

const char *cyf_scale_text(double target, char text[CYF_SCALE_TEXT_SIZE]) {
  if (cyf_targets_agree(target, CYF_NORMALISED_TOTAL))
    snprintf(text, CYF_SCALE_TEXT_SIZE, "log1p(counts / total x " CYF_NORMALISED_TOTAL_TEXT ")");
  else if (target > 0)
    snprintf(text, CYF_SCALE_TEXT_SIZE, "log1p(counts / total x %.10g)", target);
  else
    snprintf(text, CYF_SCALE_TEXT_SIZE, "log1p, target unknown");
  return text;
}

static const char *name_of(const cyf_model *model) {
  return model->path != NULL ? model->path : "this run";
}

/* Whether logarithms are on the model's scale. */
static cyf_status check_logarithms(const cyf_model *model, const char *path, const cyf_values *values) {
  char scale[CYF_SCALE_TEXT_SIZE], text[CYF_VALUES_TEXT_SIZE];
  const bool cells_known = values->target > 0, model_known = model->target > 0;
  if (cells_known == model_known) return CYF_OK; /* both: it is exact. Neither: as of one selection of genes */
  cyf_scale_text(model->target, scale);
  cyf_values_text(values, text);
  if (model_known && values->most > beyond_doubt * model->target)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "the values of %s are %s, and the model %s takes %s: a cell of the former adds up to %.6g, so the "
                    "scales differ, and cannot be brought to one exactly; take counts (--matrix raw/X or layers/NAME), "
                    "or state the target (--values log1p:TARGET)",
                    path, text, name_of(model), scale, values->most);
  cyf_warn(
      "the values of %s are %s, and the model %s takes %s: whether they are on one scale cannot be told; they are "
      "taken for it",
      path, text, name_of(model), scale);
  return CYF_OK;
}

cyf_status cyf_model_rescaling(const cyf_model *model, const char *path, const cyf_values *values,
                               cyf_rescaling *ret_rescaling) {
  const double target = model->target > 0 ? model->target : CYF_NORMALISED_TOTAL;
  char text[CYF_VALUES_TEXT_SIZE], scale[CYF_SCALE_TEXT_SIZE];
  *ret_rescaling = cyf_values_rescaling(values, target);
  if (ret_rescaling->normalise) {
    if (model->target == 0)
      cyf_warn(
          "the values of %s are %s, and what the model %s takes is log1p of an unknown target: they are brought to "
          "that of %.10g",
          path, cyf_values_text(values, text), name_of(model), target);
    return CYF_OK;
  }
  CYF_TRY(check_logarithms(model, path, values));
  if (model->target == 0) *ret_rescaling = cyf_values_rescaling(values, 0); /* of the base alone */
  if (!cyf_rescaling_is_none(ret_rescaling))
    cyf_info("the values of %s are %s; they are brought to what the model %s takes, %s", path,
             cyf_values_text(values, text), name_of(model), cyf_scale_text(model->target, scale));
  return CYF_OK;
}

cyf_status cyf_model_atlas_rescaling(const cyf_model *model, const cyf_atlas *atlas, cyf_rescaling *ret_rescaling) {
  const bool is_counted = cyf_expression_is_counted(atlas->kind);
  const cyf_values values = {.kind = is_counted ? CYF_VALUES_COUNTS : CYF_VALUES_LOG1P,
                             .target = is_counted ? 0 : atlas->target};
  return cyf_model_rescaling(model, atlas->directory, &values, ret_rescaling);
}
