/* SPDX-License-Identifier: MIT */
/* Writing .h5ad files and reading them back: every format, the stored chunks. */
#include <hdf5.h>

#include "check.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "data/hdf5/hdf5_lock.h"
#include "h5ad_check.h"
#include "reference_file.h"

enum { N_CELLS = 61, N_GENES = 40 };

static void names_are_kept_in_order_and_found(void **state) {
  (void)state;
  cyf_names set = {0}, copy = {0};
  int64_t code = -1;
  char text[32];
  assert_int_equal(cyf_names_find(&set, "absent"), -1);
  for (int i = 0; i < 1000; i++) {
    snprintf(text, sizeof(text), "gene %d/é", i);
    assert_ok(cyf_names_add(&set, text, &code));
    assert_int_equal(code, i);
  }
  assert_ok(cyf_names_add(&set, "gene 7/é", &code));
  assert_int_equal(code, 7);
  assert_int_equal(set.n, 1000);
  assert_ok(cyf_names_copy(&set, &copy));
  cyf_names_destroy(&set);
  assert_int_equal(cyf_names_find(&copy, "gene 999/é"), 999);
  assert_int_equal(cyf_names_find(&copy, "gene"), -1);
  cyf_names_destroy(&copy);
  cyf_names_destroy(NULL);

  /* as anndata's var_names_make_unique: new names step around those that are there */
  char *raw[] = {"A", "B", "A", "A-1", "B", "A"};
  static const char *const unique[] = {"A", "B", "A-2", "A-1", "B-1", "A-3"};
  int64_t n_renamed = 0;
  assert_ok(cyf_names_add_unique(&set, raw, 6, &n_renamed));
  assert_int_equal(n_renamed, 3);
  for (int i = 0; i < 6; i++) assert_string_equal(set.name[i], unique[i]);
  cyf_names_destroy(&set);
}

/* One way of writing and what must come back. */
typedef struct way {
  const char *name;
  cyf_h5ad_options options;
  float largest; /* counts up to this */
  bool fractions;
  const char *layout;
} way;

static const way WAYS[] = {
    {"float32", {.format = CYF_MATRIX_CSR_FLOAT32}, 1e6f, true, "csr"},
    {"float32 gzip", {.format = CYF_MATRIX_CSR_FLOAT32, .gzip_level = 4, .chunk_values = 64}, 9.0f, true, "csr"},
    {"N-bit 16", {.format = CYF_MATRIX_CSR_NBIT, .data_bits = 16, .index_bits = 16}, 32767.0f, false, "csr"},
    {"N-bit 16, many chunks", {.format = CYF_MATRIX_CSR_NBIT, .chunk_values = 32}, 32767.0f, false, "csr"},
    {"N-bit 8", {.format = CYF_MATRIX_CSR_NBIT, .data_bits = 8, .chunk_values = 100}, 127.0f, false, "csr"},
    {"32 bits", {.format = CYF_MATRIX_CSR_NBIT, .data_bits = 32, .index_bits = 32}, 1e6f, false, "csr"},
    {"dense", {.format = CYF_MATRIX_DENSE}, 1e3f, true, "dense"},
    {"dense gzip", {.format = CYF_MATRIX_DENSE, .gzip_level = 1, .chunk_values = 200}, 1e3f, true, "dense"},
};
enum { N_WAYS = sizeof(WAYS) / sizeof(WAYS[0]) };

