/* SPDX-License-Identifier: MIT */
/* Pass 1 of `prepare`: which cells are kept, and which of these are held out. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

/* What pass 1 finds out about one unit of cells, and stores on disk. */
typedef struct selection {
  int64_t first_cell, n_words;
  int64_t *words; /* [WORDS_AHEAD + n_words]: facts of the unit, then a bit a cell */
  double largest;
  cyf_odd_values odd;
  cyf_repeating_rows repeating;
} selection;

/* Entries of the kept cells; their largest value as bits; how many odd values; cell, gene and value of the first.
 * Then the rows with repeated entries, and a cell of the first input with such. */
enum { WORDS_AHEAD = 8 };

static int64_t unit_words(const cyf_prepare_job *job, int64_t unit) {
  const int64_t n_cells = cyf_prepare_unit_end(job, unit) - unit * job->plan.unit_cells;
  return (n_cells + CYF_WORD_BITS - 1) / CYF_WORD_BITS;
}

static cyf_status begin_unit(cyf_prepare_job *job, int64_t unit, void *context) {
  selection *unit_selection = context;
  unit_selection->first_cell = unit * job->plan.unit_cells;
  unit_selection->n_words = unit_words(job, unit);
  unit_selection->largest = 0;
  unit_selection->odd = (cyf_odd_values){0};
  unit_selection->repeating = (cyf_repeating_rows){0};
  memset(unit_selection->words, 0, (size_t)(WORDS_AHEAD + unit_selection->n_words) * sizeof(int64_t));
  return CYF_OK;
}

static cyf_status select_block(cyf_prepare_job *job, const cyf_prepare_block *block, void *context) {
  selection *unit = context;
  const cyf_repeating_rows repeating = {block->n_repeating, block->first_cell};
  cyf_odd_values_add(&block->odd, &unit->odd);
  cyf_repeating_rows_add(&repeating, &unit->repeating);
  for (int64_t i = 0; i < block->cells.n_cells; i++) {
    const int64_t n_detected = block->cells.indptr[i + 1] - block->cells.indptr[i]; /* the reader drops zeros */
    if (n_detected < job->options->min_genes || cyf_bit_get(job->fates.dropped, block->first_cell + i)) continue;
    cyf_bit_set(unit->words + WORDS_AHEAD, block->first_cell + i - unit->first_cell);
    unit->words[0] += n_detected;
    float largest = 0;
    for (int64_t e = block->cells.indptr[i]; e < block->cells.indptr[i + 1]; e++)
      largest = block->cells.values[e] > largest ? block->cells.values[e] : largest;
    unit->largest = (double)largest > unit->largest ? (double)largest : unit->largest;
  }
  return CYF_OK;
}

static cyf_status end_unit(cyf_prepare_job *job, int64_t unit, void *context) {
  selection *unit_selection = context;
  int64_t *words = unit_selection->words;
  memcpy(&words[1], &unit_selection->largest, sizeof(double));
  words[2] = unit_selection->odd.n;
  words[3] = unit_selection->odd.cell;
  words[4] = unit_selection->odd.gene;
  memcpy(&words[5], &unit_selection->odd.value, sizeof(double));
  words[6] = unit_selection->repeating.n;
  words[7] = unit_selection->repeating.cell;
  return cyf_prepare_store_result(job, "select", unit, unit_selection->words, WORDS_AHEAD + unit_selection->n_words);
}

/* Selects cells unit by unit, leaving the selection on disk. */
static cyf_status select_units(cyf_prepare_job *job, const uint8_t *done) {
  static const cyf_unit_visitor visitor = {
      .what = "selecting cells", .begin = begin_unit, .block = select_block, .end = end_unit};
  selection unit = {0};
  CYF_TRY(CYF_NEW(&unit.words, WORDS_AHEAD + job->plan.unit_cells / CYF_WORD_BITS));
  const cyf_status status = cyf_prepare_visit_units(job, &visitor, done, &unit);
  cyf_free(unit.words);
  return status;
}

