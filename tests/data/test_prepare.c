/* SPDX-License-Identifier: MIT */
/* cytoforge prepare: files to an atlas, compared with what prepare_expected.h works out. */
#include <signal.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "data/tables/gene_list.h"
#include "prepare_expected.h"

static void write_inputs(const fixture *shared, char path[N_FILES][128]) {
  for (int f = 0; f < N_FILES; f++) {
    char name[16];
    snprintf(name, sizeof(name), "in%d.h5ad", f);
    fixture_write_shared(shared, &files[f], name, path[f]);
  }
}

static void the_atlas_holds_every_kept_cell_once(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[128], file[160];
  write_inputs(shared, path);
  fixture_path(shared, "atlas/", output); /* a trailing slash does no harm */
  const char *inputs[N_FILES] = {path[0], path[1]};
  cyf_prepare_options options = fixture_options(inputs, N_FILES, output);
  options.holdout = 0.15;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  static expectation expected;
  work_out(&options, NULL, 0, &expected);
  assert_int_equal(summary.n_cells_in, 2000);
  assert_int_equal(summary.n_cells_train, expected.n_train);
  assert_int_equal(summary.n_cells_heldout, expected.n_heldout);
  assert_int_equal(summary.n_cells_few_genes, 2000 - expected.n_train - expected.n_heldout);
  assert_true(summary.n_cells_few_genes > 50 && summary.n_cells_heldout > 100 && summary.n_genes_few_cells > 0);
  assert_int_equal(summary.n_genes, expected.n_genes);
  assert_int_equal(summary.nnz, expected.nnz);
  int64_t sum = 0;
  for (int64_t i = 0; i < expected.n_train; i++)
    for (int64_t k = 0; k < expected.n_genes; k++) sum += (int64_t)expected_value(&expected, expected.train[i], k);
  assert_int_equal(summary.sum_counts, sum);
  if (shared->rank == 0) {
    check_atlas(output, &options, &expected);
    snprintf(file, sizeof(file), "%s/heldout.h5ad", output);
    check_file(file, &expected, expected.heldout, expected.n_heldout);
    snprintf(file, sizeof(file), "%s/train.h5ad", output);
    check_file(file, &expected, expected.in_order, expected.n_train);
    snprintf(file, sizeof(file), "%s/spill", output);
    assert_false(check_exists(file));
    fixture_path(shared, "atlas.partial", file);
    assert_false(check_exists(file));
  }
  /* The fingerprint covers genes, labels and every value at its place. It is a constant, so that runs of this test on
   * other numbers of ranks must agree. */
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_string_equal(atlas->fingerprint, "7483b0098d63e537");
  cyf_atlas_close(&atlas);
}

static void equal_runs_write_equal_bytes(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[2][128];
  write_inputs(shared, path);
  const char *inputs[N_FILES] = {path[0], path[1]};
  for (int i = 0; i < 2; i++) {
    fixture_path(shared, i ? "second" : "first", output[i]);
    const cyf_prepare_options options = fixture_options(inputs, N_FILES, output[i]);
    assert_ok(cyf_prepare(shared->comm, &options, NULL));
  }
  if (shared->rank != 0) return;
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output[0], &atlas));
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    char command[400];
    snprintf(command, sizeof(command), "cmp -s %s %s/shard-%05d.h5ad", atlas->shards[s].path, output[1], (int)s);
    assert_int_equal(system(command), 0);
  }
  cyf_atlas_close(&atlas);
}

