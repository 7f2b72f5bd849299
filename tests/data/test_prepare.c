/* SPDX-License-Identifier: MIT */
/* cytoforge prepare: files to an atlas. What it should write is worked out here by simple loops over dense arrays,
 * without ranks or blocks. */
#include <signal.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "base/interrupt.h"
#include "data/tables/gene_list.h"

enum { N_FILES = 2, CELLS_MAX = 2400 };
/* The second is dense and read in blocks of 512, so that several ranks take part in it. */
static const fixture_file files[N_FILES] = {
    {.n_cells = 700, .n_genes = 60, .gene_stride = 5, .gene_offset = 2, .seed = 1, .types = {"T cell", "B cell", "NK"}},
    {.n_cells = 1300,
     .n_genes = 70,
     .gene_stride = 11,
     .gene_offset = 9,
     .seed = 2,
     .dense = true,
     .types = {"NK", "Mono", "T cell"}},
};

/* What becomes of the cells, by the definitions in prepare.h. */
typedef struct expectation {
  int64_t n_in, n_train, n_heldout, n_genes, nnz;
  int file[CELLS_MAX];
  int64_t row[CELLS_MAX];                          /* of each input cell within its file */
  int64_t train[CELLS_MAX];                        /* input cells in atlas order */
  int64_t heldout[CELLS_MAX], in_order[CELLS_MAX]; /* held-out and training input cells in input order */
  char gene[FIXTURE_POOL][8];
  int64_t column[FIXTURE_POOL][N_FILES]; /* gene of each file, -1 */
} expectation;

static float expected_value(const expectation *expected, int64_t cell, int64_t gene) {
  const int f = expected->file[cell];
  const int64_t g = expected->column[gene][f];
  return g < 0 ? 0 : fixture_value(&files[f], expected->row[cell], g);
}

static void list_genes(const char *const *list, int64_t n_list, expectation *expected) {
  for (int64_t i = 0; i < n_list; i++) snprintf(expected->gene[expected->n_genes++], 8, "%s", list[i]);
  for (int f = 0; f < N_FILES && n_list == 0; f++)
    for (int64_t g = 0; g < files[f].n_genes; g++) {
      char name[8];
      bool there = false;
      snprintf(name, sizeof(name), "G%d", (int)fixture_gene(&files[f], g));
      for (int64_t k = 0; k < expected->n_genes; k++) there = there || strcmp(expected->gene[k], name) == 0;
      if (!there) snprintf(expected->gene[expected->n_genes++], 8, "%s", name);
    }
  for (int64_t k = 0; k < expected->n_genes; k++)
    for (int f = 0; f < N_FILES; f++) {
      expected->column[k][f] = -1;
      for (int64_t g = 0; g < files[f].n_genes; g++) {
        char name[8];
        snprintf(name, sizeof(name), "G%d", (int)fixture_gene(&files[f], g));
        if (strcmp(expected->gene[k], name) == 0) expected->column[k][f] = g;
      }
    }
}

static void drop_rare_genes(int64_t min_cells, expectation *expected) {
  int64_t n = 0;
  for (int64_t k = 0; k < expected->n_genes; k++) {
    int64_t n_cells = 0;
    for (int64_t i = 0; i < expected->n_train; i++) n_cells += expected_value(expected, expected->train[i], k) > 0;
    if (n_cells < min_cells) continue;
    memmove(expected->gene[n], expected->gene[k], sizeof(expected->gene[k]));
    memmove(expected->column[n], expected->column[k], sizeof(expected->column[k]));
    n++;
  }
  expected->n_genes = n;
}

