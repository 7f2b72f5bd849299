/* SPDX-License-Identifier: MIT */
/* Damaged, hostile and unsuitable .h5ad files: each is refused with a message that names the file and what is wrong. */
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "data/hdf5/hdf5_lock.h"
#include "h5ad_check.h"

enum { N_CELLS = 30, N_GENES = 20 };

/* A sound file: X of float32 (CSR or dense), a label. */
static void write_sound(const char *path, cyf_matrix_format format, int gzip) {
  const cyf_h5ad_options options = {.format = format, .gzip_level = gzip};
  cyf_h5ad_writer *writer = NULL;
  h5ad_example example;
  h5ad_example_create(N_CELLS, N_GENES, 9, false, &example);
  const cyf_csr rows = cyf_csr_view(&example.rows);
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &rows));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &example.genes));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)example.cells.name, N_CELLS));
  assert_ok(cyf_h5ad_writer_add_labels(writer, &example.labels));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  h5ad_example_destroy(&example);
}

/* Opens, and reads everything that there is: the first failure. */
static cyf_status read_all(const char *path, const char *matrix) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  cyf_label_column labels = {0};
  char **cells = NULL;
  cyf_status status = cyf_h5ad_open(path, matrix, &file);
  if (status == CYF_OK) {
    cyf_csr_buffer_clear(&rows, cyf_h5ad_n_genes(file));
    status = cyf_h5ad_read_rows(file, 0, cyf_h5ad_n_cells(file), &rows);
  }
  if (status == CYF_OK) status = cyf_h5ad_read_genes(file, NULL, &genes);
  if (status == CYF_OK) status = cyf_h5ad_read_labels(file, "cell type", &labels);
  if (status == CYF_OK) status = cyf_h5ad_read_cell_names(file, &cells);
  for (int64_t i = 0; cells && i < cyf_h5ad_n_cells(file); i++) cyf_free(cells[i]);
  cyf_free(cells);
  cyf_label_column_destroy(&labels);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
  return status;
}

static void files_that_are_not_hdf5_are_told(void **state) {
  (void)state;
  char *path = in_folder("no.h5ad");
  cyf_h5ad *file = NULL;
  assert_fails(cyf_h5ad_open(path, NULL, &file), CYF_ERR_INPUT, "no.h5ad: no such file");
  assert_fails(cyf_h5ad_open(test_folder, NULL, &file), CYF_ERR_INPUT, "is a folder");
  assert_ok(cyf_write_text_file(path, ""));
  assert_fails(cyf_h5ad_open(path, NULL, &file), CYF_ERR_INPUT, "no.h5ad: the file is empty");
  assert_ok(cyf_write_text_file(path, "cell,gene,count\n"));
  assert_fails(cyf_h5ad_open(path, NULL, &file), CYF_ERR_INPUT, "no.h5ad: not an HDF5 file");
  assert_null(file);
  cyf_h5ad_close(&file);
  cyf_free(path);
}

/* Cut anywhere, a file is an error, never a crash; HDF5 itself tells how much is missing. */
static void a_truncated_file_is_an_error(void **state) {
  (void)state;
  char *path = in_folder("cut.h5ad");
  write_sound(path, CYF_MATRIX_CSR_FLOAT32, 0);
  const int64_t size = check_size(path);
  for (int64_t left = size - 1; left > 8; left = left * 9 / 10) {
    assert_int_equal(truncate(path, left), 0);
    assert_int_equal(read_all(path, NULL), CYF_ERR_INPUT);
    assert_non_null(strstr(cyf_status_message(), path));
    assert_non_null(strstr(cyf_status_message(), left > 100 ? "truncated" : ""));
    cyf_status_clear();
  }
  cyf_free(path);
}

/* ---- one thing wrong in an otherwise sound file ---- */

typedef enum edit_kind {
  SET_VALUE,
  SET_SHAPE,
  SET_ENCODING,
  DROP,
  REPLACE_BY_HUGE,
  REPLACE_BY_TEXT,
  REPLACE_BY_SHORT
} edit_kind;

typedef struct edit {
  cyf_matrix_format format;
  edit_kind kind;
  const char *object;
  int64_t at, second; /* element and (dense) column; or the shape */
  double value;
  const char *message;
} edit;

