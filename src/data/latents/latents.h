/* SPDX-License-Identifier: MIT */
/** @file
 * The latent store: encoded cells in atlas order, on disk. */
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

/** The store is cut into parts of consecutive cells, whatever the shards and ranks: a sixteenth of a small atlas, at
 * most 65,536 cells. Part p is the AnnData file "latents-PPPPP.h5ad": obsm/X_latent [cells, width] in float16 or
 * float32, the labels as categoricals of obs, whose index is the cell's place in the atlas, X without genes, and in
 * uns/cytoforge whose latents they are. Latents and codes carry checksums. */
int64_t cyf_latents_n_parts(const cyf_atlas *atlas);
/** Cells [*ret_first, *ret_end) of a part. */
void cyf_latents_part(const cyf_atlas *atlas, int64_t part, int64_t *ret_first, int64_t *ret_end);

/** Writes a part, values[cells of the part, width] and codes[n_attributes][cells of the part], under its name only when
 * whole: encoding restarts where it was. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_latents_write_part(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                  cyf_latent_type type, int64_t width, const float *values, const int32_t *codes);
/** True when that part's file is there and whole for this atlas and model, and stores numbers of `type`. */
bool cyf_latents_part_done(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                           cyf_latent_type type);

/** Whether a file of the part's name is there, whatever it holds. */
bool cyf_latents_part_exists(const char *directory, int64_t part);
/** Errors: CYF_ERR_IO. */
cyf_status cyf_latents_remove_part(const char *directory, int64_t part);

#endif