/* Fills the expectation; a gene list stops the gene filter. */
static void work_out(const cyf_prepare_options *options, const char *const *list, int64_t n_list,
                     expectation *expected) {
  static int64_t kept[CELLS_MAX];
  int64_t n_kept = 0;
  memset(expected, 0, sizeof(*expected));
  list_genes(list, n_list, expected);
  for (int f = 0; f < N_FILES; f++)
    for (int64_t i = 0; i < files[f].n_cells; i++) {
      const int64_t cell = expected->n_in++;
      int64_t n_detected = 0;
      expected->file[cell] = f;
      expected->row[cell] = i;
      for (int64_t k = 0; k < expected->n_genes; k++) n_detected += expected_value(expected, cell, k) > 0;
      if (n_detected >= options->min_genes) kept[n_kept++] = cell;
    }
  const int64_t n_heldout = (int64_t)llround(options->holdout * (double)n_kept);
  const cyf_rng_key split = cyf_rng_key_make(options->seed, CYF_RNG_SPLIT),
                    shuffle = cyf_rng_key_make(options->seed, CYF_RNG_SHUFFLE);
  for (int64_t i = 0; i < n_kept; i++) {
    if ((int64_t)cyf_rng_permute(split, (uint64_t)n_kept, (uint64_t)i) < n_heldout) {
      expected->heldout[expected->n_heldout++] = kept[i];
    } else {
      expected->in_order[expected->n_train++] = kept[i];
    }
  }
  for (int64_t i = 0; i < expected->n_train; i++)
    expected->train[cyf_rng_permute(shuffle, (uint64_t)expected->n_train, (uint64_t)i)] = expected->in_order[i];
  if (n_list == 0) drop_rare_genes(options->min_cells, expected);
  for (int64_t i = 0; i < expected->n_train; i++)
    for (int64_t k = 0; k < expected->n_genes; k++)
      expected->nnz += expected_value(expected, expected->train[i], k) > 0;
}

