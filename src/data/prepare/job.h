/* SPDX-License-Identifier: MIT */
/** @file
 * Inside `prepare`: the state of one run, and its phases in order. Phases marked "local" do this rank's share and are
 * not collective; prepare.c agrees between them over all ranks. Memory that is run out of is CYF_ERR_MEMORY everywhere.
 */
#ifndef CYF_DATA_PREPARE_JOB_H
#define CYF_DATA_PREPARE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/inputs.h"
#include "base/interrupt.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/values.h"
#include "data/h5ad/writer.h"
#include "data/prepare/counts.h"
#include "data/prepare/fates.h"
#include "data/prepare/obs_rules.h"
#include "data/prepare/plan.h"
#include "data/prepare/prepare.h"
#include "data/prepare/spill.h"
#include "data/tables/label_map.h"

/** One input file, as pass 0 found it. */
typedef struct cyf_prepare_input {
  const char *path;   /**< the options own it */
  int64_t first_cell; /**< its first cell's index over all inputs */
  int64_t n_cells, n_genes, bytes;
  int64_t nnz; /**< stored values; dense: cells x genes */
  bool is_csc;
  cyf_values values;       /**< what they are */
  cyf_rescaling rescaling; /**< how they come to the atlas' scale */
  int32_t *gene;           /**< [n_genes] which gene in use each of the file's is; -1: none */
  bool ascending;          /**< `gene` ascends, so that rows need no sorting */
  char **label_column;     /**< [n_labels] the obs column that holds the label; NULL: none, no cell has it */
  int64_t *n_categories;   /**< [n_labels] categories of the file's column */
  int32_t **category;      /**< [n_labels][n_categories] the atlas' code of each; -1: no label */
} cyf_prepare_input;

/** Genes that are named like '' or 'nan'. */
typedef struct cyf_unnamed {
  int64_t n;
  const char *path; /**< the first's input */
  char name[32];    /**< the first's name, cut */
} cyf_unnamed;

/** The state of one run. Everything that is not the options' or `comm` is owned. */
typedef struct cyf_prepare_job {
  cyf_comm *comm;
  int rank, size;
  const cyf_prepare_options *options;
  char *output, *partial, *spill_directory; /**< output without trailing slashes */
  int lock;                                 /**< descriptor whose lock keeps other runs from OUTPUT.partial; -1: none */
  bool is_published;                        /**< OUTPUT.partial has become OUTPUT */
  bool partial_useless;                     /**< it failed in a way in which the same command would fail again */
  cyf_prepare_plan plan;
  cyf_inputs files;         /**< what is read, as it was at the start of the run */
  cyf_prepare_input *input; /**< [n_inputs] */
  cyf_names genes;          /**< genes in use before the gene filter */
  bool has_gene_list;
  cyf_unnamed unnamed_genes;
  cyf_attribute *attribute; /**< [n_labels] */
  bool *is_number;          /**< [n_labels] an input holds it as plain numbers, and there are no bins */
  cyf_names *label_columns; /**< [n_labels] obs columns that may hold the label */
  cyf_label_map label_map;
  cyf_obs_rules rules;
  cyf_expression_kind kind;
  double target;            /**< of stored logarithms, 0 where it is unknown; of counts, that of training */
  cyf_rng_key rounding_key; /**< of fractional counts */
  cyf_cell_fates fates;
  int64_t nnz_kept; /**< entries of kept cells, before the gene filter */
  double largest;   /**< largest value of kept cells, before the gene filter */
  cyf_rng_key shuffle_key;
  int64_t n_shards;       /**< of plan.shard_cells cells but the last */
  cyf_gene_counts *gene;  /**< [n genes in use] */
  int64_t label_checksum; /**< sum of training cells' label checksums, modulo 2^48 */
  int64_t heldout_label_checksum;
  int32_t *gene_new; /**< [n genes in use] index in the atlas; -1: dropped */
  cyf_shard *shard;  /**< [n_shards], as the next three; known once the files are written */
  int64_t *shard_bytes;
  int64_t *shard_checksum; /**< modulo 2^48 */
  int64_t *shard_sum;      /**< of counts */
  cyf_names atlas_genes;
  cyf_prepare_summary summary;
} cyf_prepare_job;

