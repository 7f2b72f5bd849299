/* SPDX-License-Identifier: MIT */
/* Atlases under gzip give the same batches, bit for bit, as those that are not compressed, and damage is an error. */
#include <hdf5.h>
#include <unistd.h>

#include "atlas_forms.h"
#include "damage.h"
#include "data/atlas/shard.h"
#include "data/hdf5/deflate.h"
#include "data/hdf5/hdf5_lock.h"
#include "data/loader/loader.h"

enum { N_BATCHES = 30 };

static cyf_loader_options loader_options(void) {
  return (cyf_loader_options){.batch_cells = 32,
                              .n_lanes = 8,
                              .block_cells = 8,
                              .window_blocks = 2,
                              .prefetch_batches = 2,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = true,
                              .seed = 3};
}

static void same_batch(const cyf_batch *a, const cyf_batch *b, int64_t n_attributes) {
  const int64_t n = a->cells.n_cells, nnz = n ? a->cells.indptr[n] : 0;
  assert_int_equal(b->cells.n_cells, n);
  assert_memory_equal(a->cells.indptr, b->cells.indptr, (size_t)(n + 1) * sizeof(int64_t));
  if (n == 0) return;
  assert_memory_equal(a->cells.indices, b->cells.indices, (size_t)nnz * sizeof(int32_t));
  assert_memory_equal(a->cells.values, b->cells.values, (size_t)nnz * sizeof(float));
  assert_memory_equal(a->total, b->total, (size_t)n * sizeof(float));
  assert_memory_equal(a->cell, b->cell, (size_t)n * sizeof(int64_t));
  assert_memory_equal(a->codes, b->codes, (size_t)(n * n_attributes) * sizeof(int32_t));
}

/* More than an epoch, so that resident blocks are inflated again. */
static void same_stream(const fixture *shared, cyf_atlas *const atlas[2], const cyf_loader_options *options) {
  const cyf_loader_options plain = loader_options();
  cyf_loader *loader[2] = {NULL};
  assert_ok(cyf_loader_create(shared->comm, atlas[0], &plain, (cyf_cursor){0, 0}, &loader[0]));
  assert_ok(cyf_loader_create(shared->comm, atlas[1], options, (cyf_cursor){0, 0}, &loader[1]));
  for (int b = 0; b < N_BATCHES; b++) {
    cyf_batch batch[2];
    for (int i = 0; i < 2; i++) assert_ok(cyf_loader_next(loader[i], &batch[i]));
    same_batch(&batch[0], &batch[1], atlas[0]->n_attributes);
  }
  for (int i = 0; i < 2; i++) cyf_loader_destroy(&loader[i]);
}

static void batches_are_those_of_the_plain_atlas(void **state) {
  const fixture *shared = *state;
  for (int f = 0; f < N_FORMS; f++) {
    cyf_atlas *atlas[2] = {NULL};
    make_pair(shared, f, f % 2 ? 25 : 80, atlas);
    cyf_loader_options options = loader_options();
    same_stream(shared, atlas, &options);
    options.decode_threads = 3;
    options.residency = CYF_RESIDENCY_HOST;
    same_stream(shared, atlas, &options);
    options.io = CYF_LOADER_MPIO;
    options.residency = CYF_RESIDENCY_STREAM;
    same_stream(shared, atlas, &options);
    for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
  }
}

/* ---- damage ---- */

/* Where a shard's stored chunk lies. */
static void find_chunk(const char *path, const char *name, hsize_t chunk, haddr_t *ret_address, hsize_t *ret_bytes,
                       hsize_t *ret_n) {
  unsigned mask = 0;
  hsize_t offset = 0;
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  hid_t space = H5Dget_space(dataset);
  assert_true(H5Dget_num_chunks(dataset, space, ret_n) >= 0);
  if (chunk < *ret_n)
    assert_true(H5Dget_chunk_info(dataset, space, chunk, &offset, &mask, ret_address, ret_bytes) >= 0);
  H5Sclose(space);
  H5Dclose(dataset);
  H5Fclose(file);
  cyf_hdf5_unlock();
}

static cyf_status read_all(const cyf_atlas *atlas) {
  cyf_shard_set set = {0};
  cyf_block block = {0};
  cyf_status status = cyf_shard_set_open(atlas, 0, atlas->n_cells, &set);
  if (status == CYF_OK) status = cyf_block_read(&set, 0, atlas->n_cells, &block);
  cyf_block_destroy(&block);
  cyf_shard_set_close(&set);
  return status;
}

