/* SPDX-License-Identifier: MIT */
/* Any byte of a shard that is another is found when its cells are read, in every form of stored numbers. */
#include <unistd.h>

#include "atlas_forms.h"
#include "base/checksum.h"
#include "damage.h"
#include "data/atlas/shard.h"
#include "data/hdf5/file_sums.h"
#include "data/loader/loader.h"

enum { N_FLIPS = 200 };

/* Reads all cells and labels. */
static cyf_status read_all(const cyf_atlas *atlas) {
  cyf_shard_set set = {0};
  cyf_block block = {0};
  cyf_status status = cyf_shard_set_open(atlas, 0, atlas->n_cells, &set);
  if (status == CYF_OK) status = cyf_block_read(&set, 0, atlas->n_cells, &block);
  cyf_block_destroy(&block);
  cyf_shard_set_close(&set);
  return status;
}

static void every_changed_byte_is_found_when_it_is_read(void **state) {
  const fixture *shared = *state;
  for (int form = 0; form < N_FORMS; form++) {
    cyf_atlas *atlas[2] = {NULL};
    make_pair(shared, form, 100, atlas);
    for (int packed = 0; packed < 2; packed++) {
      assert_true(atlas[packed]->has_sums);
      assert_ok(read_all(atlas[packed]));
      uint64_t place = (uint64_t)(17 + form);
      for (int i = 0; i < N_FLIPS; i++) {
        place = cyf_checksum(place, &i, sizeof i); /* as good as random */
        const char *path = atlas[packed]->shards[place % (uint64_t)atlas[packed]->n_shards].path;
        const int64_t at = (int64_t)(place / 7 % (uint64_t)damage_size(path));
        const unsigned char by = (unsigned char)(1 << i % 8);
        damage_byte(path, at, by);
        assert_fails(read_all(atlas[packed]), CYF_ERR_INPUT, "damaged: ");
        damage_byte(path, at, by);
      }
      assert_ok(read_all(atlas[packed]));
      cyf_atlas_close(&atlas[packed]);
    }
  }
}

/* A file of checksums of which a byte is another, that is cut, missing, or of another shard. */
static void damaged_checksums_are_told(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL};
  char *sums = NULL, *other = NULL, command[512];
  make_pair(shared, 1, 100, atlas);
  assert_true(atlas[0]->n_shards >= 2);
  assert_ok(cyf_file_sums_path(atlas[0]->shards[0].path, &sums));
  assert_ok(cyf_file_sums_path(atlas[0]->shards[1].path, &other));
  const int64_t bytes = damage_size(sums);
  for (int64_t at = 0; at < bytes; at += bytes / N_FLIPS + 1) {
    damage_byte(sums, at, 0x40);
    assert_fails(read_all(atlas[0]), CYF_ERR_INPUT, ".sums: damaged");
    damage_byte(sums, at, 0x40);
  }
  snprintf(command, sizeof command, "cp %s %s.kept && cp %s %s", sums, sums, other, sums);
  assert_int_equal(system(command), 0);
  assert_fails(read_all(atlas[0]), CYF_ERR_INPUT, "damaged");
  assert_int_equal(truncate(sums, (off_t)(bytes / 2)), 0);
  assert_fails(read_all(atlas[0]), CYF_ERR_INPUT, ".sums: damaged");
  assert_int_equal(unlink(sums), 0);
  assert_fails(read_all(atlas[0]), CYF_ERR_INPUT, ".sums");
  snprintf(command, sizeof command, "mv %s.kept %s", sums, sums);
  assert_int_equal(system(command), 0);
  assert_ok(read_all(atlas[0]));
  cyf_free(sums);
  cyf_free(other);
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

/* Takes one epoch's batches, twice; between them a byte of the values is changed. Returns how the second epoch went. */
static cyf_status two_epochs(const fixture *shared, cyf_atlas *atlas, cyf_loader_io io, cyf_verify verify) {
  const cyf_loader_options options = {.batch_cells = 32,
                                      .n_lanes = 4,
                                      .block_cells = 16,
                                      .window_blocks = 2,
                                      .prefetch_batches = 1,
                                      .split = CYF_SPLIT_ALL,
                                      .io = io};
  cyf_loader *loader = NULL;
  const char *path = atlas->shards[0].path;
  const int64_t at = damage_size(path) / 2;
  cyf_status status = CYF_OK;
  atlas->verify = verify;
  assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
  const int64_t n = cyf_loader_batches_per_epoch(loader);
  for (int64_t b = 0; b < 4 * n && status == CYF_OK; b++) {
    cyf_batch batch;
    if (b == n) {
      usleep(200000); /* the threads have read ahead what they may, and rest: none sees the file's time between two */
      damage_byte(path, at, 1);
    }
    status = cyf_loader_next(loader, &batch);
  }
  damage_byte(path, at, 1);
  cyf_loader_destroy(&loader);
  cyf_status_clear();
  return status;
}

/* `first` compares what is read the first time, `always` again in later epochs, `never` nothing. */
static void later_epochs_are_compared_where_that_is_wanted(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL};
  make_pair(shared, 1, 203, atlas);
  static const cyf_loader_io ways[] = {CYF_LOADER_POSIX, CYF_LOADER_DIRECT, CYF_LOADER_MPIO};
  for (int w = 0; w < 3; w++) {
    assert_int_equal(two_epochs(shared, atlas[0], ways[w], CYF_VERIFY_FIRST), CYF_OK);
    assert_int_equal(two_epochs(shared, atlas[0], ways[w], CYF_VERIFY_ALWAYS), CYF_ERR_INPUT);
    assert_int_equal(two_epochs(shared, atlas[0], ways[w], CYF_VERIFY_NEVER), CYF_OK);
  }
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {TEST(every_changed_byte_is_found_when_it_is_read),
                                     TEST(damaged_checksums_are_told),
                                     TEST(later_epochs_are_compared_where_that_is_wanted)};
  return FIXTURE_RUN(tests);
}
