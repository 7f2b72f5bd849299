/* SPDX-License-Identifier: MIT */
/* Cells that lie, in part, in other files: refused by name, read where that is wanted. */
#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "base/checksum.h"
#include "data/hdf5/hdf5_file.h"
#include "data/hdf5/hdf5_lock.h"

enum { N_CELLS = 40, N_GENES = 12 };
static char whole[128], changed[128];

/* A dense matrix, so that X is one dataset. */
static int setup(void **state) {
  set_up_folder(state);
  const fixture_file file = {
      .n_cells = N_CELLS, .n_genes = N_GENES, .gene_stride = 1, .seed = 2, .dense = true, .types = {"a", "b", "c"}};
  snprintf(whole, sizeof whole, "%s/whole.h5ad", test_folder);
  snprintf(changed, sizeof changed, "%s/changed.h5ad", test_folder);
  fixture_write(&file, whole);
  return 0;
}

/* A copy without X, open for writing. */
static hid_t begin(void) {
  char command[512];
  snprintf(command, sizeof command, "cp %s %s", whole, changed);
  assert_int_equal(system(command), 0);
  hid_t file = H5Fopen(changed, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(file >= 0 && H5Ldelete(file, "X", H5P_DEFAULT) >= 0);
  return file;
}

static void external_link(void) {
  hid_t file = begin();
  assert_true(H5Lcreate_external("whole.h5ad", "/X", file, "X", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(file);
}

static void soft_link_through_an_external_one(void) {
  hid_t file = begin();
  assert_true(H5Lcreate_external("whole.h5ad", "/", file, "other", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  assert_true(H5Lcreate_soft("/other/X", file, "X", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(file);
}

static void external_link_of_a_column(void) {
  hid_t file = begin();
  hid_t from = H5Fopen(whole, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(H5Ocopy(from, "X", file, "X", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(from);
  assert_true(H5Ldelete(file, "obs/donor", H5P_DEFAULT) >= 0);
  assert_true(H5Lcreate_external("whole.h5ad", "/obs/donor", file, "obs/donor", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(file);
}

static void write_attributes(hid_t dataset) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, 5);
  hid_t id = H5Acreate2(dataset, "encoding-type", type, space, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(id, type, "array") >= 0);
  H5Aclose(id);
  H5Sclose(space);
  H5Tclose(type);
}

static hid_t make_x(hid_t file, hid_t creation) {
  const hsize_t dims[2] = {N_CELLS, N_GENES};
  hid_t space = H5Screate_simple(2, dims, NULL);
  hid_t x = H5Dcreate2(file, "X", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  assert_true(x >= 0);
  write_attributes(x);
  H5Sclose(space);
  return x;
}

static void external_storage(void) {
  static float values[N_CELLS * N_GENES];
  char raw[256];
  hid_t from = H5Fopen(whole, H5F_ACC_RDONLY, H5P_DEFAULT), old = H5Dopen2(from, "X", H5P_DEFAULT);
  assert_true(H5Dread(old, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(old);
  H5Fclose(from);
  snprintf(raw, sizeof raw, "%s/values.raw", test_folder);
  hid_t file = begin(), creation = H5Pcreate(H5P_DATASET_CREATE);
  assert_true(H5Pset_external(creation, raw, 0, sizeof values) >= 0);
  hid_t x = make_x(file, creation);
  assert_true(H5Dwrite(x, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(x);
  H5Pclose(creation);
  H5Fclose(file);
}

static void view_of(const char *source, const char *dataset) {
  const hsize_t dims[2] = {N_CELLS, N_GENES};
  hid_t file = begin(), creation = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, dims, NULL);
  if (strcmp(source, ".") == 0) {
    hid_t from = H5Fopen(whole, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(H5Ocopy(from, "X", file, dataset, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(from);
  }
  assert_true(H5Pset_virtual(creation, space, source, dataset, space) >= 0);
  H5Dclose(make_x(file, creation));
  H5Sclose(space);
  H5Pclose(creation);
  H5Fclose(file);
}

static void view_of_another_file(void) {
  view_of("whole.h5ad", "/X");
}
static void view_of_the_file_itself(void) {
  view_of(".", "/kept");
}

static void soft_link_within(void) {
  hid_t file = begin(), from = H5Fopen(whole, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(H5Ocopy(from, "X", file, "kept", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  assert_true(H5Lcreate_soft("/kept", file, "X", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(from);
  H5Fclose(file);
}

/* Opens the file, reads all of it, and adds the values up. */
static cyf_status read_sum(const char *path, double *ret_sum) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  cyf_label_column donors = {0};
  *ret_sum = 0;
  cyf_status status = cyf_h5ad_open(path, NULL, &file);
  if (status == CYF_OK) {
    cyf_csr_buffer_clear(&rows, N_GENES);
    status = cyf_h5ad_read_rows(file, 0, N_CELLS, &rows);
  }
  if (status == CYF_OK) status = cyf_h5ad_read_labels(file, "donor", &donors);
  for (int64_t e = 0; status == CYF_OK && e < rows.indptr[N_CELLS]; e++) *ret_sum += (double)rows.values[e];
  cyf_label_column_destroy(&donors);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
  return status;
}

static void what_leaves_the_file_is_refused_unless_wanted(void **state) {
  (void)state;
  static const struct {
    void (*make)(void);
    bool leaves;
  } cases[] = {{external_link, true},
               {soft_link_through_an_external_one, true},
               {external_link_of_a_column, true},
               {external_storage, true},
               {view_of_another_file, true},
               {view_of_the_file_itself, false},
               {soft_link_within, false}};
  double right = 0, sum = 0;
  assert_ok(read_sum(whole, &right));
  assert_true(right > 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cyf_hdf5_lock();
    cases[i].make();
    cyf_hdf5_unlock();
    if (cases[i].leaves) {
      assert_fails(read_sum(changed, &sum), CYF_ERR_INPUT, "--follow-links reads it");
    } else {
      assert_ok(read_sum(changed, &sum));
      assert_true(sum == right);
    }
    cyf_h5_follow_links(true);
    assert_ok(read_sum(changed, &sum));
    assert_true(sum == right);
    cyf_h5_follow_links(false);
  }
}

/* A manifest names files of its own folder alone. */
static void a_manifest_leads_nowhere_else(void **state) {
  (void)state;
  static const char *const names[] = {"/etc/passwd", "../whole.h5ad", "sub/whole.h5ad", "..", ""};
  char folder[160], path[200];
  snprintf(folder, sizeof folder, "%s/atlas", test_folder);
  snprintf(path, sizeof path, "%s/manifest.yaml", folder);
  assert_ok(cyf_make_directory(folder));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    for (int of_genes = 0; of_genes < 2; of_genes++) {
      char text[1024], genes[240];
      cyf_atlas *atlas = NULL;
      snprintf(genes, sizeof genes, "%s/genes.tsv", folder);
      assert_ok(cyf_write_text_file(genes, "A\n"));
      char sum[24];
      snprintf(sum, sizeof sum, "%016llx", (unsigned long long)cyf_checksum(0, "A", 2));
      snprintf(text, sizeof text,
               "format: cytoforge-atlas\nversion: 1\nkind: counts\ntarget: 10000\nn_cells: 1\nn_genes: 1\nnnz: 1\n"
               "seed: \"0\"\nfingerprint: \"0\"\ngenes: \"%s\"\ngenes_checksum: \"%s\"\nattributes: []\nshards:\n"
               "  - {file: \"%s\", n_cells: 1, nnz: 1, bytes: 1, checksum: \"0\"}\n",
               of_genes ? names[i] : "genes.tsv", sum, of_genes ? "shard-00000.h5ad" : names[i]);
      assert_ok(cyf_write_text_file(path, text));
      assert_fails(cyf_atlas_open(folder, &atlas), CYF_ERR_INPUT, "which is not in the atlas' folder");
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_leaves_the_file_is_refused_unless_wanted),
                                     cmocka_unit_test(a_manifest_leads_nowhere_else)};
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
