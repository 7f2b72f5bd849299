/* What a loss and an accuracy over cells are made of. */
#ifndef CYF_MODEL_LOSS_SUMS_H
#define CYF_MODEL_LOSS_SUMS_H

#include <stdint.h>

typedef struct cyf_loss_sums {
  double loss, weight;           /* loss = loss / weight over all ranks */
  int64_t n_correct, n_labelled; /* classifiers */
} cyf_loss_sums;

#endif
