/* SPDX-License-Identifier: MIT */
/** @file
 * Inside the latent store: how its loader reads it. */
#ifndef CYF_DATA_LATENTS_LATENTS_INTERNAL_H
#define CYF_DATA_LATENTS_LATENTS_INTERNAL_H

#include <stdint.h>

#include "base/status.h"
#include "data/latents/latents.h"

/** Bytes of one stored number. */
static inline size_t cyf_latent_type_bytes(cyf_latent_type type) {
  return type == CYF_LATENT_FLOAT16 ? 2 : 4;
}

/** Converts n numbers from float32 to float16 (IEEE 754 binary16), to nearest, ties to even; beyond the range to
 * infinity. */
void cyf_latents_narrow(int64_t n, const float *values, _Float16 *ret_halves);
/** Converts n numbers from float16 to float32, exactly. */
void cyf_latents_widen(int64_t n, const _Float16 *halves, float *ret_values);
/** Reads type and width of a part's file after checking that it belongs to this atlas and model. Errors: CYF_ERR_INPUT.
 */
cyf_status cyf_latents_describe(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                cyf_latent_type *ret_type, int64_t *ret_width);
/** Reads the cells [first, first + n) of a part, numbered within it: ret_values[n, width] of `type`, as stored. The
 * code of cell i of these for attribute a goes to ret_codes[a * stride + i]. Errors: CYF_ERR_INPUT, also where
 * a latent is not finite. */
cyf_status cyf_latents_read(const char *directory, const cyf_atlas *atlas, int64_t part, cyf_latent_type type,
                            int64_t width, int64_t first, int64_t n, void *ret_values, int32_t *ret_codes,
                            int64_t stride);

#endif
