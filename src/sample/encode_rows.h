/* SPDX-License-Identifier: MIT */
/** @file
 * Rows of expression made into latents, block by block. Not collective. */
#ifndef CYF_SAMPLE_ENCODE_ROWS_H
#define CYF_SAMPLE_ENCODE_ROWS_H

#include "saved/model_file.h"

/** What messages say of the rows. */
typedef struct cyf_encoded_rows {
  const char *path; /**< of their file */
  const char *what; /**< "its latent" */
  int64_t first;    /**< number of the first row among the cells */
} cyf_encoded_rows;

/** Encodes rows (host; the model's genes and scale) into latent[rows->n_cells, width] (host), of unit length. Batch
 * norms use their running statistics. Takes scratch memory, which the caller releases. Waits for the device.
 * Thread-safe where each thread has its own scratch. Errors: CYF_ERR_NUMERIC naming a cell whose latent is not finite,
 * CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_encode_rows(const cyf_model *model, cyf_scratch *scratch, const cyf_csr_buffer *rows,
                           const cyf_encoded_rows *said, float *latent);

#endif
