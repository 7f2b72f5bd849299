/* SPDX-License-Identifier: MIT */
/** @file
 * What becomes of each input cell, a few bits a cell. */
#ifndef CYF_DATA_PREPARE_FATES_H
#define CYF_DATA_PREPARE_FATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Cells a word. */
enum { CYF_WORD_BITS = 64 };

/** Bit i of the words. */
static inline bool cyf_bit_get(const int64_t *words, int64_t i) {
  return (uint64_t)words[i / CYF_WORD_BITS] >> (i % CYF_WORD_BITS) & 1;
}
/** Sets bit i. Words are int64 so that ranks' bits, which never overlap, can be joined by a sum. */
static inline void cyf_bit_set(int64_t *words, int64_t i) {
  words[i / CYF_WORD_BITS] = (int64_t)((uint64_t)words[i / CYF_WORD_BITS] | UINT64_C(1) << (i % CYF_WORD_BITS));
}

/** Set bits before each word: ret_before[n_words + 1]. */
void cyf_count_words(const int64_t *words, int64_t n_words, int64_t *ret_before);

/** What becomes of each input cell: three bits a cell, over all inputs, on every rank. */
typedef struct cyf_cell_fates {
  int64_t n_words;
  int64_t *dropped;        /**< [n_words] by --keep or as duplicates, before the matrix is read */
  bool is_selected;        /**< `kept` is known */
  int64_t *kept;           /**< [n_words] enough genes */
  int64_t *heldout;        /**< [n_words] kept but held out */
  int64_t *kept_before;    /**< [n_words + 1] kept cells before each word */
  int64_t *heldout_before; /**< [n_words + 1] */
} cyf_cell_fates;

/** For cells that are all neither dropped, kept nor held out yet. Errors: CYF_ERR_MEMORY. Destroy it either way. */
cyf_status cyf_cell_fates_make(int64_t n_cells, cyf_cell_fates *fates);
/** Frees the memory; fields may be NULL. */
void cyf_cell_fates_destroy(cyf_cell_fates *fates);

/** Whether any of the n cells from `first` on may still be kept. */
bool cyf_cells_are_wanted(const cyf_cell_fates *fates, int64_t first, int64_t n);
/** Whether the cell goes into the atlas or is held out. Known after pass 1. */
bool cyf_cell_is_kept(const cyf_cell_fates *fates, int64_t cell);
/** Whether the cell is kept but held out. Known after pass 1. */
bool cyf_cell_is_heldout(const cyf_cell_fates *fates, int64_t cell);

/** Index among the training cells of a kept cell that is not held out. */
int64_t cyf_cell_train_index(const cyf_cell_fates *fates, int64_t cell);
/** Index among the held-out cells of one of them. */
int64_t cyf_cell_heldout_index(const cyf_cell_fates *fates, int64_t cell);

#endif
