/* Pass 2 of `prepare`: every kept cell goes to its place in the shuffled atlas, by way of the spill. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

enum {
  CELLS_PER_SHARD_MAX = 131072,
  LABEL_CATEGORIES_FEW = 10 /* no identifier, however few the cells */
};
static const double shard_bytes_wanted = 256e6;

/* Shards of a file size that is handy to copy and to read in parallel. */
static int64_t choose_cells_per_shard(const cyf_prepare_job *job) {
  if (job->options->cells_per_shard > 0) return job->options->cells_per_shard;
  const int64_t n_kept = job->summary.n_cells_train + job->summary.n_cells_heldout;
  const double index_bytes = job->genes.n > INT16_MAX ? 4 : 2;
  const double value_bytes = job->kind == CYF_EXPRESSION_LOG_NORMALIZED || job->largest > INT16_MAX ? 4
                             : job->largest > INT8_MAX                                              ? 2
                                                                                                    : 1;
  const double obs_bytes = 40 + 4 * (double)job->options->n_labels; /* row bound, name, codes */
  const double cell_bytes = (double)job->nnz_kept / (double)n_kept * (index_bytes + value_bytes) + obs_bytes;
  const double cells = shard_bytes_wanted / cell_bytes;
  return cells > CELLS_PER_SHARD_MAX ? CELLS_PER_SHARD_MAX : cells < 1 ? 1 : (int64_t)cells;
}

static cyf_status make_counters(cyf_prepare_job *job) {
  CYF_TRY(CYF_NEW(&job->gene_cells, job->genes.n));
  CYF_TRY(CYF_NEW(&job->gene_checksum, job->genes.n));
  CYF_TRY(CYF_NEW(&job->gene_new, job->genes.n));
  CYF_TRY(CYF_NEW(&job->shard, job->n_shards));
  CYF_TRY(CYF_NEW(&job->shard_bytes, job->n_shards));
  return CYF_NEW(&job->shard_checksum, job->n_shards);
}

/* Takes a training cell into the statistics. */
static void count_cell(cyf_prepare_job *job, const cyf_spill_record *record) {
  for (int64_t e = 0; e < record->nnz; e++) {
    const int32_t gene = record->indices[e];
    job->gene_cells[gene]++;
    job->gene_checksum[gene] =
        cyf_checksum_add(job->gene_checksum[gene], cyf_entry_checksum(record->key, gene, record->values[e]));
  }
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    if (record->codes[a] >= 0) job->attribute[a].n_cells[record->codes[a]]++;
    job->label_checksum = cyf_checksum_add(job->label_checksum, cyf_label_checksum(record->key, a, record->codes[a]));
  }
}

typedef struct distribution {
  cyf_spill_writer *spill;
  int32_t *codes; /* [n_labels] of one cell */
} distribution;

static cyf_status send_cell(cyf_prepare_job *job, cyf_spill_writer *spill, int64_t cell, cyf_spill_record *record) {
  record->key = (uint64_t)cell;
  if (cyf_cell_is_heldout(&job->fates, cell)) return cyf_spill_append(spill, cyf_bin_heldout(job), record);
  if (job->summary.n_cells_heldout > 0) CYF_TRY(cyf_spill_append(spill, cyf_bin_train(job), record));
  const uint64_t n_train = (uint64_t)job->summary.n_cells_train;
  record->key = cyf_rng_permute(job->shuffle_key, n_train, (uint64_t)cyf_cell_train_index(&job->fates, cell));
  count_cell(job, record);
  return cyf_spill_append(spill, (int64_t)record->key / job->cells_per_shard, record);
}

static cyf_status send_block(cyf_prepare_job *job, const cyf_prepare_block *block, void *context) {
  distribution *way = context;
  for (int64_t i = 0; i < block->cells.n_cells; i++) {
    const int64_t cell = block->first_cell + i, start = block->cells.indptr[i];
    if (!cyf_cell_is_kept(&job->fates, cell)) continue;
    for (int64_t a = 0; a < job->options->n_labels; a++) way->codes[a] = block->codes[a][i];
    cyf_spill_record record = {.nnz = block->cells.indptr[i + 1] - start,
                               .codes = way->codes,
                               .indices = block->cells.indices + start,
                               .values = block->cells.values + start,
                               .name = block->names[i]};
    CYF_TRY(send_cell(job, way->spill, cell, &record));
  }
  return CYF_OK;
}

