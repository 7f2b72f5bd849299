/* SPDX-License-Identifier: MIT */
/** @file
 * The simulator's model and its cells, in memory. */
#ifndef CYF_DATA_SYNTH_SYNTH_MODEL_H
#define CYF_DATA_SYNTH_SYNTH_MODEL_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/synth/synth.h"
#include "kernels/csr.h"

/** What obs says of a cell. */
typedef struct cyf_synth_cell {
  int32_t type, donor;
  double pseudotime;   /**< NaN off the path */
  double library_size; /**< expected counts */
} cyf_synth_cell;

/** The size parameter theta of the negative binomial. The drawing relies on its being 2. */
#define CYF_SYNTH_SIZE 2.0

enum {
  CYF_SYNTH_SEGMENTS = 8,             /**< pieces of the path, each with a table of its own */
  CYF_SYNTH_GENES_MAX = 10 * 1000000, /**< slots are counted in 32 bits with a fraction */
};

/** Streams of the simulator's key: the `step` of the counter tells what is drawn. */
enum {
  CYF_SYNTH_DRAW_CELL,
  CYF_SYNTH_DRAW_BASE,
  CYF_SYNTH_DRAW_MARKERS,
  CYF_SYNTH_DRAW_DONORS,
  CYF_SYNTH_DRAW_CLUSTERS,
  CYF_SYNTH_DRAW_COUNTS
};

/** Sixty-four slots: which are the first of their gene, and the gene of the slot before them (-1 at the start). */
typedef struct cyf_synth_slots {
  uint64_t first;
  int32_t gene_before;
} cyf_synth_slots;

/** Proposal of clusters for one profile. The line of slots is walked at unit rate; which gene a slot belongs to is a
 * bit count, so that a table stays in the nearest cache (half a byte a gene and 16 bytes in 64 slots). */
typedef struct cyf_synth_table {
  cyf_synth_slots *words;
  int64_t n_slots;
  double slot_rate; /**< of clusters a slot, at base_library */
  float *bound;     /**< [n_genes + 1] slots times slot_rate; the last is no gene */
} cyf_synth_table;

typedef struct cyf_synth_model {
  int64_t n_genes, n_types, n_donors, n_tables;
  double mean_counts, sigma;
  double base_library; /**< expected counts of a cell at which the tables bound its rates */
  cyf_rng_key key;
  float *share;        /**< [n_types][n_genes + 1] profiles, each adding up to 1, with a zero behind */
  float *donor_factor; /**< [n_donors][n_genes + 1] with a one behind */
  cyf_synth_table
      *table; /**< [n_tables]: the path's segments, then types from the third on (one where there is one type) */
  double *type_weight; /**< [n_types] cumulative */
} cyf_synth_model;

/** Scratch of one thread: the counts of one cell. */
typedef struct cyf_synth_scratch {
  int32_t *indices; /**< [n_genes + some] */
  float *values;    /**< as long; before the counts are drawn: expected counts */
  float *rest;      /**< as long; uniform variates */
} cyf_synth_scratch;

/** Not collective. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_synth_model_create(const cyf_synth_options *options, cyf_synth_model **ret_model);
void cyf_synth_model_destroy(cyf_synth_model **model); /**< NULL-safe */
cyf_status cyf_synth_scratch_make(const cyf_synth_model *model, cyf_synth_scratch *scratch);
void cyf_synth_scratch_destroy(cyf_synth_scratch *scratch);
/** The obs of cell `index`. */
void cyf_synth_draw_obs(const cyf_synth_model *model, int64_t index, cyf_synth_cell *ret_cell);
/** Draws a cell: its obs, and its counts as scratch->indices/values[*ret_nnz], ascending. */
void cyf_synth_draw_cell(const cyf_synth_model *model, int64_t index, cyf_synth_scratch *scratch,
                         cyf_synth_cell *ret_cell, int64_t *ret_nnz);
/** Expected count of a gene in a cell with this obs. */
double cyf_synth_expected_count(const cyf_synth_model *model, const cyf_synth_cell *cell, int64_t gene);
/** A count that no cell will have: sixteen times the largest expected one, which even the largest cells pass once in
 * 10^12 entries of their most expressed gene. */
double cyf_synth_count_bound(const cyf_synth_model *model);

#endif
