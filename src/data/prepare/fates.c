/* SPDX-License-Identifier: MIT */
#include "data/prepare/fates.h"

#include "base/memory.h"

cyf_status cyf_cell_fates_make(int64_t n_cells, cyf_cell_fates *fates) {
  fates->n_words = (n_cells + CYF_WORD_BITS - 1) / CYF_WORD_BITS;
  CYF_TRY(CYF_NEW(&fates->dropped, fates->n_words));
  CYF_TRY(CYF_NEW(&fates->kept, fates->n_words));
  CYF_TRY(CYF_NEW(&fates->heldout, fates->n_words));
  CYF_TRY(CYF_NEW(&fates->kept_before, fates->n_words + 1));
  return CYF_NEW(&fates->heldout_before, fates->n_words + 1);
}

/* How many bits are set before bit i; before[w] of them are set before word w. */
static int64_t bits_before(const int64_t *words, const int64_t *before, int64_t i) {
  const uint64_t below = (UINT64_C(1) << (i % CYF_WORD_BITS)) - 1;
  return before[i / CYF_WORD_BITS] + __builtin_popcountll((uint64_t)words[i / CYF_WORD_BITS] & below);
}

void cyf_count_words(const int64_t *words, int64_t n_words, int64_t *before) {
  before[0] = 0;
  for (int64_t w = 0; w < n_words; w++) before[w + 1] = before[w] + __builtin_popcountll((uint64_t)words[w]);
}

bool cyf_cell_is_kept(const cyf_cell_fates *fates, int64_t cell) {
  return cyf_bit_get(fates->kept, cell);
}

bool cyf_cell_is_heldout(const cyf_cell_fates *fates, int64_t cell) {
  return cyf_bit_get(fates->heldout, cell);
}

int64_t cyf_cell_train_index(const cyf_cell_fates *fates, int64_t cell) {
  return bits_before(fates->kept, fates->kept_before, cell) - bits_before(fates->heldout, fates->heldout_before, cell);
}

int64_t cyf_cell_heldout_index(const cyf_cell_fates *fates, int64_t cell) {
  return bits_before(fates->heldout, fates->heldout_before, cell);
}

void cyf_cell_fates_destroy(cyf_cell_fates *fates) {
  cyf_free(fates->dropped);
  cyf_free(fates->kept);
  cyf_free(fates->heldout);
  cyf_free(fates->kept_before);
  cyf_free(fates->heldout_before);
}

bool cyf_cells_are_wanted(const cyf_cell_fates *fates, int64_t first, int64_t n) {
  for (int64_t i = first; i < first + n; i++) {
    const int64_t word = i / CYF_WORD_BITS;
    const int64_t bits = fates->is_selected ? fates->kept[word] : ~fates->dropped[word];
    if (bits == 0) {
      i = (word + 1) * CYF_WORD_BITS - 1; /* all of this word are dropped: on to the next */
    } else if (cyf_bit_get(&bits, i % CYF_WORD_BITS)) {
      return true;
    }
  }
  return false;
}
