/* SPDX-License-Identifier: MIT */
/* What cytoforge prepare should write of two files, by simple loops over dense arrays, without ranks or blocks. */
#ifndef CYF_TESTS_PREPARE_EXPECTED_H
#define CYF_TESTS_PREPARE_EXPECTED_H

#include "atlas_fixture.h"

enum { N_FILES = 2, CELLS_MAX = 2400 };
/* The second is dense and read in blocks of 512, so that several ranks take part in it. */
static const fixture_file files[N_FILES] = {
    {.n_cells = 700, .n_genes = 60, .gene_stride = 5, .gene_offset = 2, .seed = 1, .types = {"T cell", "B cell", "NK"}},
    {.n_cells = 1300,
     .n_genes = 70,
     .gene_stride = 11,
     .gene_offset = 9,
     .seed = 2,
     .dense = true,
     .types = {"NK", "Mono", "T cell"}},
};

/* What becomes of the cells, by the definitions in prepare.h. */
typedef struct expectation {
  int64_t n_in, n_train, n_heldout, n_genes, nnz;
  int file[CELLS_MAX];
  int64_t row[CELLS_MAX];                          /* of each input cell within its file */
  int64_t train[CELLS_MAX];                        /* input cells in atlas order */
  int64_t heldout[CELLS_MAX], in_order[CELLS_MAX]; /* held-out and training input cells in input order */
  char gene[FIXTURE_POOL][8];
  int64_t column[FIXTURE_POOL][N_FILES]; /* gene of each file, -1 */
} expectation;

static inline float expected_value(const expectation *expected, int64_t cell, int64_t gene) {
  const int f = expected->file[cell];
  const int64_t g = expected->column[gene][f];
  return g < 0 ? 0 : fixture_value(&files[f], expected->row[cell], g);
}

static inline void list_genes(const char *const *list, int64_t n_list, expectation *expected) {
  for (int64_t i = 0; i < n_list; i++) snprintf(expected->gene[expected->n_genes++], 8, "%s", list[i]);
  for (int f = 0; f < N_FILES && n_list == 0; f++)
    for (int64_t g = 0; g < files[f].n_genes; g++) {
      char name[8];
      bool there = false;
      snprintf(name, sizeof(name), "G%d", (int)fixture_gene(&files[f], g));
      for (int64_t k = 0; k < expected->n_genes; k++) there = there || strcmp(expected->gene[k], name) == 0;
      if (!there) snprintf(expected->gene[expected->n_genes++], 8, "%s", name);
    }
  for (int64_t k = 0; k < expected->n_genes; k++)
    for (int f = 0; f < N_FILES; f++) {
      expected->column[k][f] = -1;
      for (int64_t g = 0; g < files[f].n_genes; g++) {
        char name[8];
        snprintf(name, sizeof(name), "G%d", (int)fixture_gene(&files[f], g));
        if (strcmp(expected->gene[k], name) == 0) expected->column[k][f] = g;
      }
    }
}

static inline void drop_rare_genes(int64_t min_cells, expectation *expected) {
  int64_t n = 0;
  for (int64_t k = 0; k < expected->n_genes; k++) {
    int64_t n_cells = 0;
    for (int64_t i = 0; i < expected->n_train; i++) n_cells += expected_value(expected, expected->train[i], k) > 0;
    if (n_cells < min_cells) continue;
    memmove(expected->gene[n], expected->gene[k], sizeof(expected->gene[k]));
    memmove(expected->column[n], expected->column[k], sizeof(expected->column[k]));
    n++;
  }
  expected->n_genes = n;
}

/* Fills the expectation; a gene list stops the gene filter. */
static inline void work_out(const cyf_prepare_options *options, const char *const *list, int64_t n_list,
                            expectation *expected) {
  static int64_t kept[CELLS_MAX];
  int64_t n_kept = 0;
  memset(expected, 0, sizeof(*expected));
  list_genes(list, n_list, expected);
  for (int f = 0; f < N_FILES; f++)
    for (int64_t i = 0; i < files[f].n_cells; i++) {
      const int64_t cell = expected->n_in++;
      int64_t n_detected = 0;
      expected->file[cell] = f;
      expected->row[cell] = i;
      for (int64_t k = 0; k < expected->n_genes; k++) n_detected += expected_value(expected, cell, k) > 0;
      if (n_detected >= options->min_genes) kept[n_kept++] = cell;
    }
  const int64_t n_heldout = (int64_t)llround(options->holdout * (double)n_kept);
  const cyf_rng_key split = cyf_rng_key_make(options->seed, CYF_RNG_SPLIT),
                    shuffle = cyf_rng_key_make(options->seed, CYF_RNG_SHUFFLE);
  for (int64_t i = 0; i < n_kept; i++) {
    if ((int64_t)cyf_rng_permute(split, (uint64_t)n_kept, (uint64_t)i) < n_heldout) {
      expected->heldout[expected->n_heldout++] = kept[i];
    } else {
      expected->in_order[expected->n_train++] = kept[i];
    }
  }
  for (int64_t i = 0; i < expected->n_train; i++)
    expected->train[cyf_rng_permute(shuffle, (uint64_t)expected->n_train, (uint64_t)i)] = expected->in_order[i];
  if (n_list == 0) drop_rare_genes(options->min_cells, expected);
  for (int64_t i = 0; i < expected->n_train; i++)
    for (int64_t k = 0; k < expected->n_genes; k++)
      expected->nnz += expected_value(expected, expected->train[i], k) > 0;
}