static void a_gene_list_fixes_genes_and_order(void **state) {
  const fixture *shared = *state;
  static const char *const list[] = {"G50", "G2",  "ABSENT", "G7",  "G3", "G12", "G17", "G9",  "G20", "G31", "G42",
                                     "G53", "G64", "G75",    "G86", "G0", "G22", "G27", "G32", "G37", "G47", "G52"};
  enum { N_LIST = sizeof(list) / sizeof(list[0]) };
  char path[N_FILES][128], output[128], genes[128];
  write_inputs(shared, path);
  fixture_path(shared, "listed", output);
  fixture_path(shared, "genes.tsv", genes);
  if (shared->rank == 0) {
    char text[512] = "";
    for (int i = 0; i < N_LIST; i++)
      snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\tother column\r\n", list[i]);
    assert_ok(cyf_write_text_file(genes, text));
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  const char *inputs[N_FILES] = {path[0], path[1]};
  cyf_prepare_options options = fixture_options(inputs, N_FILES, output);
  options.genes_path = genes;
  options.genes_join = CYF_GENES_JOIN_AUTO;
  options.min_genes = 2;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_genes, N_LIST);
  assert_int_equal(summary.n_genes_missing, 1);
  assert_int_equal(summary.n_genes_few_cells, 0);
  static expectation expected;
  work_out(&options, list, N_LIST, &expected);
  if (shared->rank == 0) check_atlas(output, &options, &expected);
}

/* Inputs that differ in their genes: without a choice they are refused with both ways out. The genes that all have are
 * those of a list of them. */
static void genes_that_some_inputs_lack_need_a_choice(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[128], genes[128];
  write_inputs(shared, path);
  fixture_path(shared, "joined", output);
  fixture_path(shared, "common.tsv", genes);
  const char *inputs[N_FILES] = {path[0], path[1]};
  cyf_prepare_options options = fixture_options(inputs, N_FILES, output);
  static expectation expected, joined;
  const char *common[FIXTURE_POOL];
  int64_t n_common = 0;
  options.min_cells = 0;
  work_out(&options, NULL, 0, &expected);
  for (int64_t g = 0; g < expected.n_genes; g++)
    if (expected.column[g][0] >= 0 && expected.column[g][1] >= 0) common[n_common++] = expected.gene[g];
  options.genes_join = CYF_GENES_JOIN_AUTO;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "--genes-join intersection keeps the");
  fixture_refused(shared, &options, CYF_ERR_INPUT, "--genes-join union keeps all");
  options.genes_join = CYF_GENES_JOIN_INTERSECTION;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_genes, n_common);
  assert_int_equal(summary.n_structural_zeros, 0);
  work_out(&options, common, n_common, &joined);
  if (shared->rank == 0) check_atlas(output, &options, &joined);
  options.genes_path = genes;
  fixture_refused(shared, &options, CYF_ERR_USAGE, "exclude each other");
}

static void log_normalised_values_stay_as_they_are(void **state) {
  const fixture *shared = *state;
  fixture_file source = files[0];
  source.log_normalized = true;
  char path[128], output[128];
  fixture_write_shared(shared, &source, "log.h5ad", path);
  fixture_path(shared, "logs", output);
  const char *inputs[1] = {path};
  cyf_prepare_options options = fixture_options(inputs, 1, output);
  options.min_genes = options.min_cells = 0;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  if (shared->rank != 0) return;
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_int_equal(atlas->kind, CYF_EXPRESSION_LOG_NORMALIZED);
  assert_int_equal(atlas->n_cells, source.n_cells);
  const cyf_rng_key shuffle = cyf_rng_key_make(options.seed, CYF_RNG_SHUFFLE);
  cyf_csr_buffer rows = {0};
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    cyf_h5ad *file = NULL;
    assert_ok(cyf_h5ad_open(atlas->shards[s].path, NULL, &file));
    cyf_csr_buffer_clear(&rows, atlas->n_genes);
    assert_ok(cyf_h5ad_read_rows(file, 0, atlas->shards[s].n_cells, &rows));
    for (int64_t i = 0; i < source.n_cells; i++) {
      const int64_t place =
          (int64_t)cyf_rng_permute(shuffle, (uint64_t)source.n_cells, (uint64_t)i) - atlas->shards[s].first_cell;
      if (place < 0 || place >= atlas->shards[s].n_cells) continue;
      int64_t e = rows.indptr[place];
      for (int64_t g = 0; g < source.n_genes; g++) {
        const float value = fixture_value(&source, i, g);
        if (value == 0) continue;
        assert_int_equal(rows.indices[e], g);
        assert_true(rows.values[e++] == value);
      }
      assert_int_equal(e, rows.indptr[place + 1]);
    }
    cyf_h5ad_close(&file);
  }
  cyf_csr_buffer_destroy(&rows);
  cyf_atlas_close(&atlas);
}

