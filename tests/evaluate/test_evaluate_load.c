/* SPDX-License-Identifier: MIT */
/* Loading cells from files, and real cells compared. */
#include <unistd.h>

#include "base/files.h"
#include "data/h5ad/writer.h"
#include "evaluate_check.h"
#include "kernels/math/normalisation.h"

enum { FILE_CELLS = 60, FILE_GENES = 6 };

/* Writes cell i with counts 1 + (i + gene) % 5 at genes with (i + gene) even, genes named by `names`, labels i % 2. */
static void write_counts(const char *path, const char *const names[FILE_GENES], double scale) {
  cyf_h5ad_writer *writer = NULL;
  cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  cyf_csr_buffer matrix = {0};
  cyf_names genes = {0};
  cyf_label_column labels = {0};
  int64_t code;
  double dense[FILE_GENES];
  assert_ok(cyf_strdup("cell_type", &labels.attribute));
  assert_ok(cyf_names_add(&labels.categories, "even", &code));
  assert_ok(cyf_names_add(&labels.categories, "odd", &code));
  assert_ok(CYF_NEW(&labels.code, FILE_CELLS));
  labels.n_cells = FILE_CELLS;
  cyf_csr_buffer_clear(&matrix, FILE_GENES);
  for (int i = 0; i < FILE_CELLS; i++) {
    labels.code[i] = i % 2;
    for (int gene = 0; gene < FILE_GENES; gene++) dense[gene] = (i + gene) % 2 ? 0.0 : scale * (1.0 + (i + gene) % 5);
    assert_ok(append_dense(1, FILE_GENES, dense, &matrix));
  }
  for (int gene = 0; gene < FILE_GENES; gene++) assert_ok(cyf_names_add(&genes, names[gene], &code));
  cyf_csr view = cyf_csr_view(&matrix);
  assert_ok(cyf_h5ad_writer_create(path, FILE_GENES, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_add_labels(writer, &labels));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_csr_buffer_destroy(&matrix);
  cyf_names_destroy(&genes);
  cyf_label_column_destroy(&labels);
}

static float entry(const cyf_cell_set *set, int64_t cell, int32_t gene) {
  for (int64_t p = set->matrix.indptr[cell]; p < set->matrix.indptr[cell + 1]; p++) {
    if (set->matrix.indices[p] == gene) return set->matrix.values[p];
  }
  return 0.0f;
}

static void counts_are_loaded_and_normalised(void **state) {
  (void)state;
  char path[256];
  const char *const names[FILE_GENES] = {"A", "B", "C", "D", "E", "F"};
  cyf_load_options options = cyf_load_defaults();
  cyf_cell_set set, part;
  snprintf(path, sizeof(path), "%s/counts.h5ad", test_folder);
  write_counts(path, names, 1.0);
  options.label = "cell_type";
  assert_ok(cyf_cell_set_load(path, &options, NULL, &set));
  assert_int_equal(set.matrix.n_cells, FILE_CELLS);
  assert_int_equal(set.values.kind, CYF_VALUES_COUNTS);
  assert_true(set.has_labels);
  assert_int_equal(set.labels.code[3], 1);
  /* Cell 0 has counts 1, 3, 5 at A, C, E: 9 in all. */
  assert_near(entry(&set, 0, 2), log1p(3.0 / 9.0 * CYF_NORMALISED_TOTAL), 1e-5);

  /* Genes by name in the asked order; the total is over the genes kept. */
  cyf_names genes = {0};
  int64_t code;
  assert_ok(cyf_names_add(&genes, "E", &code));
  assert_ok(cyf_names_add(&genes, "B", &code));
  assert_ok(cyf_names_add(&genes, "A", &code));
  assert_ok(cyf_cell_set_load(path, &options, &genes, &part));
  assert_int_equal(part.matrix.n_genes, 3);
  assert_string_equal(part.genes.name[0], "E");
  assert_near(entry(&part, 0, 0), log1p(5.0 / 6.0 * CYF_NORMALISED_TOTAL), 1e-5);
  assert_near(entry(&part, 0, 2), log1p(1.0 / 6.0 * CYF_NORMALISED_TOTAL), 1e-5);
  assert_near(entry(&part, 0, 1), 0.0, 0.0);
  for (int64_t p = part.matrix.indptr[0] + 1; p < part.matrix.indptr[1]; p++) {
    assert_true(part.matrix.indices[p] > part.matrix.indices[p - 1]);
  }
  cyf_cell_set_destroy(&part);

  assert_ok(cyf_names_add(&genes, "X", &code));
  assert_ok(cyf_names_add(&genes, "Y", &code));
  assert_fails(cyf_cell_set_load(path, &options, &genes, &part), CYF_ERR_INPUT,
               "lacks 2 of the 5 genes compared, the first is 'X'");
  assert_null(part.path);
  cyf_names_destroy(&genes);

  /* Subsampling keeps whole cells with their labels, in order. */
  options.max_cells = 20;
  assert_ok(cyf_cell_set_load(path, &options, NULL, &part));
  assert_int_equal(part.matrix.n_cells, 20);
  assert_int_equal(part.n_cells_in_file, FILE_CELLS);
  int64_t at = -1;
  for (int64_t i = 0; i < 20; i++) { /* ten cells in turn differ, so each must be found further on in the whole set */
    for (at++; at < FILE_CELLS; at++) {
      bool same = part.labels.code[i] == set.labels.code[at];
      for (int32_t gene = 0; gene < FILE_GENES; gene++) same = same && entry(&part, i, gene) == entry(&set, at, gene);
      if (same) break;
    }
    assert_true(at < FILE_CELLS);
  }
  cyf_cell_set_destroy(&part);
  cyf_cell_set_destroy(&set);

  options.label = "no_such";
  assert_ok(cyf_cell_set_load(path, &options, NULL, &set));
  assert_false(set.has_labels);
  assert_non_null(strstr(set.label_note, "no obs column 'no_such'"));
  cyf_cell_set_destroy(&set);
  cyf_cell_set_destroy(NULL);
}

static void other_values_are_known_or_refused(void **state) {
  (void)state;
  char path[256];
  const char *const names[FILE_GENES] = {"A", "B", "C", "D", "E", "F"};
  cyf_load_options options = cyf_load_defaults();
  cyf_cell_set set;
  snprintf(path, sizeof(path), "%s/log.h5ad", test_folder);
  write_counts(path, names, 0.77);
  assert_ok(cyf_cell_set_load(path, &options, NULL, &set));
  assert_int_equal(set.values.kind, CYF_VALUES_LOG1P);
  assert_near(entry(&set, 0, 2), 0.77 * 3.0, 1e-6); /* as it is */
  assert_string_equal(set.label_note, "no label column was asked for");
  cyf_cell_set_destroy(&set);
  snprintf(path, sizeof(path), "%s/large.h5ad", test_folder);
  write_counts(path, names, 1000.3);
  assert_fails(cyf_cell_set_load(path, &options, NULL, &set), CYF_ERR_INPUT, "neither counts nor log-normalised");
  assert_fails(cyf_cell_set_load("/nonexistent/file.h5ad", &options, NULL, &set), CYF_ERR_INPUT,
               "/nonexistent/file.h5ad");
  assert_null(set.path);
}

/* ---- real data ---- */

/* Drops every entry of an odd gene, so that on joint components the cells are clearly not real ones. */
static void spoil(const cyf_csr *cells, cyf_csr_buffer *spoilt) {
  int32_t *index = NULL;
  float *value = NULL;
  assert_ok(CYF_NEW(&index, cells->n_genes));
  assert_ok(CYF_NEW(&value, cells->n_genes));
  cyf_csr_buffer_clear(spoilt, cells->n_genes);
  for (int64_t i = 0; i < cells->n_cells; i++) {
    int64_t nnz = 0;
    for (int64_t p = cells->indptr[i]; p < cells->indptr[i + 1]; p++) {
      if (cells->indices[p] % 2) continue;
      index[nnz] = cells->indices[p];
      value[nnz++] = cells->values[p];
    }
    assert_ok(cyf_csr_buffer_append(spoilt, nnz, index, value));
  }
  cyf_free(index);
  cyf_free(value);
}

static void real_cells_meet_their_ceiling(void **state) {
  (void)state;
  const char *folder = test_real_data_or_skip();
  /* Three disjoint parts of one shuffled data set of ten sorted types: the value must be about its ceiling. */
  char path[1024];
  cyf_cell_set set;
  cyf_load_options load = cyf_load_defaults();
  snprintf(path, sizeof(path), "%s/pbmc_facs.h5ad", folder);
  load.label = "cell_type";
  load.max_cells = 1500;
  assert_ok(cyf_cell_set_load(path, &load, NULL, &set));
  cyf_cells part[3];
  cyf_label_column labels[3];
  for (int k = 0; k < 3; k++) {
    part[k] = cyf_cell_set_view(&set);
    part[k].matrix = cyf_csr_rows(&part[k].matrix, 500 * k, 500);
    labels[k] = set.labels;
    labels[k].code += 500 * k;
    labels[k].n_cells = 500;
    part[k].labels = &labels[k];
  }
  cyf_evaluation e;
  cyf_evaluate_options options = cyf_evaluate_defaults();
  assert_ok(cyf_evaluate(&part[0], &part[1], &part[2], &options, &e));
  assert_true(e.mean_spearman.value > 0.9 && e.mean_pearson.value > 0.99 && e.variance_spearman.value > 0.85);
  assert_near(e.mean_pearson.value, e.mean_pearson.ceiling, 0.01);
  assert_near(e.mmd.value / e.mmd.ceiling, 1.0, 0.5);
  assert_near(e.ilisi.value, e.ilisi.ceiling, 0.1);
  assert_near(e.auc.value, 0.5, 0.12); /* 250 tested cells: standard error 0.037 */
  assert_true(e.labels.available && e.labels.n_classes == 10 && e.labels.accuracy_real > 0.75);
  assert_near(e.labels.accuracy_ratio, 1.0, 0.1);
  double mmd_of_real = e.mmd.value;
  cyf_evaluation_destroy(&e);

  cyf_csr_buffer spoilt = {0};
  spoil(&part[1].matrix, &spoilt);
  part[1].matrix = cyf_csr_view(&spoilt);
  assert_ok(cyf_evaluate(&part[0], &part[1], &part[2], &options, &e));
  assert_true(e.mmd.value > 5.0 * mmd_of_real);
  assert_true(e.auc.value > 0.95 && e.ilisi.value < 1.2);
  assert_true(e.mean_spearman.value < 0.8);
  cyf_evaluation_destroy(&e);
  cyf_csr_buffer_destroy(&spoilt);
  cyf_cell_set_destroy(&set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_loaded_and_normalised),
      cmocka_unit_test(other_values_are_known_or_refused),
      cmocka_unit_test(real_cells_meet_their_ceiling),
  };
  test_choose_checks();
  return cmocka_run_group_tests_name("evaluate: files", tests, set_up_folder, tear_down_folder);
}
