/* SPDX-License-Identifier: MIT */
/* Obs columns copied from one file to another keep their kind. */
#include <hdf5.h>

#include "base/files.h"
#include "data/h5ad/writer.h"
#include "data/hdf5/hdf5_lock.h"
#include "h5ad_check.h"

enum { N_CELLS = 4, N_GENES = 2 };
static const int32_t whole[N_CELLS] = {7, -3, 0, 2147483647};
static const int8_t flags[N_CELLS] = {1, 0, 0, 1};
static const float reals[N_CELLS] = {0.1F, -2, 3e30F, 0};
static const char *const texts[N_CELLS] = {"a", "", "\xc3\xa9", "a"};

static char *source_path, *copy_path;

static int setup(void **state) {
  set_up_folder(state);
  assert_ok(cyf_path_join(test_folder, "source.h5ad", &source_path));
  assert_ok(cyf_path_join(test_folder, "copy.h5ad", &copy_path));
  return 0;
}

static int teardown(void **state) {
  cyf_free(source_path);
  cyf_free(copy_path);
  return tear_down_folder(state);
}

static cyf_h5ad_writer *start_file(const char *path, int64_t n_cells, int64_t n_genes) {
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  assert_ok(cyf_h5ad_writer_create(path, n_genes, &options, &writer));
  cyf_csr_buffer_clear(&rows, n_genes);
  for (int64_t i = 0; i < n_cells; i++) assert_ok(cyf_csr_buffer_append(&rows, 0, NULL, NULL));
  const cyf_csr view = cyf_csr_view(&rows);
  if (n_cells > 0) assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  for (int64_t g = 0; g < n_genes; g++) {
    char name[24];
    snprintf(name, sizeof(name), "g%lld", (long long)g);
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  return writer;
}

/* ---- with HDF5 alone ---- */

static hid_t boolean_type(void) {
  const int8_t no = 0, yes = 1;
  hid_t type = H5Tenum_create(H5T_STD_I8LE);
  H5Tenum_insert(type, "FALSE", &no);
  H5Tenum_insert(type, "TRUE", &yes);
  return type;
}

static void put(hid_t parent, const char *name, hid_t file_type, hid_t memory_type, const void *values) {
  const hsize_t n = N_CELLS;
  hid_t space = H5Screate_simple(1, &n, NULL);
  hid_t dataset = H5Dcreate2(parent, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(dataset >= 0 && H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Sclose(space);
}

/* A file of our own, with columns added that our writer has no call for. */
static void write_source(void) {
  char attribute[] = "stage", early[] = "early", late[] = "late", *names[] = {early, late};
  int32_t codes[N_CELLS] = {1, -1, 0, 1};
  const cyf_label_column stage = {attribute, {.name = names, .n = 2}, codes, N_CELLS};
  cyf_h5ad_writer *writer = start_file(source_path, N_CELLS, N_GENES);
  assert_ok(cyf_h5ad_writer_add_labels(writer, &stage));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_hdf5_lock();
  hid_t file = H5Fopen(source_path, H5F_ACC_RDWR, H5P_DEFAULT), obs = H5Gopen2(file, "obs", H5P_DEFAULT);
  hid_t boolean = boolean_type(), text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, H5T_VARIABLE);
  H5Tset_cset(text, H5T_CSET_UTF8);
  put(obs, "whole", H5T_STD_I32LE, H5T_NATIVE_INT32, whole);
  put(obs, "flag", boolean, boolean, flags);
  put(obs, "real", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, reals);
  put(obs, "text", text, text, texts);
  hid_t group = H5Gcreate2(obs, "some whole", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  put(group, "values", H5T_STD_I32LE, H5T_NATIVE_INT32, whole);
  put(group, "mask", boolean, boolean, flags);
  H5Gclose(group);
  hid_t categorical = H5Gopen2(obs, "stage", H5P_DEFAULT), ordered = H5Aopen(categorical, "ordered", H5P_DEFAULT);
  const int8_t yes = 1;
  assert_true(H5Awrite(ordered, boolean, &yes) >= 0);
  assert_true(H5Adelete(obs, "column-order") >= 0); /* then all that lies in obs is a column */
  H5Aclose(ordered);
  H5Gclose(categorical);
  H5Tclose(text);
  H5Tclose(boolean);
  H5Gclose(obs);
  H5Fclose(file);
  cyf_hdf5_unlock();
}

static void copy_obs(const char *from, const char *matrix, const char *to) {
  cyf_h5ad *file = NULL;
  cyf_names columns = {0};
  char **names = NULL;
  assert_ok(cyf_h5ad_open(from, matrix, &file));
  const int64_t n = cyf_h5ad_n_cells(file);
  cyf_h5ad_writer *writer = start_file(to, n, 1);
  assert_ok(cyf_h5ad_read_cell_names(file, &names));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)names, n));
  for (int64_t i = 0; i < n; i++) cyf_free(names[i]);
  cyf_free(names);
  assert_ok(cyf_h5ad_list_columns(file, &columns));
  for (int64_t c = 0; c < columns.n; c++) assert_ok(cyf_h5ad_copy_column(file, columns.name[c], writer));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_names_destroy(&columns);
  cyf_h5ad_close(&file);
}

