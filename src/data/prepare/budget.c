/* SPDX-License-Identifier: MIT */
/* The plan of a run, and what --dry-run says of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "data/prepare/inputs.h"

enum { SAMPLE_INPUTS_MAX = 32, SAMPLE_BLOCKS = 3, SAMPLE_CELLS = 1024 };

/* How many cells of a range --keep and --duplicates leave. */
static int64_t count_left(const cyf_prepare_job *job, int64_t first, int64_t n) {
  int64_t left = 0;
  for (int64_t i = first; i < first + n; i++) left += !cyf_bit_get(job->fates.dropped, i);
  return left;
}

/* How many of these --holdout-where names. */
static int64_t count_chosen(const cyf_prepare_job *job) {
  const cyf_cell_fates *fates = &job->fates;
  int64_t chosen = 0;
  for (int64_t w = 0; w < fates->n_words; w++)
    chosen += __builtin_popcountll((uint64_t)fates->heldout[w] & ~(uint64_t)fates->dropped[w]);
  return chosen;
}

/* Fills in what the inputs' sizes tell. */
static void take_sizes(const cyf_prepare_job *job, cyf_prepare_sizes *sizes) {
  const cyf_prepare_options *options = job->options;
  *sizes = (cyf_prepare_sizes){.n_cells = job->summary.n_cells_in,
                               .n_genes = job->genes.n,
                               .n_inputs = options->n_inputs,
                               .n_labels = options->n_labels,
                               .counts = job->kind == CYF_EXPRESSION_COUNTS,
                               .data_bits = 16,
                               .compressed = options->compress,
                               .shard_cells = options->cells_per_shard};
  for (int64_t i = 0; i < options->n_inputs; i++) {
    const cyf_prepare_input *input = &job->input[i];
    const double mean = input->n_cells > 0 ? (double)input->nnz / (double)input->n_cells : 0;
    if (mean > sizes->values_per_cell) sizes->values_per_cell = mean;
    if (input->n_cells > sizes->longest_input) sizes->longest_input = input->n_cells;
    const int64_t transposed = input->is_csc ? 8 * input->nnz : 0;
    if (transposed > sizes->transpose_bytes) sizes->transpose_bytes = transposed;
  }
}

/* Fills in what --keep, --duplicates and --holdout tell before the matrix is read. */
static cyf_status take_wanted(const cyf_prepare_job *job, cyf_prepare_sizes *sizes) {
  const int64_t n_left = count_left(job, 0, job->summary.n_cells_in), n_chosen = count_chosen(job);
  int64_t n_drawn = 0;
  CYF_TRY(cyf_prepare_count_drawn(job, n_left, n_chosen, &n_drawn));
  sizes->n_kept = n_left;
  sizes->n_heldout = n_chosen + n_drawn;
  return CYF_OK;
}

/* Fills in what pass 1 found. */
static void take_selection(const cyf_prepare_job *job, cyf_prepare_sizes *sizes) {
  sizes->n_kept = job->summary.n_cells_train + job->summary.n_cells_heldout;
  sizes->values_per_cell = (double)job->nnz_kept / (double)sizes->n_kept;
  sizes->data_bits = job->largest <= INT8_MAX ? 8 : job->largest <= INT16_MAX ? 16 : 32;
  sizes->n_heldout = job->summary.n_cells_heldout;
}

cyf_status cyf_prepare_plan_job(cyf_prepare_job *job, bool selected) {
  const cyf_prepare_options *options = job->options;
  const bool explicit_memory = options->memory_bytes > 0;
  const int64_t memory =
      explicit_memory ? options->memory_bytes : cyf_prepare_default_memory(cyf_comm_local_size(job->comm));
  cyf_prepare_sizes sizes;
  take_sizes(job, &sizes);
  if (selected) take_selection(job, &sizes);
  if (!selected) CYF_TRY(take_wanted(job, &sizes));
  return cyf_prepare_plan_make(&sizes, memory, explicit_memory, &job->plan);
}

/* ---- --dry-run ---- */

/* What a sample of an input showed. */
typedef struct sample {
  double cells, values;   /* cells that are left, and their values over the genes in use */
  double n_read, seconds; /* cells read and the time it took */
} sample;

static cyf_status sample_block(cyf_prepare_job *job, const cyf_prepare_block *block, void *context) {
  sample *taken = context;
  const int64_t *indptr = block->cells.indptr;
  taken->n_read += (double)block->cells.n_cells;
  for (int64_t i = 0; i < block->cells.n_cells; i++) {
    if (cyf_bit_get(job->fates.dropped, block->first_cell + i)) continue;
    taken->cells++;
    taken->values += (double)(indptr[i + 1] - indptr[i]);
  }
  return CYF_OK;
}

/* Reads a few blocks of one input, spread over it. Each begins with a cell that is left. */
static cyf_status sample_input(const cyf_prepare_job *job, cyf_block_reader *reader, const cyf_prepare_input *input,
                               sample *taken) {
  for (int64_t b = 0; b < SAMPLE_BLOCKS; b++) {
    int64_t from = input->first_cell + input->n_cells * b / SAMPLE_BLOCKS;
    const int64_t end = input->first_cell + input->n_cells * (b + 1) / SAMPLE_BLOCKS;
    const double start = cyf_clock_s();
    while (from < end && cyf_bit_get(job->fates.dropped, from)) from++;
    CYF_TRY(cyf_block_reader_visit(reader, from, from + SAMPLE_CELLS < end ? from + SAMPLE_CELLS : end, sample_block,
                                   taken));
    taken->seconds += cyf_clock_s() - start;
  }
  return CYF_OK;
}