/* The file holds exactly these cells over the expected genes: values, names, labels. */
static inline void check_file(const char *path, const expectation *expected, const int64_t *cells, int64_t n_cells) {
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  cyf_csr_buffer rows = {0};
  char **names = NULL;
  cyf_label_column types = {0}, donors = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_int_equal(genes.n, expected->n_genes);
  for (int64_t k = 0; k < genes.n; k++) assert_string_equal(genes.name[k], expected->gene[k]);
  cyf_csr_buffer_clear(&rows, genes.n);
  assert_ok(cyf_h5ad_read_rows(file, 0, n_cells, &rows));
  assert_ok(cyf_h5ad_read_cell_names(file, &names));
  assert_ok(cyf_h5ad_read_labels(file, "cell type", &types));
  assert_ok(cyf_h5ad_read_labels(file, "donor", &donors));
  cyf_names unique = {0};
  for (int64_t i = 0; i < n_cells; i++) {
    const fixture_file *source = &files[expected->file[cells[i]]];
    const int64_t row = expected->row[cells[i]];
    int64_t e = rows.indptr[i];
    for (int64_t k = 0; k < genes.n; k++) {
      const bool there = e < rows.indptr[i + 1] && rows.indices[e] == k;
      assert_true((there ? rows.values[e] : 0) == expected_value(expected, cells[i], k));
      e += there;
    }
    assert_int_equal(e, rows.indptr[i + 1]);
    char name[24];
    snprintf(name, sizeof(name), "cell%lld", (long long)row);
    assert_memory_equal(names[i], name, strlen(name)); /* "-1" may follow: both files use the same names */
    assert_true(names[i][strlen(name)] == '\0' || names[i][strlen(name)] == '-');
    assert_ok(cyf_names_add(&unique, names[i], NULL));
    const int32_t type = fixture_type(row);
    if (type < 0) {
      assert_int_equal(types.code[i], -1);
    } else {
      assert_string_equal(types.categories.name[types.code[i]], source->types[type]);
    }
    assert_int_equal(donors.code[i], fixture_donor(row));
  }
  assert_int_equal(unique.n, n_cells);
  for (int64_t i = 0; i < n_cells; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_names_destroy(&unique);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  cyf_label_column_destroy(&types);
  cyf_label_column_destroy(&donors);
  cyf_h5ad_close(&file);
}

/* Every shard against the expectation, and what the manifest says. */
static inline void check_atlas(const char *directory, const cyf_prepare_options *options, const expectation *expected) {
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(directory, &atlas));
  assert_int_equal(atlas->n_cells, expected->n_train);
  assert_int_equal(atlas->n_genes, expected->n_genes);
  assert_int_equal(atlas->nnz, expected->nnz);
  assert_int_equal(atlas->kind, CYF_EXPRESSION_COUNTS);
  assert_int_equal(atlas->seed, options->seed);
  assert_int_equal(atlas->n_shards, (expected->n_train + options->cells_per_shard - 1) / options->cells_per_shard);
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    assert_int_equal(atlas->shards[s].first_cell, s * options->cells_per_shard);
    check_file(atlas->shards[s].path, expected, expected->train + atlas->shards[s].first_cell,
               atlas->shards[s].n_cells);
  }
  /* Categories in order of appearance over the files; their counts; codes of a range that crosses shards. */
  static const char *const merged[4] = {"T cell", "B cell", "NK", "Mono"};
  const cyf_attribute *attribute = &atlas->attributes[cyf_atlas_find_attribute(atlas, "cell type")];
  assert_int_equal(attribute->categories.n, 4);
  int64_t count[4] = {0};
  int32_t *codes = NULL;
  const int64_t first = 10, n = atlas->n_cells - 20;
  assert_ok(CYF_NEW(&codes, 2 * n));
  fixture_codes(atlas, first, n, codes);
  for (int64_t i = 0; i < atlas->n_cells; i++) {
    const int64_t row = expected->row[expected->train[i]];
    int32_t code = -1;
    for (int32_t c = 0; c < 4 && fixture_type(row) >= 0; c++)
      if (strcmp(merged[c], files[expected->file[expected->train[i]]].types[fixture_type(row)]) == 0) code = c;
    if (code >= 0) count[code]++;
    if (i >= first && i < first + n) {
      assert_int_equal(codes[i - first], code);
      assert_int_equal(codes[n + i - first], fixture_donor(row));
    }
  }
  for (int64_t c = 0; c < 4; c++) {
    assert_string_equal(attribute->categories.name[c], merged[c]);
    assert_int_equal(attribute->n_cells[c], count[c]);
  }
  assert_int_equal(cyf_atlas_find_attribute(atlas, "none"), -1);
  cyf_free(codes);
  cyf_atlas_close(&atlas);
}

#endif