/* Reads this rank's share of the units' selections from disk. */
static cyf_status load_units(cyf_prepare_job *job, cyf_odd_values *odd, cyf_repeating_rows *repeating) {
  const int64_t words_a_unit = job->plan.unit_cells / CYF_WORD_BITS;
  int64_t *words = NULL;
  cyf_status status = CYF_NEW(&words, WORDS_AHEAD + words_a_unit);
  for (int64_t u = job->rank; u < job->plan.n_units && status == CYF_OK; u += job->size) {
    const int64_t n = unit_words(job, u);
    status = cyf_prepare_load_result(job, "select", u, words, WORDS_AHEAD + n);
    if (status != CYF_OK) break;
    double largest = 0;
    memcpy(&largest, &words[1], sizeof(largest));
    cyf_odd_values of_unit = {.n = words[2], .cell = words[3], .gene = words[4]};
    memcpy(&of_unit.value, &words[5], sizeof(of_unit.value));
    cyf_odd_values_add(&of_unit, odd);
    cyf_repeating_rows_add(&(cyf_repeating_rows){words[6], words[7]}, repeating);
    job->nnz_kept += words[0];
    if (largest > job->largest) job->largest = largest;
    memcpy(job->fates.kept + u * words_a_unit, words + WORDS_AHEAD, (size_t)n * sizeof(*words));
  }
  cyf_free(words);
  return status;
}

static cyf_status visit_units(cyf_prepare_job *job, cyf_odd_values *odd, cyf_repeating_rows *repeating) {
  uint8_t *done = NULL;
  cyf_status status = CYF_NEW(&done, job->plan.n_units);
  for (int64_t u = 0; status == CYF_OK && job->rank == 0 && u < job->plan.n_units; u++) {
    bool has = false;
    status = cyf_prepare_has_result(job, "select", u, &has);
    done[u] = has;
  }
  status = cyf_prepare_share_done(job, status, done, job->plan.n_units);
  if (status == CYF_OK) status = cyf_comm_agree(job->comm, select_units(job, done));
  if (status == CYF_OK) status = cyf_comm_agree(job->comm, load_units(job, odd, repeating));
  cyf_free(done);
  return status;
}

/* Holds out n_drawn of the kept cells that --holdout-where did not choose: those that a permutation puts first. Each
 * rank decides on some words. */
static cyf_status draw_heldout(cyf_prepare_job *job, int64_t n_others, int64_t n_drawn) {
  const cyf_rng_key key = cyf_rng_key_make(job->options->seed, CYF_RNG_SPLIT);
  cyf_cell_fates *fates = &job->fates;
  int64_t *drawn = NULL;
  CYF_TRY(cyf_comm_agree(job->comm, CYF_NEW(&drawn, fates->n_words)));
  for (int64_t w = job->rank; w < fates->n_words; w += job->size) {
    int64_t place = fates->kept_before[w] - fates->heldout_before[w];
    for (int64_t i = w * CYF_WORD_BITS; i < (w + 1) * CYF_WORD_BITS && i < job->summary.n_cells_in; i++) {
      if (!cyf_bit_get(fates->kept, i) || cyf_bit_get(fates->heldout, i)) continue;
      if (cyf_rng_permute(key, (uint64_t)n_others, (uint64_t)place++) < (uint64_t)n_drawn) cyf_bit_set(drawn, i);
    }
  }
  const cyf_status status = cyf_comm_sum_int64(job->comm, drawn, fates->n_words);
  for (int64_t w = 0; w < fates->n_words && status == CYF_OK; w++) fates->heldout[w] |= drawn[w];
  cyf_free(drawn);
  return status;
}

static cyf_status check_kept(const cyf_prepare_job *job, int64_t n_kept, int64_t n_chosen) {
  const int64_t n_left = job->summary.n_cells_in - job->summary.n_cells_filtered;
  if (n_kept == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "none of the %lld cells has %lld detected genes or more among the %lld genes in use (--min-genes)",
                    (long long)n_left, (long long)job->options->min_genes, (long long)job->genes.n);
  if (job->options->n_holdout_where > 0 && n_chosen == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "no cell that --holdout-where names is left: all have fewer than %lld detected genes (--min-genes) "
                    "or were dropped as duplicates",
                    (long long)job->options->min_genes);
  return CYF_OK;
}

