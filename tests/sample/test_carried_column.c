/* SPDX-License-Identifier: MIT */
/* Columns of real cells in files of generated ones: no number changes. */
#include <unistd.h>

#include "base/memory.h"
#include "check.h"
#include "data/h5ad/reader.h"
#include "sample/carried_column.h"

enum { N_REAL = 3, N = 5 };

/* Writes a column of N cells, of which the first N_REAL have these labels, and checks what is read back. */
static void check_carried(const char *const labels[N_REAL], bool stays_numeric) {
  cyf_label_column from = {.n_cells = N_REAL}, back = {0};
  cyf_names genes = {0};
  cyf_csr_buffer rows = {0};
  cyf_h5ad_writer *writer = NULL;
  cyf_h5ad *file = NULL;
  bool is_numeric = false;
  assert_ok(CYF_NEW(&from.code, N_REAL));
  for (int i = 0; i < N_REAL; i++) {
    assert_ok(cyf_names_add(&from.categories, labels[i], NULL));
    from.code[i] = i;
  }
  assert_ok(cyf_names_add(&genes, "gene", NULL));
  cyf_csr_buffer_clear(&rows, 1);
  for (int i = 0; i < N; i++) assert_ok(cyf_csr_buffer_append(&rows, 0, NULL, NULL));
  const cyf_csr matrix = cyf_csr_view(&rows);
  const cyf_h5ad_options options = {0};
  remove("carried.h5ad");
  assert_ok(cyf_h5ad_writer_create("carried.h5ad", 1, &options, &writer));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &matrix));
  assert_ok(cyf_write_carried_column(&from, true, "number", N, writer));
  assert_ok(cyf_h5ad_writer_commit(&writer));

  assert_ok(cyf_h5ad_open("carried.h5ad", NULL, &file));
  assert_ok(cyf_h5ad_column_is_numeric(file, "number", &is_numeric));
  assert_int_equal(is_numeric, stays_numeric);
  assert_ok(cyf_h5ad_read_labels(file, "number", &back));
  assert_int_equal(back.n_cells, N);
  for (int i = 0; i < N_REAL; i++) assert_string_equal(back.categories.name[back.code[i]], labels[i]);
  for (int i = N_REAL; i < N; i++) assert_int_equal(back.code[i], -1);
  cyf_h5ad_close(&file);
  cyf_label_column_destroy(&back);
  cyf_label_column_destroy(&from);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
}

static void numbers_stay_numbers(void **state) {
  (void)state;
  check_carried((const char *const[]){"0.1", "-12.75", "inf"}, true);
  check_carried((const char *const[]){"9007199254740992", "-9007199254740992", "4503599627370497"}, true);
}

/* 2^53 + 1 and its like are between two float64. */
static void whole_numbers_that_float64_lacks_stay_what_they_are(void **state) {
  (void)state;
  check_carried((const char *const[]){"1", "9007199254740993", "2"}, false);
  check_carried((const char *const[]){"1", "-9223372036854775807", "18446744073709551615"}, false);
}

static int set_up(void **state) {
  return set_up_folder(state) != 0 ? -1 : chdir(test_folder);
}

static int tear_down(void **state) {
  return chdir("/") != 0 ? -1 : tear_down_folder(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_stay_numbers),
      cmocka_unit_test(whole_numbers_that_float64_lacks_stay_what_they_are),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
