/* SPDX-License-Identifier: MIT */
/* Cells whose id an earlier cell has. Each id's hash is sent to the rank that its first word names, so that one rank
 * sees all cells of an id. What the ranks find is joined as bits over all cells. IDS_A_ROUND bounds a rank's memory:
 * where the ranks' tables cannot hold all ids at once, several rounds each look at a share of the hashes. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/id_table.h"
#include "data/prepare/inputs.h"

enum {
  IDS_A_ROUND = 6000000, /* of one rank: a table of 2^23 entries, 201 MB */
  BLOCK_IDS = 65536,     /* read and exchanged at once: some 8 MB of strings */
  STEPS_A_POLL = 16      /* a signal is looked for every second or two */
};

typedef struct id_message {
  cyf_id_hash hash;
  int64_t cell;
} id_message;

typedef struct id_search {
  cyf_prepare_job *job;
  int64_t n_rounds, round;
  cyf_h5ad *file; /* the open input's */
  const cyf_prepare_input *input;
  char **ids;                        /* [BLOCK_IDS] */
  id_message *message;               /* [BLOCK_IDS] in order of reading */
  id_message *sorted;                /* [BLOCK_IDS] by rank */
  int64_t *n_bytes_out, *n_bytes_in; /* [ranks] */
  cyf_id_table *table;
  int64_t *repeated;                /* [words] bits */
  int64_t is_numbered;              /* one of several inputs has row numbers for ids */
  int64_t n_unnamed, first_unnamed; /* cells whose ids name nothing, and the first of them that this rank saw */
  /* the lowest repeated cell that this rank saw (-1: none), the cell that has its id before it, and the id's hash */
  int64_t least, before_least;
  cyf_id_hash least_hash;
} id_search;

static void search_destroy(id_search *search) {
  cyf_h5ad_close(&search->file);
  cyf_free(search->ids);
  cyf_free(search->message);
  cyf_free(search->sorted);
  cyf_free(search->n_bytes_out);
  cyf_free(search->n_bytes_in);
  cyf_id_table_destroy(&search->table);
  cyf_free(search->repeated);
}

static cyf_status search_make(id_search *search) {
  const cyf_prepare_job *job = search->job;
  const int64_t n_cells = job->summary.n_cells_in - job->summary.n_cells_filtered;
  search->n_rounds = n_cells / job->size / IDS_A_ROUND + 1;
  search->least = search->before_least = -1;
  CYF_TRY(CYF_NEW(&search->ids, BLOCK_IDS));
  CYF_TRY(CYF_NEW(&search->message, BLOCK_IDS));
  CYF_TRY(CYF_NEW(&search->sorted, BLOCK_IDS));
  CYF_TRY(CYF_NEW(&search->n_bytes_out, job->size));
  CYF_TRY(CYF_NEW(&search->n_bytes_in, job->size));
  return CYF_NEW(&search->repeated, job->fates.n_words);
}

/* Ids that are only row numbers tell nothing about cells of different files. That is a failure where the answer
 * matters.
 */
static cyf_status check_named(id_search *search, int64_t n) {
  const cyf_prepare_options *options = search->job->options;
  if (options->n_inputs == 1) return CYF_OK;
  for (int64_t i = 0; i < n; i++) {
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)i);
    if (strcmp(search->ids[i], number) != 0) return CYF_OK;
  }
  search->is_numbered = 1;
  if (options->duplicates == CYF_DUPLICATES_KEEP) return CYF_OK;
  return CYF_FAIL(
      CYF_ERR_INPUT,
      "%s: its cells are numbered, not named, so duplicates among several inputs cannot be told; another obs "
      "column may identify them: --id-column COLUMN",
      search->input->path);
}

static void note_id(id_search *search, int64_t cell, const char *id) {
  if (search->round > 0 || !cyf_is_placeholder(id)) return; /* each round reads all ids */
  if (search->n_unnamed++ == 0 || cell < search->first_unnamed) search->first_unnamed = cell;
}

