/* SPDX-License-Identifier: MIT */
/** @file
 * The simulator's model and its cells, in memory (synth.h describes the model). Not collective. */
#ifndef CYF_DATA_SYNTH_SYNTH_MODEL_H
#define CYF_DATA_SYNTH_SYNTH_MODEL_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/synth/synth.h"
#include "kernels/csr.h"

/** What a cell is, apart from its counts. */
typedef struct cyf_synth_cell {
  int32_t type, donor;
  double pseudotime;   /**< NaN off the path */
  double library_size; /**< expected total count */
} cyf_synth_cell;

/** The size parameter theta of the negative binomial. The drawing relies on its being 2. */
#define CYF_SYNTH_SIZE 2.0

/** Sizes. */
enum {
  CYF_SYNTH_SEGMENTS = 8,             /**< segments of the path, each with a table of its own */
  CYF_SYNTH_GENES_MAX = 10 * 1000000, /**< so that slots, with a fraction, are counted in 32 bits */
};

/** What random numbers are for, which tells them apart: the `step` of the random numbers' counter. */
enum {
  CYF_SYNTH_DRAW_CELL,
  CYF_SYNTH_DRAW_BASE,
  CYF_SYNTH_DRAW_MARKERS,
  CYF_SYNTH_DRAW_DONORS,
  CYF_SYNTH_DRAW_CLUSTERS,
  CYF_SYNTH_DRAW_COUNTS
};

/** 64 neighbouring slots of the line along which genes lie. */
typedef struct cyf_synth_slots {
  uint64_t first;      /**< bit i: slot i is the first of its gene */
  int32_t gene_before; /**< the gene of the slot before these; -1 at the start */
} cyf_synth_slots;

/** How clusters are proposed for one profile: the line of genes, in slots of equal length, along which exponential
 * steps go. To find a slot's gene is to count bits. So the search reads only 16 bytes for 64 slots, two bytes a gene,
 * which the core's own caches hold. */
typedef struct cyf_synth_table {
  cyf_synth_slots *words; /**< [n_slots / 64 and more] */
  int64_t n_slots;        /**< of all genes */
  double slot_rate;       /**< clusters that a slot stands for, in a cell of base_library */
  float *bound;           /**< [n_genes + 1] a gene's number of slots times slot_rate; the last is no gene */
} cyf_synth_table;

/** The model's parameters and the tables to draw by. */
typedef struct cyf_synth_model {
  int64_t n_genes, n_types, n_donors, n_tables;
  double mean_counts, sigma;
  double base_library; /**< the library size at which the tables bound a cell's rates of clusters */
  cyf_rng_key key;
  float *share;        /**< [n_types][n_genes + 1] profiles, each adding up to 1, with a zero behind */
  float *donor_factor; /**< [n_donors][n_genes + 1] with a one behind */
  cyf_synth_table
      *table; /**< [n_tables] of the path's segments, then of types from the third on; one where there is one type */
  double *type_weight; /**< [n_types] weights of the types up to and with each, adding up to 1 */
} cyf_synth_model;

/** Scratch of one thread, for the counts of one cell. */
typedef struct cyf_synth_scratch {
  int32_t *indices; /**< [n_genes + some] expressed genes */
  float *values;    /**< as long: their counts and, before these are drawn, their expected counts */
  float *rest;      /**< as long: uniform random numbers left from the thinning */
} cyf_synth_scratch;

/** Draws the model's parameters and makes the tables. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_synth_model_create(const cyf_synth_options *options, cyf_synth_model **ret_model);
/** Frees the model; NULL-safe, sets NULL. */
void cyf_synth_model_destroy(cyf_synth_model **model);
/** Makes the scratch of one thread; it is destroyed also after an error. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_synth_scratch_make(const cyf_synth_model *model, cyf_synth_scratch *scratch);
/** Frees the arrays; they may be NULL. */
void cyf_synth_scratch_destroy(cyf_synth_scratch *scratch);
/** Draws what cell `index` is, apart from its counts. */
void cyf_synth_draw_obs(const cyf_synth_model *model, int64_t index, cyf_synth_cell *ret_cell);
/** Draws cell `index`: what it is, and its counts, scratch->values[*ret_nnz] of the genes scratch->indices[*ret_nnz],
 * which ascend. */
void cyf_synth_draw_cell(const cyf_synth_model *model, int64_t index, cyf_synth_scratch *scratch,
                         cyf_synth_cell *ret_cell, int64_t *ret_nnz);
/** Expected count of a gene in such a cell. */
double cyf_synth_expected_count(const cyf_synth_model *model, const cyf_synth_cell *cell, int64_t gene);
/** A count that no cell will have: 16 times the largest expected one. Even in the largest cells the most expressed gene
 * exceeds it once in 10^12 times. */
double cyf_synth_count_bound(const cyf_synth_model *model);

#endif
