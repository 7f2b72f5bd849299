/* SPDX-License-Identifier: MIT */
/** @file
 * What becomes of each input cell, a few bits a cell. Bits are held in words of int64; not collective. */
#ifndef CYF_DATA_PREPARE_FATES_H
#define CYF_DATA_PREPARE_FATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Bits of a word, each of one cell. */
enum { CYF_WORD_BITS = 64 };

/** Bit i of an array of words. */
static inline bool cyf_bit_get(const int64_t *words, int64_t i) {
  return (uint64_t)words[i / CYF_WORD_BITS] >> (i % CYF_WORD_BITS) & 1;
}
/** Sets bit i. Words are int64 so that ranks' bits, which never overlap, can be joined by a sum. */
static inline void cyf_bit_set(int64_t *words, int64_t i) {
  words[i / CYF_WORD_BITS] = (int64_t)((uint64_t)words[i / CYF_WORD_BITS] | UINT64_C(1) << (i % CYF_WORD_BITS));
}

/** Counts the set bits before each word, and at the end all of them: ret_before[n_words + 1]. */
void cyf_count_words(const int64_t *words, int64_t n_words, int64_t *ret_before);

/** What becomes of each input cell: three bits a cell, over all inputs, on every rank. */
typedef struct cyf_cell_fates {
  int64_t n_words;
  int64_t *dropped;        /**< [n_words] dropped by --keep or as duplicates, before the matrix is read */
  bool is_selected;        /**< pass 1 is done: `kept` is known */
  int64_t *kept;           /**< [n_words] not dropped and with enough genes */
  int64_t *heldout;        /**< [n_words] kept but held out; before pass 1 those that --holdout-where names */
  int64_t *kept_before;    /**< [n_words + 1] number of kept cells before each word */
  int64_t *heldout_before; /**< [n_words + 1] number of held-out cells before each word */
} cyf_cell_fates;

/** Makes the bits of n_cells cells, of which none is dropped, kept or held out yet. The caller destroys *fates, also
 * after an error. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_cell_fates_make(int64_t n_cells, cyf_cell_fates *fates);
/** Frees the memory; fields may be NULL. */
void cyf_cell_fates_destroy(cyf_cell_fates *fates);

/** Whether any of the n cells from `first` on may still be kept. */
bool cyf_cells_are_wanted(const cyf_cell_fates *fates, int64_t first, int64_t n);
/** Whether the cell goes into the atlas or is held out. Known after pass 1. */
bool cyf_cell_is_kept(const cyf_cell_fates *fates, int64_t cell);
/** Whether the cell is kept but held out. Known after pass 1. */
bool cyf_cell_is_heldout(const cyf_cell_fates *fates, int64_t cell);

/** Index among the training cells, in input order, of a kept cell that is not held out. */
int64_t cyf_cell_train_index(const cyf_cell_fates *fates, int64_t cell);
/** Index among the held-out cells, in input order, of one of them. */
int64_t cyf_cell_heldout_index(const cyf_cell_fates *fates, int64_t cell);

#endif