/* Everything that a file can hold, in blocks of `block` cells. */
static void write_file(const char *path, const way *how, const h5ad_example *example, int64_t block) {
  cyf_h5ad_writer *writer = NULL;
  cyf_csr rows = cyf_csr_view(&example->rows);
  assert_ok(cyf_h5ad_writer_create(path, rows.n_genes, &how->options, &writer));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &example->genes));
  for (int64_t first = 0; first < rows.n_cells; first += block) {
    cyf_csr some = cyf_csr_rows(&rows, first, rows.n_cells - first < block ? rows.n_cells - first : block);
    assert_ok(cyf_h5ad_writer_append_csr(writer, &some));
  }
  assert_ok(cyf_h5ad_writer_add_labels(writer, &example->labels));
  assert_ok(cyf_h5ad_writer_add_numbers(writer, "time", example->numbers, rows.n_cells));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)example->cells.name, rows.n_cells));
  assert_ok(cyf_h5ad_writer_set_obsm(writer, "X_latent", rows.n_cells, H5AD_EXAMPLE_WIDTH, example->latent));
  assert_ok(cyf_h5ad_writer_set_uns_text(writer, "program", "cytoforge Ω"));
  assert_ok(cyf_h5ad_writer_set_uns_int(writer, "seed", -42));
  assert_ok(cyf_h5ad_writer_set_uns_real(writer, "guidance", 1.5));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  assert_null(writer);
}

static void check_columns(cyf_h5ad *file, const h5ad_example *example) {
  cyf_names columns = {0};
  cyf_label_column labels = {0};
  assert_ok(cyf_h5ad_list_columns(file, &columns));
  assert_int_equal(columns.n, 2);
  assert_string_equal(columns.name[0], example->labels.attribute);
  assert_string_equal(columns.name[1], "time");
  cyf_names_destroy(&columns);
  assert_ok(cyf_h5ad_read_labels(file, example->labels.attribute, &labels));
  assert_int_equal(labels.n_cells, example->labels.n_cells);
  assert_int_equal(labels.categories.n, example->labels.categories.n);
  for (int64_t i = 0; i < labels.categories.n; i++) {
    assert_string_equal(labels.categories.name[i], example->labels.categories.name[i]);
  }
  assert_memory_equal(labels.code, example->labels.code, (size_t)labels.n_cells * sizeof(*labels.code));
  cyf_label_column_destroy(&labels);
  assert_ok(cyf_h5ad_read_labels(file, "time", &labels)); /* 0, 0.25, 0.5, 0.75 in numeric order */
  assert_int_equal(labels.categories.n, 4);
  assert_string_equal(labels.categories.name[1], "0.25");
  for (int64_t i = 0; i < labels.n_cells; i++) assert_int_equal(labels.code[i], (int)(example->numbers[i] * 4));
  cyf_label_column_destroy(&labels);
}

static void check_file(const char *path, const way *how, const h5ad_example *example) {
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  char **cells = NULL;
  float *latent = NULL;
  int64_t width = 0;
  const cyf_csr rows = cyf_csr_view(&example->rows);
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_string_equal(cyf_h5ad_layout(file), how->layout);
  assert_int_equal(cyf_h5ad_n_cells(file), rows.n_cells);
  assert_int_equal(cyf_h5ad_n_genes(file), rows.n_genes);
  if (strcmp(how->layout, "csr") == 0) assert_int_equal(cyf_h5ad_nnz(file), rows.indptr[rows.n_cells]);
  bool is_integer = false;
  assert_ok(cyf_hdf5_is_integer(path, strcmp(how->layout, "dense") == 0 ? "X" : "X/data", &is_integer));
  assert_int_equal(is_integer, how->options.format == CYF_MATRIX_CSR_NBIT);
  check_same_rows(file, &rows);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  for (int64_t i = 0; i < genes.n; i++) assert_string_equal(genes.name[i], example->genes.name[i]);
  assert_int_equal(genes.n, rows.n_genes);
  assert_ok(cyf_h5ad_read_cell_names(file, &cells));
  for (int64_t i = 0; i < rows.n_cells; i++) assert_string_equal(cells[i], example->cells.name[i]);
  check_columns(file, example);
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent));
  assert_int_equal(width, H5AD_EXAMPLE_WIDTH);
  assert_memory_equal(latent, example->latent, (size_t)(rows.n_cells * width) * sizeof(float));
  for (int64_t i = 0; i < rows.n_cells; i++) cyf_free(cells[i]);
  cyf_free(cells);
  cyf_free(latent);
  cyf_names_destroy(&genes);
  cyf_h5ad_close(&file);
}

