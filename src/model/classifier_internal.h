/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the classifier; not for others. */
#ifndef CYF_MODEL_CLASSIFIER_INTERNAL_H
#define CYF_MODEL_CLASSIFIER_INTERNAL_H

#include "model/classifier.h"
#include "model/layers.h"
#include "model/time_path.h"

enum {
  CYF_CLASSIFIER_BLOCKS = 3,
  CYF_CLASSIFIER_TIMED_BLOCKS = 2 /**< the third block's emb_layers3 exists and is never used, as published */
};

typedef struct cyf_classifier_block {
  cyf_linear fc, time;
  cyf_batch_norm norm;
} cyf_classifier_block;

struct cyf_classifier {
  cyf_classifier_config config;
  cyf_parameters parameters;
  cyf_time_path time_path;
  cyf_classifier_block blocks[CYF_CLASSIFIER_BLOCKS];
  cyf_linear out;
  cyf_scratch *scratch; /**< temporaries of training */
  float *one;           /**< device scalar 1 */
};

/** z[n, width] = fc(x) + what the timestep adds in this block: the input of its batch norm. */
cyf_status cyf_classifier_block_linear(const cyf_classifier *classifier, int block, const cyf_time_rows *rows,
                                       const cyf_time_state *time, cyf_scratch *scratch, int64_t n, const float *x,
                                       float *z);

#endif
