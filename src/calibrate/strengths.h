/* SPDX-License-Identifier: MIT */
/** @file
 * Which strength of guidance makes generated cells of a class be told as often as real ones. It is chosen from what a
 * classifier said of real cells, and of cells generated at several strengths. Not collective. */
#ifndef CYF_CALIBRATE_STRENGTHS_H
#define CYF_CALIBRATE_STRENGTHS_H

#include <stdint.h>

#include "base/status.h"

/** What the classifier said. Nothing is owned. */
typedef struct cyf_told {
  int64_t n_classes, n_strengths;
  const double *strength;         /**< [n_strengths] ascending */
  const int64_t *n_real;          /**< [n_classes] real cells of each class that were judged; 0: it has none */
  const int64_t *real_right;      /**< [n_classes] those that were told as what they are */
  const int64_t *generated;       /**< [n_classes] cells generated of each class at each strength */
  const int64_t *generated_right; /**< [n_strengths, n_classes] */
} cyf_told;

/** Cells that a group of classes has at least, so that its accuracy is known to about 0.07. */
enum { CYF_CALIBRATE_GROUP_CELLS = 50 };

/** What was chosen for a class. */
typedef struct cyf_strength_chosen {
  double strength;         /**< a multiple of 0.05 within those tried; 0 for a class without real cells */
  double real_accuracy;    /**< of its group */
  double reached;          /**< by generated cells of its group, at that strength */
  int64_t n_group_classes; /**< classes that were looked at together */
} cyf_strength_chosen;

/** Chooses chosen[n_classes]. Classes with fewer real cells than CYF_CALIBRATE_GROUP_CELLS are taken together with
 * those next in size, up to that many cells; a group's accuracy is the mean of its classes'. The strength is where the
 * generated cells' accuracy, made to rise with the strength, first equals the real cells', by linear interpolation.
 * Where it never does, it is the least strength whose accuracy is within 0.02 of the largest. Errors: CYF_ERR_MEMORY.
 */
cyf_status cyf_choose_strengths(const cyf_told *told, cyf_strength_chosen *chosen);

#endif
