/* SPDX-License-Identifier: MIT */
/* Matrices of more than 2^32 stored values: files of which only the ends and the middle are written, so that they take
 * few megabytes. Every row is full, so that row i begins at entry i * N_GENES. */
#include <hdf5.h>
#include <unistd.h>

#include "check.h"
#include "data/atlas/shard.h"
#include "data/h5ad/reader.h"

enum { N_GENES = 1 << 15 };
static const int64_t n_cells = (INT64_C(1) << 18) + 3; /* 2^33 values and some */
/* The first cell, those around entry 2^31 and 2^32, and the last. */
static const int64_t written[] = {0, (1 << 16) - 1, 1 << 16, (1 << 17) - 1, 1 << 17, (1 << 18) + 2};
enum { N_WRITTEN = sizeof(written) / sizeof(*written) };

static float value_of(int64_t cell, int64_t gene) {
  return (float)(1 + (cell * 31 + gene) % 30000);
}

static void put_text(hid_t object, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, type, &text) >= 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

/* A chunk a row: packed as in an atlas, or 32-bit words. */
static void put_array(hid_t group, const char *name, bool packed, bool is_values) {
  const hsize_t n = (hsize_t)(n_cells * N_GENES), chunk = N_GENES;
  static uint8_t bytes[4 * N_GENES + 1];
  hid_t space = H5Screate_simple(1, &n, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
  hid_t type = H5Tcopy(is_values && !packed ? H5T_IEEE_F32LE : H5T_STD_I32LE);
  H5Pset_chunk(creation, 1, &chunk);
  if (packed) H5Tset_precision(type, 16);
  if (packed) H5Pset_nbit(creation);
  hid_t dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  assert_true(dataset >= 0);
  for (int w = 0; w < N_WRITTEN; w++) {
    const hsize_t offset = (hsize_t)written[w] * N_GENES;
    for (int64_t g = 0; g < N_GENES; g++) {
      const float value = is_values ? value_of(written[w], g) : (float)g;
      const int32_t word = (int32_t)value;
      if (packed) {
        bytes[2 * g] = (uint8_t)(word >> 8);
        bytes[2 * g + 1] = (uint8_t)word;
      } else {
        memcpy(bytes + 4 * g, is_values ? (const void *)&value : (const void *)&word, 4);
      }
    }
    bytes[2 * N_GENES] = packed ? 0 : bytes[2 * N_GENES];
    const size_t size = packed ? 2 * N_GENES + 1 : 4 * N_GENES;
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, &offset, size, bytes) >= 0);
  }
  H5Dclose(dataset);
  H5Tclose(type);
  H5Pclose(creation);
  H5Sclose(space);
}

static void put_bounds(hid_t group) {
  const hsize_t n = (hsize_t)n_cells + 1, two = 2;
  const int64_t shape[2] = {n_cells, N_GENES};
  int64_t *bounds = NULL;
  assert_ok(CYF_NEW(&bounds, n_cells + 1));
  for (int64_t i = 0; i <= n_cells; i++) bounds[i] = i * N_GENES;
  hid_t space = H5Screate_simple(1, &n, NULL), two_space = H5Screate_simple(1, &two, NULL);
  hid_t dataset = H5Dcreate2(group, "indptr", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, bounds) >= 0);
  hid_t attribute = H5Acreate2(group, "shape", H5T_STD_I64LE, two_space, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, shape) >= 0);
  H5Aclose(attribute);
  H5Dclose(dataset);
  H5Sclose(two_space);
  H5Sclose(space);
  cyf_free(bounds);
}

static void write_huge(const char *name, bool packed, char path[128]) {
  snprintf(path, 128, "%s/%s", test_folder, name);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(file >= 0);
  hid_t group = H5Gcreate2(file, "X", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  put_text(group, "encoding-type", "csr_matrix");
  put_text(group, "encoding-version", "0.1.0");
  put_array(group, "indices", packed, false);
  put_array(group, "data", packed, true);
  put_bounds(group);
  H5Gclose(group);
  H5Gclose(H5Gcreate2(file, "obs", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Fclose(file);
  /* A file as small as this could not hold so many values, and would be taken for damaged: a hole makes it long. */
  assert_int_equal(truncate(path, 1 << 28), 0);
}

static void check_row(int64_t cell, int64_t nnz, const int32_t *indices, const float *values) {
  assert_int_equal(nnz, N_GENES);
  for (int64_t g = 0; g < N_GENES; g++) {
    assert_int_equal(indices[g], g);
    assert_true(values[g] == value_of(cell, g));
  }
}

static void the_reader_reads_both_ends(void **state) {
  (void)state;
  for (int packed = 0; packed < 2; packed++) {
    char path[128];
    cyf_h5ad *file = NULL;
    cyf_csr_buffer rows = {0};
    write_huge(packed ? "packed.h5ad" : "plain.h5ad", packed, path);
    assert_ok(cyf_h5ad_open(path, NULL, &file));
    assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
    assert_true(cyf_h5ad_nnz(file) == n_cells * N_GENES && cyf_h5ad_nnz(file) > INT64_C(1) << 33);
    for (int w = 0; w < N_WRITTEN; w++) {
      cyf_csr_buffer_clear(&rows, N_GENES);
      assert_ok(cyf_h5ad_read_rows(file, written[w], 1, &rows));
      check_row(written[w], rows.indptr[1], rows.indices, rows.values);
    }
    cyf_csr_buffer_clear(&rows, N_GENES); /* a read across entry 2^32 */
    assert_ok(cyf_h5ad_read_rows(file, written[3], 2, &rows));
    check_row(written[4], rows.indptr[2] - rows.indptr[1], rows.indices + rows.indptr[1], rows.values + rows.indptr[1]);
    cyf_csr_buffer_destroy(&rows);
    cyf_h5ad_close(&file);
  }
}

static void the_loader_reads_both_ends(void **state) {
  (void)state;
  static int32_t indices[N_GENES];
  static float values[N_GENES];
  char path[128];
  write_huge("shard.h5ad", true, path);
  cyf_shard shard = {.path = path, .n_cells = n_cells, .nnz = n_cells * N_GENES};
  const cyf_atlas atlas = {.n_cells = n_cells, .n_genes = N_GENES, .nnz = shard.nnz, .shards = &shard, .n_shards = 1};
  for (int w = 0; w < N_WRITTEN; w++) {
    cyf_shard_set set = {0};
    cyf_block block = {0};
    assert_ok(cyf_shard_set_open(&atlas, written[w], written[w] + 1, &set));
    assert_ok(cyf_block_read(&set, written[w], written[w] + 1, &block));
    const cyf_block_row row = cyf_block_find_row(&block, written[w]);
    assert_ok(cyf_block_decode_row(&row, N_GENES, indices, values));
    check_row(written[w], row.n, indices, values);
    cyf_block_destroy(&block);
    cyf_shard_set_close(&set);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_reader_reads_both_ends, check_clear),
      cmocka_unit_test_setup(the_loader_reads_both_ends, check_clear),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
