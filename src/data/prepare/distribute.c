/* SPDX-License-Identifier: MIT */
/* Pass 2 of `prepare`: every kept cell goes to its place in the shuffled atlas, by way of the spill. */
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/counts.h"
#include "data/prepare/inputs.h"

enum { LABEL_CATEGORIES_FEW = 10 /* so few categories are no identifier, however few the cells */ };

static cyf_status make_counters(cyf_prepare_job *job) {
  CYF_TRY(CYF_NEW(&job->gene_new, job->genes.n));
  CYF_TRY(CYF_NEW(&job->shard, job->n_shards));
  CYF_TRY(CYF_NEW(&job->shard_bytes, job->n_shards));
  CYF_TRY(CYF_NEW(&job->shard_checksum, job->n_shards));
  return CYF_NEW(&job->shard_sum, job->n_shards);
}

typedef struct distribution {
  cyf_spill_writer *spill;
  cyf_unit_counts counts; /* of the unit that is being spilled */
  int32_t *codes;         /* [n_labels] of one cell */
} distribution;

/* Adds a cell to the unit's counts. `key` is its place in the atlas or in heldout.h5ad, which the checksums take in. */
static void count_cell(const cyf_prepare_job *job, const cyf_spill_cell *cell, uint64_t key, bool heldout,
                       cyf_unit_counts *counts) {
  const float counted = job->kind == CYF_EXPRESSION_COUNTS ? 1 : 0;
  for (int64_t e = 0; e < cell->nnz; e++) {
    cyf_gene_counts *gene = &counts->gene[cell->indices[e]];
    cyf_value_counts *values = heldout ? &gene->heldout : &gene->train;
    values->cells++;
    values->checksum += (uint64_t)cyf_entry_checksum(key, cell->indices[e], cell->values[e]);
    values->sum += (int64_t)(cell->values[e] * counted);
  }
  int64_t *labels = heldout ? &counts->heldout_label_checksum : &counts->label_checksum;
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    if (!heldout && cell->codes[a] >= 0) counts->label_cells[a][cell->codes[a]]++;
    *labels = cyf_checksum_add(*labels, cyf_label_checksum(key, a, cell->codes[a]));
  }
}

static cyf_status send_heldout(const cyf_prepare_job *job, distribution *way, const cyf_spill_cell *cell) {
  count_cell(job, cell, (uint64_t)cyf_cell_heldout_index(&job->fates, (int64_t)cell->key), true, &way->counts);
  way->counts.heldout_name[way->counts.n_heldout++] = cyf_checksum(0, cell->name, strlen(cell->name));
  return cyf_spill_append(way->spill, cyf_bin_heldout(job), cell);
}

static cyf_status send_cell(const cyf_prepare_job *job, distribution *way, int64_t number, cyf_spill_cell *cell) {
  cell->key = (uint64_t)number;
  if (cyf_cell_is_heldout(&job->fates, number)) return send_heldout(job, way, cell);
  if (way->counts.train_name) {
    way->counts.train_name[way->counts.n_train] = cyf_checksum(0, cell->name, strlen(cell->name));
    CYF_TRY(cyf_spill_append(way->spill, cyf_bin_train(job), cell));
  }
  cell->key = cyf_prepare_train_place(job, cyf_cell_train_index(&job->fates, number));
  count_cell(job, cell, cell->key, false, &way->counts);
  way->counts.n_train++;
  return cyf_spill_append(way->spill, (int64_t)cell->key / job->plan.shard_cells, cell);
}

static cyf_status send_block(cyf_prepare_job *job, const cyf_prepare_block *block, void *context) {
  distribution *way = context;
  for (int64_t i = 0; i < block->cells.n_cells; i++) {
    const int64_t number = block->first_cell + i, start = block->cells.indptr[i];
    if (!cyf_cell_is_kept(&job->fates, number)) continue;
    for (int64_t a = 0; a < job->options->n_labels; a++) way->codes[a] = block->codes[a][i];
    cyf_spill_cell cell = {.nnz = block->cells.indptr[i + 1] - start,
                           .codes = way->codes,
                           .indices = block->cells.indices + start,
                           .values = block->cells.values + start,
                           .name = block->names[i]};
    CYF_TRY(send_cell(job, way, number, &cell));
  }
  return CYF_OK;
}

