/* SPDX-License-Identifier: MIT */
/* Columns, names and matrices of every HDF5 type class: read exactly, or refused by what they are. What stock anndata
 * can read too is compared with it in test_h5ad_read (make_h5ad.py's "types"); here is the rest. */
#include <hdf5.h>

#include "base/files.h"
#include "data/h5ad/writer.h"
#include "data/hdf5/hdf5_lock.h"
#include "h5ad_check.h"

enum { N = 4, N_GENES = 3 };

static char *path;

static int setup(void **state) {
  set_up_folder(state);
  assert_ok(cyf_path_join(test_folder, "types.h5ad", &path));
  return 0;
}

static int teardown(void **state) {
  cyf_free(path);
  return tear_down_folder(state);
}

/* A sound file of N cells with the counts 1 to N in the first gene. */
static void write_sound(void) {
  static const int32_t first = 0;
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  cyf_csr_buffer_clear(&rows, N_GENES);
  for (int i = 0; i < N; i++) assert_ok(cyf_csr_buffer_append(&rows, 1, &first, &(float){(float)(i + 1)}));
  const cyf_csr view = cyf_csr_view(&rows);
  for (int g = 0; g < N_GENES; g++) {
    const char name[] = {'g', (char)('0' + g), '\0'};
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
}

/* Puts a dataset of `n` elements of the type, given in memory as the file has them, in the place of `name`; closes the
 * type. The columns of obs are then all that lies there. */
static void put(const char *name, hid_t type, hsize_t n, const void *values) {
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), obs = H5Gopen2(file, "obs", H5P_DEFAULT);
  hid_t space = H5Screate_simple(1, &n, NULL);
  if (H5Lexists(file, name, H5P_DEFAULT) > 0) assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
  hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  if (H5Aexists(obs, "column-order") > 0) assert_true(H5Adelete(obs, "column-order") >= 0);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Tclose(type);
  H5Gclose(obs);
  H5Fclose(file);
  cyf_hdf5_unlock();
}

static hid_t enumeration(hid_t base, int n, const char *const *names, const void *values, size_t size) {
  hid_t type = H5Tenum_create(base);
  for (int m = 0; m < n; m++) assert_true(H5Tenum_insert(type, names[m], (const char *)values + (size_t)m * size) >= 0);
  return type;
}

static hid_t text_type(size_t size, H5T_str_t padding) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  H5Tset_strpad(type, padding);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/* The labels of obs/c. */
static void check_labels(int n, const char *const *categories, const int32_t *codes) {
  cyf_h5ad *file = NULL;
  cyf_label_column labels = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_labels(file, "c", &labels));
  assert_int_equal(labels.categories.n, n);
  for (int c = 0; c < n; c++) assert_string_equal(labels.categories.name[c], categories[c]);
  assert_memory_equal(labels.code, codes, N * sizeof(*codes));
  cyf_label_column_destroy(&labels);
  cyf_h5ad_close(&file);
}

static void check_column_refused(const char *message) {
  cyf_h5ad *file = NULL;
  cyf_label_column labels = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_fails(cyf_h5ad_read_labels(file, "c", &labels), CYF_ERR_INPUT, message);
  cyf_h5ad_close(&file);
}

/* Besides, obs/c is told among what cannot be read, and not among the columns. */
static void check_class_refused(const char *what) {
  cyf_h5ad *file = NULL;
  cyf_names columns = {0}, unreadable = {0};
  char *expected = NULL;
  assert_ok(cyf_format(&expected, "column 'c' holds %s, which cannot be read", what));
  check_column_refused(expected);
  cyf_free(expected);
  assert_ok(cyf_format(&expected, "'c' (%s)", what));
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_list_columns(file, &columns));
  assert_ok(cyf_h5ad_list_unreadable(file, &unreadable));
  assert_int_equal(columns.n, 0);
  assert_int_equal(unreadable.n, 1);
  assert_string_equal(unreadable.name[0], expected);
  cyf_names_destroy(&columns);
  cyf_names_destroy(&unreadable);
  cyf_free(expected);
  cyf_h5ad_close(&file);
}