static void unsuitable_inputs_are_refused(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], log_path[128], output[128], genes[128];
  write_inputs(shared, path);
  fixture_file source = files[0];
  source.log_normalized = true;
  fixture_write_shared(shared, &source, "log.h5ad", log_path);
  fixture_path(shared, "refused", output);
  const char *inputs[N_FILES] = {path[0], log_path}, *both[N_FILES] = {path[0], path[1]},
             *twice[N_FILES] = {path[0], path[0]};
  cyf_prepare_options options = fixture_options(inputs, N_FILES, output);
  fixture_refused(shared, &options, CYF_ERR_INPUT, "log.h5ad");
  options = fixture_options(twice, N_FILES, output);
  fixture_refused(shared, &options, CYF_ERR_INPUT, "twice");
  char respelt[160], linked[128];
  const char *slash = strrchr(path[0], '/');
  snprintf(respelt, sizeof(respelt), "%.*s/.%s", (int)(slash - path[0]), path[0], slash);
  fixture_path(shared, "linked.h5ad", linked);
  if (shared->rank == 0) assert_int_equal(symlink(path[0], linked), 0);
  assert_ok(cyf_comm_barrier(shared->comm));
  twice[1] = respelt;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "same file");
  twice[1] = linked;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "same file");
  static const char *const unaskable[1] = {"cell=type"};
  options = fixture_options(both, N_FILES, output);
  options.labels = unaskable;
  options.n_labels = 1;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "no input has an obs column 'type'"); /* the label cell */
  static const char *const labels[1] = {"celltype"};
  options = fixture_options(both, N_FILES, output);
  options.labels = labels;
  options.n_labels = 1;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "cell type"); /* lists what there is */
  options = fixture_options(both, N_FILES, output);
  options.min_genes = 1000;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "--min-genes");
  options = fixture_options(both, N_FILES, output);
  options.min_cells = 100000;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "--min-cells"); /* fails late, with files on disk */
  options = fixture_options(both, N_FILES, output);
  options.holdout = 1;
  fixture_refused(shared, &options, CYF_ERR_USAGE, "--holdout");
  options = fixture_options(both, N_FILES, output);
  options.matrix = "layers/none";
  fixture_refused(shared, &options, CYF_ERR_INPUT, "none");
  fixture_path(shared, "ensembl.tsv", genes);
  if (shared->rank == 0) assert_ok(cyf_write_text_file(genes, "ENSG1\nENSG2\n"));
  assert_ok(cyf_comm_barrier(shared->comm));
  options = fixture_options(both, N_FILES, output);
  options.genes_path = genes;
  options.genes_join = CYF_GENES_JOIN_AUTO;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "ENSG1");
  inputs[1] = "no/such/file.h5ad";
  options = fixture_options(inputs, N_FILES, output);
  fixture_refused(shared, &options, CYF_ERR_INPUT, "no/such/file.h5ad");
}

