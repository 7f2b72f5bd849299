/* SPDX-License-Identifier: MIT */
/* cytoforge prepare on real data sets: what is held out, selected and merged, counted in the files themselves. */
#include "atlas_fixture.h"

static const char *real_file(const char *data, const char *name, char path[512]) {
  snprintf(path, 512, "%s/%s", data, name);
  return path;
}

static int64_t cells_of(const char *path, const char *column, const char *value) {
  cyf_h5ad *file = NULL;
  cyf_label_column c = {0};
  int64_t n = 0;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_labels(file, column, &c));
  const int64_t code = cyf_names_find(&c.categories, value);
  for (int64_t i = 0; i < c.n_cells; i++) n += code >= 0 && c.code[i] == code;
  cyf_label_column_destroy(&c);
  cyf_h5ad_close(&file);
  return n;
}

/* A donor's B cells are held out: a combination that training never sees. */
static void real_pairs_are_held_out(void **state) {
  const fixture *shared = *state;
  static const char *const pair_labels[] = {"donor", "cell_type"}, *const where[] = {"donor=d101,cell_type=B cells"};
  char path[512], output[128], file[160];
  const char *input = real_file(test_real_data_or_skip(), "kang_donors.h5ad", path);
  fixture_path(shared, "kang", output);
  cyf_prepare_options options = {.inputs = &input,
                                 .n_inputs = 1,
                                 .output = output,
                                 .labels = pair_labels,
                                 .n_labels = 2,
                                 .holdout_where = where,
                                 .n_holdout_where = 1,
                                 .min_cells = 3};
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_in, 12261);
  if (shared->rank == 0) {
    snprintf(file, sizeof file, "%s/heldout.h5ad", output);
    assert_int_equal(cells_of(file, "donor", "d101"), summary.n_cells_heldout);
    assert_int_equal(cells_of(file, "cell_type", "B cells"), summary.n_cells_heldout);
    snprintf(file, sizeof file, "%s/train.h5ad", output);
    assert_int_equal(cells_of(file, "cell_type", "B cells") + summary.n_cells_heldout,
                     cells_of(path, "cell_type", "B cells"));
    assert_true(summary.n_cells_heldout > 20);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* CELLxGENE's columns: Booleans, symbols in feature_name; and anndata before 0.7. */
static void real_columns_of_all_kinds_are_read(void **state) {
  const fixture *shared = *state;
  static const char *const cell_type[] = {"cell_type"}, *const keep[] = {"is_primary_data=true", "ClassAnn!=none"};
  static const char *const days[] = {"day=10.5", "day=11"};
  char path[512], output[128], list[128];
  const char *input = real_file(test_real_data_or_skip(), "brain_cellxgene.h5ad", path);
  fixture_path(shared, "brain", output);
  fixture_path(shared, "few.tsv", list);
  cyf_prepare_options options = {.inputs = &input,
                                 .n_inputs = 1,
                                 .output = output,
                                 .labels = cell_type,
                                 .n_labels = 1,
                                 .keep = keep,
                                 .n_keep = 1,
                                 .duplicates = CYF_DUPLICATES_REFUSE};
  cyf_prepare_summary summary;
  const int64_t n_primary = cells_of(path, "is_primary_data", "True");
  if (n_primary > 0) {
    assert_ok(cyf_prepare(shared->comm, &options, &summary));
    assert_int_equal(summary.n_cells_filtered, summary.n_cells_in - n_primary);
  } else {
    fixture_refused(shared, &options, CYF_ERR_INPUT, "the values are: 'False'");
  }
  options.keep = keep + 1;
  options.force = true;
  assert_fails(cyf_prepare(shared->comm, &options, NULL), CYF_ERR_INPUT, "ClassAnn!=none: no cell has this value");
  if (shared->rank == 0) assert_ok(cyf_write_text_file(list, "HBB\nXIST\nSST\nVIP\nPVALB\nGAD1\n"));
  assert_ok(cyf_comm_barrier(shared->comm));
  options.n_keep = 0;
  options.genes_path = list;
  assert_fails(cyf_prepare(shared->comm, &options, NULL), CYF_ERR_INPUT, "--gene-column ");
  options.gene_column = "symbol,feature_name";
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_genes, 6);
  assert_true(summary.n_genes_missing < 6);

  input = real_file(test_real_data_or_skip(), "wot_days.h5ad", path);
  options = (cyf_prepare_options){.inputs = &input,
                                  .n_inputs = 1,
                                  .output = output,
                                  .labels = cell_type,
                                  .n_labels = 1,
                                  .keep = days,
                                  .n_keep = 2,
                                  .force = true};
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_train, cells_of(path, "day", "10.5") + cells_of(path, "day", "11"));
  assert_int_equal(summary.n_cells_filtered, cells_of(path, "day", "10"));
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* Symbols of two studies merged; the one with Ensembl ids needs its column. */
static void real_studies_are_merged(void **state) {
  const fixture *shared = *state;
  static const char *const cell_type[] = {"cell_type"};
  char path[2][512], output[128];
  const char *inputs[2] = {real_file(test_real_data_or_skip(), "kang_donors.h5ad", path[0]),
                           real_file(test_real_data_or_skip(), "pbmc_facs.h5ad", path[1])};
  fixture_path(shared, "merged", output);
  cyf_prepare_options options = {.inputs = inputs,
                                 .n_inputs = 2,
                                 .output = output,
                                 .labels = cell_type,
                                 .n_labels = 1,
                                 .min_cells = 1,
                                 .duplicates = CYF_DUPLICATES_DROP};
  fixture_refused(shared, &options, CYF_ERR_INPUT, "is in any other input");
  options.gene_column = "symbol";
  fixture_refused(shared, &options, CYF_ERR_INPUT, "--genes-join intersection keeps the 1287 that all have");
  options.genes_join = CYF_GENES_JOIN_UNION;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_train + summary.n_cells_repeated, 12261 + 3774);
  assert_int_equal(summary.n_genes_in, 21952); /* every gene of the smaller list is in the larger one */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(real_pairs_are_held_out),
      TEST(real_columns_of_all_kinds_are_read),
      TEST(real_studies_are_merged),
  };
  return FIXTURE_RUN(tests);
}
