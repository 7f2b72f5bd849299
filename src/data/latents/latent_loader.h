/* SPDX-License-Identifier: MIT */
/** @file
 * The latent store's loader: a rank's share of the encoded cells in memory, in batches. */
#ifndef CYF_DATA_LATENTS_LATENT_LOADER_H
#define CYF_DATA_LATENTS_LATENT_LOADER_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

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

/** The loader: this rank's latents and where the next batch begins. */
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
/** Not collective; NULL-safe. */
void cyf_latent_loader_destroy(cyf_latent_loader **loader);
/** Batches of an epoch, the same on every rank. */
int64_t cyf_latent_loader_batches_per_epoch(const cyf_latent_loader *loader);
/** Cells that an epoch emits, over all ranks; with balanced sampling a cell counts as often as it comes. */
int64_t cyf_latent_loader_n_cells(const cyf_latent_loader *loader);
/** The next batch, which may be empty on a rank. Not collective. Errors: CYF_ERR_INTERNAL of a split without cells. */
cyf_status cyf_latent_loader_next(cyf_latent_loader *loader, cyf_latent_batch *ret_batch);

#endif