static void replace(hid_t file, const edit *how) {
  hsize_t huge = (hsize_t)1 << 60, chunk = 4096, few = 3;
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE), text = H5Tcopy(H5T_C_S1);
  const bool is_huge = how->kind == REPLACE_BY_HUGE;
  assert_true(H5Ldelete(file, how->object, H5P_DEFAULT) >= 0);
  if (is_huge) assert_true(H5Pset_chunk(creation, 1, &chunk) >= 0);
  hid_t space = H5Screate_simple(1, is_huge ? &huge : &few, NULL);
  hid_t type = how->kind == REPLACE_BY_TEXT ? text : H5T_NATIVE_INT64;
  hid_t dataset = H5Dcreate2(file, how->object, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  assert_true(dataset >= 0);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Tclose(text);
  H5Pclose(creation);
}

static void set_value(hid_t file, const edit *how) {
  hid_t dataset = H5Dopen2(file, how->object, H5P_DEFAULT), space = H5Dget_space(dataset), one = H5Screate(H5S_SCALAR);
  const hsize_t place[2] = {(hsize_t)how->at, (hsize_t)how->second};
  assert_true(H5Sselect_elements(space, H5S_SELECT_SET, 1, place) >= 0);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, one, space, H5P_DEFAULT, &how->value) >= 0);
  H5Sclose(one);
  H5Sclose(space);
  H5Dclose(dataset);
}

static void set_attribute(hid_t file, const edit *how) {
  hid_t object = H5Oopen(file, how->object, H5P_DEFAULT);
  if (how->kind == SET_SHAPE) {
    const int64_t shape[2] = {how->at, how->second};
    hid_t attribute = H5Aopen(object, "shape", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, shape) >= 0);
    H5Aclose(attribute);
  } else {
    assert_true(H5Adelete(object, "encoding-type") >= 0);
  }
  H5Oclose(object);
}

static void apply(const char *path, const edit *how) {
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(file >= 0);
  if (how->kind == SET_VALUE) {
    set_value(file, how);
  } else if (how->kind == SET_SHAPE || how->kind == SET_ENCODING) {
    set_attribute(file, how);
  } else if (how->kind == DROP) {
    assert_true(H5Ldelete(file, how->object, H5P_DEFAULT) >= 0);
  } else {
    replace(file, how);
  }
  H5Fclose(file);
  cyf_hdf5_unlock();
}