static void what_is_written_is_read_back(void **state) {
  (void)state;
  char *path = in_folder("round.h5ad");
  for (int i = 0; i < N_WAYS; i++) {
    h5ad_example example;
    h5ad_example_create(N_CELLS, N_GENES, WAYS[i].largest, WAYS[i].fractions, &example);
    write_file(path, &WAYS[i], &example, 7);
    check_file(path, &WAYS[i], &example);
    h5ad_example_destroy(&example);
  }
  cyf_free(path);
}

/* Neither how cells were blocked nor when a file was written shows in its bytes. */
static void equal_cells_give_equal_bytes(void **state) {
  (void)state;
  char *one = in_folder("one.h5ad"), *two = in_folder("two.h5ad");
  for (int i = 0; i < N_WAYS; i++) {
    h5ad_example example;
    h5ad_example_create(N_CELLS, N_GENES, WAYS[i].largest, WAYS[i].fractions, &example);
    write_file(one, &WAYS[i], &example, 1);
    write_file(two, &WAYS[i], &example, WAYS[i].options.format == CYF_MATRIX_DENSE ? 1 : N_CELLS);
    check_same_bytes(one, two);
    h5ad_example_destroy(&example);
  }
  cyf_free(one);
  cyf_free(two);
}

/* No cells at all, and more cells than one block of names; names default to numbers. */
static void no_cells_and_many_are_written(void **state) {
  (void)state;
  static const int64_t sizes[] = {0, 70001};
  char *path = in_folder("sizes.h5ad");
  for (int format = CYF_MATRIX_CSR_FLOAT32; format <= CYF_MATRIX_DENSE; format++) {
    for (int s = 0; s < 2; s++) {
      cyf_h5ad_options options = {.format = (cyf_matrix_format)format};
      cyf_h5ad_writer *writer = NULL;
      cyf_h5ad *file = NULL;
      cyf_csr_buffer rows = {0};
      cyf_names genes = {0};
      char **cells = NULL;
      const int32_t gene = 1;
      const float value = 3;
      assert_ok(cyf_names_add(&genes, "first", NULL));
      assert_ok(cyf_names_add(&genes, "second", NULL));
      cyf_csr_buffer_clear(&rows, 2);
      for (int64_t i = 0; i < sizes[s]; i++) assert_ok(cyf_csr_buffer_append(&rows, i % 2, &gene, &value));
      assert_ok(cyf_h5ad_writer_create(path, 2, &options, &writer));
      cyf_csr view = cyf_csr_view(&rows);
      if (sizes[s]) assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
      assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
      assert_ok(cyf_h5ad_writer_commit(&writer));
      assert_ok(cyf_h5ad_open(path, NULL, &file));
      assert_int_equal(cyf_h5ad_n_cells(file), sizes[s]);
      assert_ok(cyf_h5ad_read_cell_names(file, &cells));
      if (sizes[s]) {
        assert_string_equal(cells[70000], "70000");
        check_same_rows(file, &view);
      }
      for (int64_t i = 0; i < sizes[s]; i++) cyf_free(cells[i]);
      cyf_free(cells);
      cyf_h5ad_close(&file);
      cyf_csr_buffer_destroy(&rows);
      cyf_names_destroy(&genes);
    }
  }
  cyf_free(path);
}

