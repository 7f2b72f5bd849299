/* SPDX-License-Identifier: MIT */
#include "data/prepare/plan.h"

#include "base/log.h"
#include "base/memory.h"

enum {
  UNIT_CELLS_MOST = 65536,
  UNITS_LEAST = 16, /* where there are cells for so many, so that ranks share small data too */
  WORD_CELLS = 64,  /* a unit is a multiple of these: whole words of selection bits */
  SHARD_CELLS_MOST = 131072
};

#define MIB ((int64_t)1 << 20)
static const int64_t program_bytes = 96 * MIB; /* MPI, HDF5 and the rest of the process */
static const int64_t block_values_most = 4 * MIB, block_values_least = MIB / 4;
static const int64_t buffer_bytes_most = MIB / 4, buffer_bytes_least = MIB / 32;
static const int64_t default_memory_most = 4096 * MIB;
static const double shard_bytes_wanted = 256e6; /* a file size that is handy to copy and to read in parallel */
static const double deflated_bytes_per_count = 1.5, deflated_bytes_per_real = 2.5; /* about; with the gene's index */
static const double spill_bytes_per_count = 2.15, record_bytes = 56; /* about; a record's header and name */

/* Seconds of a core for each value, beside reading it. The first is to spill a shard's values, write them and read them
 * back; the second the same for the files for evaluation; the third to deflate and inflate. They were measured to some
 * tens of per cent (benchmarks/results/scale.md, benchmarks/README.md). */
static const double shard_value_s = 75e-9, evaluation_value_s = 20e-9, deflated_value_s = 45e-9;

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

/* Units depend on the number of cells alone, so that a run can go on with another number of ranks or memory. */
static void plan_units(int64_t n_cells, cyf_prepare_plan *plan) {
  const int64_t share = divide_up(n_cells, UNITS_LEAST);
  plan->unit_cells = smaller(divide_up(larger(share, 1), WORD_CELLS) * WORD_CELLS, UNIT_CELLS_MOST);
  plan->n_units = divide_up(n_cells, plan->unit_cells);
}

static double spill_bytes_per_cell(const cyf_prepare_sizes *sizes) {
  const double value = sizes->counts ? spill_bytes_per_count : 5.1;
  return sizes->values_per_cell * value + record_bytes + 4 * (double)sizes->n_labels;
}

/* Bytes that a cell takes in an atlas that is not compressed. */
static double atlas_bytes_per_cell(const cyf_prepare_sizes *sizes) {
  const double index_bytes = sizes->n_genes > INT16_MAX ? 4 : 2;
  const double value_bytes = sizes->counts ? sizes->data_bits / 8.0 : 4;
  const double obs_bytes = 40 + 4 * (double)sizes->n_labels; /* row bound, name, codes */
  return sizes->values_per_cell * (index_bytes + value_bytes) + obs_bytes;
}

/* Bytes that a cell takes in the files; an estimate from real and simulated counts where they are compressed. */
static double disk_bytes_per_cell(const cyf_prepare_sizes *sizes) {
  const double plain = atlas_bytes_per_cell(sizes);
  const double value = sizes->counts ? deflated_bytes_per_count : deflated_bytes_per_real;
  const double deflated = sizes->values_per_cell * value + 40 + 4 * (double)sizes->n_labels;
  return sizes->compressed && deflated < plain ? deflated : plain;
}

/* Bytes that a rank holds in every phase: genes and their counters, and a map of each input's genes. Besides, there are
 * selection bits, half a byte for each cell; and of one input row bounds of 8 bytes a cell, and labels. */
static int64_t constant_bytes(const cyf_prepare_sizes *sizes) {
  const int64_t genes = sizes->n_genes * (160 + 4 * sizes->n_inputs);
  const int64_t input = sizes->longest_input * (8 + 8 * sizes->n_labels);
  return program_bytes + genes + sizes->n_cells / 2 + input;
}

/* Bytes for reading a block: rows (which may double while they grow), what the file reader holds, one unit's names. */
static int64_t block_bytes(const cyf_prepare_sizes *sizes, int64_t values) {
  return larger(values, (int64_t)sizes->values_per_cell * 2) * 24 + 12 * MIB + sizes->transpose_bytes;
}

/* Bytes for writing a shard: its packed cells, its obs (names twice, to make them unique), and rows on their way to the
 * file and back. */
static int64_t shard_bytes(const cyf_prepare_sizes *sizes, int64_t cells) {
  const double rows = larger(block_values_least, (int64_t)sizes->values_per_cell) * 32.0;
  return (int64_t)((double)cells * (spill_bytes_per_cell(sizes) + 160 + 4 * (double)sizes->n_labels) + rows) + 8 * MIB;
}

/* Where cells are held out, one rank numbers repeated names of train.h5ad. It takes a byte a cell and space to sort. */
static int64_t names_bytes(const cyf_prepare_sizes *sizes) {
  return sizes->n_heldout > 0 ? sizes->n_kept + 64 * MIB : 0;
}

/* Cells of a shard. Whether it is compressed does not count, so that the same atlas, in the same memory, comes out. */
static int64_t default_shard_cells(const cyf_prepare_sizes *sizes) {
  if (sizes->shard_cells > 0) return sizes->shard_cells;
  const double cells = shard_bytes_wanted / atlas_bytes_per_cell(sizes);
  return cells > SHARD_CELLS_MOST ? SHARD_CELLS_MOST : cells < 1 ? 1 : (int64_t)cells;
}

static int64_t bins_of(const cyf_prepare_sizes *sizes, int64_t shard_cells) {
  return divide_up(larger(sizes->n_kept, 1), shard_cells) + 2;
}

