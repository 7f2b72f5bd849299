/* SPDX-License-Identifier: MIT */
/* Several ranks open the same files: one of them has each file walked, and all learn what came of it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "data/h5ad/look_together.h"
#include "data/hdf5/hdf5_walk.h"

enum { N_FILES = 5 };

static int64_t n_walks;
static char damaged[160]; /* a path whose walk fails */

static cyf_status walk(const char *path) {
  n_walks++;
  if (strcmp(path, damaged) == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it", path);
  return CYF_OK;
}

static void open_and_close(const char *path) {
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  cyf_h5ad_close(&file);
}

static int64_t walks_of_all(const fixture *shared) {
  int64_t n = n_walks;
  assert_ok(cyf_comm_sum_int64(shared->comm, &n, 1));
  return n;
}

static void make_files(const fixture *shared, const char *prefix, char path[N_FILES][128], const char *paths[N_FILES]) {
  const fixture_file file = {.n_cells = 30, .n_genes = 20, .gene_stride = 1, .seed = 2, .types = {"a", "b", "c"}};
  for (int i = 0; i < N_FILES; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s-%d.h5ad", prefix, i);
    fixture_write_shared(shared, &file, name, path[i]);
    paths[i] = path[i];
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  n_walks = 0;
  damaged[0] = '\0';
  cyf_h5_set_walker(walk);
}

static void each_file_is_walked_by_one_rank(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128];
  const char *paths[N_FILES];
  make_files(shared, "each", path, paths);
  assert_ok(cyf_h5ad_look_together(shared->comm, N_FILES, paths));
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < N_FILES; i++) open_and_close(paths[i]);
  assert_int_equal(walks_of_all(shared), N_FILES);
  /* A file that has changed is walked by every rank that opens it. */
  if (shared->rank == 0) {
    const int file = open(paths[1], O_RDWR);
    assert_int_equal(futimens(file, NULL), 0);
    close(file);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  open_and_close(paths[1]);
  assert_int_equal(walks_of_all(shared), N_FILES + shared->size);
  cyf_h5_set_walker(NULL);
}

static void a_damaged_file_is_told_on_every_rank(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128];
  const char *paths[N_FILES];
  for (int i = 0; i < N_FILES && shared->size > 1; i++) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "damaged-%d", i);
    make_files(shared, prefix, path, paths);
    snprintf(damaged, sizeof damaged, "%s", paths[i]);
    assert_fails(cyf_h5ad_look_together(shared->comm, N_FILES, paths), CYF_ERR_INPUT, "HDF5 cannot walk it");
    assert_true(walks_of_all(shared) <= N_FILES);
    cyf_h5_set_walker(NULL);
  }
}

/* Those are for whoever opens them. */
static void what_is_no_file_of_cells_is_left_alone(void **state) {
  const fixture *shared = *state;
  char absent[160];
  snprintf(absent, sizeof absent, "%s/absent.h5ad", shared->folder);
  const char *paths[] = {NULL, absent, shared->folder};
  n_walks = 0;
  cyf_h5_set_walker(walk);
  assert_ok(cyf_h5ad_look_together(shared->comm, 3, paths));
  assert_int_equal(walks_of_all(shared), 0);
  cyf_h5_set_walker(NULL);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(each_file_is_walked_by_one_rank),
      TEST(a_damaged_file_is_told_on_every_rank),
      TEST(what_is_no_file_of_cells_is_left_alone),
  };
  return FIXTURE_RUN(tests);
}
