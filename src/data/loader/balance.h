/* SPDX-License-Identifier: MIT */
/** @file
 * Balanced sampling: how often an epoch emits each cell, that is gives it to a batch (docs/loader.md, "What a batch
 * is").
 *
 * A cell of weight w is emitted floor(w) or ceil(w) times an epoch, w times on average. A lane emits the same number of
 * cells every epoch, so that batches and cursors are those of any other stream. Not collective. */
#ifndef CYF_DATA_LOADER_BALANCE_H
#define CYF_DATA_LOADER_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

/** The weights of cells, by their category of one attribute. */
typedef struct cyf_cell_weights {
  int64_t attribute; /**< -1: every cell once an epoch, and nothing below is used */
  double *weight;    /**< [categories + 1]: weight[code + 1]; weight[0] is 1, that of cells without a label */
  cyf_rng_key key;   /**< decides which cells are emitted once more */
} cyf_cell_weights;

/** Makes weights from the numbers of cells n_k of the attribute's categories over the atlas.
 *
 * They are proportional to 1/n_k (UNIFORM: every category is seen equally often) or 1/sqrt(n_k) (SQRT), and scaled so
 * that an epoch has about as many cells as without them. The caller destroys *ret_balance. Errors: CYF_ERR_CONFIG for a
 * label that the atlas does not have, listing those it has. */
cyf_status cyf_balance_make(const cyf_atlas *atlas, const cyf_loader_options *options, cyf_cell_weights *ret_balance);
/** Frees the weights; NULL-safe. */
void cyf_balance_destroy(cyf_cell_weights *balance);
/** floor(w) of a cell with this code. */
int64_t cyf_balance_whole(const cyf_cell_weights *balance, int32_t code);
/** How many cells a lane of n cells emits in an epoch, given codes[n] and in_split[n]. */
int64_t cyf_balance_count(const cyf_cell_weights *balance, int64_t n, const int32_t *codes, const bool *in_split);
/** Chooses the cells of the lane that are emitted once more than floor(w) in this epoch: bit i of
 * ret_extra[(n + 7) / 8].
 *
 * A cell's chance is w - floor(w), and the number of cells is the same every epoch. This is systematic sampling along a
 * random order of the lane's cells (Madow 1949; Hartley & Rao 1962), a function of (seed, epoch, lane). */
void cyf_balance_extra(const cyf_cell_weights *balance, int64_t epoch, int64_t lane, int64_t n, const int32_t *codes,
                       const bool *in_split, uint8_t *ret_extra);

/** Whether cell i of the lane is emitted once more: its bit of cyf_balance_extra. */
static inline bool cyf_balance_has_extra(const uint8_t *extra, int64_t i) {
  return extra[i / 8] >> (i % 8) & 1;
}

#endif
