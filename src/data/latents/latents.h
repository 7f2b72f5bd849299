/* SPDX-License-Identifier: MIT */
/** @file
 * The latent store: encoded cells in atlas order, and the in-memory loader over them. */
#ifndef CYF_DATA_LATENTS_LATENTS_H
#define CYF_DATA_LATENTS_LATENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

typedef enum cyf_latent_type { CYF_LATENT_FLOAT16, CYF_LATENT_FLOAT32 } cyf_latent_type;

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

/** A batch of latents. Memory belongs to the loader, valid until the next call. */
typedef struct cyf_latent_batch {
  int64_t n_local;
  int64_t width;
  const float *latent;     /**< [n_local, width] as stored (unit length) */
  const int64_t *cell;     /**< [n_local] */
  const int64_t *position; /**< [n_local] */
  const int32_t *codes;    /**< [n_attributes][n_local] */
  int64_t n_global;
  cyf_cursor cursor;
} cyf_latent_batch;

typedef struct cyf_latent_loader cyf_latent_loader;

/** Reads this rank's lanes into memory, in the type they are stored in, with their labels; same lanes, positions,
 * splits, balanced sampling and cursors as cyf_loader, but each lane is shuffled whole. Uses batch_cells, n_lanes,
 * validation, split, shuffle, sampling, balance_label and seed of the options. label_attribute >= 0 keeps only cells
 * with a label of that attribute (not with balanced sampling: CYF_ERR_INTERNAL), -1 keeps all. An empty validation
 * split is legal, as for cyf_loader (n_cells and batches_per_epoch 0; next is CYF_ERR_INTERNAL); an empty training
 * split is CYF_ERR_CONFIG. Collective; errors agreed. */
cyf_status cyf_latent_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const char *directory,
                                    uint64_t model_checksum, const cyf_loader_options *options, int64_t label_attribute,
                                    cyf_cursor start, cyf_latent_loader **ret_loader);
void cyf_latent_loader_destroy(cyf_latent_loader **loader);
int64_t cyf_latent_loader_batches_per_epoch(const cyf_latent_loader *loader);
int64_t cyf_latent_loader_n_cells(const cyf_latent_loader *loader);
int64_t cyf_latent_loader_width(const cyf_latent_loader *loader);
cyf_status cyf_latent_loader_next(cyf_latent_loader *loader, cyf_latent_batch *ret_batch);

#endif
