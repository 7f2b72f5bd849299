/* SPDX-License-Identifier: MIT */
/** @file
 * A path through classes of an attribute, and how cells are guided along it. */
#ifndef CYF_SAMPLE_CLASS_PATH_H
#define CYF_SAMPLE_CLASS_PATH_H

#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

/** Points 0 ... n_points - 1 lie evenly on s from 0 to n_classes - 1; between class j and j + 1 the weights of their
 * gradients are (1 - (s - j), s - j). */
typedef struct cyf_class_path {
  int64_t attribute; /**< in the model */
  int32_t *code;     /**< [n_classes] */
  int64_t n_classes, n_points;
} cyf_class_path;

typedef struct cyf_class_path_asked {
  const char *attribute, *from, *to, *path; /**< path: "A,B,C"; or from and to */
  int64_t n_points;
} cyf_class_path_asked;

/** Errors: CYF_ERR_USAGE (neither or both of --path and --from, --to; unknown attribute or class with the nearest and
 * the known ones; no classifier; the same class twice running; fewer than two points). */
cyf_status cyf_class_path_make(const cyf_model *model, const cyf_class_path_asked *asked, cyf_class_path *ret_path);
void cyf_class_path_destroy(cyf_class_path *path); /**< NULL-safe */
double cyf_class_path_s(const cyf_class_path *path, int64_t point);
/** The guide of n cells at a point, of weight w in all (Luo et al. 2024, gradient interpolation: w ((1 - s) grad log p
 * of one class + s of the next)); arrays in scratch memory. */
cyf_status cyf_class_path_guide(const cyf_class_path *path, const cyf_model *model, cyf_scratch *scratch, int64_t point,
                                int64_t n, double w, cyf_guide *ret_guide);
/** "10 -> 10.5 -> 11", freed with cyf_free. */
cyf_status cyf_class_path_describe(const cyf_class_path *path, const cyf_model *model, char **ret_text);

#endif
