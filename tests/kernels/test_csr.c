/* SPDX-License-Identifier: MIT */
/* Sparse batches: growth, views, log-normalisation. */
#include "kernels/csr.h"
#include "kernels/math/normalisation.h"
#include "support.h"

static void buffer_grows_row_by_row(void **state) {
  (void)state;
  cyf_csr_buffer buffer = {0};
  cyf_csr_buffer_clear(&buffer, 50);
  cyf_csr view = cyf_csr_view(&buffer);
  assert_int_equal(view.n_cells, 0);
  assert_int_equal(view.indptr[0], 0);
  for (int64_t row = 0; row < 3000; ++row) {
    int32_t genes[50];
    float values[50];
    const int64_t nnz = row % 51;
    for (int64_t k = 0; k < nnz; ++k) {
      genes[k] = (int32_t)k;
      values[k] = (float)(row + k);
    }
    assert_ok(cyf_csr_buffer_append(&buffer, nnz, genes, values));
  }
  view = cyf_csr_view(&buffer);
  assert_int_equal(view.n_cells, 3000);
  assert_int_equal(view.n_genes, 50);
  for (int64_t row = 0; row < 3000; ++row) {
    assert_int_equal(view.indptr[row + 1] - view.indptr[row], row % 51);
    for (int64_t k = 0; k < row % 51; ++k) {
      assert_int_equal(view.indices[view.indptr[row] + k], k);
      assert_true(view.values[view.indptr[row] + k] == (float)(row + k));
    }
  }
  cyf_csr_buffer_destroy(&buffer);
  assert_null(buffer.indptr);
  cyf_csr_buffer_destroy(&buffer);
  cyf_csr_buffer_destroy(NULL);
}

static void clearing_keeps_memory(void **state) {
  (void)state;
  cyf_csr_buffer buffer = {0};
  assert_ok(cyf_csr_buffer_reserve(&buffer, 10, 100));
  cyf_csr_buffer_clear(&buffer, 8);
  const int64_t *indptr = buffer.indptr;
  const int32_t genes[2] = {1, 7};
  const float values[2] = {2.0f, 3.0f};
  for (int i = 0; i < 10; ++i) assert_ok(cyf_csr_buffer_append(&buffer, 2, genes, values));
  assert_ptr_equal(buffer.indptr, indptr);
  cyf_csr_buffer_clear(&buffer, 9);
  assert_int_equal(cyf_csr_view(&buffer).n_cells, 0);
  assert_int_equal(cyf_csr_view(&buffer).n_genes, 9);
  assert_ok(cyf_csr_buffer_append(&buffer, 0, NULL, NULL));
  assert_ok(cyf_csr_buffer_append(&buffer, 2, genes, values));
  const cyf_csr view = cyf_csr_view(&buffer);
  assert_int_equal(view.indptr[1], 0);
  assert_int_equal(view.indptr[2], 2);
  cyf_csr_buffer_destroy(&buffer);
}

static void reserving_keeps_contents(void **state) {
  (void)state;
  cyf_csr_buffer buffer = {0};
  const int32_t gene = 3;
  const float value = 4.0f;
  cyf_csr_buffer_clear(&buffer, 5);
  assert_ok(cyf_csr_buffer_append(&buffer, 1, &gene, &value));
  assert_ok(cyf_csr_buffer_reserve(&buffer, 1000, 100000));
  assert_int_equal(buffer.n_cells, 1);
  assert_int_equal(buffer.indptr[1], 1);
  assert_int_equal(buffer.indices[0], 3);
  assert_true(buffer.values[0] == 4.0f);
  assert_ok(cyf_csr_buffer_reserve(&buffer, 1, 1)); /* never shrinks */
  assert_int_equal(buffer.cells_capacity, 1000);
  cyf_csr_buffer_destroy(&buffer);
}

static void a_window_of_rows_shares_the_arrays(void **state) {
  (void)state;
  const int64_t indptr[5] = {0, 2, 2, 5, 6};
  const int32_t indices[6] = {0, 3, 1, 2, 3, 0};
  const float values[6] = {1, 2, 3, 4, 5, 6};
  const cyf_csr matrix = {4, 4, indptr, indices, values, 0};
  const cyf_csr rows = cyf_csr_rows(&matrix, 2, 2);
  assert_int_equal(rows.n_cells, 2);
  assert_int_equal(rows.n_genes, 4);
  assert_int_equal(rows.indptr[0], 2); /* not zero: entries are found through indptr alone */
  assert_true(rows.values[rows.indptr[1]] == 6.0f);
}

/* Long rows use a table of logarithms of small counts. Results are the formula's bit for bit, also for values between
 * the table's entries and beyond them. */
static void long_rows_follow_the_formula(void **state) {
  (void)state;
  enum { N = 300 };
  float values[N];
  double total = 0;
  for (int i = 0; i < N; ++i) values[i] = i % 7 == 0 ? 0.5f * (float)i : (float)(i % 23);
  for (int i = 0; i < N; ++i) total += values[i];
  double expected[N];
  for (int i = 0; i < N; ++i) expected[i] = log1p((double)values[i] * CYF_NORMALISED_TOTAL / total);
  const int64_t indptr[2] = {0, N};
  cyf_csr_log_normalize(1, indptr, values, CYF_NORMALISED_TOTAL);
  for (int i = 0; i < N; ++i) TEST_AT_MOST(test_relative(values[i], expected[i]), 1e-6);
}

static void log_normalize_follows_its_formula(void **state) {
  (void)state;
  assert_true(CYF_NORMALISED_TOTAL == 1e4); /* what models of today were trained on */
  assert_string_equal(CYF_NORMALISED_TOTAL_TEXT, "1e4");
  const int64_t indptr[5] = {1, 4, 4, 6, 7};
  float values[7] = {99.0f, 1.0f, 2.0f, 7.0f, 0.0f, 0.0f, 1234.0f};
  cyf_csr_log_normalize(4, indptr, values, CYF_NORMALISED_TOTAL);
  assert_true(values[0] == 99.0f); /* before the window */
  TEST_AT_MOST(test_relative(values[1], log1p(1.0 / 10.0 * CYF_NORMALISED_TOTAL)), 1e-6);
  TEST_AT_MOST(test_relative(values[2], log1p(2.0 / 10.0 * CYF_NORMALISED_TOTAL)), 1e-6);
  TEST_AT_MOST(test_relative(values[3], log1p(7.0 / 10.0 * CYF_NORMALISED_TOTAL)), 1e-6);
  assert_true(values[4] == 0.0f && values[5] == 0.0f); /* a total of zero stays zero */
  TEST_AT_MOST(test_relative(values[6], log1p(CYF_NORMALISED_TOTAL)), 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buffer_grows_row_by_row),           cmocka_unit_test(clearing_keeps_memory),
      cmocka_unit_test(reserving_keeps_contents),          cmocka_unit_test(a_window_of_rows_shares_the_arrays),
      cmocka_unit_test(log_normalize_follows_its_formula), cmocka_unit_test(long_rows_follow_the_formula),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
