/* SPDX-License-Identifier: MIT */
/* Principal components, exact and randomised, against scikit-learn's. */
#include "evaluate/measures/pca.h"
#include "evaluate_check.h"

/* Real, then synthetic cells: the rows that the references use. */
static void joint_rows(cyf_cell_set *real, cyf_cell_set *synthetic, int64_t n_first, cyf_rows *ret_rows) {
  cyf_csr a, b;
  cyf_rows first, second;
  reference_cells("real", real);
  reference_cells("synthetic", synthetic);
  a = cyf_csr_view(&real->matrix);
  b = cyf_csr_view(&synthetic->matrix);
  assert_ok(cyf_rows_create(&a, NULL, 0, &first));
  assert_ok(cyf_rows_create(&b, NULL, 0, &second));
  assert_ok(cyf_rows_stack(&first, &second, ret_rows));
  if (n_first > 0) ret_rows->n_cells = n_first;
  cyf_rows_destroy(&first);
  cyf_rows_destroy(&second);
}

static void check_pca(const char *name, int64_t n_cells, int64_t exact_limit, double tolerance) {
  char dataset[64];
  cyf_cell_set real, synthetic;
  cyf_rows rows;
  cyf_pca pca;
  int64_t shape[4];
  joint_rows(&real, &synthetic, n_cells, &rows);
  assert_ok(cyf_pca_fit(&rows, 20, exact_limit, 5, &pca));
  assert_int_equal(pca.n_components, 20);
  assert_int_equal(pca.randomised, exact_limit < 60);
  snprintf(dataset, sizeof(dataset), "pca/%s_variance", name);
  double *variance = reference(dataset, NULL);
  snprintf(dataset, sizeof(dataset), "pca/%s_loadings", name);
  double *loadings = reference(dataset, shape);
  snprintf(dataset, sizeof(dataset), "pca/%s_total", name);
  double *total = reference(dataset, NULL);
  assert_near(pca.total_variance, total[0], 1e-9 * total[0]);
  for (int64_t j = 0; j < 20; j++) assert_near(pca.variance[j], variance[j], tolerance * variance[0]);
  for (int64_t j = 0; j < 20; j++) {
    double dot = 0.0; /* signs are fixed on both sides, so the components themselves must agree */
    for (int64_t gene = 0; gene < shape[0]; gene++) dot += pca.loadings[gene * 20 + j] * loadings[gene * 20 + j];
    assert_near(dot, 1.0, tolerance);
  }
  cyf_free(variance);
  cyf_free(loadings);
  cyf_free(total);
  cyf_pca_destroy(&pca);
  cyf_rows_destroy(&rows);
  cyf_cell_set_destroy(&real);
  cyf_cell_set_destroy(&synthetic);
}

static void principal_components_are_the_references(void **state) {
  (void)state;
  check_pca("tall", 0, 4000, 1e-9);  /* 220 cells x 80 genes: the genes' Gram matrix */
  check_pca("wide", 60, 4000, 1e-9); /* 60 cells x 80 genes: the cells' */
  check_pca("tall", 0, 10, 1e-5);    /* randomised */
  check_pca("wide", 60, 10, 1e-5);
}

static void scores_are_projections_on_the_components(void **state) {
  (void)state;
  cyf_cell_set real, synthetic;
  cyf_rows rows;
  cyf_pca pca;
  double *scores = NULL;
  joint_rows(&real, &synthetic, 0, &rows);
  assert_ok(cyf_pca_fit(&rows, 10, 4000, 0, &pca));
  assert_ok(CYF_NEW(&scores, rows.n_cells * 10));
  assert_ok(cyf_pca_project(&pca, &rows, scores));
  for (int64_t j = 0; j < 10; j++) {
    for (int64_t k = 0; k <= j; k++) { /* scores have mean 0, variance as said, and no correlation */
      double sum = 0.0, product = 0.0;
      for (int64_t i = 0; i < rows.n_cells; i++) {
        sum += scores[i * 10 + j];
        product += scores[i * 10 + j] * scores[i * 10 + k];
      }
      assert_near(sum, 0.0, 1e-8);
      assert_near(product / (double)(rows.n_cells - 1), j == k ? pca.variance[j] : 0.0, 1e-9 * pca.variance[0]);
    }
  }
  cyf_free(scores);
  cyf_pca_destroy(&pca);
  cyf_rows_destroy(&rows);
  cyf_cell_set_destroy(&real);
  cyf_cell_set_destroy(&synthetic);
}

static void there_are_no_more_components_than_the_rank(void **state) {
  (void)state;
  /* Five cells on a line through gene space: one component, whatever was asked for; then all equal: none. */
  double dense[5 * 4] = {0};
  cyf_csr_buffer matrix = {0};
  cyf_pca pca;
  for (int i = 0; i < 5; i++) {
    dense[i * 4 + 1] = 1.0 + i;
    dense[i * 4 + 3] = 2.0 * (1.0 + i);
  }
  for (int equal = 0; equal < 2; equal++) {
    cyf_rows rows;
    cyf_csr_buffer_clear(&matrix, 4);
    for (int i = 0; i < 5; i++) assert_ok(append_dense(1, 4, equal ? dense : dense + i * 4, &matrix));
    cyf_csr view = cyf_csr_view(&matrix);
    assert_ok(cyf_rows_create(&view, NULL, 0, &rows));
    assert_ok(cyf_pca_fit(&rows, 50, 4000, 0, &pca));
    assert_int_equal(pca.n_components, equal ? 0 : 1);
    if (!equal) assert_near(pca.variance[0], 5.0 * 2.5, 1e-9);
    cyf_pca_destroy(&pca);
    cyf_rows_destroy(&rows);
  }
  cyf_csr_buffer_clear(&matrix, 4);
  dense[1] = NAN;
  assert_ok(append_dense(5, 4, dense, &matrix));
  cyf_csr view = cyf_csr_view(&matrix);
  cyf_rows rows;
  assert_ok(cyf_rows_create(&view, NULL, 0, &rows));
  assert_fails(cyf_pca_fit(&rows, 50, 4000, 0, &pca), CYF_ERR_NUMERIC, "finite");
  cyf_rows_destroy(&rows);
  cyf_csr_buffer_destroy(&matrix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(principal_components_are_the_references),
      cmocka_unit_test(scores_are_projections_on_the_components),
      cmocka_unit_test(there_are_no_more_components_than_the_rank),
  };
  return cmocka_run_group_tests_name("evaluate: principal components", tests, NULL, NULL);
}