/* Reads a block's ids. The hashes that belong to this round go to `sorted`, grouped by the rank they are sent to. */
static cyf_status hash_block(id_search *search, int64_t first, int64_t n) {
  const cyf_prepare_job *job = search->job;
  const uint64_t size = (uint64_t)job->size;
  int64_t n_messages = 0, start = 0;
  CYF_TRY(cyf_h5ad_read_ids(search->file, job->options->id_column, first, n, search->ids));
  const cyf_status status = first == 0 ? check_named(search, n) : CYF_OK;
  for (int64_t i = 0; i < n; i++) {
    const int64_t cell = search->input->first_cell + first + i;
    const cyf_id_hash hash = cyf_id_hash_make(search->ids[i]);
    const bool is_dropped = cyf_bit_get(job->fates.dropped, cell);
    if (!is_dropped) note_id(search, cell, search->ids[i]);
    cyf_free(search->ids[i]);
    if (is_dropped) continue;
    if ((int64_t)(hash.word[0] / size % (uint64_t)search->n_rounds) != search->round) continue;
    search->message[n_messages++] = (id_message){hash, cell};
    search->n_bytes_out[hash.word[0] % size] += (int64_t)sizeof(id_message);
  }
  CYF_TRY(status);
  for (int r = 0; r < job->size; r++) { /* until the exchange n_bytes_in holds where each rank's messages go */
    search->n_bytes_in[r] = start;
    start += search->n_bytes_out[r] / (int64_t)sizeof(id_message);
  }
  for (int64_t i = 0; i < n_messages; i++)
    search->sorted[search->n_bytes_in[search->message[i].hash.word[0] % size]++] = search->message[i];
  return CYF_OK;
}

/* Reads this rank's block of a step, if there is one; blocks are numbered over all inputs. */
static cyf_status read_block(id_search *search, int64_t block) {
  const cyf_prepare_job *job = search->job;
  int64_t i = 0;
  if (block / job->size % STEPS_A_POLL == STEPS_A_POLL - 1) CYF_TRY(cyf_prepare_check_early_signal());
  memset(search->n_bytes_out, 0, (size_t)job->size * sizeof *search->n_bytes_out);
  for (; i < job->options->n_inputs; i++) {
    const int64_t n_blocks = (job->input[i].n_cells + BLOCK_IDS - 1) / BLOCK_IDS;
    if (block < n_blocks) break;
    block -= n_blocks;
  }
  if (i == job->options->n_inputs) return CYF_OK;
  const cyf_prepare_input *input = &job->input[i];
  const int64_t first = block * BLOCK_IDS, left = input->n_cells - first, n = left < BLOCK_IDS ? left : BLOCK_IDS;
  if (!cyf_cells_are_wanted(&job->fates, input->first_cell + first, n)) return CYF_OK;
  if (search->input != input || !search->file) {
    cyf_h5ad_close(&search->file);
    search->input = input;
    CYF_TRY(cyf_h5ad_open(input->path, job->options->matrix, &search->file));
    if (cyf_h5ad_n_cells(search->file) != input->n_cells)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read", input->path);
  }
  return hash_block(search, first, n);
}

static cyf_status enter(id_search *search, const id_message *messages, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    int64_t repeated = -1;
    CYF_TRY(cyf_id_table_add(search->table, messages[i].hash, messages[i].cell, &repeated));
    if (repeated < 0) continue;
    cyf_bit_set(search->repeated, repeated);
    if (search->least >= 0 && repeated > search->least) continue;
    search->least = repeated;
    search->before_least = -1; /* it is looked up at the round's end */
    search->least_hash = messages[i].hash;
  }
  return CYF_OK;
}

static cyf_status search_round(id_search *search, int64_t n_steps) {
  cyf_prepare_job *job = search->job;
  const int64_t n_cells = job->summary.n_cells_in - job->summary.n_cells_filtered;
  const int64_t share = n_cells / job->size / search->n_rounds;
  CYF_TRY(cyf_comm_agree(job->comm, cyf_id_table_create(share + share / 64, &search->table)));
  cyf_status entered = CYF_OK;
  for (int64_t step = 0; step < n_steps; step++) {
    id_message *arrived = NULL;
    int64_t n_bytes = 0;
    const cyf_status read = entered == CYF_OK ? read_block(search, step * job->size + job->rank) : entered;
    CYF_TRY(cyf_comm_agree(job->comm, read));
    CYF_TRY(cyf_comm_exchange(job->comm, search->sorted, search->n_bytes_out, (void **)&arrived, search->n_bytes_in));
    for (int r = 0; r < job->size; r++) n_bytes += search->n_bytes_in[r];
    entered = enter(search, arrived, n_bytes / (int64_t)sizeof *arrived);
    cyf_free(arrived);
    cyf_log_progress("comparing cell ids: %.0f %%",
                     100.0 * (double)(search->round * n_steps + step + 1) / (double)(search->n_rounds * n_steps));
  }
  if (search->least >= 0 && search->before_least < 0)
    search->before_least = cyf_id_table_find(search->table, search->least_hash);
  cyf_id_table_destroy(&search->table);
  return cyf_comm_agree(job->comm, entered);
}