static int64_t extents_bytes(const cyf_prepare_sizes *sizes, const cyf_prepare_plan *plan, int64_t shard_cells,
                             int64_t buffer) {
  const double bytes = (double)sizes->n_kept * spill_bytes_per_cell(sizes) * (sizes->n_heldout > 0 ? 2 : 1);
  const double extents = bytes / (double)buffer + (double)plan->n_units * (double)bins_of(sizes, shard_cells);
  return (int64_t)(8 * extents);
}

/* What a rank takes at most: the spilling or the writing of shards, whichever takes more. */
static int64_t peak_bytes(const cyf_prepare_sizes *sizes, const cyf_prepare_plan *plan, int64_t values, int64_t buffer,
                          int64_t shard_cells) {
  const int64_t spilling = block_bytes(sizes, values) + bins_of(sizes, shard_cells) * buffer;
  const int64_t writing = extents_bytes(sizes, plan, shard_cells, buffer) +
                          larger(shard_bytes(sizes, shard_cells), names_bytes(sizes) + 24 * MIB);
  return constant_bytes(sizes) + larger(spilling, writing);
}

/* Halves the shard until it fits. Smaller shards mean more bins and their buffers, so there is a best size. */
static int64_t fit_shard_cells(const cyf_prepare_sizes *sizes, const cyf_prepare_plan *plan, int64_t memory_bytes) {
  int64_t cells = default_shard_cells(sizes), best = cells;
  int64_t least = INT64_MAX;
  for (; cells >= 256 || cells == default_shard_cells(sizes); cells /= 2) {
    const int64_t peak = peak_bytes(sizes, plan, block_values_least, buffer_bytes_least, cells);
    if (peak < least) {
      least = peak;
      best = cells;
    }
    if (peak <= memory_bytes || sizes->shard_cells > 0) break;
  }
  return best;
}

cyf_status cyf_prepare_plan_make(const cyf_prepare_sizes *sizes, int64_t memory_bytes, bool explicit_memory,
                                 cyf_prepare_plan *plan) {
  *plan = (cyf_prepare_plan){.block_values = block_values_most, .bin_buffer_bytes = buffer_bytes_most};
  plan_units(sizes->n_cells, plan);
  plan->shard_cells = explicit_memory ? fit_shard_cells(sizes, plan, memory_bytes) : default_shard_cells(sizes);
  const int64_t smallest = explicit_memory ? fit_shard_cells(sizes, plan, 0) : plan->shard_cells;
  plan->least_bytes = peak_bytes(sizes, plan, block_values_least, buffer_bytes_least, smallest);
  if (!explicit_memory && memory_bytes < plan->least_bytes) memory_bytes = plan->least_bytes;
  plan->budget_bytes = memory_bytes;
  if (memory_bytes < plan->least_bytes)
    return CYF_FAIL(CYF_ERR_USAGE, "--memory %lldM is too small: these inputs need --memory %lldM at least%s",
                    (long long)(memory_bytes / MIB), (long long)divide_up(plan->least_bytes, MIB),
                    sizes->transpose_bytes > 0 ? " (a CSC matrix is transposed in memory; CSR needs less)"
                    : sizes->shard_cells > 0   ? " (a smaller --shard-cells needs less)"
                                               : "");
  while (plan->block_values > block_values_least &&
         peak_bytes(sizes, plan, plan->block_values, buffer_bytes_least, plan->shard_cells) > memory_bytes)
    plan->block_values /= 2;
  while (plan->bin_buffer_bytes > buffer_bytes_least &&
         peak_bytes(sizes, plan, plan->block_values, plan->bin_buffer_bytes, plan->shard_cells) > memory_bytes)
    plan->bin_buffer_bytes /= 2;
  plan->peak_bytes = peak_bytes(sizes, plan, plan->block_values, plan->bin_buffer_bytes, plan->shard_cells);
  const int64_t n_train = sizes->n_kept - sizes->n_heldout, n_evaluated = sizes->n_heldout > 0 ? sizes->n_kept : 0;
  const int64_t n_spilled = n_train + n_evaluated; /* with train.h5ad, training cells are spilled twice */
  plan->n_shards = divide_up(n_train, plan->shard_cells);
  plan->atlas_bytes = (int64_t)((double)n_train * disk_bytes_per_cell(sizes));
  plan->heldout_bytes = (int64_t)((double)n_evaluated * disk_bytes_per_cell(sizes));
  plan->spill_bytes = (int64_t)((double)n_spilled * spill_bytes_per_cell(sizes));
  return CYF_OK;
}

double cyf_prepare_seconds(const cyf_prepare_sizes *sizes, double cells_per_s, int n_ranks) {
  const double n_kept = (double)sizes->n_kept, deflating = sizes->compressed ? deflated_value_s : 0;
  const double n_evaluated = sizes->n_heldout > 0 ? n_kept : 0;
  const double reading = ((double)sizes->n_cells + n_kept) / cells_per_s;
  const double a_cell = sizes->values_per_cell;
  const double shards = (n_kept - (double)sizes->n_heldout) * a_cell * (shard_value_s + deflating);
  const double evaluation = n_evaluated * a_cell * (evaluation_value_s + deflating);
  return (reading + shards + evaluation) / n_ranks;
}

int64_t cyf_prepare_default_memory(int local_ranks) {
  const int64_t bytes = cyf_memory_total_bytes();
  return bytes == 0 ? default_memory_most
                    : smaller(bytes / 4 / (local_ranks > 0 ? local_ranks : 1), default_memory_most);
}