/* The file holds exactly these cells over the expected genes: values, names, labels. */
static void check_file(const char *path, const expectation *expected, const int64_t *cells, int64_t n_cells) {
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  cyf_csr_buffer rows = {0};
  char **names = NULL;
  cyf_label_column types = {0}, donors = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_int_equal(genes.n, expected->n_genes);
  for (int64_t k = 0; k < genes.n; k++) assert_string_equal(genes.name[k], expected->gene[k]);
  cyf_csr_buffer_clear(&rows, genes.n);
  assert_ok(cyf_h5ad_read_rows(file, 0, n_cells, &rows));
  assert_ok(cyf_h5ad_read_cell_names(file, &names));
  assert_ok(cyf_h5ad_read_labels(file, "cell type", &types));
  assert_ok(cyf_h5ad_read_labels(file, "donor", &donors));
  cyf_names unique = {0};
  for (int64_t i = 0; i < n_cells; i++) {
    const fixture_file *source = &files[expected->file[cells[i]]];
    const int64_t row = expected->row[cells[i]];
    int64_t e = rows.indptr[i];
    for (int64_t k = 0; k < genes.n; k++) {
      const bool there = e < rows.indptr[i + 1] && rows.indices[e] == k;
      assert_true((there ? rows.values[e] : 0) == expected_value(expected, cells[i], k));
      e += there;
    }
    assert_int_equal(e, rows.indptr[i + 1]);
    char name[24];
    snprintf(name, sizeof(name), "cell%lld", (long long)row);
    assert_memory_equal(names[i], name, strlen(name)); /* "-1" may follow: both files use the same names */
    assert_true(names[i][strlen(name)] == '\0' || names[i][strlen(name)] == '-');
    assert_ok(cyf_names_add(&unique, names[i], NULL));
    const int32_t type = fixture_type(row);
    if (type < 0) {
      assert_int_equal(types.code[i], -1);
    } else {
      assert_string_equal(types.categories.name[types.code[i]], source->types[type]);
    }
    assert_int_equal(donors.code[i], fixture_donor(row));
  }
  assert_int_equal(unique.n, n_cells);
  for (int64_t i = 0; i < n_cells; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_names_destroy(&unique);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  cyf_label_column_destroy(&types);
  cyf_label_column_destroy(&donors);
  cyf_h5ad_close(&file);
}

/* Every shard against the expectation, and what the manifest says. */
static void check_atlas(const char *directory, const cyf_prepare_options *options, const expectation *expected) {
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(directory, &atlas));
  assert_int_equal(atlas->n_cells, expected->n_train);
  assert_int_equal(atlas->n_genes, expected->n_genes);
  assert_int_equal(atlas->nnz, expected->nnz);
  assert_int_equal(atlas->kind, CYF_EXPRESSION_COUNTS);
  assert_int_equal(atlas->seed, options->seed);
  assert_int_equal(atlas->n_shards, (expected->n_train + options->cells_per_shard - 1) / options->cells_per_shard);
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    assert_int_equal(atlas->shards[s].first_cell, s * options->cells_per_shard);
    check_file(atlas->shards[s].path, expected, expected->train + atlas->shards[s].first_cell,
               atlas->shards[s].n_cells);
  }
  /* Categories in order of appearance over the files; their counts; codes of a range that crosses shards. */
  static const char *const merged[4] = {"T cell", "B cell", "NK", "Mono"};
  const cyf_attribute *attribute = &atlas->attributes[cyf_atlas_find_attribute(atlas, "cell type")];
  assert_int_equal(attribute->categories.n, 4);
  int64_t count[4] = {0};
  int32_t *codes = NULL;
  const int64_t first = 10, n = atlas->n_cells - 20;
  assert_ok(CYF_NEW(&codes, 2 * n));
  fixture_codes(atlas, first, n, codes);
  for (int64_t i = 0; i < atlas->n_cells; i++) {
    const int64_t row = expected->row[expected->train[i]];
    int32_t code = -1;
    for (int32_t c = 0; c < 4 && fixture_type(row) >= 0; c++)
      if (strcmp(merged[c], files[expected->file[expected->train[i]]].types[fixture_type(row)]) == 0) code = c;
    if (code >= 0) count[code]++;
    if (i >= first && i < first + n) {
      assert_int_equal(codes[i - first], code);
      assert_int_equal(codes[n + i - first], fixture_donor(row));
    }
  }
  for (int64_t c = 0; c < 4; c++) {
    assert_string_equal(attribute->categories.name[c], merged[c]);
    assert_int_equal(attribute->n_cells[c], count[c]);
  }
  assert_int_equal(cyf_atlas_find_attribute(atlas, "none"), -1);
  cyf_free(codes);
  cyf_atlas_close(&atlas);
}

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
    assert_false(cyf_file_exists(file));
    fixture_path(shared, "atlas.partial", file);
    assert_false(cyf_file_exists(file));
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

