/* SPDX-License-Identifier: MIT */
/* What the .h5ad writer refuses, commit and abandon, and full disks. */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "h5ad_check.h"

enum { N_GENES = 40 };

static cyf_status append_one(cyf_h5ad_writer *writer, int32_t gene, float value) {
  const int64_t indptr[2] = {0, 1};
  const cyf_csr row = {1, N_GENES, indptr, &gene, &value, 0};
  return cyf_h5ad_writer_append_csr(writer, &row);
}

/* What does not fit is refused before it is written, and such a file can only be abandoned. */
static void what_does_not_fit_is_refused(void **state) {
  (void)state;
  char *path = in_folder("refused.h5ad");
  const struct {
    int bits;
    int32_t gene;
    float value;
    cyf_status code;
    const char *text;
  } cases[] = {{8, 0, 128, CYF_ERR_INPUT, "8-bit count (0 to 127)"},
               {16, 0, 32768, CYF_ERR_INPUT, "16-bit count (0 to 32767)"},
               {16, 3, 1.5f, CYF_ERR_INPUT, "value 1.5 of cell 1, gene 3"},
               {32, 0, -1, CYF_ERR_INPUT, "value -1"},
               {16, 0, NAN, CYF_ERR_INPUT, "nan"},
               {16, N_GENES, 1, CYF_ERR_INTERNAL, "gene 40"},
               {16, -1, 1, CYF_ERR_INTERNAL, "gene -1"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_NBIT, .data_bits = cases[i].bits};
    cyf_h5ad_writer *writer = NULL;
    assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
    assert_ok(append_one(writer, 5, 127));
    assert_fails(append_one(writer, cases[i].gene, cases[i].value), cases[i].code, cases[i].text);
    assert_int_equal(count_partials(path), 1);
    assert_fails(cyf_h5ad_writer_commit(&writer), CYF_ERR_INTERNAL, "refused.h5ad");
    assert_null(writer);
    assert_int_equal(count_partials(path), 0);
    assert_false(check_exists(path));
  }
  cyf_free(path);
}

/* Commit fails without gene names, and where anything has another number of rows than there are cells. Until then an
 * older file stays as it was. */
static void committing_needs_genes_and_whole_columns(void **state) {
  (void)state;
  char *path = in_folder("commit.h5ad");
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  const double numbers[2] = {1, 2};
  cyf_h5ad_writer *writer = NULL;
  h5ad_example example;
  h5ad_example_create(1, N_GENES, 5, false, &example);
  assert_ok(cyf_write_text_file(path, "older"));
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_fails(cyf_h5ad_writer_commit(&writer), CYF_ERR_INTERNAL, "without gene names");
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &example.genes));
  assert_ok(append_one(writer, 5, 1));
  assert_ok(cyf_h5ad_writer_add_numbers(writer, "age", numbers, 2));
  assert_fails(cyf_h5ad_writer_commit(&writer), CYF_ERR_INTERNAL, "'age' has 2 rows for 1 cells");
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_ok(cyf_h5ad_writer_add_numbers(writer, "age", numbers, 1));
  assert_fails(cyf_h5ad_writer_add_numbers(writer, "age", numbers, 1), CYF_ERR_INPUT, "'age' is given twice");
  cyf_h5ad_writer_abandon(&writer);
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_fails(cyf_h5ad_writer_add_numbers(writer, "_index", numbers, 1), CYF_ERR_INPUT, "'_index'");
  cyf_h5ad_writer_abandon(&writer);
  assert_null(writer);
  cyf_h5ad_writer_abandon(&writer);
  assert_int_equal(count_partials(path), 0);
  char *text = NULL;
  assert_ok(cyf_read_text_file(path, &text));
  assert_string_equal(text, "older");
  cyf_free(text);
  assert_fails(cyf_h5ad_writer_create("/no/such/folder/x.h5ad", 1, &options, &writer), CYF_ERR_IO,
               "/no/such/folder/x.h5ad");
  h5ad_example_destroy(&example);
  cyf_free(path);
}

/* Writes cells until something fails, and commits; the first failure's status. */
static cyf_status fill(const char *path, cyf_matrix_format format, int gzip, int64_t n_blocks) {
  const cyf_h5ad_options options = {.format = format, .gzip_level = gzip, .chunk_values = 4096};
  cyf_h5ad_writer *writer = NULL;
  h5ad_example example;
  h5ad_example_create(512, N_GENES, 100, false, &example);
  cyf_csr rows = cyf_csr_view(&example.rows);
  cyf_status status = cyf_h5ad_writer_create(path, N_GENES, &options, &writer);
  for (int64_t i = 0; i < n_blocks && status == CYF_OK; i++) status = cyf_h5ad_writer_append_csr(writer, &rows);
  if (status == CYF_OK) status = cyf_h5ad_writer_set_genes(writer, &example.genes);
  if (status == CYF_OK) {
    status = cyf_h5ad_writer_commit(&writer);
  } else {
    cyf_h5ad_writer_abandon(&writer);
  }
  h5ad_example_destroy(&example);
  return status;
}

/* A disk may be full at any point of the writing: there is one clear error, nothing is left behind, and HDF5 goes on
 * working. */
static void a_full_disk_is_one_clear_error(void **state) {
  (void)state;
  char *path = in_folder("full.h5ad");
  struct rlimit before, limit;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  for (int format = CYF_MATRIX_CSR_FLOAT32; format <= CYF_MATRIX_DENSE; format++) {
    for (rlim_t bytes = 0; bytes < 400000; bytes = bytes * 5 / 2 + 1000) {
      limit = before;
      limit.rlim_cur = bytes;
      assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
      const cyf_status status = fill(path, (cyf_matrix_format)format, (int)(bytes % 2), 40);
      assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
      assert_int_equal(status, CYF_ERR_IO);
      assert_non_null(strstr(cyf_status_message(), path));
      assert_non_null(strstr(cyf_status_message(), "File too large"));
      assert_false(check_exists(path));
      assert_int_equal(count_partials(path), 0);
      cyf_status_clear();
    }
  }
  assert_ok(fill(path, CYF_MATRIX_CSR_NBIT, 0, 3));
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), 3 * 512);
  cyf_h5ad_close(&file);
  cyf_free(path);
}

static void no_memory_is_left_over(void **state) {
  (void)state;
  assert_int_equal(cyf_memory_bytes_now(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(what_does_not_fit_is_refused, check_clear),
      cmocka_unit_test_setup(committing_needs_genes_and_whole_columns, check_clear),
      cmocka_unit_test_setup(a_full_disk_is_one_clear_error, check_clear),
      cmocka_unit_test(no_memory_is_left_over),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
