/* SPDX-License-Identifier: MIT */
/* Fractional counts become whole numbers. */
#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

static const double most_odd = 0.01; /* share of values among counts that may be fractions */

/* Up or down at random, with the probabilities that keep the mean. */
static float round_at_random(const cyf_prepare_job *job, int64_t cell, int32_t gene, float value) {
  uint32_t words[4];
  const float below = floorf(value);
  cyf_rng_block(job->rounding_key, 0, (uint64_t)cell, (uint32_t)gene, words);
  return cyf_rng_unit(words[0]) < (double)(value - below) ? below + 1 : below;
}

void cyf_prepare_round_rows(const cyf_prepare_job *job, const cyf_prepare_input *input, int64_t first_cell,
                            cyf_csr_buffer *rows, cyf_odd_values *odd) {
  const int64_t nnz = rows->indptr[rows->n_cells];
  int any = 0; /* gathered without branches, at memory speed */
  for (int64_t e = 0; e < nnz; e++) any |= rows->values[e] != rintf(rows->values[e]);
  if (!any) return;
  int64_t kept = 0, start = 0;
  for (int64_t i = 0; i < rows->n_cells; i++) {
    const int64_t end = rows->indptr[i + 1], cell = first_cell + i;
    for (int64_t e = start; e < end; e++) {
      float value = rows->values[e];
      if (value != rintf(value)) {
        const cyf_odd_values one = {1, cell, rows->indices[e], (double)value};
        if (input->values.kind == CYF_VALUES_COUNTS) cyf_odd_values_add(&one, odd);
        value = round_at_random(job, cell, rows->indices[e], value);
      }
      rows->indices[kept] = rows->indices[e];
      rows->values[kept] = value;
      kept += value > 0;
    }
    start = end;
    rows->indptr[i + 1] = kept;
  }
}

void cyf_odd_values_add(const cyf_odd_values *more, cyf_odd_values *odd) {
  if (more->n == 0) return;
  const int64_t n = odd->n + more->n;
  if (odd->n == 0 || more->cell < odd->cell) *odd = *more;
  odd->n = n;
}

/* The odd values of all ranks; the first is that of the first cell. */
static cyf_status join_ranks(const cyf_prepare_job *job, cyf_odd_values *odd) {
  int64_t *all = NULL; /* [size][4] */
  cyf_status status = cyf_comm_agree(job->comm, CYF_NEW(&all, 4 * job->size));
  if (status == CYF_OK) {
    int64_t *mine = all + 4 * job->rank;
    mine[0] = odd->n;
    mine[1] = odd->cell;
    mine[2] = odd->gene;
    __builtin_memcpy(&mine[3], &odd->value, sizeof(odd->value));
    status = cyf_comm_sum_int64(job->comm, all, 4 * job->size);
  }
  *odd = (cyf_odd_values){0};
  for (int r = 0; r < job->size && status == CYF_OK; r++) {
    cyf_odd_values one = {.n = all[4 * r], .cell = all[4 * r + 1], .gene = all[4 * r + 2]};
    __builtin_memcpy(&one.value, &all[4 * r + 3], sizeof(one.value));
    cyf_odd_values_add(&one, odd);
  }
  cyf_free(all);
  return status;
}

static cyf_status describe(const cyf_prepare_job *job, const cyf_odd_values *odd, int64_t n_values) {
  const cyf_prepare_input *input = cyf_prepare_input_of(job, odd->cell);
  const int64_t cell = odd->cell - input->first_cell;
  const char *gene = job->genes.name[odd->gene];
  cyf_h5ad *file = NULL;
  char *name = NULL;
  if ((double)odd->n > most_odd * (double)n_values && odd->n > 1)
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: cell %lld has the value %g of gene %s among counts, and %lld values are no whole numbers; if they "
        "are fractional counts, say so (--values fractional-counts)",
        input->path, (long long)cell, odd->value, gene, (long long)odd->n);
  CYF_TRY(cyf_h5ad_open(input->path, job->options->matrix, &file));
  const cyf_status status = cyf_h5ad_read_ids(file, NULL, cell, 1, &name);
  if (status == CYF_OK)
    cyf_warn(
        "%s: cell %lld (%s) has the value %g of gene %s among counts; %lld of %lld values are no whole numbers, and "
        "are rounded up or down at random",
        input->path, (long long)cell, name, odd->value, gene, (long long)odd->n, (long long)n_values);
  cyf_free(name);
  cyf_h5ad_close(&file);
  return status;
}

cyf_status cyf_prepare_judge_odd(cyf_prepare_job *job, const cyf_odd_values *odd, int64_t n_values) {
  cyf_odd_values all = *odd;
  CYF_TRY(join_ranks(job, &all));
  if (all.n == 0) return CYF_OK;
  const cyf_status status = job->rank == 0 ? describe(job, &all, n_values) : CYF_OK;
  job->partial_useless = job->partial_useless || status != CYF_OK;
  return cyf_comm_agree(job->comm, status);
}