static void an_atlas_is_replaced_only_by_force(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[128], file[160];
  write_inputs(shared, path);
  fixture_path(shared, "kept", output);
  const char *inputs[N_FILES] = {path[0], path[1]};
  cyf_prepare_options options = fixture_options(inputs, 1, output);
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  fixture_refused(shared, &options, CYF_ERR_IO, "--force");
  options.n_inputs = N_FILES;
  options.genes_join = CYF_GENES_JOIN_UNION;
  options.force = true;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_true(atlas->n_cells > 900); /* that of two files */
  cyf_atlas_close(&atlas);
  /* Nor is what someone put into an atlas' folder removed with it. */
  assert_ok(cyf_comm_barrier(shared->comm));
  static const char *const notes[] = {"notes.txt", "shard-1.h5ad", ".hidden"};
  for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
    snprintf(file, sizeof(file), "%s/%s", output, notes[i]);
    if (shared->rank == 0) assert_ok(cyf_write_text_file(file, "text"));
    assert_ok(cyf_comm_barrier(shared->comm));
    fixture_refused(shared, &options, CYF_ERR_IO, notes[i]);
    assert_true(check_exists(file));
    assert_ok(cyf_comm_barrier(shared->comm));
    if (shared->rank == 0) assert_ok(cyf_remove_file(file));
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  options.n_inputs = 1; /* with hold-out files this time, and then without */
  options.holdout = 0.2;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  snprintf(file, sizeof(file), "%s/heldout.h5ad", output);
  assert_true(check_exists(file));
  assert_ok(cyf_comm_barrier(shared->comm));
  options.holdout = 0;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  assert_false(check_exists(file));
  assert_ok(cyf_comm_barrier(shared->comm));
  /* A folder that is no atlas is never replaced. */
  fixture_path(shared, "precious", output);
  snprintf(file, sizeof(file), "%s/thesis.txt", output);
  if (shared->rank == 0) {
    assert_ok(cyf_make_directory(output));
    assert_ok(cyf_write_text_file(file, "text"));
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  fixture_refused(shared, &options, CYF_ERR_IO, "no atlas");
  assert_true(check_exists(file));
}

static void damaged_atlases_are_told(void **state) {
  const fixture *shared = *state;
  char path[128], output[128], file[160];
  fixture_write_shared(shared, &files[0], "one.h5ad", path);
  fixture_path(shared, "damaged", output);
  const char *inputs[1] = {path};
  const cyf_prepare_options options = fixture_options(inputs, 1, output);
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  cyf_atlas *atlas = NULL;
  if (shared->rank == 0) {
    snprintf(file, sizeof(file), "%s/genes.tsv", output);
    char *genes = NULL;
    assert_ok(cyf_read_text_file(file, &genes));
    assert_ok(cyf_write_text_file(file, "A\nB\n"));
    assert_fails(cyf_atlas_open(output, &atlas), CYF_ERR_INPUT, "genes.tsv");
    assert_ok(cyf_write_text_file(file, genes));
    cyf_free(genes);
    snprintf(file, sizeof(file), "%s/shard-00002.h5ad", output);
    assert_ok(cyf_write_text_file(file, "short"));
    assert_fails(cyf_atlas_open(output, &atlas), CYF_ERR_INPUT, "shard-00002.h5ad: has 5 bytes");
    assert_ok(cyf_remove_file(file));
    assert_fails(cyf_atlas_open(output, &atlas), CYF_ERR_INPUT, "missing");
    assert_fails(cyf_atlas_open(shared->folder, &atlas), CYF_ERR_INPUT, "cytoforge prepare");
    assert_null(atlas);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
}

static void gene_lists_are_read_strictly(void **state) {
  const fixture *shared = *state;
  if (shared->rank != 0) return;
  char path[128];
  cyf_names genes = {0};
  fixture_path(shared, "list.tsv", path);
  assert_ok(cyf_write_text_file(path,
                                "\xef\xbb\xbf"
                                "A1BG\tx\r\n\nHLA-A\nCD3 E"));
  assert_ok(cyf_gene_list_read(path, &genes));
  assert_int_equal(genes.n, 3);
  assert_string_equal(genes.name[0], "A1BG");
  assert_string_equal(genes.name[2], "CD3 E");
  cyf_names_destroy(&genes);
  assert_ok(cyf_write_text_file(path, "A\nB\n\nA\n"));
  assert_fails(cyf_gene_list_read(path, &genes), CYF_ERR_INPUT, "list.tsv:4: gene \"A\"");
  assert_int_equal(genes.n, 0);
  assert_ok(cyf_write_text_file(path, "\n\n"));
  assert_fails(cyf_gene_list_read(path, &genes), CYF_ERR_INPUT, "no gene");
}

static void real_cells_pass_through_unchanged(void **state) {
  const fixture *shared = *state;
  const char *folder = test_real_data_or_skip();
  char path[512], output[128];
  snprintf(path, sizeof(path), "%s/pbmc_facs.h5ad", folder);
  fixture_path(shared, "pbmc", output);
  static const char *const labels[1] = {"cell_type"};
  const char *inputs[1] = {path};
  cyf_prepare_options options = fixture_options(inputs, 1, output);
  options.labels = labels;
  options.n_labels = 1;
  options.min_genes = options.min_cells = 0;
  options.cells_per_shard = 1000;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_train, 3774);
  assert_int_equal(summary.n_genes, 21952);
  if (shared->rank != 0) return;
  cyf_atlas *atlas = NULL;
  cyf_h5ad *source = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_ok(cyf_h5ad_open(path, NULL, &source));
  cyf_csr_buffer before = {0}, after = {0};
  cyf_csr_buffer_clear(&before, 21952);
  cyf_csr_buffer_clear(&after, 21952);
  assert_ok(cyf_h5ad_read_rows(source, 0, 3774, &before));
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    cyf_h5ad *shard = NULL;
    assert_ok(cyf_h5ad_open(atlas->shards[s].path, NULL, &shard));
    assert_ok(cyf_h5ad_read_rows(shard, 0, atlas->shards[s].n_cells, &after));
    cyf_h5ad_close(&shard);
  }
  assert_int_equal(before.indptr[3774], after.indptr[3774]);
  const cyf_rng_key shuffle = cyf_rng_key_make(options.seed, CYF_RNG_SHUFFLE);
  for (int64_t i = 0; i < 3774; i++) {
    const int64_t place = (int64_t)cyf_rng_permute(shuffle, 3774, (uint64_t)i);
    const int64_t a = before.indptr[i], b = after.indptr[place], n = before.indptr[i + 1] - a;
    assert_int_equal(after.indptr[place + 1] - b, n);
    assert_memory_equal(before.indices + a, after.indices + b, (size_t)n * sizeof(int32_t));
    assert_memory_equal(before.values + a, after.values + b, (size_t)n * sizeof(float));
  }
  cyf_csr_buffer_destroy(&before);
  cyf_csr_buffer_destroy(&after);
  cyf_h5ad_close(&source);
  cyf_atlas_close(&atlas);
}

