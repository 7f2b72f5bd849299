/* Pass 1 of `prepare`: which cells are kept, and which of these are held out. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

enum { WORD_BITS = 64 };

static bool get_bit(const int64_t *words, int64_t i) {
  return (uint64_t)words[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

/* Words are int64 so that ranks' bits, which never overlap, can be joined by a sum. */
static void set_bit(int64_t *words, int64_t i) {
  words[i / WORD_BITS] = (int64_t)((uint64_t)words[i / WORD_BITS] | UINT64_C(1) << (i % WORD_BITS));
}

/* Set bits before bit i, given those before each word. */
static int64_t bits_before(const int64_t *words, const int64_t *before, int64_t i) {
  const uint64_t below = (UINT64_C(1) << (i % WORD_BITS)) - 1;
  return before[i / WORD_BITS] + __builtin_popcountll((uint64_t)words[i / WORD_BITS] & below);
}

static void count_words(const int64_t *words, int64_t n_words, int64_t *before) {
  before[0] = 0;
  for (int64_t w = 0; w < n_words; w++) before[w + 1] = before[w] + __builtin_popcountll((uint64_t)words[w]);
}

bool cyf_cell_is_kept(const cyf_cell_fates *fates, int64_t cell) {
  return get_bit(fates->kept, cell);
}

bool cyf_cell_is_heldout(const cyf_cell_fates *fates, int64_t cell) {
  return get_bit(fates->heldout, cell);
}

int64_t cyf_cell_train_index(const cyf_cell_fates *fates, int64_t cell) {
  return bits_before(fates->kept, fates->kept_before, cell) - bits_before(fates->heldout, fates->heldout_before, cell);
}

void cyf_cell_fates_destroy(cyf_cell_fates *fates) {
  cyf_free(fates->kept);
  cyf_free(fates->heldout);
  cyf_free(fates->kept_before);
  cyf_free(fates->heldout_before);
}

static cyf_status fates_make(int64_t n_cells, cyf_cell_fates *fates) {
  fates->n_words = (n_cells + WORD_BITS - 1) / WORD_BITS;
  CYF_TRY(CYF_NEW(&fates->kept, fates->n_words));
  CYF_TRY(CYF_NEW(&fates->heldout, fates->n_words));
  CYF_TRY(CYF_NEW(&fates->kept_before, fates->n_words + 1));
  return CYF_NEW(&fates->heldout_before, fates->n_words + 1);
}

static cyf_status select_block(cyf_prepare_job *job, const cyf_prepare_block *block, void *context) {
  (void)context;
  for (int64_t i = 0; i < block->cells.n_cells; i++) {
    const int64_t n_detected = block->cells.indptr[i + 1] - block->cells.indptr[i]; /* the reader drops zeros */
    if (n_detected < job->options->min_genes) continue;
    set_bit(job->fates.kept, block->first_cell + i);
    job->nnz_kept += n_detected;
    for (int64_t e = block->cells.indptr[i]; e < block->cells.indptr[i + 1]; e++)
      if ((double)block->cells.values[e] > job->largest) job->largest = (double)block->cells.values[e];
  }
  return CYF_OK;
}

/* Holds out exactly the first n_heldout places of a permutation of the kept cells; each rank decides on some words. */
static void hold_out(cyf_prepare_job *job, int64_t n_kept, int64_t n_heldout) {
  const cyf_rng_key key = cyf_rng_key_make(job->options->seed, CYF_RNG_SPLIT);
  cyf_cell_fates *fates = &job->fates;
  for (int64_t w = job->rank; w < fates->n_words; w += job->size) {
    int64_t place = fates->kept_before[w];
    for (int64_t i = w * WORD_BITS; i < (w + 1) * WORD_BITS && i < job->summary.n_cells_in; i++) {
      if (!get_bit(fates->kept, i)) continue;
      if (cyf_rng_permute(key, (uint64_t)n_kept, (uint64_t)place++) < (uint64_t)n_heldout) set_bit(fates->heldout, i);
    }
  }
}

static cyf_status check_numbers(const cyf_prepare_job *job, int64_t n_kept, int64_t n_heldout) {
  if (n_kept == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "none of the %lld cells has %lld detected genes or more among the %lld genes in use (--min-genes)",
                    (long long)job->summary.n_cells_in, (long long)job->options->min_genes, (long long)job->genes.n);
  if (n_heldout == n_kept)
    return CYF_FAIL(CYF_ERR_INPUT, "holding out %g of %lld cells leaves none to train on", job->options->holdout,
                    (long long)n_kept);
  return CYF_OK;
}

cyf_status cyf_prepare_select_cells(cyf_prepare_job *job) {
  cyf_cell_fates *fates = &job->fates;
  cyf_status status = fates_make(job->summary.n_cells_in, fates);
  if (status == CYF_OK) status = cyf_prepare_visit_blocks(job, false, "selecting cells", select_block, NULL);
  CYF_TRY(cyf_comm_agree(job->comm, status));
  CYF_TRY(cyf_comm_sum_int64(job->comm, fates->kept, fates->n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, &job->nnz_kept, 1));
  CYF_TRY(cyf_comm_max_double(job->comm, &job->largest, 1));
  count_words(fates->kept, fates->n_words, fates->kept_before);
  const int64_t n_kept = fates->kept_before[fates->n_words];
  const int64_t n_heldout = (int64_t)llround(job->options->holdout * (double)n_kept);
  CYF_TRY(cyf_comm_agree(job->comm, check_numbers(job, n_kept, n_heldout)));
  if (n_heldout > 0) {
    hold_out(job, n_kept, n_heldout);
    CYF_TRY(cyf_comm_sum_int64(job->comm, fates->heldout, fates->n_words));
  }
  count_words(fates->heldout, fates->n_words, fates->heldout_before);
  job->summary.n_cells_few_genes = job->summary.n_cells_in - n_kept;
  job->summary.n_cells_heldout = fates->heldout_before[fates->n_words];
  job->summary.n_cells_train = n_kept - job->summary.n_cells_heldout;
  cyf_info("%lld cells kept, %lld with fewer than %lld detected genes dropped, %lld of the kept held out",
           (long long)n_kept, (long long)job->summary.n_cells_few_genes, (long long)job->options->min_genes,
           (long long)job->summary.n_cells_heldout);
  return CYF_OK;
}