#define CSR CYF_MATRIX_CSR_FLOAT32
#define DENSE CYF_MATRIX_DENSE
static const edit EDITS[] = {
    {CSR, SET_VALUE, "X/data", 0, 0, NAN, "nan at cell 0 (cell-0 é), gene 2 (gene 2)"},
    {CSR, SET_VALUE, "X/data", 0, 0, INFINITY, "holds inf at cell 0"},
    {CSR, SET_VALUE, "X/data", 0, 0, -2, "holds -2 at cell 0 (cell-0 é), gene 2 (gene 2): scaled"},
    {DENSE, SET_VALUE, "X", 3, 5, -2, "holds -2 at cell 3 (cell-3 é), gene 5 (HLA-5/γ)"},
    {DENSE, SET_VALUE, "X", 2, 0, NAN, "nan at cell 2"},
    {CSR, SET_VALUE, "X/indices", 1, 0, N_GENES, "index 20 in cell 0 is out of the range 0 to 19"},
    {CSR, SET_VALUE, "X/indices", 1, 0, -1, "index -1 in cell 0"},
    {CSR, SET_VALUE, "X/indptr", 0, 0, 1, "X/indptr runs from 1"},
    {CSR, SET_VALUE, "X/indptr", N_CELLS, 0, 1e6, "X/indptr runs from 0 to 1000000"},
    {CSR, SET_VALUE, "X/indptr", 5, 0, 0, "X/indptr is malformed: entry 5"},
    {CSR, SET_VALUE, "X/indptr", 5, 0, -7, "X/indptr is malformed: entry 5 is -7"},
    {CSR, SET_VALUE, "X/indptr", 5, 0, 2e9, "X/indptr is malformed: entry 5 is 2000000000"},
    {CSR, SET_SHAPE, "X", N_CELLS + 1, N_GENES, 0, "X/indptr has 31 entries; 32 integers are needed"},
    {CSR, SET_SHAPE, "X", N_CELLS, N_GENES - 1, 0, "var has 20 rows where the matrix has 19"},
    {CSR, SET_SHAPE, "X", -1, N_GENES, 0, "X has -1 rows"},
    {CSR, SET_SHAPE, "X", N_CELLS, INT64_MAX, 0, "X has 30 rows and 9223372036854775807 columns"},
    {CSR, SET_SHAPE, "X", INT64_MAX, N_GENES, 0, "X has 9223372036854775807 rows"},
    {CSR, SET_ENCODING, "X", 0, 0, 0, "X has the encoding 'none'"},
    {CSR, DROP, "X", 0, 0, 0, "is an AnnData file without any matrix"},
    {CSR, DROP, "X/indices", 0, 0, 0, "X/indices is missing"},
    {CSR, DROP, "obs/_index", 0, 0, 0, "obs names '_index' as its index, which is missing"},
    {CSR, DROP, "obs/cell type/codes", 0, 0, 0, "column 'cell type' has an encoding that cannot be read (categorical)"},
    {CSR, DROP, "obs", 0, 0, 0, "obs has no column 'cell type'; it has: none"},
    {CSR, SET_VALUE, "obs/cell type/codes", 4, 0, 4, "code 4 in row 4 of 'cell type', which has 4 categories"},
    {CSR, SET_VALUE, "obs/cell type/codes", 4, 0, -2, "code -2 in row 4"},
    {CSR, REPLACE_BY_HUGE, "X/indptr", 0, 0, 0, "claims more elements than a file of this size can hold"},
    {CSR, REPLACE_BY_HUGE, "X/data", 0, 0, 0, "claims more elements than a file of this size can hold"},
    {CSR, REPLACE_BY_HUGE, "obs/_index", 0, 0, 0, "claims more elements than a file of this size can hold"},
    {CSR, REPLACE_BY_TEXT, "X/data", 0, 0, 0, "X/data holds strings, not numbers"},
    {CSR, REPLACE_BY_SHORT, "X/indices", 0, 0, 0, "X/indices has 3 entries"},
    {CSR, REPLACE_BY_SHORT, "var/_index", 0, 0, 0, "var has 3 rows where the matrix has 20"},
    {CSR, REPLACE_BY_SHORT, "obs/cell type/codes", 0, 0, 0,
     "column 'cell type' is not one string, number or Boolean for each of 30"},
    {DENSE, REPLACE_BY_SHORT, "X", 0, 0, 0, "X has 1 dimensions where 2 are needed"},
};

static void each_single_fault_is_told(void **state) {
  (void)state;
  char *path = in_folder("wrong.h5ad");
  for (size_t i = 0; i < sizeof(EDITS) / sizeof(EDITS[0]); i++) {
    write_sound(path, EDITS[i].format, 0);
    assert_int_equal(read_all(path, NULL), CYF_OK);
    apply(path, &EDITS[i]);
    assert_fails(read_all(path, NULL), CYF_ERR_INPUT, EDITS[i].message);
    assert_int_equal(read_all(path, NULL), CYF_ERR_INPUT);
    assert_non_null(strstr(cyf_status_message(), path));
    cyf_status_clear();
  }
  cyf_free(path);
}

static void matrices_that_are_not_there_are_told(void **state) {
  (void)state;
  char *path = in_folder("matrices.h5ad");
  write_sound(path, CSR, 0);
  assert_fails(read_all(path, "layers/counts"), CYF_ERR_INPUT, "no matrix 'layers/counts'; it has: X");
  assert_fails(read_all(path, "raw/X"), CYF_ERR_INPUT, "no matrix 'raw/X'; it has: X");
  assert_fails(read_all(path, "counts"), CYF_ERR_INPUT, "none of X, raw/X and layers/NAME");
  cyf_free(path);
}