/* The dataset has this type in the file and, read as `memory_type`, these values. */
static void check_values(hid_t file, const char *name, hid_t file_type, hid_t memory_type, const void *values,
                         size_t size) {
  unsigned char read[N_CELLS * 8];
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(dataset);
  assert_true(H5Tequal(type, file_type) > 0);
  assert_true(H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, read) >= 0);
  assert_memory_equal(read, values, N_CELLS * size);
  H5Tclose(type);
  H5Dclose(dataset);
}

static void check_encoding(hid_t file, const char *name, const char *expected) {
  hid_t object = H5Oopen(file, name, H5P_DEFAULT), attribute = H5Aopen(object, "encoding-type", H5P_DEFAULT);
  hid_t type = H5Aget_type(attribute);
  char *encoding = NULL;
  assert_true(H5Tis_variable_str(type) > 0 && H5Aread(attribute, type, &encoding) >= 0);
  assert_string_equal(encoding, expected);
  H5free_memory(encoding);
  H5Tclose(type);
  H5Aclose(attribute);
  H5Oclose(object);
}

static void check_copy(const char *path) {
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), boolean = boolean_type();
  check_values(file, "obs/whole", H5T_STD_I64LE, H5T_NATIVE_INT32, whole, sizeof(whole[0]));
  check_values(file, "obs/flag", boolean, boolean, flags, sizeof(flags[0]));
  check_values(file, "obs/real", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, reals, sizeof(reals[0]));
  check_values(file, "obs/some whole/values", H5T_STD_I64LE, H5T_NATIVE_INT32, whole, sizeof(whole[0]));
  check_values(file, "obs/some whole/mask", boolean, boolean, flags, sizeof(flags[0]));
  check_encoding(file, "obs/whole", "array");
  check_encoding(file, "obs/flag", "array");
  check_encoding(file, "obs/text", "string-array");
  check_encoding(file, "obs/some whole", "nullable-integer");
  check_encoding(file, "obs/stage", "categorical");
  hid_t stage = H5Gopen2(file, "obs/stage", H5P_DEFAULT), attribute = H5Aopen(stage, "ordered", H5P_DEFAULT);
  int8_t ordered = 0;
  assert_true(H5Aread(attribute, boolean, &ordered) >= 0);
  assert_int_equal(ordered, 1);
  H5Aclose(attribute);
  H5Gclose(stage);
  H5Tclose(boolean);
  H5Fclose(file);
  cyf_hdf5_unlock();
  cyf_h5ad *read = NULL;
  cyf_label_column text = {0}, stages = {0}, some = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &read));
  assert_ok(cyf_h5ad_read_labels(read, "text", &text));
  for (int64_t i = 0; i < N_CELLS; i++) assert_string_equal(text.categories.name[text.code[i]], texts[i]);
  assert_ok(cyf_h5ad_read_labels(read, "stage", &stages));
  static const int32_t codes[N_CELLS] = {1, -1, 0, 1};
  assert_memory_equal(stages.code, codes, sizeof(codes));
  assert_string_equal(stages.categories.name[0], "early");
  assert_ok(cyf_h5ad_read_labels(read, "some whole", &some));
  for (int64_t i = 0; i < N_CELLS; i++) assert_true((some.code[i] < 0) == (flags[i] == 1));
  cyf_label_column_destroy(&text);
  cyf_label_column_destroy(&stages);
  cyf_label_column_destroy(&some);
  cyf_h5ad_close(&read);
}