/* Any byte of a chunk, at its beginning, within, or in the checksum at its end. */
static void damaged_bytes_are_an_error(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL};
  make_pair(shared, 4, 100, atlas);
  atlas[1]->verify = CYF_VERIFY_NEVER; /* what inflating finds by itself */
  const char *names[2] = {"X/indices", "X/data"};
  assert_ok(read_all(atlas[1]));
  assert_ok(cyf_comm_barrier(shared->comm));
  int64_t n_damaged = 0;
  for (int a = 0; shared->rank == 0 && a < 2; a++) {
    const char *path = atlas[1]->shards[1].path;
    haddr_t address = 0;
    hsize_t bytes = 0, n = 0;
    find_chunk(path, names[a], 0, &address, &bytes, &n);
    assert_true(n >= 2);
    for (hsize_t c = 0; c < n; c++) {
      find_chunk(path, names[a], c, &address, &bytes, &n);
      for (int k = 0; k <= 12; k++, n_damaged++) {
        const haddr_t at = address + (bytes - 1) * (hsize_t)k / 12;
        damage_byte(path, (int64_t)at, 0xFF);
        assert_fails(read_all(atlas[1]), CYF_ERR_INPUT, names[a]);
        damage_byte(path, (int64_t)at, 0xFF);
      }
    }
  }
  if (shared->rank == 0) assert_true(n_damaged >= 52);
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_ok(read_all(atlas[1]));
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

/* The loader's threads hand the error to whoever asks for the batch, on the rank that reads the chunk. */
static void the_loader_tells_of_damage(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL};
  haddr_t address = 0;
  hsize_t bytes = 0, n = 0;
  make_pair(shared, 4, 100, atlas);
  atlas[1]->verify = CYF_VERIFY_NEVER;
  const char *path = atlas[1]->shards[1].path;
  find_chunk(path, "X/data", 1, &address, &bytes, &n);
  assert_ok(cyf_comm_barrier(shared->comm));
  if (shared->rank == 0) damage_byte(path, (int64_t)(address + bytes / 2), 0xFF);
  assert_ok(cyf_comm_barrier(shared->comm));
  for (int io = 0; io < 2; io++) {
    cyf_loader_options options = loader_options();
    options.io = io ? CYF_LOADER_MPIO : CYF_LOADER_POSIX;
    options.decode_threads = 2;
    cyf_loader *loader = NULL;
    int64_t n_failed = 0;
    assert_ok(cyf_loader_create(shared->comm, atlas[1], &options, (cyf_cursor){0, 0}, &loader));
    for (int b = 0; b < N_BATCHES && n_failed == 0; b++) {
      cyf_batch batch;
      const cyf_status status = cyf_loader_next(loader, &batch);
      if (status == CYF_OK) continue;
      assert_int_equal(status, CYF_ERR_INPUT);
      assert_non_null(strstr(cyf_status_message(), "damaged: a compressed chunk of X/data cannot be inflated"));
      cyf_status_clear();
      n_failed = 1;
    }
    assert_ok(cyf_comm_sum_int64(shared->comm, &n_failed, 1));
    assert_true(n_failed >= 1);
    cyf_loader_destroy(&loader);
  }
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

/* Shuffling and deflating, as HDF5 does it, and the way back give the same bytes for any number of elements and width.
 */
static void bytes_return(void **state) {
  (void)state;
  uint8_t from[600], shuffled[600], deflated[1200], inflated[600], to[600];
  cyf_deflater *deflater = NULL;
  for (int i = 0; i < 600; i++) from[i] = (uint8_t)(i * i / 7 % 11 + (i % 4 == 3 ? 0 : i));
  assert_ok(cyf_deflater_create(4, &deflater));
  for (size_t width = 1; width <= 8; width++) {
    for (int64_t n = 0; n <= 75; n += 5) {
      const size_t bytes = (size_t)n * width;
      cyf_shuffle_bytes(from, n, width, shuffled);
      for (int64_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++) assert_int_equal(shuffled[(int64_t)j * n + i], from[(size_t)i * width + j]);
      assert_true(cyf_deflate_bound(deflater, bytes) <= sizeof(deflated));
      const size_t n_deflated = cyf_deflate(deflater, shuffled, bytes, deflated);
      assert_true(n_deflated > 0);
      assert_false(cyf_inflate(deflated, n_deflated - 1, inflated, bytes));
      if (bytes > 0) assert_false(cyf_inflate(deflated, n_deflated, inflated, bytes - 1));
      assert_true(cyf_inflate(deflated, n_deflated, inflated, bytes));
      cyf_unshuffle_bytes(inflated, n, width, to);
      assert_memory_equal(to, from, bytes);
    }
  }
  cyf_deflater_destroy(&deflater);
  assert_null(deflater);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {TEST(bytes_return), TEST(batches_are_those_of_the_plain_atlas),
                                     TEST(damaged_bytes_are_an_error), TEST(the_loader_tells_of_damage)};
  return FIXTURE_RUN(tests);
}
