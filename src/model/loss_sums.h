/* SPDX-License-Identifier: MIT */
/** @file
 * What a loss and an accuracy over cells are made of. */
#ifndef CYF_MODEL_LOSS_SUMS_H
#define CYF_MODEL_LOSS_SUMS_H

#include <stdint.h>

/** A loss over counts has two terms, the genes' and the library size's; every other has one. */
enum { CYF_LOSS_TERMS = 2 };

typedef struct cyf_loss_sums {
  double loss, weight;           /**< loss = loss / weight over all ranks */
  double term[CYF_LOSS_TERMS];   /**< belongs to loss as well: what a device writes late and by itself */
  int64_t n_correct, n_labelled; /**< classifiers */
} cyf_loss_sums;

/** The whole loss, once the device has written it. */
static inline double cyf_loss_sum(const cyf_loss_sums *sums) {
  return sums->loss + (sums->term[0] + sums->term[1]);
}

#endif
