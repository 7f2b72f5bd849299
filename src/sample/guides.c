/* SPDX-License-Identifier: MIT */
#include "sample/guides.h"

#include <stdbool.h>

#include "kernels/backend.h"

static bool guides_any(const cyf_condition *condition, int64_t first, int64_t n) {
  for (int64_t i = first; i < first + n; i++)
    if (condition->weight[i] != 0) return true;
  return false;
}

cyf_status cyf_make_guides(const cyf_model *model, const cyf_conditions *conditions, cyf_guidance_mode mode,
                           cyf_scratch *scratch, int64_t first, int64_t n, cyf_guide *guides, int *ret_n_guides) {
  cyf_device *device = model->device;
  *ret_n_guides = 0;
  for (int64_t k = 0; k < conditions->n; k++) {
    const cyf_condition *condition = &conditions->item[k];
    int32_t *label = NULL;
    float *weight = NULL;
    if (!guides_any(condition, first, n)) continue;
    CYF_TRY(cyf_scratch_int32(scratch, n, &label));
    CYF_TRY(cyf_scratch_floats(scratch, n, &weight));
    CYF_TRY(device->ops->upload(device, label, condition->code + first, sizeof(int32_t) * (size_t)n));
    CYF_TRY(device->ops->upload(device, weight, condition->weight + first, sizeof(float) * (size_t)n));
    cyf_guide *guide = &guides[(*ret_n_guides)++];
    CYF_TRY(cyf_choose_guide(model, condition->attribute, mode, guide));
    guide->label = label;
    guide->weight = weight;
  }
  return device->ops->synchronize(device);
}
