/* SPDX-License-Identifier: MIT */
/** @file
 * Labels of cells by a model's classifiers, from their latents. No function here is collective. */
#ifndef CYF_SAMPLE_PREDICT_H
#define CYF_SAMPLE_PREDICT_H

#include <stdbool.h>

#include "data/h5ad/writer.h"
#include "sample/blocks.h"
#include "saved/model_file.h"

/** What the classifier of one attribute says of the cells. */
typedef struct cyf_predicted {
  int64_t attribute;  /**< place in the model */
  int64_t n_classes;  /**< of the attribute */
  int32_t *code;      /**< [n_cells] the most probable class; owned */
  double *best;       /**< [n_cells] its probability; owned */
  float *probability; /**< [n_cells, n_classes]; NULL: not kept; owned */
} cyf_predicted;

/** Predictions of the cells of a run, in blocks. Zero-initialise before use. Owns its arrays but for the model. */
typedef struct cyf_prediction {
  const cyf_model *model;
  cyf_predicted *item; /**< [n] */
  int64_t n;
  int64_t n_numbers; /**< of one cell: the sum of n_classes */
  int64_t n_cells, n_taken;
} cyf_prediction;

/** Makes room for predictions of n_cells. wanted[n_attributes of the model]: the attributes to predict; those without a
 * classifier are passed over. NULL: all. The caller frees the result with cyf_prediction_destroy. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_prediction_make(const cyf_model *model, const bool *wanted, int64_t n_cells, bool keeps_probabilities,
                               cyf_prediction *ret_prediction);
/** Computes the probabilities of the block's cells from its latents, block->latent[n_cells, width]. They are put behind
 * these, attribute by attribute [n_cells, n_classes], so the block's job has a width of that of the latents plus
 * n_numbers. The classifiers are asked at timestep 0, of latents without noise. Takes scratch memory, which the caller
 * releases. Waits for the device. Thread-safe where each thread has its own scratch. Errors: CYF_ERR_NUMERIC where a
 * probability is not finite, CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_prediction_block(const cyf_prediction *prediction, cyf_scratch *scratch, cyf_cell_block *block);
/** Takes the next block's probabilities, blocks being in order. */
void cyf_prediction_take(cyf_prediction *prediction, const cyf_cell_block *block);
/** Frees what the prediction holds. NULL-safe. */
void cyf_prediction_destroy(cyf_prediction *prediction);

/** "predicted_ATTR", the obs column of an attribute's most probable label. The caller frees it with cyf_free. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_predicted_name(const char *attribute, char **ret_name);
/** Writes that column: n_before cells without a value, then those of the prediction. known[n_cells] (NULL: none):
 * those of a code of 0 or more have a label of their own and get no value. Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_predicted_write_labels(const cyf_prediction *prediction, const cyf_predicted *predicted,
                                      int64_t n_before, const int32_t *known, cyf_h5ad_writer *writer);
/** Writes obs of every attribute, predicted_ATTR and predicted_ATTR_probability, and obsm/probabilities_ATTR [n_cells,
 * classes in the model's order]. The probabilities were kept. Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_prediction_write(const cyf_prediction *prediction, cyf_h5ad_writer *writer);

#endif