static cyf_status distribute_local(cyf_prepare_job *job) {
  distribution way = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(make_counters(job));
  CYF_TRY_CLEANUP(CYF_NEW(&way.codes, job->options->n_labels));
  CYF_TRY_CLEANUP(
      cyf_spill_writer_create(job->spill_directory, job->rank, job->n_shards + 2, job->options->n_labels, &way.spill));
  CYF_TRY_CLEANUP(cyf_prepare_visit_blocks(job, true, "shuffling cells", send_block, &way));
  CYF_TRY_CLEANUP(cyf_spill_writer_finish(way.spill));
cleanup:
  cyf_spill_writer_destroy(&way.spill);
  cyf_free(way.codes);
  return status;
}

/* Numbers the genes that stay. */
static cyf_status filter_genes(cyf_prepare_job *job) {
  for (int64_t g = 0; g < job->genes.n; g++) {
    job->gene_new[g] = -1;
    if (!job->has_gene_list && job->gene_cells[g] < job->options->min_cells) continue;
    job->gene_new[g] = (int32_t)job->atlas_genes.n;
    CYF_TRY(cyf_names_add(&job->atlas_genes, job->genes.name[g], NULL));
  }
  job->summary.n_genes = job->atlas_genes.n;
  job->summary.n_genes_few_cells = job->genes.n - job->atlas_genes.n;
  if (job->atlas_genes.n == 0)
    return CYF_FAIL(CYF_ERR_INPUT, "none of the %lld genes is detected in %lld training cells or more (--min-cells)",
                    (long long)job->genes.n, (long long)job->options->min_cells);
  return CYF_OK;
}

static void say_genes(const cyf_prepare_job *job) {
  if (job->has_gene_list) {
    cyf_info(
        "%lld genes as listed, of which %lld are in no input and stay zero; --min-cells does not apply to a gene list",
        (long long)job->summary.n_genes, (long long)job->summary.n_genes_missing);
  } else {
    cyf_info("%lld genes kept, %lld in fewer than %lld training cells dropped", (long long)job->summary.n_genes,
             (long long)job->summary.n_genes_few_cells, (long long)job->options->min_cells);
  }
}

/* A model conditions on each category; one with a handful of cells each is of no use, and costs memory. */
static void warn_of_identifiers(const cyf_prepare_job *job) {
  const int64_t n_kept = job->summary.n_cells_train + job->summary.n_cells_heldout;
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    const int64_t n = job->attribute[a].categories.n;
    if (n > LABEL_CATEGORIES_FEW && n > n_kept / 10)
      cyf_warn("label column \"%s\" has %lld categories for %lld cells and looks like an identifier, not a label",
               job->attribute[a].name, (long long)n, (long long)n_kept);
  }
}

cyf_status cyf_prepare_distribute(cyf_prepare_job *job) {
  job->shuffle_key = cyf_rng_key_make(job->options->seed, CYF_RNG_SHUFFLE);
  job->cells_per_shard = choose_cells_per_shard(job);
  job->n_shards = (job->summary.n_cells_train + job->cells_per_shard - 1) / job->cells_per_shard;
  warn_of_identifiers(job);
  cyf_info("%lld shard%s of up to %lld cells", (long long)job->n_shards, job->n_shards == 1 ? "" : "s",
           (long long)job->cells_per_shard);
  CYF_TRY(cyf_comm_agree(job->comm, distribute_local(job)));
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->gene_cells, job->genes.n));
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->gene_checksum, job->genes.n));
  CYF_TRY(cyf_comm_sum_int64(job->comm, &job->label_checksum, 1));
  for (int64_t g = 0; g < job->genes.n; g++) job->gene_checksum[g] = cyf_checksum_add(job->gene_checksum[g], 0);
  for (int64_t a = 0; a < job->options->n_labels; a++)
    CYF_TRY(cyf_comm_sum_int64(job->comm, job->attribute[a].n_cells, job->attribute[a].categories.n));
  CYF_TRY(cyf_comm_agree(job->comm, filter_genes(job)));
  say_genes(job);
  return CYF_OK;
}
