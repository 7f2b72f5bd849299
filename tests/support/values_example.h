/* SPDX-License-Identifier: MIT */
/* Small h5ad files whose values went through what values go through: counts, fractions of them, logarithms. */
#ifndef CYF_TESTS_VALUES_EXAMPLE_H
#define CYF_TESTS_VALUES_EXAMPLE_H

#include <math.h>

#include "base/rng.h"
#include "check.h"
#include "data/h5ad/writer.h"

typedef enum example_kind {
  EXAMPLE_COUNTS,
  EXAMPLE_SHARE,        /* 0.93 of each count */
  EXAMPLE_PARTLY,       /* most counts less a share of their own, others whole */
  EXAMPLE_LINEAR,       /* a share of the cell's total, times the target */
  EXAMPLE_LOG1P,        /* ln(1 + that) */
  EXAMPLE_LOG2,         /* log2(1 + that) */
  EXAMPLE_PLAIN_LOG,    /* ln(1 + count) */
  EXAMPLE_SIZE_FACTORS, /* ln(1 + count / a factor of the cell that is not its total) */
  EXAMPLE_HALVES,       /* half of each count */
  EXAMPLE_ROOTS,        /* the root of each count */
  EXAMPLE_SMOOTH,       /* no multiples of anything, all below 5 */
  EXAMPLE_SCALED,       /* some below 0 */
} example_kind;

enum { EXAMPLE_CELLS = 60, EXAMPLE_GENES = 80 };

typedef struct values_example {
  example_kind kind;
  double target;
  int64_t n_genes_kept; /* after normalisation; 0: all */
  int64_t n_smooth;     /* the first cells are SMOOTH instead */
  int64_t n_few;        /* the last cells have four distinct values, which are no multiples */
  double first_value;   /* of the first entry of the first cell that has one, instead of its own; 0: its own */
  bool is_half;         /* of the digits of float16 */
  const char *prefix;   /* of cells' names; NULL: "c" */
} values_example;

static inline double example_count(int64_t cell, int64_t gene) {
  uint32_t words[4];
  cyf_rng_block(cyf_rng_key_make(77, CYF_RNG_SYNTH), 0, (uint64_t)cell, (uint32_t)gene, words);
  if (words[0] < UINT32_MAX / 2) return 0;
  return 1 + floor(cyf_rng_unit(words[1]) * (words[2] % 8 == 0 ? 60 : 5));
}

static inline double example_uniform(int64_t cell, int64_t gene) {
  uint32_t words[4];
  cyf_rng_block(cyf_rng_key_make(78, CYF_RNG_SYNTH), 0, (uint64_t)cell, (uint32_t)gene, words);
  return cyf_rng_unit(words[0]);
}

static inline double example_total(int64_t cell) {
  double total = 0;
  for (int64_t g = 0; g < EXAMPLE_GENES; g++) total += example_count(cell, g);
  return total;
}

/* The value of one gene in a cell, as float32. */
static inline float example_value(const values_example *e, int64_t cell, int64_t gene) {
  const double count = example_count(cell, gene), uniform = example_uniform(cell, gene);
  const double x = count / example_total(cell) * e->target;
  if (count == 0) return 0;
  if (cell < e->n_smooth) return (float)(0.3 + 4 * uniform);
  if (cell >= EXAMPLE_CELLS - e->n_few) return (float)(0.3 + 0.7231 * sqrt((double)(gene % 4)));
  switch (e->kind) {
    case EXAMPLE_COUNTS:
      return (float)count;
    case EXAMPLE_SHARE:
      return (float)(0.93 * count);
    case EXAMPLE_PARTLY:
      return (float)(uniform < 0.4 ? count : count * (0.8 + 0.2 * example_uniform(gene, cell)));
    case EXAMPLE_LINEAR:
      return (float)x;
    case EXAMPLE_LOG1P:
      return (float)log1p(x);
    case EXAMPLE_LOG2:
      return (float)log2(1 + x);
    case EXAMPLE_PLAIN_LOG:
      return (float)log1p(count);
    case EXAMPLE_SIZE_FACTORS:
      return (float)log1p(count / (0.5 + example_uniform(cell, 1000)));
    case EXAMPLE_HALVES:
      return (float)(count / 2);
    case EXAMPLE_ROOTS:
      return (float)sqrt(count);
    case EXAMPLE_SMOOTH:
      return (float)(0.3 + 4 * uniform);
    default:
      return (float)(count - 2.5);
  }
}

static inline float example_to_half(float value) {
  int exponent = 0;
  const float mantissa = frexpf(value, &exponent);
  return ldexpf(rintf(ldexpf(mantissa, 11)), exponent - 11);
}

static inline void example_write(const values_example *e, const char *path) {
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  const int64_t n_genes = e->n_genes_kept ? e->n_genes_kept : EXAMPLE_GENES;
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0}, cells = {0};
  char name[32];
  cyf_csr_buffer_clear(&rows, n_genes);
  for (int64_t i = 0; i < EXAMPLE_CELLS; i++) {
    int32_t index[EXAMPLE_GENES];
    float value[EXAMPLE_GENES];
    int64_t nnz = 0;
    for (int64_t g = 0; g < n_genes; g++) {
      value[nnz] = e->is_half ? example_to_half(example_value(e, i, g)) : example_value(e, i, g);
      index[nnz] = (int32_t)g;
      nnz += value[nnz] != 0;
    }
    if (i == 0 && e->first_value != 0) value[0] = (float)e->first_value;
    assert_ok(cyf_csr_buffer_append(&rows, nnz, index, value));
    snprintf(name, sizeof(name), "%s%lld", e->prefix ? e->prefix : "c", (long long)i);
    assert_ok(cyf_names_add(&cells, name, NULL));
  }
  for (int64_t g = 0; g < n_genes; g++) {
    snprintf(name, sizeof(name), "G%lld", (long long)g);
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  const cyf_csr view = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_create(path, n_genes, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)cells.name, EXAMPLE_CELLS));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_names_destroy(&genes);
  cyf_names_destroy(&cells);
  cyf_csr_buffer_destroy(&rows);
}

#endif