static void classes_that_are_no_column(void **state) {
  (void)state;
  static const char bytes[64] = {0};
  write_sound();
  hid_t opaque = H5Tcreate(H5T_OPAQUE, 8);
  H5Tset_tag(opaque, "NUMPY:M8[ns]");
  put("obs/c", opaque, N, bytes);
  check_class_refused("opaque bytes (NUMPY:M8[ns])");
  put("obs/c", H5Tcopy(H5T_STD_REF_OBJ), N, bytes);
  check_class_refused("references");
  put("obs/c", H5Tvlen_create(H5T_NATIVE_INT), N, (hvl_t[N]){{0, NULL}});
  check_class_refused("lists of varying length");
  put("obs/c", H5Tarray_create2(H5T_NATIVE_INT, 1, (hsize_t[]){2}), N, bytes);
  check_class_refused("arrays");
  hid_t complex = H5Tcreate(H5T_COMPOUND, 16);
  H5Tinsert(complex, "r", 0, H5T_NATIVE_DOUBLE);
  H5Tinsert(complex, "i", 8, H5T_NATIVE_DOUBLE);
  put("obs/c", complex, N, bytes);
  check_class_refused("compounds of 2 members");
  hid_t wide = H5Tcopy(H5T_STD_I64LE);
  H5Tset_size(wide, 16);
  put("obs/c", wide, N, bytes);
  check_class_refused("integers of 128 bits");
  hid_t bits = H5Tcopy(H5T_STD_B64LE);
  H5Tset_size(bits, 16);
  put("obs/c", bits, N, bytes);
  check_class_refused("bit fields of 128 bits");
}

static void enumerations_hold_their_members_names(void **state) {
  (void)state;
  static const char *const kinds[] = {"NK", "B", "T"}, *const sorted[] = {"B", "T", "NK"};
  const int32_t values[] = {70000, -5, 3}, column[N] = {3, 70000, -5, 3}, codes[N] = {1, 2, 0, 1};
  write_sound();
  put("obs/c", enumeration(H5T_NATIVE_INT32, 3, kinds, values, 4), N, column);
  check_labels(3, sorted, codes);
  const uint64_t large[] = {UINT64_MAX, 1, (uint64_t)1 << 63}, large_column[N] = {large[2], large[0], 1, large[2]};
  put("obs/c", enumeration(H5T_NATIVE_UINT64, 3, kinds, large, 8), N, large_column);
  check_labels(3, sorted, codes);
  const int32_t apart[N] = {3, 70000, -5, 4};
  put("obs/c", enumeration(H5T_NATIVE_INT32, 3, kinds, values, 4), N, apart);
  check_column_refused("'c' is an enumeration whose row 3 has the value 4, which none of its members has");
  /* big-endian bytes; HDF5's own conversion of the enumeration would make -1 of the last, which is a member */
  static const char *const two[] = {"a", "missing"};
  const uint16_t swapped[] = {0x0100, 0xFFFF}, swapped_column[N] = {0x0100, 0xFFFF, 0x0100, 0x0700};
  put("obs/c", enumeration(H5T_STD_I16BE, 2, two, swapped, 2), N, swapped_column);
  check_column_refused("row 3 has the value 7,");
}

static void booleans_are_false_and_true_alone(void **state) {
  (void)state;
  static const char *const logical[] = {"FALSE", "TRUE", "NA"}, *const yes_no[] = {"no", "yes"},
                           *const alone[] = {"TRUE"}, *const more[] = {"False", "True", "Maybe"};
  static const char *const booleans[] = {"False", "True"};
  const int8_t values[] = {0, 1, 2}, column[N] = {1, 2, 0, 1};
  write_sound();
  put("obs/c", enumeration(H5T_NATIVE_INT8, 3, logical, values, 1), N, column);
  check_labels(2, booleans, (const int32_t[N]){1, -1, 0, 1});
  put("obs/c", enumeration(H5T_NATIVE_INT8, 2, yes_no, values, 1), N, (const int8_t[N]){1, 1, 0, 1});
  check_labels(2, yes_no, (const int32_t[N]){1, 1, 0, 1});
  put("obs/c", enumeration(H5T_NATIVE_INT8, 1, alone, &values[1], 1), N, (const int8_t[N]){1, 1, 1, 1});
  check_labels(1, alone, (const int32_t[N]){0, 0, 0, 0});
  put("obs/c", enumeration(H5T_NATIVE_INT8, 3, more, values, 1), N, column);
  check_labels(3, more, (const int32_t[N]){1, 2, 0, 1});
}

