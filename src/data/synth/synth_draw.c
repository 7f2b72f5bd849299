/* SPDX-License-Identifier: MIT */
/* Drawing cells of the simulator, gene after gene along the line of slots, in loops that compilers vectorise. */
#include <math.h>

#include "base/memory.h"
#include "data/synth/synth_model.h"
#include "kernels/math/elementary.h"
#include "kernels/math/philox.h"

enum {
  BLOCKS = 64,           /* blocks of four random words that are drawn at a time */
  PROPOSALS = 2 * BLOCKS /* a proposal takes two words: the step along the line, and whether the cluster is kept */
};

/* What clusters of one cell are proposed and kept by. */
typedef struct cell_rates {
  const cyf_synth_table *table;
  const float *donor;            /* [n_genes + 1] */
  const float *first, *second;   /* profiles of the path's two ends; off the path both are the type's */
  float first_size, second_size; /* library size times the weight of each of the two */
  float excess;                  /* library size over that of the table, at least 1 */
  float step;                    /* mean step along the line, in units of 2^-fraction_bits slots */
  int fraction_bits;
  int64_t end; /* length of the line, in the same units */
} cell_rates;

/* PROPOSALS proposals, one after another along the line. */
typedef struct proposal_block {
  uint32_t step_word[PROPOSALS], keep_word[PROPOSALS];
  int32_t step[PROPOSALS], gene[PROPOSALS];
  float donor[PROPOSALS], bound[PROPOSALS], mean[PROPOSALS], rest[PROPOSALS];
} proposal_block;

cyf_status cyf_synth_scratch_make(const cyf_synth_model *model, cyf_synth_scratch *scratch) {
  CYF_TRY(CYF_NEW(&scratch->indices, model->n_genes + PROPOSALS));
  CYF_TRY(CYF_NEW(&scratch->values, model->n_genes + PROPOSALS));
  return CYF_NEW(&scratch->rest, model->n_genes + PROPOSALS);
}

void cyf_synth_scratch_destroy(cyf_synth_scratch *scratch) {
  cyf_free(scratch->indices);
  cyf_free(scratch->values);
  cyf_free(scratch->rest);
}

static cell_rates rates_of(const cyf_synth_model *model, const cyf_synth_cell *cell) {
  const bool on_path = !isnan(cell->pseudotime);
  const int64_t stride = model->n_genes + 1;
  int64_t t = on_path ? (int64_t)(cell->pseudotime * CYF_SYNTH_SEGMENTS)
                      : (model->n_types < 2 ? 0 : CYF_SYNTH_SEGMENTS + cell->type - 2);
  if (on_path && t >= CYF_SYNTH_SEGMENTS) t = CYF_SYNTH_SEGMENTS - 1;
  const double excess = fmax(1, cell->library_size / model->base_library), u = on_path ? cell->pseudotime : 0;
  cell_rates r = {.table = &model->table[t],
                  .donor = model->donor_factor + cell->donor * stride,
                  .first = model->share + (on_path ? 0 : cell->type) * stride,
                  .second = model->share + (on_path ? 1 : cell->type) * stride,
                  .first_size = (float)(cell->library_size * (1 - u)),
                  .second_size = (float)(cell->library_size * u),
                  .excess = (float)excess};
  r.fraction_bits = __builtin_clzll((uint64_t)r.table->n_slots + 1) - 34; /* so that the end is below 2^30 */
  r.end = r.table->n_slots << r.fraction_bits;
  r.step = (float)((double)(INT64_C(1) << r.fraction_bits) / (excess * r.table->slot_rate));
  return r;
}

static void draw_words(const cyf_synth_model *model, int64_t index, uint32_t first_block, proposal_block *b) {
#pragma omp simd
  for (int i = 0; i < BLOCKS; i++) {
    const cyf_philox_words words =
        cyf_philox(model->key.word, CYF_SYNTH_DRAW_CLUSTERS, (uint64_t)index, first_block + (uint32_t)i);
    b->step_word[i] = words.w0;
    b->step_word[i + BLOCKS] = words.w1;
    b->keep_word[i] = words.w2;
    b->keep_word[i + BLOCKS] = words.w3;
  }
}

/* Goes on along the line by exponential steps and tells which gene's slot each step hits; beyond the end it is gene
 * n_genes, which is none. Returns where it stands. */
static int64_t walk(const cell_rates *r, int64_t at, proposal_block *b) {
  const float most = (float)((INT64_C(1) << 30));
#pragma omp simd
  for (int i = 0; i < PROPOSALS; i++) {
    const float step = cyf_minus_log_of_word(b->step_word[i]) * r->step + 0.5f;
    b->step[i] = (int32_t)(step < most ? step : most);
  }
  const cyf_synth_slots *words = r->table->words;
  for (int i = 0; i < PROPOSALS; i++) {
    at += b->step[i];
    const int64_t slot = (at < r->end ? at : r->end) >> r->fraction_bits;
    const cyf_synth_slots *word = &words[slot >> 6];
    b->gene[i] = word->gene_before + __builtin_popcountll(word->first << (63 - (slot & 63)));
  }
  return at;
}

