/* SPDX-License-Identifier: MIT */
/** @file
 * The latent store: encoded cells on disk, in the order of the atlas.
 *
 * It is cut into parts of consecutive cells, in the same way for any shards and ranks: a sixteenth of the atlas, at
 * most 65,536 cells. Part p is the AnnData file latents-PPPPP.h5ad, whose obsm/X_latent is [cells, width] in float16 or
 * float32 (docs/atlas-format.md, "Latents"). Not collective: each rank writes and reads parts of its own. */
#ifndef CYF_DATA_LATENTS_LATENTS_H
#define CYF_DATA_LATENTS_LATENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/words.h"
#include "data/atlas/atlas.h"

/** How latents are stored. */
typedef enum cyf_latent_type { CYF_LATENT_FLOAT16, CYF_LATENT_FLOAT32, CYF_LATENT_TYPES } cyf_latent_type;
/** The words of cyf_latent_type, in its order. */
static const char *const cyf_latent_type_words[] = {"float16", "float32", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_latent_type_words) == CYF_LATENT_TYPES, "a word for each type");

/** How many parts the store of an atlas has. */
int64_t cyf_latents_n_parts(const cyf_atlas *atlas);
/** The cells [*ret_first, *ret_end) of a part. */
void cyf_latents_part(const cyf_atlas *atlas, int64_t part, int64_t *ret_first, int64_t *ret_end);

/** Writes a part: values[cells of the part, width] and codes[n_attributes][cells of the part].
 *
 * It appears under its name only when it is whole, so that encoding can go on after a stop. Values and codes carry
 * checksums, which HDF5 verifies as it reads. Errors: CYF_ERR_IO, CYF_ERR_INPUT where a latent is not finite as stored.
 */
cyf_status cyf_latents_write_part(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                  cyf_latent_type type, int64_t width, const float *values, const int32_t *codes);
/** Whether that part's file is there, belongs to this atlas and model, and stores numbers of `type`. Errors: CYF_ERR_IO
 * where that cannot be told. */
cyf_status cyf_latents_part_done(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                 cyf_latent_type type, bool *ret_done);

/** Whether a file of the part's name is there, whatever it holds. Errors: CYF_ERR_IO. */
cyf_status cyf_latents_part_exists(const char *directory, int64_t part, bool *ret_exists);
/** Removes the file of the part. Errors: CYF_ERR_IO. */
cyf_status cyf_latents_remove_part(const char *directory, int64_t part);

#endif
