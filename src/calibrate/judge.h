/* SPDX-License-Identifier: MIT */
/** @file
 * The judge of a calibration: classifiers fitted to real cells. Not collective. */
#ifndef CYF_CALIBRATE_JUDGE_H
#define CYF_CALIBRATE_JUDGE_H

#include "calibrate/real_cells.h"
#include "evaluate/measures/discriminant.h"
#include "evaluate/measures/pca.h"

/** Parts that the real cells are cut into; a classifier each is fitted to the others. */
enum { CYF_JUDGE_FOLDS = 5 };

/** The classifiers, and what they said of the real cells. Owns its members. */
typedef struct cyf_judge {
  cyf_pca pca;
  cyf_discriminant fold[CYF_JUDGE_FOLDS];
  int64_t n_classes;
  int64_t *n_real;     /**< [n_classes] */
  int64_t *real_right; /**< [n_classes] told as what they are, by the classifier that has not seen them */
} cyf_judge;

/** Fits them. Zero-initialise *judge before; free it with cyf_judge_destroy, also after an error. Errors:
 * CYF_ERR_MEMORY, CYF_ERR_NUMERIC where the cells do not differ. */
cyf_status cyf_judge_fit(const cyf_real_cells *cells, int64_t n_classes, cyf_judge *judge);
/** The class of each row, by the classifier first + i modulo CYF_JUDGE_FOLDS: code[rows' cells]. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_judge_tell(const cyf_judge *judge, const cyf_csr_buffer *rows, int64_t first, int32_t *code);
/** Frees what it holds and zeroes the struct. NULL-safe. */
void cyf_judge_destroy(cyf_judge *judge);

#endif