/* A chunk whose compressed bytes are wrong: HDF5's filter reports it. */
static void a_damaged_chunk_is_an_error(void **state) {
  (void)state;
  char *path = in_folder("chunk.h5ad");
  unsigned char zeros[64] = {0};
  hsize_t offset = 0;
  write_sound(path, CSR, 6);
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), dataset = H5Dopen2(file, "X/data", H5P_DEFAULT);
  assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, &offset, sizeof(zeros), zeros) >= 0);
  H5Dclose(dataset);
  H5Fclose(file);
  cyf_hdf5_unlock();
  assert_fails(read_all(path, NULL), CYF_ERR_INPUT, "data cannot be read, the file seems damaged (HDF5: ");
  cyf_free(path);
}

/* Where the bytes of a dataset's first chunk (or of a contiguous dataset) lie in the file. */
static void stored_at(const char *path, const char *name, int64_t *ret_address, int64_t *ret_bytes) {
  haddr_t address = HADDR_UNDEF;
  hsize_t bytes = 0, offset = 0;
  unsigned skipped = 0;
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
  hid_t creation = H5Dget_create_plist(dataset);
  if (H5Pget_layout(creation) == H5D_CHUNKED) {
    assert_true(H5Dget_chunk_info_by_coord(dataset, &offset, &skipped, &address, &bytes) >= 0);
  } else {
    address = H5Dget_offset(dataset);
    bytes = H5Dget_storage_size(dataset);
  }
  H5Pclose(creation);
  H5Dclose(dataset);
  H5Fclose(file);
  cyf_hdf5_unlock();
  assert_true(address != HADDR_UNDEF && bytes > 0);
  *ret_address = (int64_t)address;
  *ret_bytes = (int64_t)bytes;
}

static void flip(const char *path, int64_t at, int bit) {
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  const int byte = fgetc(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  assert_int_equal(fputc(byte ^ 1 << bit, file), byte ^ 1 << bit);
  assert_int_equal(fclose(file), 0);
}

/* Whatever bit of the matrix is wrong, reading ends with values or with an error. Most wrong pointers, indices and gzip
 * streams are found. (Bits of HDF5's own heap of strings are not tried, since HDF5 1.10 trusts them.) */
static void flipped_bits_end_in_values_or_an_error(void **state) {
  (void)state;
  static const char *const parts[] = {"X/indptr", "X/indices", "X/data"};
  char *path = in_folder("flip.h5ad");
  uint32_t bits = 99;
  for (int gzip = 0; gzip <= 6; gzip += 6) {
    write_sound(path, CSR, gzip);
    for (int part = 0; part < 3; part++) {
      int64_t address = 0, bytes = 0;
      int n_refused = 0;
      stored_at(path, parts[part], &address, &bytes);
      if (gzip == 0 && part > 0) bytes = 4 * 100; /* of the full-size chunk, entries that are there */
      for (int i = 0; i < 100; i++) {
        bits = bits * 1664525u + 1013904223u;
        const int64_t at = address + (int64_t)(bits >> 8) % bytes;
        flip(path, at, (int)(bits & 7));
        const cyf_status status = read_all(path, NULL);
        assert_true(status == CYF_OK || status == CYF_ERR_INPUT);
        n_refused += status != CYF_OK;
        cyf_status_clear();
        flip(path, at, (int)(bits & 7));
      }
      assert_true(n_refused > (part == 2 && gzip == 0 ? 0 : 50));
      assert_int_equal(read_all(path, NULL), CYF_OK);
    }
  }
  cyf_free(path);
}

static void no_memory_is_left_over(void **state) {
  (void)state;
  assert_int_equal(cyf_memory_bytes_now(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(files_that_are_not_hdf5_are_told, check_clear),
      cmocka_unit_test_setup(a_truncated_file_is_an_error, check_clear),
      cmocka_unit_test_setup(each_single_fault_is_told, check_clear),
      cmocka_unit_test_setup(matrices_that_are_not_there_are_told, check_clear),
      cmocka_unit_test_setup(a_damaged_chunk_is_an_error, check_clear),
      cmocka_unit_test_setup(flipped_bits_end_in_values_or_an_error, check_clear),
      cmocka_unit_test(no_memory_is_left_over),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