/* A dataset of a file through HDF5 itself: its first stored chunk, and its values as int32. */
static void read_stored(const char *path, const char *name, unsigned char *chunk, size_t expected_bytes, int64_t n,
                        int32_t *values) {
  hsize_t bytes = 0, offset = 0;
  uint32_t skipped = 0;
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
  assert_true(H5Dget_chunk_storage_size(dataset, &offset, &bytes) >= 0);
  assert_int_equal(bytes, expected_bytes);
  assert_true(H5Dread_chunk(dataset, H5P_DEFAULT, &offset, &skipped, chunk) >= 0);
  assert_int_equal(skipped, 0);
  hsize_t count = (hsize_t)n;
  hid_t memory = H5Screate_simple(1, &count, NULL), space = H5Dget_space(dataset);
  assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, &offset, NULL, &count, NULL) >= 0);
  assert_true(H5Dread(dataset, H5T_NATIVE_INT32, memory, space, H5P_DEFAULT, values) >= 0);
  H5Sclose(space);
  H5Sclose(memory);
  H5Dclose(dataset);
  H5Fclose(file);
  cyf_hdf5_unlock();
}

/* The same values written by HDF5's own N-bit filter into a dataset of the same type. */
static void write_with_filter(const char *from, const char *name, const char *to, hsize_t chunk,
                              const int32_t *values) {
  cyf_hdf5_lock();
  hid_t source = H5Fopen(from, H5F_ACC_RDONLY, H5P_DEFAULT), like = H5Dopen2(source, name, H5P_DEFAULT);
  hid_t type = H5Dget_type(like), creation = H5Dget_create_plist(like), space = H5Screate_simple(1, &chunk, NULL);
  hid_t file = H5Fcreate(to, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hid_t dataset = H5Dcreate2(file, "values", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Fclose(file);
  H5Sclose(space);
  H5Pclose(creation);
  H5Tclose(type);
  H5Dclose(like);
  H5Fclose(source);
  cyf_hdf5_unlock();
}

/* The loader takes chunks as they are stored: big-endian words and one byte, exactly what HDF5's filter makes. */
static void stored_chunks_are_those_of_hdf5(void **state) {
  (void)state;
  enum { CHUNK = 128 };
  char *path = in_folder("chunks.h5ad"), *other = in_folder("filter.h5");
  for (int bits = 8; bits <= 16; bits += 8) {
    way how = {.options = {.format = CYF_MATRIX_CSR_NBIT, .data_bits = bits, .chunk_values = CHUNK}};
    h5ad_example example;
    h5ad_example_create(N_CELLS, N_GENES, bits == 8 ? 127 : 32767, false, &example);
    write_file(path, &how, &example, 10);
    for (int part = 0; part < 2; part++) {
      const char *name = part == 0 ? "X/indices" : "X/data";
      const int width = part == 0 ? 2 : bits / 8;
      unsigned char ours[2 * CHUNK + 1], theirs[2 * CHUNK + 1];
      int32_t values[CHUNK], again[CHUNK];
      read_stored(path, name, ours, (size_t)(CHUNK * width + 1), CHUNK, values);
      for (int i = 0; i < CHUNK; i++) {
        const int expected = part == 0 ? example.rows.indices[i] : (int)example.rows.values[i];
        assert_int_equal(values[i], expected);
        assert_int_equal(width == 2 ? ours[2 * i] << 8 | ours[2 * i + 1] : ours[i], expected);
      }
      write_with_filter(path, name, other, CHUNK, values);
      read_stored(other, "values", theirs, (size_t)(CHUNK * width + 1), CHUNK, again);
      assert_memory_equal(ours, theirs, (size_t)(CHUNK * width + 1));
    }
    h5ad_example_destroy(&example);
  }
  cyf_free(path);
  cyf_free(other);
}

static void no_memory_is_left_over(void **state) {
  (void)state;
  assert_int_equal(cyf_memory_bytes_now(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(names_are_kept_in_order_and_found, check_clear),
      cmocka_unit_test_setup(what_is_written_is_read_back, check_clear),
      cmocka_unit_test_setup(equal_cells_give_equal_bytes, check_clear),
      cmocka_unit_test_setup(no_cells_and_many_are_written, check_clear),
      cmocka_unit_test_setup(stored_chunks_are_those_of_hdf5, check_clear),
      cmocka_unit_test(no_memory_is_left_over),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
