/* The simulator's model and its cells, in memory. */
#ifndef CYF_DATA_SYNTH_MODEL_H
#define CYF_DATA_SYNTH_MODEL_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/synth.h"
#include "kernels/csr.h"

/* What obs says of a cell. */
typedef struct cyf_synth_cell {
  int32_t type, donor;
  double pseudotime;   /* NaN off the path */
  double library_size; /* expected counts */
} cyf_synth_cell;

/* Proposal of clusters for one type and library sizes up to a level: genes by Walker's alias method, and bounds of the
 * rates. */
typedef struct cyf_synth_table {
  float *keep;    /* [n_genes] alias method: probability of staying */
  int32_t *other; /* [n_genes] alias method: where to go else */
  float *rate;    /* [n_genes] bound of each gene's cluster rate */
  double total_rate;
} cyf_synth_table;

enum {
  CYF_SYNTH_LEVELS = 3
}; /* tables a type, so that cells of usual size are not proposed clusters for the largest */

typedef struct cyf_synth_model {
  int64_t n_genes, n_types, n_donors;
  double mean_counts, sigma;
  cyf_rng_key key;
  float *share;           /* [n_types][n_genes] profiles, each adding up to 1 */
  cyf_synth_table *table; /* [n_types][CYF_SYNTH_LEVELS] */
  float *donor_factor;    /* [n_donors][n_genes] */
  double *type_weight;    /* [n_types] cumulative */
} cyf_synth_model;

/* Scratch of one thread: counts of one cell and which genes have any. */
typedef struct cyf_synth_scratch {
  int32_t *count;     /* [n_genes], zero between cells */
  uint64_t *occupied; /* [ceil(n_genes / 64)] */
  int32_t *indices;   /* [n_genes] */
  float *values;      /* [n_genes] */
} cyf_synth_scratch;

cyf_status cyf_synth_model_create(const cyf_synth_options *options, cyf_synth_model **ret_model);
void cyf_synth_model_destroy(cyf_synth_model **model); /* NULL-safe */
cyf_status cyf_synth_scratch_make(const cyf_synth_model *model, cyf_synth_scratch *scratch);
void cyf_synth_scratch_destroy(cyf_synth_scratch *scratch);
/* Draws a cell: its obs, and its counts as scratch->indices/values[*ret_nnz], ascending. */
void cyf_synth_draw_cell(const cyf_synth_model *model, int64_t cell, cyf_synth_scratch *scratch,
                         cyf_synth_cell *ret_cell, int64_t *ret_nnz);
/* Expected count of a gene in a cell with this obs. */
double cyf_synth_expected_count(const cyf_synth_model *model, const cyf_synth_cell *cell, int64_t gene);
/* Size parameter theta of the negative binomial. */
double cyf_synth_size(void);

#endif
