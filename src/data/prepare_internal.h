/* Inside `prepare`: the state of one run, and its phases in order. Phases marked "local" do this rank's share;
 * prepare.c agrees over ranks between them. */
#ifndef CYF_DATA_PREPARE_INTERNAL_H
#define CYF_DATA_PREPARE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/interrupt.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "data/atlas.h"
#include "data/h5ad_reader.h"
#include "data/prepare.h"
#include "data/prepare_spill.h"

typedef struct cyf_prepare_input {
  const char *path;
  int64_t first_cell; /* its first cell's index over all inputs */
  int64_t n_cells, n_genes, bytes;
  int64_t first_block, block_cells; /* blocks are numbered over all inputs; block b is read by rank b % size */
  int32_t *gene;                    /* [n_genes] gene in use, or -1 */
  bool ascending;                   /* the genes in use ascend along the file's */
  int32_t **category;               /* [n_labels][categories of the file] merged code */
} cyf_prepare_input;

/* What becomes of each input cell: two bits a cell, over all inputs, on every rank. */
typedef struct cyf_cell_fates {
  int64_t n_words;
  int64_t *kept;           /* [n_words] enough genes */
  int64_t *heldout;        /* [n_words] kept but held out */
  int64_t *kept_before;    /* [n_words + 1] kept cells before each word */
  int64_t *heldout_before; /* [n_words + 1] */
} cyf_cell_fates;

typedef struct cyf_prepare_job {
  cyf_comm *comm;
  int rank, size;
  const cyf_prepare_options *options;
  char *output, *partial, *spill_directory; /* output without trailing slashes */
  bool partial_made;
  cyf_prepare_input *input; /* [n_inputs] */
  cyf_names genes;          /* genes in use before the gene filter */
  bool has_gene_list;
  cyf_attribute *attribute; /* [n_labels] */
  cyf_expression_kind kind;
  cyf_cell_fates fates;
  int64_t nnz_kept; /* entries of kept cells, before the gene filter */
  double largest;   /* value of kept cells, before the gene filter */
  cyf_rng_key shuffle_key;
  int64_t cells_per_shard, n_shards;
  /* over training cells, [n genes in use] */
  int64_t *gene_cells;    /* cells in which the gene is detected */
  int64_t *gene_checksum; /* sum of entry checksums, modulo 2^48 */
  int64_t label_checksum; /* sum of label checksums, modulo 2^48 */
  int32_t *gene_new;      /* [n genes in use] place in the atlas, -1: dropped */
  /* [n_shards], after writing */
  cyf_shard *shard;
  int64_t *shard_bytes;
  int64_t *shard_checksum; /* modulo 2^48 */
  cyf_names atlas_genes;
  cyf_prepare_summary summary;
} cyf_prepare_job;

/* Position-aware checksum of one stored value; sums of these do not depend on the order of adding. 48 bits, so that
 * sums over ranks stay in int64. */
