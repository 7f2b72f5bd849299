/* SPDX-License-Identifier: MIT */
#include "sample/class_path.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "sample/conditions.h"

static cyf_status add_class(const cyf_model *model, const char *value, cyf_class_path *path) {
  int64_t code = 0;
  CYF_TRY(cyf_conditions_find_value(model, path->attribute, value, &code));
  if (path->n_classes > 0 && path->code[path->n_classes - 1] == code)
    return CYF_FAIL(CYF_ERR_USAGE, "the path goes from '%s' to itself; give two classes of '%s'", value,
                    model->attributes[path->attribute].name);
  CYF_TRY(cyf_realloc((void **)&path->code, (size_t)path->n_classes + 1, sizeof *path->code));
  path->code[path->n_classes++] = (int32_t)code;
  return CYF_OK;
}

static cyf_status add_list(const cyf_model *model, const char *list, cyf_class_path *path) {
  char *copy = NULL;
  CYF_TRY(cyf_strdup(list, &copy));
  cyf_status status = CYF_OK;
  for (char *part = copy, *next = NULL; part != NULL && status == CYF_OK; part = next) {
    next = strchr(part, ',');
    if (next != NULL) *next++ = '\0';
    status = add_class(model, part, path);
  }
  cyf_free(copy);
  return status;
}

static cyf_status check_asked(const cyf_class_path_asked *asked) {
  const bool ends = asked->from != NULL || asked->to != NULL;
  if (asked->path != NULL && ends)
    return CYF_FAIL(CYF_ERR_USAGE, "--path and --from, --to contradict each other; give one of them");
  if (asked->path == NULL && (asked->from == NULL || asked->to == NULL))
    return CYF_FAIL(CYF_ERR_USAGE, "where from and where to? --from A --to B, or --path A,B,C");
  if (asked->n_points < 2)
    return CYF_FAIL(CYF_ERR_USAGE, "--points %lld: a path has at least 2 points, its ends", (long long)asked->n_points);
  return CYF_OK;
}

static cyf_status make(const cyf_model *model, const cyf_class_path_asked *asked, cyf_class_path *path) {
  CYF_TRY(check_asked(asked));
  CYF_TRY(cyf_model_find_attribute(model, asked->attribute, &path->attribute));
  if (model->attributes[path->attribute].classifier == NULL && !cyf_model_has_classes(model, path->attribute))
    return CYF_FAIL(CYF_ERR_USAGE, "no path leads along '%s': the model's cells have fewer than two values of it",
                    asked->attribute);
  if (model->attributes[path->attribute].classifier == NULL)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "the model has no classifier for '%s', which would guide along the path; add one: train -m MODEL "
                    "--stage classifier:%s --data ATLAS",
                    asked->attribute, asked->attribute);
  if (asked->path != NULL) {
    CYF_TRY(add_list(model, asked->path, path));
  } else {
    CYF_TRY(add_class(model, asked->from, path));
    CYF_TRY(add_class(model, asked->to, path));
  }
  if (path->n_classes < 2)
    return CYF_FAIL(CYF_ERR_USAGE, "--path '%s' has one class; a path wants at least two, A,B", asked->path);
  return CYF_OK;
}

cyf_status cyf_class_path_make(const cyf_model *model, const cyf_class_path_asked *asked, cyf_class_path *ret_path) {
  *ret_path = (cyf_class_path){.n_points = asked->n_points};
  const cyf_status status = make(model, asked, ret_path);
  if (status != CYF_OK) cyf_class_path_destroy(ret_path);
  return status;
}

void cyf_class_path_destroy(cyf_class_path *path) {
  if (path != NULL) cyf_free(path->code);
}

double cyf_class_path_s(const cyf_class_path *path, int64_t point) {
  return (double)(path->n_classes - 1) * (double)point / (double)(path->n_points - 1);
}

cyf_status cyf_class_path_guide(const cyf_class_path *path, const cyf_model *model, cyf_scratch *scratch, int64_t point,
                                int64_t n, double w, cyf_guide *ret_guide) {
  cyf_device *device = model->device;
  const double s = cyf_class_path_s(path, point);
  int64_t segment = (int64_t)floor(s);
  if (segment > path->n_classes - 2) segment = path->n_classes - 2;
  const double along = s - (double)segment;
  int32_t *label = NULL, *label_host = NULL;
  float *weight = NULL, *weight_host = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, 2 * n, &label));
  CYF_TRY_CLEANUP(cyf_scratch_floats(scratch, 2 * n, &weight));
  CYF_TRY_CLEANUP(CYF_NEW(&label_host, 2 * n));
  CYF_TRY_CLEANUP(CYF_NEW(&weight_host, 2 * n));
  for (int64_t i = 0; i < n; i++) {
    label_host[i] = path->code[segment];
    label_host[n + i] = path->code[segment + 1];
    weight_host[i] = (float)(w * (1 - along));
    weight_host[n + i] = (float)(w * along);
  }
  CYF_TRY_CLEANUP(device->ops->upload(device, label, label_host, sizeof(int32_t) * 2 * (size_t)n));
  CYF_TRY_CLEANUP(device->ops->upload(device, weight, weight_host, sizeof(float) * 2 * (size_t)n));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  *ret_guide = (cyf_guide){
      .classifier = model->attributes[path->attribute].classifier, .n_terms = 2, .label = label, .weight = weight};
cleanup:
  cyf_free(label_host);
  cyf_free(weight_host);
  return status;
}

cyf_status cyf_class_path_describe(const cyf_class_path *path, const cyf_model *model, char **ret_text) {
  char *text = NULL, *longer = NULL;
  for (int64_t i = 0; i < path->n_classes; i++) {
    const char *name = model->attributes[path->attribute].categories.name[path->code[i]];
    const cyf_status status = cyf_format(&longer, "%s%s%s", text != NULL ? text : "", text != NULL ? " -> " : "", name);
    cyf_free(text);
    CYF_TRY(status);
    text = longer;
  }
  *ret_text = text;
  return CYF_OK;
}