static cyf_status check_heldout(const cyf_prepare_job *job, int64_t n_kept, int64_t n_chosen, int64_t n_drawn) {
  if (n_chosen == n_kept)
    return CYF_FAIL(CYF_ERR_INPUT, "--holdout-where holds out all of the %lld kept cells and leaves none to train on",
                    (long long)n_kept);
  if (n_chosen + n_drawn == n_kept)
    return CYF_FAIL(CYF_ERR_INPUT, "holding out %g of %lld cells leaves none to train on", job->options->holdout,
                    (long long)(n_kept - n_chosen));
  return CYF_OK;
}

cyf_status cyf_prepare_count_drawn(const cyf_prepare_job *job, int64_t n_kept, int64_t n_chosen, int64_t *ret_n_drawn) {
  *ret_n_drawn = (int64_t)llround(job->options->holdout * (double)(n_kept - n_chosen));
  CYF_TRY(check_kept(job, n_kept, n_chosen));
  return check_heldout(job, n_kept, n_chosen, *ret_n_drawn);
}

/* Fills fates.kept, and adds up what goes with it, on all ranks. */
static cyf_status select_kept(cyf_prepare_job *job) {
  cyf_cell_fates *fates = &job->fates;
  cyf_odd_values odd = {0};
  cyf_repeating_rows repeating = {0};
  CYF_TRY(visit_units(job, &odd, &repeating));
  CYF_TRY(cyf_comm_sum_int64(job->comm, fates->kept, fates->n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, &job->nnz_kept, 1));
  CYF_TRY(cyf_comm_max_double(job->comm, &job->largest, 1));
  CYF_TRY(cyf_prepare_judge_odd(job, &odd, job->nnz_kept));
  CYF_TRY(cyf_prepare_tell_repeating(job, &repeating));
  fates->is_selected = true;
  cyf_count_words(fates->kept, fates->n_words, fates->kept_before);
  for (int64_t w = 0; w < fates->n_words; w++) fates->heldout[w] &= fates->kept[w];
  cyf_count_words(fates->heldout, fates->n_words, fates->heldout_before);
  return CYF_OK;
}

cyf_status cyf_prepare_select_cells(cyf_prepare_job *job) {
  cyf_cell_fates *fates = &job->fates;
  cyf_prepare_summary *summary = &job->summary;
  CYF_TRY(select_kept(job));
  const int64_t n_kept = fates->kept_before[fates->n_words], n_chosen = fates->heldout_before[fates->n_words];
  int64_t n_drawn = 0;
  const cyf_status suitable = cyf_prepare_count_drawn(job, n_kept, n_chosen, &n_drawn);
  job->partial_useless = suitable != CYF_OK;
  CYF_TRY(cyf_comm_agree(job->comm, suitable));
  if (n_drawn > 0) CYF_TRY(draw_heldout(job, n_kept - n_chosen, n_drawn));
  cyf_count_words(fates->heldout, fates->n_words, fates->heldout_before);
  const bool drops_repeated = job->options->duplicates == CYF_DUPLICATES_DROP;
  summary->n_cells_few_genes = summary->n_cells_in - summary->n_cells_filtered - n_kept;
  if (drops_repeated) summary->n_cells_few_genes -= summary->n_cells_repeated;
  summary->n_cells_heldout = fates->heldout_before[fates->n_words];
  summary->n_cells_train = n_kept - summary->n_cells_heldout;
  cyf_info("%lld cells kept, %lld with fewer than %lld detected genes dropped, %lld of the kept held out",
           (long long)n_kept, (long long)summary->n_cells_few_genes, (long long)job->options->min_genes,
           (long long)summary->n_cells_heldout);
  return CYF_OK;
}