/* Runs all rounds and joins what the ranks found. All ranks then have `repeated` and the lowest repeated cell of all.
 */
static cyf_status search_all(id_search *search) {
  cyf_prepare_job *job = search->job;
  int64_t n_blocks = 0;
  for (int64_t i = 0; i < job->options->n_inputs; i++) n_blocks += (job->input[i].n_cells + BLOCK_IDS - 1) / BLOCK_IDS;
  const int64_t n_steps = (n_blocks + job->size - 1) / job->size;
  for (search->round = 0; search->round < search->n_rounds; search->round++) CYF_TRY(search_round(search, n_steps));
  CYF_TRY(cyf_comm_sum_int64(job->comm, search->repeated, job->fates.n_words));
  int64_t greatest = search->least < 0 ? INT64_MIN : -search->least;
  CYF_TRY(cyf_comm_max_int64(job->comm, &greatest, 1));
  if (greatest == INT64_MIN) return CYF_OK;
  if (search->least != -greatest) search->before_least = -1;
  search->least = -greatest;
  return cyf_comm_max_int64(job->comm, &search->before_least, 1);
}

/* Writes 'cell 12 of b.h5ad has the id "X" of cell 3 of a.h5ad', on rank 0. */
static cyf_status describe_least(const id_search *search, char *text, size_t size) {
  const cyf_prepare_job *job = search->job;
  const cyf_prepare_input *input = cyf_prepare_input_of(job, search->least);
  const cyf_prepare_input *before = cyf_prepare_input_of(job, search->before_least);
  cyf_h5ad *file = NULL;
  char *id = NULL;
  const int64_t row = search->least - input->first_cell;
  CYF_TRY(cyf_h5ad_open(input->path, job->options->matrix, &file));
  const cyf_status status = cyf_h5ad_read_ids(file, job->options->id_column, row, 1, &id);
  if (status == CYF_OK)
    snprintf(text, size, "cell %lld of %s has the id \"%s\" of cell %lld of %s", (long long)row, input->path, id,
             (long long)(search->before_least - before->first_cell), before->path);
  cyf_free(id);
  cyf_h5ad_close(&file);
  return status;
}

/* Rank 0 says how many cells repeat an id. Where such cells are refused this is its failure. */
static cyf_status tell(const id_search *search, int64_t n_repeated) {
  char example[1024];
  CYF_TRY(describe_least(search, example, sizeof example));
  const long long n = (long long)n_repeated;
  switch (search->job->options->duplicates) {
    case CYF_DUPLICATES_REFUSE:
      return CYF_FAIL(CYF_ERR_INPUT,
                      "%lld cells have an id that an earlier cell has: %s; --duplicates drop leaves them out, "
                      "--duplicates keep takes them for other cells, --id-column names a column that tells them apart",
                      n, example);
    case CYF_DUPLICATES_DROP:
      cyf_info("--duplicates drop: %lld cells dropped; %s", n, example);
      return CYF_OK;
    default:
      cyf_warn(
          "%lld cells have an id that an earlier cell has, and are kept: %s; if they are the same cells, drop "
          "them (--duplicates drop), lest copies of held-out cells be trained on",
          n, example);
      return CYF_OK;
  }
}

cyf_status cyf_prepare_find_duplicates(cyf_prepare_job *job) {
  id_search search = {.job = job};
  int64_t n_repeated = 0;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, search_make(&search)));
  CYF_TRY_CLEANUP(search_all(&search));
  CYF_TRY_CLEANUP(cyf_prepare_tell_ids(job, search.n_unnamed, search.first_unnamed));
  CYF_TRY_CLEANUP(cyf_comm_max_int64(job->comm, &search.is_numbered, 1));
  if (search.is_numbered) goto cleanup; /* numbers repeat in every file */
  for (int64_t w = 0; w < job->fates.n_words; w++) n_repeated += __builtin_popcountll((uint64_t)search.repeated[w]);
  job->summary.n_cells_repeated = n_repeated;
  if (n_repeated == 0) goto cleanup;
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, job->rank == 0 ? tell(&search, n_repeated) : CYF_OK));
  if (job->options->duplicates == CYF_DUPLICATES_DROP)
    for (int64_t w = 0; w < job->fates.n_words; w++) job->fates.dropped[w] |= search.repeated[w];
cleanup:
  cyf_log_progress_end();
  search_destroy(&search);
  return status;
}