static void columns_keep_their_kind(void **state) {
  (void)state;
  char *again = NULL;
  write_source();
  copy_obs(source_path, NULL, copy_path);
  check_copy(copy_path);
  assert_ok(cyf_path_join(test_folder, "again.h5ad", &again)); /* a copy of a copy is the same */
  copy_obs(copy_path, NULL, again);
  check_copy(again);
  cyf_free(again);
}

static void what_cannot_be_copied_is_told(void **state) {
  (void)state;
  cyf_h5ad *file = NULL;
  write_source();
  assert_ok(cyf_h5ad_open(source_path, NULL, &file));
  cyf_h5ad_writer *writer = start_file(copy_path, N_CELLS, N_GENES);
  assert_fails(cyf_h5ad_copy_column(file, "wholes", writer), CYF_ERR_INPUT, "no column 'wholes'");
  cyf_h5ad_writer_abandon(&writer);
  writer = start_file(copy_path, N_CELLS, N_GENES);
  assert_ok(cyf_h5ad_copy_column(file, "whole", writer));
  assert_fails(cyf_h5ad_copy_column(file, "whole", writer), CYF_ERR_INPUT, "given twice");
  cyf_h5ad_writer_abandon(&writer);
  cyf_h5ad_close(&file);
}

/* ---- every encoding that anndata has had ---- */

static void anndata_reads_the_same(void **state) {
  (void)state;
  const char *python = test_python_or_skip(), *source = test_source();
  char *command = NULL, *list = NULL, line[512];
  assert_ok(cyf_format(&command, "'%s' '%s/tests/interchange/make_h5ad.py' '%s/variants' > '%s/log' 2>&1", python,
                       source, test_folder, test_folder));
  assert_int_equal(system(command), 0);
  cyf_free(command);
  assert_ok(cyf_format(&list, "%s/variants/variants.tsv", test_folder));
  FILE *in = fopen(list, "r");
  int n_copied = 0;
  assert_non_null(in);
  while (fgets(line, sizeof(line), in)) {
    char name[128] = "", matrix[128] = "", from[256], to[256];
    assert_int_equal(sscanf(line, "%127s %127s", name, matrix), 2);
    if (!strstr(name, "labels") && !strstr(name, "compound") && strcmp(name, "references") != 0 &&
        strcmp(name, "types") != 0)
      continue;
    snprintf(from, sizeof(from), "%s/variants/%s.h5ad", test_folder, name);
    snprintf(to, sizeof(to), "%s/copied.h5ad", test_folder);
    copy_obs(from, matrix, to);
    assert_ok(cyf_format(&command, "'%s' '%s/tests/interchange/compare_obs.py' '%s' '%s' >> '%s/log'", python, source,
                         from, to, test_folder));
    if (system(command) != 0) fail_msg("the columns of %s differ", name);
    cyf_free(command);
    n_copied++;
  }
  assert_true(n_copied >= 6);
  fclose(in);
  cyf_free(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(columns_keep_their_kind, check_clear),
      cmocka_unit_test_setup(what_cannot_be_copied_is_told, check_clear),
      cmocka_unit_test_setup(anndata_reads_the_same, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
