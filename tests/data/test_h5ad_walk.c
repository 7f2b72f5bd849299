/* SPDX-License-Identifier: MIT */
/* Files of other programs are walked before they are opened, once as long as they stay the same. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "data/hdf5/hdf5_walk.h"

static int n_walks;
static char walked[256], whole[128];

static cyf_status count(const char *path) {
  n_walks++;
  snprintf(walked, sizeof walked, "%s", path);
  return CYF_OK;
}

static cyf_status refuse(const char *path) {
  n_walks++;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it", path);
}

static int setup(void **state) {
  set_up_folder(state);
  const fixture_file file = {.n_cells = 40, .n_genes = 20, .gene_stride = 1, .seed = 2, .types = {"a", "b", "c"}};
  snprintf(whole, sizeof whole, "%s/whole.h5ad", test_folder);
  fixture_write(&file, whole);
  return 0;
}

static cyf_status open_and_close(const char *path) {
  cyf_h5ad *file = NULL;
  const cyf_status status = cyf_h5ad_open(path, NULL, &file);
  cyf_h5ad_close(&file);
  return status;
}

static void a_file_is_walked_once_until_it_changes(void **state) {
  (void)state;
  cyf_h5_set_walker(count);
  n_walks = 0;
  for (int i = 0; i < 3; i++) assert_ok(open_and_close(whole));
  assert_int_equal(n_walks, 1);
  assert_string_equal(walked, whole);
  const int file = open(whole, O_RDWR);
  assert_int_equal(futimens(file, NULL), 0);
  close(file);
  cyf_names matrices = {0};
  assert_ok(cyf_h5ad_list_matrices(whole, &matrices));
  assert_ok(open_and_close(whole));
  assert_int_equal(n_walks, 2);
  cyf_names_destroy(&matrices);
  cyf_h5_set_walker(NULL);
}

static void what_cannot_be_walked_is_not_opened(void **state) {
  (void)state;
  const int file = open(whole, O_RDWR);
  assert_int_equal(futimens(file, NULL), 0);
  close(file);
  cyf_h5_set_walker(refuse);
  n_walks = 0;
  assert_fails(open_and_close(whole), CYF_ERR_INPUT, "HDF5 cannot walk it");
  assert_fails(open_and_close(whole), CYF_ERR_INPUT, "HDF5 cannot walk it");
  assert_int_equal(n_walks, 2);
  cyf_h5_set_walker(NULL);
  assert_ok(open_and_close(whole));
}

/* The walk itself, within this process: it reports progress, and tells a whole file from one that is cut. */
static void a_walk_makes_progress(void **state) {
  (void)state;
  int ends[2];
  char bytes[4096], cut[160], command[512];
  assert_int_equal(pipe(ends), 0);
  assert_int_equal(cyf_h5_walk(whole, ends[1]), 0);
  assert_true(read(ends[0], bytes, sizeof bytes) > 20);
  snprintf(cut, sizeof cut, "%s/cut.h5ad", test_folder);
  snprintf(command, sizeof command, "head -c 3000 %s >%s", whole, cut);
  assert_int_equal(system(command), 0);
  assert_int_equal(cyf_h5_walk(cut, ends[1]), 1);
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_file_is_walked_once_until_it_changes),
                                     cmocka_unit_test(what_cannot_be_walked_is_not_opened),
                                     cmocka_unit_test(a_walk_makes_progress)};
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
