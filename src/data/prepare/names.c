/* SPDX-License-Identifier: MIT */
/* Names that occur more than once among the cells of train.h5ad or heldout.h5ad, found without holding the names. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/prepare/counts.h"
#include "data/prepare/job.h"

enum { PART_CELLS_MOST = 1 << 21 }; /* cells whose names are compared at a time: 16 bytes each, twice */

typedef struct named_cell {
  uint64_t name; /* checksum */
  int64_t cell;  /* of the file */
} named_cell;

static int by_name(const void *left, const void *right) {
  const named_cell *a = left, *b = right;
  if (a->name != b->name) return a->name < b->name ? -1 : 1;
  return (a->cell > b->cell) - (a->cell < b->cell);
}

/* Takes those names of one unit that belong to `part`, a share of all names by their checksum. */
static void take_names(const uint8_t *names, int64_t n, int64_t first_cell, int64_t part, int64_t n_parts,
                       named_cell *taken, int64_t *n_taken) {
  for (int64_t i = 0; i < n; i++) {
    uint64_t name;
    memcpy(&name, names + 8 * i, sizeof(name));
    if ((int64_t)(name % (uint64_t)n_parts) == part) taken[(*n_taken)++] = (named_cell){name, first_cell + i};
  }
}

/* Reads the names of `part` from all units, into fresh memory. */
static cyf_status read_part(const cyf_prepare_job *job, bool train, int64_t part, int64_t n_parts,
                            named_cell **ret_taken, int64_t *ret_n_taken) {
  int64_t first_cell = 0, n_taken = 0, capacity = 0;
  for (int64_t u = 0; u < job->plan.n_units; u++) {
    uint8_t *bytes = NULL;
    const uint8_t *names = NULL;
    int64_t n_bytes = 0, n = 0;
    CYF_TRY(cyf_spill_read_summary(job->spill_directory, u, &bytes, &n_bytes));
    cyf_status status = cyf_unit_counts_names(bytes, n_bytes, train, &names, &n);
    if (status == CYF_OK && n_taken + n > capacity) {
      capacity = 2 * capacity + n;
      status = cyf_realloc((void **)ret_taken, (size_t)capacity, sizeof(**ret_taken));
    }
    if (status == CYF_OK) take_names(names, n, first_cell, part, n_parts, *ret_taken, &n_taken);
    first_cell += n;
    cyf_free(bytes);
    CYF_TRY(status);
  }
  *ret_n_taken = n_taken;
  return CYF_OK;
}

cyf_status cyf_prepare_count_repeats(const cyf_prepare_job *job, bool train, int64_t n_cells, uint8_t **ret_repeat) {
  const int64_t n_parts = n_cells / PART_CELLS_MOST + 1;
  *ret_repeat = NULL;
  CYF_TRY(CYF_NEW(ret_repeat, n_cells));
  for (int64_t part = 0; part < n_parts; part++) {
    named_cell *taken = NULL;
    int64_t n = 0;
    const cyf_status status = read_part(job, train, part, n_parts, &taken, &n);
    if (status != CYF_OK) {
      cyf_free(taken);
      cyf_free(*ret_repeat);
      return status;
    }
    qsort(taken, (size_t)n, sizeof(*taken), by_name);
    for (int64_t i = 1; i < n; i++) {
      if (taken[i].name != taken[i - 1].name || taken[i].cell >= n_cells) continue;
      const uint8_t before = (*ret_repeat)[taken[i - 1].cell];
      (*ret_repeat)[taken[i].cell] = before < UINT8_MAX ? before + 1 : UINT8_MAX;
    }
    cyf_free(taken);
  }
  return CYF_OK;
}
