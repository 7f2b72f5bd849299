/* SPDX-License-Identifier: MIT */
/** @file
 * Sums over cells, from which a loss and an accuracy are computed. */
#ifndef CYF_MODEL_LOSS_SUMS_H
#define CYF_MODEL_LOSS_SUMS_H

#include <stdint.h>

/** A loss over counts has two terms, the genes' and the library size's; every other has one. */
enum { CYF_LOSS_TERMS = 2 };

/** Sums of some cells. Those of other cells and ranks may be added. */
typedef struct cyf_loss_sums {
  double loss, weight;           /**< the mean loss is the sum of losses over the sum of weights */
  double term[CYF_LOSS_TERMS];   /**< further parts of the loss, which the device writes later by itself */
  int64_t n_correct, n_labelled; /**< classifiers: cells whose most probable class is right; cells with a label */
} cyf_loss_sums;

/** The whole sum of losses, once the device has written its parts. */
static inline double cyf_loss_sum(const cyf_loss_sums *sums) {
  return sums->loss + (sums->term[0] + sums->term[1]);
}

#endif