static cyf_status begin_unit(cyf_prepare_job *job, int64_t unit, void *context) {
  distribution *way = context;
  cyf_unit_counts_clear(&way->counts);
  return cyf_spill_begin(way->spill, job->spill_directory, unit);
}

static cyf_status end_unit(cyf_prepare_job *job, int64_t unit, void *context) {
  (void)job;
  (void)unit;
  distribution *way = context;
  uint8_t *bytes = NULL;
  int64_t n_bytes = 0;
  CYF_TRY(cyf_unit_counts_pack(&way->counts, &bytes, &n_bytes));
  const cyf_status status = cyf_spill_finish(way->spill, bytes, n_bytes);
  cyf_free(bytes);
  return status;
}

static cyf_status distribute_local(cyf_prepare_job *job, const uint8_t *done) {
  static const cyf_unit_visitor visitor = {
      .what = "shuffling cells", .with_obs = true, .begin = begin_unit, .block = send_block, .end = end_unit};
  const int64_t n_labels = job->options->n_labels;
  distribution way = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&way.codes, n_labels));
  CYF_TRY_CLEANUP(cyf_unit_counts_create(job->genes.n, job->attribute, n_labels, job->plan.unit_cells,
                                         job->summary.n_cells_heldout > 0, &way.counts));
  CYF_TRY_CLEANUP(cyf_spill_writer_create(job->n_shards + 2, n_labels, job->kind == CYF_EXPRESSION_COUNTS,
                                          job->plan.bin_buffer_bytes, &way.spill));
  CYF_TRY_CLEANUP(cyf_prepare_visit_units(job, &visitor, done, &way));
cleanup:
  cyf_spill_writer_destroy(&way.spill);
  cyf_unit_counts_destroy(&way.counts);
  cyf_free(way.codes);
  return status;
}

/* Spilled units hold only for the size and number of shards that they were made for: where these are others than
 * before, what was spilled is removed. */
static cyf_status check_cut(const cyf_prepare_job *job) {
  const int64_t cut[2] = {job->plan.shard_cells, job->summary.n_cells_train};
  int64_t before[2] = {0};
  bool has = false;
  CYF_TRY(cyf_prepare_has_result(job, "cut", 0, &has));
  if (has) {
    CYF_TRY(cyf_prepare_load_result(job, "cut", 0, before, 2));
    if (before[0] == cut[0] && before[1] == cut[1]) return CYF_OK;
    cyf_info("shards are cut in another way than before: the shuffle begins anew");
    CYF_TRY(cyf_prepare_clear_files(job));
  }
  return cyf_prepare_store_result(job, "cut", 0, cut, 2);
}

/* Spills the units that are not on disk yet. */
static cyf_status spill_units(cyf_prepare_job *job) {
  uint8_t *done = NULL;
  cyf_status status = CYF_NEW(&done, job->plan.n_units);
  if (status == CYF_OK && job->rank == 0) status = check_cut(job);
  for (int64_t u = 0; status == CYF_OK && job->rank == 0 && u < job->plan.n_units; u++) {
    bool has = false;
    status = cyf_spill_has_unit(job->spill_directory, u, &has);
    done[u] = has;
  }
  status = cyf_prepare_share_done(job, status, done, job->plan.n_units);
  if (status == CYF_OK) status = cyf_comm_agree(job->comm, distribute_local(job, done));
  cyf_free(done);
  return status;
}

