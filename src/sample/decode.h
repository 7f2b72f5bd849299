/* SPDX-License-Identifier: MIT */
/** @file
 * Latents of one block to sparse expression, as the user wants it. */
#ifndef CYF_SAMPLE_DECODE_H
#define CYF_SAMPLE_DECODE_H

#include "sample/blocks.h"
#include "saved/model_file.h"

/** What X holds: counts drawn from the decoder's likelihood; log1p(counts / total x 1e4), of such draws or, of a model
 * without a likelihood of counts, as decoded; log1p of the expected share x 1e4. */
typedef enum cyf_expression_output { CYF_OUTPUT_COUNTS, CYF_OUTPUT_LOG, CYF_OUTPUT_MEAN } cyf_expression_output;

typedef struct cyf_decoding {
  const cyf_model *model;
  cyf_expression_output output;
  uint64_t seed; /**< of the draws */
} cyf_decoding;

/** From "counts", "log", "mean", or NULL: counts where the model has a likelihood of them, else log. Errors:
 * CYF_ERR_USAGE, also where the model cannot give what is asked for. */
cyf_status cyf_decoding_make(const char *command, const cyf_model *model, const char *output, int64_t seed,
                             cyf_decoding *ret_decoding);

/** Decodes latent[n, L] (device) with running statistics; positive values go to `rows` (host; cleared by the caller).
 * position[n] (host): what the draws are numbered by. Thread-safe with one's own scratch. Errors: CYF_ERR_NUMERIC when
 * a value is not finite. */
cyf_status cyf_decode_rows(const cyf_decoding *decoding, cyf_scratch *scratch, int64_t n, const float *latent,
                           const int64_t *position, cyf_csr_buffer *rows);

#endif
