/* SPDX-License-Identifier: MIT */
/* What the tests of .h5ad files share: an example with everything in it, and comparisons. */
#ifndef CYF_TESTS_H5AD_CHECK_H
#define CYF_TESTS_H5AD_CHECK_H

#include <math.h>
#include <stdbool.h>

#include "check.h"
#include "data/h5ad/reader.h"
#include "data/tables/labels.h"
#include "kernels/csr.h"

enum { H5AD_EXAMPLE_WIDTH = 3 };

typedef struct h5ad_example {
  cyf_csr_buffer rows;
  cyf_names genes, cells;
  cyf_label_column labels; /* "cell type", 4 categories of which one is empty, some cells without */
  double *numbers;         /* multiples of 0.25 below 1 */
  float *latent;           /* [cells, H5AD_EXAMPLE_WIDTH] */
} h5ad_example;

/* Makes sparse values from a fixed sequence. Every third cell is empty. Values are 1 to `largest`, both of which occur,
 * or have fractions. */
static inline void h5ad_example_create(int64_t n_cells, int64_t n_genes, float largest, bool fractions,
                                       h5ad_example *example) {
  static const char *const categories[] = {"T cell", "CD4+/CD8", "Ωmega 🧬", "never"};
  uint32_t bits = 12345;
  int32_t *indices = calloc((size_t)n_genes + 1, sizeof(*indices));
  float *values = calloc((size_t)n_genes + 1, sizeof(*values));
  char *name = NULL;
  *example = (h5ad_example){0};
  cyf_csr_buffer_clear(&example->rows, n_genes);
  assert_ok(CYF_NEW(&example->labels.code, n_cells));
  assert_ok(CYF_NEW(&example->numbers, n_cells));
  assert_ok(CYF_NEW(&example->latent, n_cells * H5AD_EXAMPLE_WIDTH));
  assert_ok(cyf_strdup("cell type", &example->labels.attribute));
  example->labels.n_cells = n_cells;
  for (int i = 0; i < 4; i++) assert_ok(cyf_names_add(&example->labels.categories, categories[i], NULL));
  for (int64_t cell = 0; cell < n_cells; cell++) {
    int64_t nnz = 0;
    for (int64_t gene = 0; gene < n_genes && cell % 3 != 2; gene++) {
      bits = bits * 1664525u + 1013904223u;
      if (bits >> 30 == 0) continue;
      indices[nnz] = (int32_t)gene;
      const float value = 1 + (float)(bits >> 8 & 0xFFFF) / 65536.0f * (largest - 1);
      values[nnz] = nnz == 0 && cell == 0 ? largest : fractions ? value : floorf(value);
      nnz++;
    }
    assert_ok(cyf_csr_buffer_append(&example->rows, nnz, indices, values));
    example->labels.code[cell] = (int32_t)(cell % 4) - 1;
    example->numbers[cell] = 0.25 * (double)(cell % 4);
    for (int i = 0; i < H5AD_EXAMPLE_WIDTH; i++) example->latent[cell * H5AD_EXAMPLE_WIDTH + i] = (float)(cell - i) / 7;
    assert_ok(cyf_format(&name, "cell-%lld é", (long long)cell));
    assert_ok(cyf_names_add(&example->cells, name, NULL));
    cyf_free(name);
  }
  for (int64_t gene = 0; gene < n_genes; gene++) {
    assert_ok(cyf_format(&name, gene % 2 ? "HLA-%lld/γ" : "gene %lld", (long long)gene));
    assert_ok(cyf_names_add(&example->genes, name, NULL));
    cyf_free(name);
  }
  free(indices);
  free(values);
}

static inline void h5ad_example_destroy(h5ad_example *example) {
  cyf_csr_buffer_destroy(&example->rows);
  cyf_names_destroy(&example->genes);
  cyf_names_destroy(&example->cells);
  cyf_label_column_destroy(&example->labels);
  cyf_free(example->numbers);
  cyf_free(example->latent);
}

/* Checks that all rows of a file equal these exactly, read at once, and 5 at a time from cell 3 on. */
static inline void check_same_rows(cyf_h5ad *file, const cyf_csr *expected) {
  for (int pass = 0; pass < 2; pass++) {
    const int64_t from = pass == 0 ? 0 : 3 < expected->n_cells ? 3 : expected->n_cells;
    const int64_t step = pass == 0 ? expected->n_cells : 5;
    cyf_csr_buffer rows = {0};
    cyf_csr_buffer_clear(&rows, expected->n_genes);
    for (int64_t first = from; first < expected->n_cells && first < from + 200 * step; first += step) {
      const int64_t n = expected->n_cells - first < step ? expected->n_cells - first : step;
      cyf_csr_buffer_clear(&rows, expected->n_genes);
      assert_ok(cyf_h5ad_read_rows(file, first, n, &rows));
      assert_int_equal(rows.n_cells, n);
      for (int64_t i = 0; i < n; i++) {
        const int64_t at = expected->indptr[first + i], nnz = expected->indptr[first + i + 1] - at;
        assert_int_equal(rows.indptr[i + 1] - rows.indptr[i], nnz);
        assert_memory_equal(rows.indices + rows.indptr[i], expected->indices + at, (size_t)nnz * sizeof(int32_t));
        assert_memory_equal(rows.values + rows.indptr[i], expected->values + at, (size_t)nnz * sizeof(float));
      }
    }
    cyf_csr_buffer_destroy(&rows);
  }
}

static inline void check_same_bytes(const char *one, const char *two) {
  FILE *a = fopen(one, "rb"), *b = fopen(two, "rb");
  assert_non_null(a);
  assert_non_null(b);
  assert_int_equal(check_size(one), check_size(two));
  for (int x = fgetc(a); x != EOF; x = fgetc(a)) assert_int_equal(x, fgetc(b));
  fclose(a);
  fclose(b);
}

#endif
