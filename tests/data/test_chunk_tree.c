/* SPDX-License-Identifier: MIT */
/* The index of chunks as we read it is what HDF5 says, chunk by chunk. */
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "check.h"
#include "data/hdf5/chunk_tree.h"

enum { CHUNK = 8, CHUNKS_MOST = 6000 };
static char path[96];

/* A file of two datasets whose chunks alternate, "x" with some attributes before its chunks. */
static void write_file(int64_t n_chunks, bool latest, bool compressed) {
  int32_t values[CHUNK] = {0};
  hsize_t extent = (hsize_t)(n_chunks * CHUNK), chunk = CHUNK, step = CHUNK;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_DATASET_CREATE);
  if (latest) H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Pset_chunk(creation, 1, &chunk);
  if (compressed) H5Pset_deflate(creation, 1);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access), space = H5Screate_simple(1, &extent, NULL);
  hid_t memory = H5Screate_simple(1, &step, NULL);
  hid_t dataset[2] = {H5Dcreate2(file, "x", H5T_NATIVE_INT32, space, H5P_DEFAULT, creation, H5P_DEFAULT),
                      H5Dcreate2(file, "y", H5T_NATIVE_INT32, space, H5P_DEFAULT, creation, H5P_DEFAULT)};
  for (int i = 0; i < 12; i++) { /* so many attributes that the object's header goes on elsewhere in the file */
    char name[32];
    snprintf(name, sizeof(name), "attribute-%d", i);
    hid_t attribute = H5Acreate2(dataset[0], name, H5T_NATIVE_INT32, memory, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT32, values) >= 0);
    H5Aclose(attribute);
  }
  for (int64_t c = 0; c < n_chunks; c++)
    for (int d = 0; d < 2; d++) {
      const hsize_t at = (hsize_t)(c * CHUNK);
      for (int i = 0; i < CHUNK; i++) values[i] = (int32_t)(c * c * i);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, &at, NULL, &step, NULL);
      assert_true(H5Dwrite(dataset[d], H5T_NATIVE_INT32, memory, space, H5P_DEFAULT, values) >= 0);
    }
  for (int d = 0; d < 2; d++) H5Dclose(dataset[d]);
  H5Sclose(memory);
  H5Sclose(space);
  H5Pclose(creation);
  H5Pclose(access);
  assert_true(H5Fclose(file) >= 0);
}

typedef struct listing {
  cyf_chunk_place chunk[CHUNKS_MOST];
  int64_t n;
} listing;

static bool list(void *context, const cyf_chunk_place *chunk) {
  listing *all = context;
  all->chunk[all->n++] = *chunk;
  return all->n < CHUNKS_MOST;
}

static int64_t object_address(hid_t dataset) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info1_t info;
#else
  H5O_info_t info;
#endif
  assert_true(H5Oget_info2(dataset, &info, H5O_INFO_BASIC) >= 0);
  return (int64_t)info.addr;
}

/* Walks values [first, end) of dataset x or y; returns whether the walk came to its end. */
static bool walk(const char *name, int64_t first, int64_t end, listing *all) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
  const int64_t address = object_address(dataset);
  H5Dclose(dataset);
  H5Fclose(file);
  const int raw = open(path, O_RDONLY);
  all->n = 0;
  const bool walked = cyf_chunk_tree_walk(raw, address, first, end, list, all);
  close(raw);
  return walked;
}

static void compare(const char *name, int64_t first_chunk, int64_t end_chunk, const listing *all) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
  assert_int_equal(all->n, end_chunk - first_chunk);
  for (int64_t c = first_chunk; c < end_chunk; c++) {
    const hsize_t at = (hsize_t)(c * CHUNK);
    unsigned mask = 1;
    haddr_t address = 0;
    hsize_t bytes = 0;
    assert_true(H5Dget_chunk_info_by_coord(dataset, &at, &mask, &address, &bytes) >= 0);
    const cyf_chunk_place *chunk = &all->chunk[c - first_chunk];
    assert_int_equal(chunk->first_value, at);
    assert_int_equal(chunk->address, address);
    assert_int_equal(chunk->bytes, bytes);
    assert_int_equal(chunk->skipped_filters, mask);
  }
  H5Dclose(dataset);
  H5Fclose(file);
}

/* One node, two levels and three (more than 64 x 64 chunks), whole and in part. */
static void chunks_lie_where_hdf5_says(void **state) {
  listing *all = *state;
  static const int64_t sizes[] = {1, 2, 64, 65, 700, 5000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
    for (int compressed = 0; compressed < 2; compressed++) {
      const int64_t n = sizes[i];
      write_file(n, false, compressed);
      assert_true(walk("x", 0, n * CHUNK, all));
      compare("x", 0, n, all);
      assert_true(walk("y", n / 3 * CHUNK, (n - n / 4) * CHUNK, all));
      compare("y", n / 3, n - n / 4, all);
      assert_true(walk("y", n * CHUNK, (n + 5) * CHUNK, all));
      assert_int_equal(all->n, 0);
    }
}

static void other_indexes_are_left_to_hdf5(void **state) {
  listing *all = *state;
  write_file(100, true, false);
  assert_false(walk("x", 0, 100 * CHUNK, all));
}

/* Every node is read whole and known by its signature. Where that is wrong, or the file's end is missing, the walk
 * returns false. */
static void damage_is_noticed(void **state) {
  listing *all = *state;
  write_file(700, false, false);
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  char *bytes = NULL;
  assert_ok(CYF_NEW(&bytes, info.st_size));
  int raw = open(path, O_RDWR);
  assert_int_equal(read(raw, bytes, (size_t)info.st_size), info.st_size);
  int64_t n_nodes = 0, n_refused = 0;
  for (int64_t at = 0; at + 4 <= info.st_size; at++) {
    if (memcmp(bytes + at, "TREE", 4) != 0 || bytes[at + 4] != 1) continue;
    assert_int_equal(pwrite(raw, "EERT", 4, at), 4);
    const bool x = walk("x", 0, 700 * CHUNK, all), y = walk("y", 0, 700 * CHUNK, all);
    n_nodes++;
    n_refused += !x || !y;
    assert_int_equal(pwrite(raw, "TREE", 4, at), 4);
  }
  assert_true(n_nodes > 20);
  assert_int_equal(n_refused, n_nodes);
  assert_true(walk("x", 0, 700 * CHUNK, all));
  compare("x", 0, 700, all);
  close(raw);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, "x", H5P_DEFAULT);
  const int64_t address = object_address(dataset);
  H5Dclose(dataset);
  H5Fclose(file);
  assert_int_equal(truncate(path, info.st_size / 4), 0);
  raw = open(path, O_RDONLY);
  all->n = 0;
  assert_false(cyf_chunk_tree_walk(raw, address, 0, 700 * CHUNK, list, all));
  close(raw);
  cyf_free(bytes);
}

static int setup(void **state) {
  static listing all;
  *state = &all;
  set_up_folder(state);
  snprintf(path, sizeof(path), "%s/chunks.h5", test_folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chunks_lie_where_hdf5_says),
      cmocka_unit_test(other_indexes_are_left_to_hdf5),
      cmocka_unit_test(damage_is_noticed),
  };
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