/* Fails with this message on every rank and leaves nothing behind. */
static void check_refused(const fixture *shared, const cyf_prepare_options *options, cyf_status code,
                          const char *text) {
  char partial[160];
  const bool there = cyf_file_exists(options->output);
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_fails(cyf_prepare(shared->comm, options, NULL), code, text);
  assert_true(cyf_comm_failure_agreed(shared->comm));
  assert_ok(cyf_comm_barrier(shared->comm));
  snprintf(partial, sizeof(partial), "%s.partial", options->output);
  assert_false(cyf_file_exists(partial));
  assert_true(cyf_file_exists(options->output) == there);
  assert_ok(cyf_comm_barrier(shared->comm));
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
  check_refused(shared, &options, CYF_ERR_INPUT, "log.h5ad");
  options = fixture_options(twice, N_FILES, output);
  check_refused(shared, &options, CYF_ERR_INPUT, "twice");
  char respelt[160], linked[128];
  const char *slash = strrchr(path[0], '/');
  snprintf(respelt, sizeof(respelt), "%.*s/.%s", (int)(slash - path[0]), path[0], slash);
  fixture_path(shared, "linked.h5ad", linked);
  if (shared->rank == 0) assert_int_equal(symlink(path[0], linked), 0);
  assert_ok(cyf_comm_barrier(shared->comm));
  twice[1] = respelt;
  check_refused(shared, &options, CYF_ERR_INPUT, "same file");
  twice[1] = linked;
  check_refused(shared, &options, CYF_ERR_INPUT, "same file");
  static const char *const unaskable[1] = {"cell=type"};
  options = fixture_options(both, N_FILES, output);
  options.labels = unaskable;
  options.n_labels = 1;
  check_refused(shared, &options, CYF_ERR_INPUT, "no input has an obs column 'type'"); /* the label cell */
  static const char *const labels[1] = {"celltype"};
  options = fixture_options(both, N_FILES, output);
  options.labels = labels;
  options.n_labels = 1;
  check_refused(shared, &options, CYF_ERR_INPUT, "cell type"); /* lists what there is */
  options = fixture_options(both, N_FILES, output);
  options.min_genes = 1000;
  check_refused(shared, &options, CYF_ERR_INPUT, "--min-genes");
  options = fixture_options(both, N_FILES, output);
  options.min_cells = 100000;
  check_refused(shared, &options, CYF_ERR_INPUT, "--min-cells"); /* fails late, with files on disk */
  options = fixture_options(both, N_FILES, output);
  options.holdout = 1;
  check_refused(shared, &options, CYF_ERR_USAGE, "--holdout");
  options = fixture_options(both, N_FILES, output);
  options.matrix = "layers/none";
  check_refused(shared, &options, CYF_ERR_INPUT, "none");
  fixture_path(shared, "ensembl.tsv", genes);
  if (shared->rank == 0) assert_ok(cyf_write_text_file(genes, "ENSG1\nENSG2\n"));
  assert_ok(cyf_comm_barrier(shared->comm));
  options = fixture_options(both, N_FILES, output);
  options.genes_path = genes;
  check_refused(shared, &options, CYF_ERR_INPUT, "ENSG1");
  inputs[1] = "no/such/file.h5ad";
  options = fixture_options(inputs, N_FILES, output);
  check_refused(shared, &options, CYF_ERR_INPUT, "no/such/file.h5ad");
}

static void an_atlas_is_replaced_only_by_force(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], output[128], file[160];
  write_inputs(shared, path);
  fixture_path(shared, "kept", output);
  const char *inputs[N_FILES] = {path[0], path[1]};
  cyf_prepare_options options = fixture_options(inputs, 1, output);
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  check_refused(shared, &options, CYF_ERR_IO, "--force");
  options.n_inputs = N_FILES;
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
    check_refused(shared, &options, CYF_ERR_IO, notes[i]);
    assert_true(cyf_file_exists(file));
    assert_ok(cyf_comm_barrier(shared->comm));
    if (shared->rank == 0) assert_ok(cyf_remove_file(file));
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  options.n_inputs = 1; /* with hold-out files this time, and then without */
  options.holdout = 0.2;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  snprintf(file, sizeof(file), "%s/heldout.h5ad", output);
  assert_true(cyf_file_exists(file));
  assert_ok(cyf_comm_barrier(shared->comm));
  options.holdout = 0;
  assert_ok(cyf_prepare(shared->comm, &options, NULL));
  assert_false(cyf_file_exists(file));
  assert_ok(cyf_comm_barrier(shared->comm));
  /* A folder that is no atlas is never replaced. */
  fixture_path(shared, "precious", output);
  snprintf(file, sizeof(file), "%s/thesis.txt", output);
  if (shared->rank == 0) {
    assert_ok(cyf_make_directory(output));
    assert_ok(cyf_write_text_file(file, "text"));
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  check_refused(shared, &options, CYF_ERR_IO, "no atlas");
  assert_true(cyf_file_exists(file));
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
  assert_false(cyf_file_exists(output));
  snprintf(partial, sizeof(partial), "%s.partial", output);
  assert_true(cyf_file_exists(partial)); /* for the same command to go on with */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(the_atlas_holds_every_kept_cell_once),
      TEST(equal_runs_write_equal_bytes),
      TEST(a_gene_list_fixes_genes_and_order),
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