static inline int64_t cyf_entry_checksum(uint64_t cell, int64_t gene, float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  uint64_t h = (cell * UINT64_C(0x9e3779b97f4a7c15)) ^ (((uint64_t)gene << 32 | bits) * UINT64_C(0xc2b2ae3d27d4eb4f));
  h = (h ^ (h >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
  h ^= h >> 32;
  return (int64_t)(h & UINT64_C(0xffffffffffff));
}
/* The same for a cell's label of an attribute. */
static inline int64_t cyf_label_checksum(uint64_t cell, int64_t attribute, int32_t code) {
  return cyf_entry_checksum(cell, -1 - attribute, (float)code);
}
static inline int64_t cyf_checksum_add(int64_t a, int64_t b) {
  return (a + b) & INT64_C(0xffffffffffff);
}

/* Polled once a block: a signal is a failure like any other of this rank, agreed on at the phase's end, after which
 * everything written is removed. */
static inline cyf_status cyf_prepare_check_signal(void) {
  return cyf_interrupt_requested() == 0 ? CYF_OK
                                        : CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal; nothing was written");
}

/* ---- pass 0: prepare_inputs.c ---- */
/* Reads sizes, genes and label columns of every input on every rank and unifies them. Local (the same on each rank). */
cyf_status cyf_prepare_open_inputs(cyf_prepare_job *job);
/* Tells counts from log-normalised values; the inputs are shared out over the ranks. Collective. */
cyf_status cyf_prepare_detect_kind(cyf_prepare_job *job);
void cyf_prepare_close_inputs(cyf_prepare_job *job);

/* ---- blocks: prepare_blocks.c ---- */
typedef struct cyf_prepare_block {
  const cyf_prepare_input *input;
  int64_t first_cell;          /* over all inputs */
  cyf_csr cells;               /* [n_cells, genes in use], ascending genes */
  const int32_t *const *codes; /* [n_labels][n_cells] merged codes; NULL without obs */
  char *const *names;          /* [n_cells]; NULL without obs */
} cyf_prepare_block;
typedef cyf_status (*cyf_prepare_visitor)(cyf_prepare_job *job, const cyf_prepare_block *block, void *context);
/* Calls visit with each block of this rank, in ascending order. Local. Errors: CYF_ERR_INPUT (also a value that is no
 * count among counts), CYF_ERR_INTERRUPTED after a signal, as for all phases below. */
cyf_status cyf_prepare_visit_blocks(cyf_prepare_job *job, bool with_obs, const char *what, cyf_prepare_visitor visit,
                                    void *context);

/* ---- pass 1: prepare_select.c ---- */
/* Which cells are kept and which held out. Collective. */
cyf_status cyf_prepare_select_cells(cyf_prepare_job *job);
void cyf_cell_fates_destroy(cyf_cell_fates *fates);
bool cyf_cell_is_kept(const cyf_cell_fates *fates, int64_t cell);
bool cyf_cell_is_heldout(const cyf_cell_fates *fates, int64_t cell);
/* Index among the training cells of a kept cell that is not held out. */
int64_t cyf_cell_train_index(const cyf_cell_fates *fates, int64_t cell);

/* ---- pass 2: prepare_distribute.c ---- */
/* Bins of the spill: one a shard, then these two (used when cells are held out). */
static inline int64_t cyf_bin_heldout(const cyf_prepare_job *job) {
  return job->n_shards;
}
static inline int64_t cyf_bin_train(const cyf_prepare_job *job) {
  return job->n_shards + 1;
}
/* Decides on shards, sends every kept cell to its bin, counts genes and labels; then drops rare genes. Collective. */
cyf_status cyf_prepare_distribute(cyf_prepare_job *job);

/* ---- shards: prepare_shards.c, prepare_verify.c, prepare_heldout.c ---- */
/* Writes this rank's shards from the spill. Local. */
cyf_status cyf_prepare_write_shards(cyf_prepare_job *job, const cyf_spill *spill);
/* Reads this rank's shards back: fills checksum and compares cells and entries. Local. */
cyf_status cyf_prepare_read_back(cyf_prepare_job *job);
/* Writes heldout.h5ad and train.h5ad where cells are held out. Local. */
cyf_status cyf_prepare_write_heldout(cyf_prepare_job *job, const cyf_spill *spill);
/* Rows of a record over the atlas' genes: the entries of dropped genes leave. Returns the number left. */
int64_t cyf_prepare_atlas_row(const cyf_prepare_job *job, const cyf_spill_record *record, int32_t *ret_indices,
                              float *ret_values);
struct cyf_h5ad_writer;
/* Writes genes, names (made unique) and labels [n_labels][n_cells] into a file and commits it; destroys the writer
 * either way. */
cyf_status cyf_prepare_finish_file(const cyf_prepare_job *job, struct cyf_h5ad_writer **writer, int64_t n_cells,
                                   char *const *names, int32_t *const *codes);

#endif