static void numbers_that_int64_and_float64_cannot_hold(void **state) {
  (void)state;
  static const char *const categories[] = {"0", "9223372036854775807", "9223372036854775808", "18446744073709551615"};
  const uint64_t large[N] = {UINT64_MAX, 0, (uint64_t)1 << 63, INT64_MAX};
  write_sound();
  put("obs/c", H5Tcopy(H5T_NATIVE_UINT64), N, large);
  check_labels(4, categories, (const int32_t[N]){3, 0, 2, 1});
  put("obs/c", H5Tcopy(H5T_NATIVE_B64), N, large);
  check_labels(4, categories, (const int32_t[N]){3, 0, 2, 1});
  long double wide[N] = {0.5L, 1, 2, 3};
  put("obs/c", H5Tcopy(H5T_NATIVE_LDOUBLE), N, wide);
  static const char *const exact[] = {"0.5", "1", "2", "3"};
  check_labels(4, exact, (const int32_t[N]){0, 1, 2, 3});
  wide[2] = 2 + 0x1p-60L;
  put("obs/c", H5Tcopy(H5T_NATIVE_LDOUBLE), N, wide);
  check_column_refused("in row 2, which has more digits than float64");
  const uint16_t big_bits[N] = {0x0100, 0xFF00, 0, 0x0100};
  put("obs/c", H5Tcopy(H5T_STD_B16BE), N, big_bits);
  static const char *const bits[] = {"0", "1", "255"};
  check_labels(3, bits, (const int32_t[N]){1, 2, 0, 1});
}

static void padding_is_no_text_and_text_is_whole(void **state) {
  (void)state;
  static const char *const categories[] = {"a", "ab"};
  static const int32_t codes[N] = {0, 1, 1, 0};
  write_sound();
  put("obs/c", text_type(4, H5T_STR_NULLTERM), N, "a\0x\0ab\0\0ab\0ya\0\0z");
  check_labels(2, categories, codes);
  put("obs/c", text_type(4, H5T_STR_NULLPAD), N, "a\0\0\0ab\0\0ab\0\0a\0\0\0");
  check_labels(2, categories, codes);
  put("obs/c", text_type(4, H5T_STR_SPACEPAD), N, "a   ab  ab  a   ");
  check_labels(2, categories, codes);
  put("obs/c", text_type(4, H5T_STR_NULLPAD), N, "a\0\0\0a\0c\0ab\0\0a\0\0\0");
  check_column_refused("element 1 of c has a NUL byte within its text");
  put("obs/c", text_type(4, H5T_STR_SPACEPAD), N, "a   a\0c ab  a   ");
  check_column_refused("element 1 of c has a NUL byte within its text");
  put("obs/c", text_type(4, H5T_STR_NULLPAD), N, "a\0\0\0\xff\xfe\0\0ab\0\0a\0\0\0");
  check_column_refused("element 1 of c is not UTF-8 text");
}

/* Replaces the one occurrence of `from` in the file by as many bytes. */
static void patch(const char *from, const char *to, size_t n) {
  uint8_t *bytes = NULL;
  size_t size = 0, at = 0;
  assert_ok(cyf_read_bytes_file(path, &bytes, &size));
  while (at + n <= size && memcmp(bytes + at, from, n) != 0) at++;
  assert_true(at + n <= size);
  memcpy(bytes + at, to, n);
  assert_ok(cyf_write_bytes_file(path, bytes, size));
  cyf_free(bytes);
}

/* The file keeps a length; a C string would end at the NUL, and two names become one. */
static void variable_text_is_whole(void **state) {
  (void)state;
  const char *const texts[N] = {"cell_one", "cell_two", "cell_x12", ""};
  static const char *const categories[] = {"", "cell_one", "cell_two", "cell_x"};
  write_sound();
  put("obs/c", text_type(H5T_VARIABLE, H5T_STR_NULLTERM), N, texts);
  patch("cell_x12", "cell_x\0\0", 8); /* some writers store the C string's end */
  check_labels(4, categories, (const int32_t[N]){1, 2, 3, 0});
  patch("cell_two", "cell\0two", 8);
  check_column_refused("element 1 of c has a NUL byte within its text");
  write_sound();
  put("obs/_index", text_type(H5T_VARIABLE, H5T_STR_NULLTERM), N, texts);
  patch("cell_two", "cell\0two", 8);
  cyf_h5ad *file = NULL;
  char **names = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_fails(cyf_h5ad_read_cell_names(file, &names), CYF_ERR_INPUT, "element 1 of obs has a NUL byte");
  cyf_h5ad_close(&file);
}

