/* SPDX-License-Identifier: MIT */
/** @file
 * The latent store's loader: keeps a rank's share of the encoded cells in memory and gives them in batches. */
#ifndef CYF_DATA_LATENTS_LATENT_LOADER_H
#define CYF_DATA_LATENTS_LATENT_LOADER_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

/** This rank's part of a global batch of latents. The loader owns its memory, which is valid until the next call. */
typedef struct cyf_latent_batch {
  int64_t n_local;
  int64_t width;
  const float *latent;     /**< [n_local, width] of unit length, as stored */
  const int64_t *cell;     /**< [n_local] places in the atlas */
  const int64_t *position; /**< [n_local] places in the global batch, as in cyf_batch */
  const int32_t *codes;    /**< [n_attributes][n_local] labels; -1: none */
  int64_t n_global;        /**< true number of cells over all ranks */
  cyf_cursor cursor;       /**< of this batch */
} cyf_latent_batch;

/** The loader: this rank's latents and where the next batch begins. */
typedef struct cyf_latent_loader cyf_latent_loader;

/** Reads the latents and labels of this rank's lanes into memory, in the type in which they are stored, and starts at
 * the batch `start`.
 *
 * Lanes, positions, splits, balanced sampling and cursors are those of cyf_loader, but each lane is shuffled whole. Of
 * the options batch_cells, n_lanes, validation, split, shuffle, sampling, balance_label and seed are used.
 * label_attribute >= 0 keeps only cells with a label of that attribute, which cannot be combined with balanced
 * sampling; -1 keeps all. `atlas` must outlive the loader. An empty validation split is legal: then n_cells and
 * batches_per_epoch are 0, and cyf_latent_loader_next must not be called. Collective. Errors, agreed: CYF_ERR_CONFIG,
 * as for an empty training split; CYF_ERR_INPUT for latents of another atlas or model; CYF_ERR_INTERNAL. */
cyf_status cyf_latent_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const char *directory,
                                    uint64_t model_checksum, const cyf_loader_options *options, int64_t label_attribute,
                                    cyf_cursor start, cyf_latent_loader **ret_loader);
/** Frees the loader; NULL-safe, sets NULL. Not collective. */
void cyf_latent_loader_destroy(cyf_latent_loader **loader);
/** Number of batches in an epoch, the same on every rank. Not collective. */
int64_t cyf_latent_loader_batches_per_epoch(const cyf_latent_loader *loader);
/** Number of cells that an epoch gives over all ranks; with balanced sampling a cell counts as often as it comes. Not
 * collective. */
int64_t cyf_latent_loader_n_cells(const cyf_latent_loader *loader);
/** Gives the next batch, which may be empty on a rank. Not collective. Errors: CYF_ERR_INTERNAL for a split without
 * cells. */
cyf_status cyf_latent_loader_next(cyf_latent_loader *loader, cyf_latent_batch *ret_batch);

#endif