/** Checksum of one stored value with its cell and gene. Sums of these tell whether all values stand where they should,
 * in whatever order they were added. 48 bits, so that sums over ranks stay in int64 (docs/atlas-format.md). */
static inline int64_t cyf_entry_checksum(uint64_t cell, int64_t gene, float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  uint64_t h = (cell * UINT64_C(0x9e3779b97f4a7c15)) ^ (((uint64_t)gene << 32 | bits) * UINT64_C(0xc2b2ae3d27d4eb4f));
  h = (h ^ (h >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
  h ^= h >> 32;
  return (int64_t)(h & UINT64_C(0xffffffffffff));
}
/** The same of a cell's label: `code` of the attribute of that index. */
static inline int64_t cyf_label_checksum(uint64_t cell, int64_t attribute, int32_t code) {
  return cyf_entry_checksum(cell, -1 - attribute, (float)code);
}
/** Sum of two such checksums, modulo 2^48. */
static inline int64_t cyf_checksum_add(int64_t a, int64_t b) {
  return (a + b) & INT64_C(0xffffffffffff);
}

/** The input that holds a cell, which is numbered over all inputs. */
static inline const cyf_prepare_input *cyf_prepare_input_of(const cyf_prepare_job *job, int64_t cell) {
  int64_t low = 0, high = job->options->n_inputs - 1; /* the last input whose first cell is not beyond the cell */
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (job->input[middle].first_cell <= cell)
      low = middle;
    else
      high = middle - 1;
  }
  return &job->input[low];
}

/** Fails with CYF_ERR_INTERRUPTED after a signal; called once a block. Like any failure of this rank it is agreed on at
 * the phase's end. */
static inline cyf_status cyf_prepare_check_signal(const cyf_prepare_job *job) {
  return cyf_interrupt_requested() == 0
             ? CYF_OK
             : CYF_FAIL(CYF_ERR_INTERRUPTED,
                        "a signal came; %s holds what is done, and the same command goes on from there", job->partial);
}

/* ---- pass 0: inputs.c ---- */

/** Reads sizes, genes and label columns of every input on every rank, and makes one list of genes and one of
 * categories. Local, the same on each rank. Errors: CYF_ERR_INPUT. */
cyf_status cyf_prepare_open_inputs(cyf_prepare_job *job);
/** Judges what the values of each input are, by themselves and by what the options state, and chooses the atlas' kind
 * and scale. The inputs are shared out over the ranks. Collective. Errors, agreed: CYF_ERR_INPUT naming an input that
 * is of no use, or two that are on different scales; CYF_ERR_USAGE. */
cyf_status cyf_prepare_detect_kind(cyf_prepare_job *job);
/** Frees what is known of the inputs, their genes and labels. */
void cyf_prepare_close_inputs(cyf_prepare_job *job);

/* ---- blocks: blocks.c ---- */

/** Values among counts that are no whole numbers, and the first of them. */
typedef struct cyf_odd_values {
  int64_t n;
  int64_t cell, gene; /**< over all inputs; in use */
  double value;
} cyf_odd_values;

/** Rows with several entries for one gene, and a cell of the first input that has them. */
typedef struct cyf_repeating_rows {
  int64_t n;
  int64_t cell; /**< over all inputs */
} cyf_repeating_rows;

/** Consecutive cells of one input, over the genes in use. The reader owns everything; valid until the next block. */
typedef struct cyf_prepare_block {
  const cyf_prepare_input *input;
  int64_t first_cell;          /**< over all inputs */
  cyf_csr cells;               /**< [n_cells, genes in use], ascending genes */
  cyf_odd_values odd;          /**< among its counts */
  int64_t n_repeating;         /**< its rows with several entries for one gene, which are added up */
  const int32_t *const *codes; /**< [n_labels][n_cells] the atlas' codes; NULL without obs */
  char *const *names;          /**< [n_cells]; NULL without obs */
} cyf_prepare_block;
/** What is done with a block; `context` is the caller's. A failure ends the reading. */
typedef cyf_status (*cyf_prepare_visitor)(cyf_prepare_job *job, const cyf_prepare_block *block, void *context);
/** Reads ranges of input cells, numbered over all inputs, in blocks; keeps the last input open. Memory: as
 * plan.block_values says, and the labels of one input. */
typedef struct cyf_block_reader cyf_block_reader;
/** Makes a reader, which reads names and labels of the cells only where with_obs. Local. */
cyf_status cyf_block_reader_create(cyf_prepare_job *job, bool with_obs, cyf_block_reader **ret_reader);
/** Calls `visit` with each block of the cells [first_cell, end_cell), in ascending order. Local. Errors: CYF_ERR_INPUT,
 * also for a value that is no count among counts; CYF_ERR_INTERRUPTED after a signal; those of `visit`. */
cyf_status cyf_block_reader_visit(cyf_block_reader *reader, int64_t first_cell, int64_t end_cell,
                                  cyf_prepare_visitor visit, void *context);
/** Closes the open input and frees the reader; NULL-safe, sets NULL. */
void cyf_block_reader_destroy(cyf_block_reader **reader);

/* ---- fractional counts: fractions.c ---- */

/** Rounds the values of rows over the genes in use, in place: up or down at random, so that their mean stays.
 *
 * The number is drawn by (seed, cell, gene), so the same for any number of ranks and in any pass. What becomes 0
 * leaves. Values of an input that holds counts are counted in `odd`. first_cell: over all inputs. Local. */
void cyf_prepare_round_rows(const cyf_prepare_job *job, const cyf_prepare_input *input, int64_t first_cell,
                            cyf_csr_buffer *rows, cyf_odd_values *odd);
/** Adds up odd values; the first of them is that of the first cell. */
void cyf_odd_values_add(const cyf_odd_values *more, cyf_odd_values *odd);
/** Warns of the odd values of all ranks among n_values, naming the first. Collective. Errors, agreed: CYF_ERR_INPUT
 * where they are too many for counts. */
cyf_status cyf_prepare_judge_odd(cyf_prepare_job *job, const cyf_odd_values *odd, int64_t n_values);

/* ---- units: units.c ---- */

/** What a pass does with each unit: begin, then block for each of its blocks, then end. */
typedef struct cyf_unit_visitor {
  const char *what; /**< for messages */
  bool with_obs;
  cyf_status (*begin)(cyf_prepare_job *job, int64_t unit, void *context);
  cyf_prepare_visitor block;
  cyf_status (*end)(cyf_prepare_job *job, int64_t unit, void *context); /**< leaves the unit's result on disk */
} cyf_unit_visitor;
/** Visits this rank's share of the units that are not done[n_units], one after another. Local. Errors: those of
 * cyf_block_reader_visit. */
cyf_status cyf_prepare_visit_units(cyf_prepare_job *job, const cyf_unit_visitor *visitor, const uint8_t *done,
                                   void *context);
/** One past the unit's last cell; its first is unit * plan.unit_cells. */
int64_t cyf_prepare_unit_end(const cyf_prepare_job *job, int64_t unit);
/** Agrees on `local`, then sends rank 0's done[n] to all ranks, so that they share out the same rest. Collective. */
cyf_status cyf_prepare_share_done(const cyf_prepare_job *job, cyf_status local, uint8_t *done, int64_t n);

/** @{ */
/** Small results on disk: int64 words in a file OUTPUT.partial/KIND/NUMBER, which appears when it is whole and ends in
 * a checksum. Local. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_has_result(const cyf_prepare_job *job, const char *kind, int64_t number, bool *ret_has);
cyf_status cyf_prepare_store_result(const cyf_prepare_job *job, const char *kind, int64_t number, const int64_t *words,
                                    int64_t n_words);
cyf_status cyf_prepare_load_result(const cyf_prepare_job *job, const char *kind, int64_t number, int64_t *ret_words,
                                   int64_t n_words);
/** @} */

/* ---- provenance.c ---- */

/** What the manifest tells of the options and of the cells, as lines of YAML; the caller frees *ret_text with cyf_free.
 * Local. */
cyf_status cyf_prepare_provenance(const cyf_prepare_options *options, const cyf_prepare_summary *summary,
                                  char **ret_text);

/* ---- OUTPUT.partial: journal.c, journal_text.c ---- */

/** The options that change the atlas and what the input files are, as text: where the text is equal, the atlas is.
 *
 * Reads nothing of the job but options, partial and input[n_inputs]. The caller frees *ret_text with cyf_free. Local.
 */
cyf_status cyf_prepare_journal_text(const cyf_prepare_job *job, char **ret_text);
/** Rank 0: makes OUTPUT.partial, or takes it over where its journal is this job's, and locks it. Errors: CYF_ERR_IO,
 * also while another run holds it. */
cyf_status cyf_prepare_claim_partial(cyf_prepare_job *job);
/** Rank 0: removes what pass 2 and the writing of files have left. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_clear_files(const cyf_prepare_job *job);
/** Rank 0: removes all but the atlas and the lock from OUTPUT.partial. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_clear_work(const cyf_prepare_job *job);
/** Rank 0: gives the lock on OUTPUT.partial back, where there is one; the folder stays as it is. */
void cyf_prepare_release_partial(cyf_prepare_job *job);

/* ---- the plan: budget.c ---- */

/** Makes job->plan from what is known so far: the files' sizes before pass 1, the cells kept once they are `selected`.
 * Local, the same on each rank. Errors: CYF_ERR_USAGE, CYF_ERR_INPUT as cyf_prepare_count_drawn. */
cyf_status cyf_prepare_plan_job(cyf_prepare_job *job, bool selected);
/** Prints the plan, for --dry-run; rank 0 reads a sample of the inputs. Collective. Errors, agreed: CYF_ERR_INPUT. */
cyf_status cyf_prepare_print_plan(cyf_prepare_job *job);

/* ---- cells dropped and chosen by their obs columns: filter.c, duplicates.c ---- */

/** Makes the fates and fills `dropped` and, for --holdout-where, `heldout`. Categories that none of the cells left has
 * are removed. Collective. Errors, agreed: CYF_ERR_INPUT listing what is possible. */
cyf_status cyf_prepare_filter_cells(cyf_prepare_job *job);

/* ---- pass 1: select.c ---- */

/** Decides which cells are kept and which of these are held out, and counts them. Collective. Errors: CYF_ERR_INPUT,
 * CYF_ERR_IO, CYF_ERR_INTERRUPTED, agreed. */
cyf_status cyf_prepare_select_cells(cyf_prepare_job *job);
/** Of n_kept cells, n_chosen of them held out by --holdout-where, how many --holdout draws besides.
 *
 * It is asked before pass 1 too, with all cells that are not dropped: what fails for these fails for any part of them.
 * Local, the same on each rank. Errors: CYF_ERR_INPUT where no cell is left to train on, or none of those that
 * --holdout-where names. */
cyf_status cyf_prepare_count_drawn(const cyf_prepare_job *job, int64_t n_kept, int64_t n_chosen, int64_t *ret_n_drawn);
/** Place in the atlas of the training cell of that index: a permutation keyed by the seed. */
static inline uint64_t cyf_prepare_train_place(const cyf_prepare_job *job, int64_t train_index) {
  return cyf_rng_permute(job->shuffle_key, (uint64_t)job->summary.n_cells_train, (uint64_t)train_index);
}

/* ---- pass 2: distribute.c ---- */

/** The spill's bin of heldout.h5ad. Bins [0, n_shards) are the shards; this and the next are used when cells are held
 * out. */
static inline int64_t cyf_bin_heldout(const cyf_prepare_job *job) {
  return job->n_shards;
}
/** The spill's bin of train.h5ad. */
static inline int64_t cyf_bin_train(const cyf_prepare_job *job) {
  return job->n_shards + 1;
}
/** Decides how shards are cut, sends every kept cell to its bin, counts genes and labels, and then drops rare genes.
 * Collective. Errors: CYF_ERR_INPUT, CYF_ERR_IO, CYF_ERR_INTERRUPTED, agreed. */
cyf_status cyf_prepare_distribute(cyf_prepare_job *job);

/* ---- shards: shards.c, verify.c, heldout.c ---- */

/** Writes every shard and the files of held-out cells that are not there yet, reads them back and gives them their
 * names; then fills shard and shard_* of all. Collective. Errors: CYF_ERR_IO, CYF_ERR_INTERRUPTED, agreed. */
cyf_status cyf_prepare_write_files(cyf_prepare_job *job);
/** Sums over cells that tell whether what was written is what was read: number of values, sum of checksums, and sum of
 * counts. The checksums identify a training cell by its place in the atlas, a held-out one by that in heldout.h5ad. */
typedef struct cyf_shard_sums {
  int64_t nnz, checksum, sum;
} cyf_shard_sums;
/** The message where sums differ, given the path. */
#define CYF_NOT_OF_INPUTS \
  "%s: the values or labels read back are not those of the inputs; is the disk sound? --fresh begins anew"

/** The sums of all training, or all held-out, cells in the inputs, over the atlas' genes. */
cyf_shard_sums cyf_prepare_input_sums(const cyf_prepare_job *job, bool heldout);
/** Whether two sums are equal. */
bool cyf_shard_sums_agree(const cyf_shard_sums *a, const cyf_shard_sums *b);

/** Reads the shard at `path` back and gives the sums of what it holds. gene_old[n atlas genes]: the gene in use of
 * each. Local. Errors: CYF_ERR_IO where the file does not hold what it should. */
cyf_status cyf_prepare_read_back(const cyf_prepare_job *job, char *path, int64_t first_cell, int64_t n_cells,
                                 int64_t nnz, const int32_t *gene_old, cyf_shard_sums *ret_sums);
/** Adds the values, but not the labels, of heldout.h5ad or train.h5ad at `path` to *sums, about a shard's at a time.
 * Local. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_read_back_values(const cyf_prepare_job *job, char *path, bool train, int64_t n_cells,
                                        int64_t nnz, const int32_t *gene_old, cyf_shard_sums *sums);
/** Writes heldout.h5ad or train.h5ad and compares what is read back with the inputs. gene_old: as for
 * cyf_prepare_read_back. Local. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_write_heldout(const cyf_prepare_job *job, const cyf_spill *spill, bool train,
                                     const int32_t *gene_old);
/** How often the name of each cell of train.h5ad or heldout.h5ad has occurred in that file before, at most 255:
 * (*ret_repeat)[n_cells], which the caller frees with cyf_free. Known from the units' summaries. Memory: a byte a cell
 * and a fixed amount. Local. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_count_repeats(const cyf_prepare_job *job, bool train, int64_t n_cells, uint8_t **ret_repeat);

/* ---- what the files of an atlas have in common: shard_files.c ---- */

/** The form in which a matrix of the atlas is stored, given its largest value. */
cyf_h5ad_options cyf_prepare_format(const cyf_prepare_job *job, double largest);
/** Turns a row of nnz entries, in place, from genes in use to the atlas' genes: the entries of dropped genes go.
 * Returns the number of entries left. */
int64_t cyf_prepare_atlas_row(const cyf_prepare_job *job, int64_t nnz, int32_t *indices, float *values);
/** Writes into a file what its values are: the kind, and the target of logarithms where it is known. */
cyf_status cyf_prepare_write_kind(const cyf_prepare_job *job, cyf_h5ad_writer *writer);
/** Writes genes, names[n_cells] (made unique) and codes[n_labels][n_cells] into a file and commits it. The writer is
 * destroyed either way. Local. Errors: CYF_ERR_IO. */
cyf_status cyf_prepare_finish_file(const cyf_prepare_job *job, cyf_h5ad_writer **writer, int64_t n_cells,
                                   char *const *names, int32_t *const *codes);

#endif