static void check_values(const float *expected) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  cyf_csr_buffer_clear(&rows, N_GENES);
  assert_ok(cyf_h5ad_read_rows(file, 0, N, &rows));
  assert_memory_equal(rows.values, expected, N * sizeof(float));
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
}

static cyf_status read_rows(void) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  cyf_csr_buffer_clear(&rows, N_GENES);
  cyf_status status = cyf_h5ad_open(path, NULL, &file);
  if (status == CYF_OK) status = cyf_h5ad_read_rows(file, 0, N, &rows);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
  return status;
}

static void check_values_refused(const char *message) {
  assert_fails(read_rows(), CYF_ERR_INPUT, message);
}

static void matrices_of_every_class(void **state) {
  (void)state;
  static const char *const words[] = {"FALSE", "TRUE"}, *const turned[] = {"TRUE", "FALSE"},
                           *const kinds[] = {"a", "b"};
  const int8_t values[] = {0, 1}, ones[N] = {1, 1, 1, 1};
  static const char bytes[64] = {0};
  write_sound();
  put("X/data", H5Tcopy(H5T_STD_U16BE), N, (const uint16_t[N]){0x0100, 0x0200, 0x0300, 0xFFFF});
  check_values((const float[N]){1, 2, 3, 65535});
  put("X/data", H5Tcopy(H5T_IEEE_F32BE), N, (const uint32_t[N]){0x0000803F, 0x00000040, 0x00004040, 0x00008040});
  check_values((const float[N]){1, 2, 3, 4});
  put("X/data", enumeration(H5T_NATIVE_INT8, 2, words, values, 1), N, ones);
  check_values((const float[N]){1, 1, 1, 1});
  put("X/data", enumeration(H5T_NATIVE_INT8, 2, turned, values, 1), N, ones);
  check_values_refused("X/data holds an enumeration of 2 members over 8 bits, not numbers");
  put("X/data", enumeration(H5T_NATIVE_INT8, 2, kinds, values, 1), N, ones);
  check_values_refused("X/data holds an enumeration of 2 members over 8 bits, not numbers");
  put("X/data", H5Tcopy(H5T_STD_B16LE), N, bytes);
  check_values_refused("X/data holds bit fields of 16 bits, not numbers");
  put("X/data", H5Tcopy(H5T_STD_REF_OBJ), N, bytes);
  check_values_refused("X/data holds references, not numbers");
}

static void whole_numbers_beyond_float32(void **state) {
  (void)state;
  const float two_24 = 16777216.0F;
  write_sound();
  put("X/data", H5Tcopy(H5T_NATIVE_INT64), N, (const int64_t[N]){1, 2, 16777216, (int64_t)1 << 40});
  check_values((const float[N]){1, 2, two_24, 0x1p40F});
  put("X/data", H5Tcopy(H5T_NATIVE_INT32), N, (const int32_t[N]){1, 2, 3, 16777217});
  check_values_refused("X holds the whole number 16777217, which float32 cannot hold exactly");
  put("X/data", H5Tcopy(H5T_NATIVE_DOUBLE), N, (const double[N]){1, 2, 3, 16777217});
  check_values_refused("X holds the whole number 16777217");
  put("X/data", H5Tcopy(H5T_NATIVE_DOUBLE), N, (const double[N]){1, 2, 3, 16777217.25}); /* rounded, as fractions are */
  check_values((const float[N]){1, 2, 3, two_24 + 2});
  put("X/data", H5Tcopy(H5T_NATIVE_UINT64), N, (const uint64_t[N]){1, 2, 3, UINT64_MAX});
  check_values_refused("X holds the whole number 18446744073709551615");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(classes_that_are_no_column, check_clear),
      cmocka_unit_test_setup(enumerations_hold_their_members_names, check_clear),
      cmocka_unit_test_setup(booleans_are_false_and_true_alone, check_clear),
      cmocka_unit_test_setup(numbers_that_int64_and_float64_cannot_hold, check_clear),
      cmocka_unit_test_setup(padding_is_no_text_and_text_is_whole, check_clear),
      cmocka_unit_test_setup(variable_text_is_whole, check_clear),
      cmocka_unit_test_setup(matrices_of_every_class, check_clear),
      cmocka_unit_test_setup(whole_numbers_beyond_float32, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
