/* Latents of one block to sparse expression. */
#ifndef CYF_CLI_DECODE_BLOCK_H
#define CYF_CLI_DECODE_BLOCK_H

#include "cli/blocks.h"
#include "train/model_file.h"

/* Decodes latent[n, L] (device) with running statistics and ReLU; positive values go to `rows` (host; cleared by the
 * caller). Thread-safe with one's own scratch. Errors: CYF_ERR_NUMERIC when a value is not finite. */
cyf_status cyf_decode_rows(const cyf_model *model, cyf_scratch *scratch, int64_t n, const float *latent,
                           cyf_csr_buffer *rows);

#endif