/* Measures, by samples of some inputs, the mean number of values over the genes in use of cells that are left, and how
 * many cells are read a second. Where the samples hold no such cell, *values_per_cell stays as it is. */
static cyf_status sample_inputs(cyf_prepare_job *job, double *values_per_cell, double *ret_cells_per_s) {
  const int64_t n_inputs = job->options->n_inputs;
  const int64_t n = n_inputs < SAMPLE_INPUTS_MAX ? n_inputs : SAMPLE_INPUTS_MAX;
  double values = 0, cells = 0, n_read = 0, seconds = 0;
  cyf_block_reader *reader = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(cyf_block_reader_create(job, false, &reader));
  for (int64_t i = 0; i < n; i++) {
    const cyf_prepare_input *input = &job->input[i * n_inputs / n];
    sample taken = {0};
    if (input->n_cells == 0) continue;
    CYF_TRY_CLEANUP(sample_input(job, reader, input, &taken));
    n_read += taken.n_read;
    seconds += taken.seconds;
    if (taken.cells == 0) continue;
    const double left = (double)count_left(job, input->first_cell, input->n_cells);
    values += taken.values / taken.cells * left;
    cells += left;
  }
  if (cells > 0) *values_per_cell = values / cells;
  *ret_cells_per_s = n_read / (seconds > 1e-9 ? seconds : 1e-9);
cleanup:
  cyf_block_reader_destroy(&reader);
  return status;
}

static int64_t free_disk_bytes(const cyf_prepare_job *job) {
  struct statvfs info;
  char folder[4096];
  snprintf(folder, sizeof(folder), "%s", job->output);
  for (;;) { /* the nearest folder that is there */
    char *slash = strrchr(folder, '/');
    if (statvfs(folder[0] ? folder : "/", &info) == 0) return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
    if (!slash) break;
    *slash = '\0';
  }
  return statvfs(".", &info) == 0 ? (int64_t)info.f_bavail * (int64_t)info.f_frsize : -1;
}

static void print_plan(const cyf_prepare_job *job, const cyf_prepare_sizes *sizes, double cells_per_s) {
  const cyf_prepare_plan *plan = &job->plan;
  char duration[32];
  cyf_clock_duration(cyf_prepare_seconds(sizes, cells_per_s, job->size), duration, sizeof(duration));
  const int64_t free_bytes = free_disk_bytes(job);
  /* At first the spill and the files for evaluation share the disk with the first shards. Then the spill shrinks as
   * shards are written. */
  const int64_t larger = plan->spill_bytes > plan->atlas_bytes ? plan->spill_bytes : plan->atlas_bytes;
  const int64_t needed = larger + plan->heldout_bytes + plan->atlas_bytes / 8;
  cyf_print(stdout, "cells       %" PRId64 " in %" PRId64 " file%s", sizes->n_cells, sizes->n_inputs,
            sizes->n_inputs == 1 ? "" : "s");
  if (sizes->n_kept < sizes->n_cells) cyf_print(stdout, ", of which %" PRId64 " are wanted", sizes->n_kept);
  cyf_print(stdout, "\n");
  cyf_print(stdout, "genes       %" PRId64 "\n", sizes->n_genes);
  cyf_print(stdout, "values      %.4g, %.1f a cell (sampled)\n", sizes->values_per_cell * (double)sizes->n_kept,
            sizes->values_per_cell);
  cyf_print(stdout, "spill       %.3f GB, while it works\n", (double)plan->spill_bytes / 1e9);
  cyf_print(stdout, "atlas       %s%.3f GB in %" PRId64 " shard%s of up to %" PRId64 " cells%s\n",
            sizes->compressed ? "about " : "", (double)plan->atlas_bytes / 1e9, plan->n_shards,
            plan->n_shards == 1 ? "" : "s", plan->shard_cells, sizes->compressed ? ", compressed" : "");
  if (sizes->n_heldout > 0)
    cyf_print(stdout, "evaluation  %.3f GB, heldout.h5ad of %" PRId64 " cells and train.h5ad of the others\n",
              (double)plan->heldout_bytes / 1e9, sizes->n_heldout);
  cyf_print(stdout, "disk        %.3f GB free, about %.3f GB needed at most: %s\n", (double)free_bytes / 1e9,
            (double)needed / 1e9,
            free_bytes < 0        ? "unknown"
            : free_bytes > needed ? "enough"
                                  : "NOT ENOUGH");
  cyf_print(stdout, "memory      %.2f GB a rank at most, of %.2f GB allowed\n", (double)plan->peak_bytes / 1e9,
            (double)plan->budget_bytes / 1e9);
  cyf_print(stdout, "time        about %s on %d rank%s (%.0f cells/s read by one)\n", duration, job->size,
            job->size == 1 ? "" : "s", cells_per_s);
}

cyf_status cyf_prepare_print_plan(cyf_prepare_job *job) {
  cyf_prepare_sizes sizes;
  double cells_per_s = 0;
  take_sizes(job, &sizes);
  cyf_status status = take_wanted(job, &sizes);
  if (status == CYF_OK && job->rank == 0) status = sample_inputs(job, &sizes.values_per_cell, &cells_per_s);
  CYF_TRY(cyf_comm_agree(job->comm, status));
  if (job->rank != 0) return CYF_OK;
  const cyf_prepare_options *options = job->options;
  CYF_TRY(cyf_prepare_plan_make(&sizes, job->plan.budget_bytes, options->memory_bytes > 0, &job->plan));
  print_plan(job, &sizes, cells_per_s);
  return CYF_OK;
}