static void look_up(const cell_rates *r, proposal_block *b) {
  const float *donor = r->donor, *bound = r->table->bound, *first = r->first, *second = r->second;
  for (int i = 0; i < PROPOSALS; i++) {
    b->donor[i] = donor[b->gene[i]];
    b->bound[i] = bound[b->gene[i]];
    b->mean[i] = r->first_size * first[b->gene[i]];
  }
  if (first == second) return;
  for (int i = 0; i < PROPOSALS; i++) b->mean[i] += r->second_size * second[b->gene[i]];
}

/* Decides which proposed clusters are kept: each with the ratio of the cell's rate, 2 ln(1 + mu / 2), to that of the
 * proposals. `rest` of a kept one is uniform on [0, 1), and a random number for later; of others it is at least 1. */
static void judge(const cell_rates *r, proposal_block *b) {
  const float excess = r->excess;
#pragma omp simd
  for (int i = 0; i < PROPOSALS; i++) {
    const float mean = b->mean[i] * b->donor[i];
    const float rate = 2.0f * cyf_log1pf(0.5f * mean) + 1e-30f; /* the mean of no gene is 0: no division by 0 */
    const float u = ((float)b->keep_word[i] + 0.5f) * 0x1p-32f;
    b->mean[i] = mean;
    b->rest[i] = u * excess * b->bound[i] / rate;
  }
}

/* Lists the expressed genes, those with any kept cluster; of several clusters of a gene the first counts. */
static int64_t take(const proposal_block *b, cyf_synth_scratch *scratch, int64_t n) {
  int32_t *genes = scratch->indices, last = n > 0 ? genes[n - 1] : -1;
  float *means = scratch->values, *rests = scratch->rest;
  int32_t kept[PROPOSALS + 1];
  int n_kept = 0;
  for (int i = 0; i < PROPOSALS; i++) {
    kept[n_kept] = i;
    n_kept += b->rest[i] < 1.0f;
  }
  for (int k = 0; k < n_kept; k++) {
    const int32_t gene = b->gene[kept[k]];
    genes[n] = gene;
    means[n] = b->mean[kept[k]];
    rests[n] = b->rest[kept[k]];
    n += gene != last;
    last = gene;
  }
  return n;
}

/* Draws the counts of expressed genes. A negative binomial number of size 2 is G + H, where P(G >= j) = P(H >= j) = q^j
 * and q = mu / (mu + 2). Given that the sum is not 0, G is at least 1 with probability 1 / (2 - q). Then G - 1 has the
 * distribution of G again, and H is independent. Otherwise G is 0, and H - 1 has that distribution. */
static void draw_counts(const cyf_synth_model *model, int64_t index, cyf_synth_scratch *scratch, int64_t n) {
  for (int64_t start = 0; start < n; start += PROPOSALS) {
    const int now = (int)(n - start < PROPOSALS ? n - start : PROPOSALS);
    uint32_t one[PROPOSALS], other[PROPOSALS];
#pragma omp simd
    for (int i = 0; i < BLOCKS; i++) {
      const cyf_philox_words words =
          cyf_philox(model->key.word, CYF_SYNTH_DRAW_COUNTS, (uint64_t)index, (uint32_t)(start / 2) + (uint32_t)i);
      one[i] = words.w0;
      one[i + BLOCKS] = words.w1;
      other[i] = words.w2;
      other[i + BLOCKS] = words.w3;
    }
    float *value = scratch->values + start;
    const float *rest = scratch->rest + start;
#pragma omp simd
    for (int i = 0; i < now; i++) {
      const float mean = value[i], scale = 1.0f / cyf_log1pf(2.0f / mean); /* -1 / ln q */
      const int32_t g = (int32_t)(cyf_minus_log_of_word(one[i]) * scale);
      const int32_t h = (int32_t)(cyf_minus_log_of_word(other[i]) * scale);
      const int both = rest[i] * (mean + 4.0f) < mean + 2.0f; /* 2 - q = (mu + 4) / (mu + 2) */
      value[i] = (float)(1 + g + cyf_select(both, h, 0));
    }
  }
}

void cyf_synth_draw_cell(const cyf_synth_model *model, int64_t index, cyf_synth_scratch *scratch,
                         cyf_synth_cell *ret_cell, int64_t *ret_nnz) {
  cyf_synth_draw_obs(model, index, ret_cell);
  const cell_rates rates = rates_of(model, ret_cell);
  proposal_block proposals;
  int64_t at = 0, n = 0;
  for (uint32_t block = 0; at < rates.end; block += BLOCKS) {
    draw_words(model, index, block, &proposals);
    at = walk(&rates, at, &proposals);
    look_up(&rates, &proposals);
    judge(&rates, &proposals);
    n = take(&proposals, scratch, n);
  }
  draw_counts(model, index, scratch, n);
  *ret_nnz = n;
}
