/* SPDX-License-Identifier: MIT */
/** @file
 * A path through classes of an attribute, and how cells are guided along it (gradient interpolation; Luo et al.,
 * Bioinformatics 2024, btae518). No function here is collective. */
#ifndef CYF_SAMPLE_CLASS_PATH_H
#define CYF_SAMPLE_CLASS_PATH_H

#include "model/diffusion/sampler.h"
#include "saved/model_file.h"

/** A path with coordinate s: class j lies at s = j. The points 0 to n_points - 1 lie evenly between s = 0 and s =
 * n_classes - 1. Between the classes j and j + 1 the weights of their gradients are 1 - (s - j) and s - j. */
typedef struct cyf_class_path {
  int64_t attribute; /**< place in the model */
  int32_t *code;     /**< [n_classes] codes of the classes; owned */
  int64_t n_classes, n_points;
} cyf_class_path;

/** A path as the user asks for it; texts belong to the caller. */
typedef struct cyf_class_path_asked {
  const char *attribute, *from, *to, *path; /**< either path "A,B,C", or from and to; the others are NULL */
  int64_t n_points;
} cyf_class_path_asked;

/** Looks up the classes of a path. The caller frees it with cyf_class_path_destroy. Errors: CYF_ERR_USAGE for neither
 * or both of `path` and `from`, `to`; an unknown attribute or class; an attribute without a classifier; the same class
 * twice running; fewer than two points. */
cyf_status cyf_class_path_make(const cyf_model *model, const cyf_class_path_asked *asked, cyf_class_path *ret_path);
/** Frees what the path holds. NULL-safe. */
void cyf_class_path_destroy(cyf_class_path *path);
/** The coordinate s of a point, 0 <= point < n_points. */
double cyf_class_path_s(const cyf_class_path *path, int64_t point);
/** Gives the guide of n cells at a point. Between two classes A and B, with u from 0 to 1, its gradient is
 *
 *     w ((1 - u) grad log p(A | x) + u grad log p(B | x)).
 *
 * Its arrays lie in `scratch`, on the device. Waits for the device. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_class_path_guide(const cyf_class_path *path, const cyf_model *model, cyf_scratch *scratch, int64_t point,
                                int64_t n, double w, cyf_guide *ret_guide);
/** Gives the names of the classes in their order, as "10 -> 10.5 -> 11". The caller frees the text with cyf_free.
 * Errors: CYF_ERR_MEMORY. */
cyf_status cyf_class_path_describe(const cyf_class_path *path, const cyf_model *model, char **ret_text);

#endif