/* Adds up this rank's share of the units' counts. */
static cyf_status add_units(const cyf_prepare_job *job, cyf_unit_counts *counts) {
  for (int64_t u = job->rank; u < job->plan.n_units; u += job->size) {
    uint8_t *bytes = NULL;
    int64_t n_bytes = 0;
    CYF_TRY(cyf_spill_read_summary(job->spill_directory, u, &bytes, &n_bytes));
    const cyf_status status = cyf_unit_counts_add(bytes, n_bytes, counts);
    cyf_free(bytes);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status sum_counts(const cyf_prepare_job *job, cyf_unit_counts *counts) {
  cyf_comm *comm = job->comm;
  int64_t cells[2] = {counts->n_train, counts->n_heldout};
  _Static_assert(sizeof(cyf_gene_counts) == 6 * sizeof(int64_t), "summed as so many integers");
  CYF_TRY(cyf_comm_sum_int64(comm, (int64_t *)counts->gene, 6 * counts->n_genes));
  CYF_TRY(cyf_comm_sum_int64(comm, &counts->heldout_label_checksum, 1));
  CYF_TRY(cyf_comm_sum_int64(comm, &counts->label_checksum, 1));
  CYF_TRY(cyf_comm_sum_int64(comm, cells, 2));
  for (int64_t a = 0; a < counts->n_attributes; a++)
    CYF_TRY(cyf_comm_sum_int64(comm, counts->label_cells[a], counts->n_categories[a]));
  if (cells[0] != job->summary.n_cells_train || cells[1] != job->summary.n_cells_heldout)
    return CYF_FAIL(CYF_ERR_IO, "%s: %lld of %lld cells are in the spill files; begin anew with --fresh", job->partial,
                    (long long)(cells[0] + cells[1]),
                    (long long)(job->summary.n_cells_train + job->summary.n_cells_heldout));
  return CYF_OK;
}

/* Adds up the counts of all units over all ranks, into the job. */
static cyf_status collect_counts(cyf_prepare_job *job) {
  cyf_unit_counts counts = {0};
  cyf_status status = cyf_unit_counts_create(job->genes.n, job->attribute, job->options->n_labels, 0, false, &counts);
  if (status == CYF_OK) status = add_units(job, &counts);
  status = cyf_comm_agree(job->comm, status);
  if (status == CYF_OK) status = sum_counts(job, &counts);
  if (status == CYF_OK) {
    for (int64_t a = 0; a < counts.n_attributes; a++)
      memcpy(job->attribute[a].n_cells, counts.label_cells[a], (size_t)counts.n_categories[a] * sizeof(int64_t));
    job->label_checksum = counts.label_checksum;
    job->heldout_label_checksum = counts.heldout_label_checksum;
    job->gene = counts.gene;
    counts.gene = NULL;
  }
  cyf_unit_counts_destroy(&counts);
  return status;
}

/* Drops rare genes and numbers those that stay. */
static cyf_status filter_genes(cyf_prepare_job *job) {
  for (int64_t g = 0; g < job->genes.n; g++) {
    job->gene_new[g] = -1;
    if (!job->has_gene_list && job->gene[g].train.cells < job->options->min_cells) continue;
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

/* A model learns each category as a condition. Categories with a handful of cells each are of no use and cost memory.
 */
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
  CYF_TRY(cyf_comm_agree(job->comm, cyf_prepare_plan_job(job, true)));
  job->n_shards = (job->summary.n_cells_train + job->plan.shard_cells - 1) / job->plan.shard_cells;
  warn_of_identifiers(job);
  cyf_info("%lld shard%s of up to %lld cells", (long long)job->n_shards, job->n_shards == 1 ? "" : "s",
           (long long)job->plan.shard_cells);
  CYF_TRY(cyf_comm_agree(job->comm, make_counters(job)));
  CYF_TRY(spill_units(job));
  CYF_TRY(collect_counts(job));
  cyf_prepare_tell_classes(job);
  const cyf_status suitable = filter_genes(job);
  job->partial_useless = suitable == CYF_ERR_INPUT;
  CYF_TRY(cyf_comm_agree(job->comm, suitable));
  say_genes(job);
  return CYF_OK;
}
