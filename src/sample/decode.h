/* SPDX-License-Identifier: MIT */
/** @file
 * Latents of one block made into sparse expression, as the user wants it. No function here is collective. */
#ifndef CYF_SAMPLE_DECODE_H
#define CYF_SAMPLE_DECODE_H

#include "base/words.h"
#include "sample/blocks.h"
#include "saved/model_file.h"

/** What X of the cells holds. COUNTS: counts drawn from the decoder's likelihood. LOG: log1p(counts / total x
 * CYF_NORMALISED_TOTAL) of such counts; of a model without a likelihood of counts, the decoder's output itself. MEAN:
 * log1p(expected share of counts x CYF_NORMALISED_TOTAL). */
typedef enum cyf_expression_output {
  CYF_OUTPUT_COUNTS,
  CYF_OUTPUT_LOG,
  CYF_OUTPUT_MEAN,
  CYF_OUTPUTS
} cyf_expression_output;
/** The words of cyf_expression_output, in its order. */
static const char *const cyf_expression_output_words[] = {"counts", "log", "mean", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_expression_output_words) == CYF_OUTPUTS, "a word for each output");

/** How latents are decoded. */
typedef struct cyf_decoding {
  const cyf_model *model; /**< not owned */
  cyf_expression_output output;
  uint64_t seed; /**< of the counts that are drawn */
} cyf_decoding;

/** Reads a word of cyf_expression_output_words; NULL: counts where the model has a likelihood of them, else log.
 * `command` stands first in messages. Errors: CYF_ERR_USAGE, also where the model cannot give what is asked for. */
cyf_status cyf_decoding_make(const char *command, const cyf_model *model, const char *output, int64_t seed,
                             cyf_decoding *ret_decoding);

/** Decodes latent[n, width] (device), with the batch norms' running statistics, and appends the positive values as n
 * cells to `rows` (host). position[n] (host): numbers that key each cell's random draws. Waits for the device.
 * Thread-safe where each thread has its own scratch. Errors: CYF_ERR_NUMERIC when a value is not finite,
 * CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_decode_rows(const cyf_decoding *decoding, cyf_scratch *scratch, int64_t n, const float *latent,
                           const int64_t *position, cyf_csr_buffer *rows);

#endif
