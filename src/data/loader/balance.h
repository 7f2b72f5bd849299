/* SPDX-License-Identifier: MIT */
/** @file
 * Balanced sampling: how often an epoch emits each cell. DESIGN section 4 "Loading".
 *
 * A cell of weight w is emitted floor(w) or ceil(w) times an epoch, w times on average. A lane emits the same number of
 * cells every epoch, so that batches and cursors are those of any other stream. */
#ifndef CYF_DATA_LOADER_BALANCE_H
#define CYF_DATA_LOADER_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

typedef struct cyf_cell_weights {
  int64_t attribute; /**< -1: every cell once an epoch, and nothing below is used */
  double *weight;    /**< [categories + 1]: weight[code + 1]; weight[0] is 1, that of cells without a label */
  cyf_rng_key key;
} cyf_cell_weights;

/** Weights from the categories' numbers of cells n_k over the atlas: proportional to 1/n_k (UNIFORM: every category is
 * seen equally often) or 1/sqrt(n_k) (SQRT), scaled so that an epoch has about as many cells as before. Errors:
 * CYF_ERR_CONFIG for a label the atlas does not have (lists those it has). */
cyf_status cyf_balance_make(const cyf_atlas *atlas, const cyf_loader_options *options, cyf_cell_weights *ret_balance);
void cyf_balance_destroy(cyf_cell_weights *balance); /**< NULL-safe */
/** floor(w) of a cell with this code. */
int64_t cyf_balance_whole(const cyf_cell_weights *balance, int32_t code);
/** Cells a lane of n cells emits an epoch, given codes[n] and which are in the split. */
int64_t cyf_balance_count(const cyf_cell_weights *balance, int64_t n, const int32_t *codes, const bool *in_split);
/** Which cells of the lane are emitted once more than floor(w) in this epoch: bit i of ret_extra[(n + 7) / 8]. The
 * chances are the fractions of the weights and the number is the same every epoch: systematic sampling along a random
 * order of the lane's cells (Madow 1949; Hartley & Rao 1962), a function of (seed, epoch, lane). */
void cyf_balance_extra(const cyf_cell_weights *balance, int64_t epoch, int64_t lane, int64_t n, const int32_t *codes,
                       const bool *in_split, uint8_t *ret_extra);

static inline bool cyf_balance_has_extra(const uint8_t *extra, int64_t i) {
  return extra[i / 8] >> (i % 8) & 1;
}

#endif