/* A signal to one rank stops all of them. The last test: a request to stop cannot be taken back. */
static void a_signal_stops_all_ranks(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[128], partial[160];
  write_inputs(shared, path);
  fixture_path(shared, "stopped", output);
  const char *inputs[N_FILES] = {path[0], path[1]};
  const cyf_prepare_options options = fixture_options(inputs, N_FILES, output);
  cyf_interrupt_install();
  assert_ok(cyf_comm_barrier(shared->comm));
  if (shared->rank == shared->size - 1) raise(SIGTERM);
  assert_fails(cyf_prepare(shared->comm, &options, NULL), CYF_ERR_INTERRUPTED, "stopped.partial holds what is done");
  assert_true(cyf_comm_failure_agreed(shared->comm));
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_false(check_exists(output));
  snprintf(partial, sizeof(partial), "%s.partial", output);
  assert_true(check_exists(partial)); /* for the same command to go on with */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(the_atlas_holds_every_kept_cell_once),
      TEST(equal_runs_write_equal_bytes),
      TEST(a_gene_list_fixes_genes_and_order),
      TEST(genes_that_some_inputs_lack_need_a_choice),
      TEST(log_normalised_values_stay_as_they_are),
      TEST(unsuitable_inputs_are_refused),
      TEST(an_atlas_is_replaced_only_by_force),
      TEST(damaged_atlases_are_told),
      TEST(gene_lists_are_read_strictly),
      TEST(real_cells_pass_through_unchanged),
      TEST(a_signal_stops_all_ranks),
  };
  return FIXTURE_RUN(tests);
}
