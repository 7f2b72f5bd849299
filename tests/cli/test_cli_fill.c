/* SPDX-License-Identifier: MIT */
/* So many cells of every class, and real cells topped up with generated ones, through the program: what is written, on
 * any ranks, and bad requests. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "support.h"

enum { N_FILE = 600 };

#define SIZES                                                                                                      \
  "--threads 1 --set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=300 --set " \
  "denoiser.hidden='[64, 48, 32]' --set denoiser.steps=600 --set denoiser.learning_rate=1e-3 --set "               \
  "denoiser.ema_decay=0.99 --set classifier.hidden='[48, 48, 32]' --set classifier.steps=200 --set data.lanes=16 " \
  "--set autoencoder.likelihood=nb --set sample.calibrate=true "

/* A model of counts with three attributes; of `pseudotime` one class has few cells. */
static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells %d --genes 200 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --label pseudotime --bins "
      "pseudotime=0.02 --min-genes 0 --min-cells 0 && "
      "$cytoforge train $fixed --data atlas --out run " SIZES,
      N_FILE);
}

/* One file, read whole. */
typedef struct cells {
  cyf_h5ad *file;
  int64_t n, width;
  float *latent;
  cyf_csr_buffer rows;
  char **name;
} cells;

static cells read_cells(const char *path) {
  cells c = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &c.file));
  c.n = cyf_h5ad_n_cells(c.file);
  assert_ok(cyf_h5ad_read_obsm(c.file, "X_latent", &c.width, &c.latent));
  cyf_csr_buffer_clear(&c.rows, cyf_h5ad_n_genes(c.file));
  assert_ok(cyf_h5ad_read_rows(c.file, 0, c.n, &c.rows));
  assert_ok(cyf_h5ad_read_cell_names(c.file, &c.name));
  return c;
}

static void free_cells(cells *c) {
  for (int64_t i = 0; i < c->n; i++) cyf_free(c->name[i]);
  cyf_free(c->name);
  cyf_free(c->latent);
  cyf_csr_buffer_destroy(&c->rows);
  cyf_h5ad_close(&c->file);
}

static cyf_label_column read_column(const cells *c, const char *name) {
  cyf_label_column column = {0};
  assert_ok(cyf_h5ad_read_labels(c->file, name, &column));
  return column;
}

static const char *label(const cyf_label_column *column, int64_t cell) {
  return column->code[cell] < 0 ? "" : column->categories.name[column->code[cell]];
}

static int64_t count_label(const cyf_label_column *column, int64_t first, int64_t end, const char *value) {
  int64_t n = 0;
  for (int64_t i = first; i < end; i++) n += strcmp(label(column, i), value) == 0;
  return n;
}

/* X from row `first` of a equals that from row `first_b` of b, n rows. */
static void assert_same_rows(const cells *a, int64_t first, const cells *b, int64_t first_b, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = a->rows.indptr[first + i], at_b = b->rows.indptr[first_b + i];
    const int64_t nnz = a->rows.indptr[first + i + 1] - at;
    assert_int_equal(nnz, b->rows.indptr[first_b + i + 1] - at_b);
    assert_memory_equal(a->rows.indices + at, b->rows.indices + at_b, sizeof(int32_t) * (size_t)nnz);
    assert_memory_equal(a->rows.values + at, b->rows.values + at_b, sizeof(float) * (size_t)nnz);
  }
}

static double latent_difference(const cells *a, int64_t first, const cells *b, int64_t first_b, int64_t n) {
  double worst = 0;
  for (int64_t i = 0; i < n * a->width; i++)
    worst = fmax(worst, fabs((double)a->latent[first * a->width + i] - (double)b->latent[first_b * b->width + i]));
  return worst;
}

static void every_class_gets_as_many_cells(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 3; ranks++)
    cli_expect(0,
               "mpirun -n %d $cytoforge sample -m run/model.h5 --each cell_type=150 --where donor=donor_2 --steps 10 "
               "--seed 4 -o each_%d.h5ad",
               ranks, ranks);
  cells one = read_cells("each_1.h5ad"), two = read_cells("each_2.h5ad"), three = read_cells("each_3.h5ad");
  cyf_label_column type = read_column(&one, "cell_type"), donor = read_column(&one, "donor");
  static const char *const names[] = {"type_1", "type_2", "type_3"};
  assert_int_equal(one.n, 450);
  for (int k = 0; k < 3; k++) assert_int_equal(count_label(&type, 150 * k, 150 * (k + 1), names[k]), 150);
  assert_int_equal(count_label(&donor, 0, 450, "donor_2"), 450);
  assert_same_rows(&one, 0, &two, 0, 450);
  assert_same_rows(&one, 0, &three, 0, 450);
  cyf_label_column_destroy(&type);
  cyf_label_column_destroy(&donor);
  free_cells(&one);
  free_cells(&two);
  free_cells(&three);
}

/* The real cells stand first as they were, with their latents; the generated ones are those of --requests of what the
 * classes lack. */
static void real_and_generated_cells_are_written_together(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 3; ranks++)
    cli_expect(0,
               "mpirun -n %d $cytoforge sample -m run/model.h5 --fill cells.h5ad --by cell_type --to 200 --steps 10 "
               "--seed 4 -o fill_%d.h5ad",
               ranks, ranks);
  cli_expect(0, "$cytoforge encode -m run/model.h5 cells.h5ad -o encoded.h5ad");
  cells one = read_cells("fill_1.h5ad"), two = read_cells("fill_2.h5ad"), three = read_cells("fill_3.h5ad");
  cells real = read_cells("encoded.h5ad"), counts = {0};
  cyf_label_column type = read_column(&one, "cell_type"), origin = read_column(&one, "origin");
  cyf_label_column own = read_column(&real, "cell_type"), donor = read_column(&one, "donor");
  static const char *const names[] = {"type_1", "type_2", "type_3"};
  char table[256] = "";
  int64_t n_lacking = 0;
  for (int k = 0; k < 3; k++) {
    const int64_t there = count_label(&own, 0, N_FILE, names[k]), lacks = there < 200 ? 200 - there : 0;
    n_lacking += lacks;
    assert_int_equal(count_label(&type, N_FILE, one.n, names[k]), lacks);
    if (lacks > 0) snprintf(table + strlen(table), sizeof table - strlen(table), "%s,%d\\n", names[k], (int)lacks);
  }
  assert_true(n_lacking > 0);
  assert_int_equal(one.n, N_FILE + n_lacking);
  assert_int_equal(count_label(&origin, 0, N_FILE, "real"), N_FILE);
  assert_int_equal(count_label(&origin, N_FILE, one.n, "generated"), n_lacking);
  assert_int_equal(count_label(&donor, N_FILE, one.n, ""), n_lacking);
  for (int64_t i = 0; i < N_FILE; i++) {
    assert_string_equal(label(&type, i), label(&own, i));
    assert_string_equal(one.name[i], real.name[i]);
  }
  assert_string_equal(one.name[N_FILE], "generated_0");
  assert_true(latent_difference(&one, 0, &real, 0, N_FILE) <= 1e-6);
  assert_ok(cyf_h5ad_open("cells.h5ad", NULL, &counts.file));
  cyf_csr_buffer_clear(&counts.rows, cyf_h5ad_n_genes(counts.file));
  assert_ok(cyf_h5ad_read_rows(counts.file, 0, N_FILE, &counts.rows));
  assert_same_rows(&one, 0, &counts, 0, N_FILE);
  assert_same_rows(&one, 0, &two, 0, one.n);
  assert_same_rows(&one, 0, &three, 0, one.n);
  cli_expect(0,
             "printf 'cell_type,count\\n%s' > lacking.csv && $cytoforge sample -m run/model.h5 --requests lacking.csv "
             "--steps 10 --seed 4 -o lacking.h5ad",
             table);
  cells lacking = read_cells("lacking.h5ad");
  assert_same_rows(&one, N_FILE, &lacking, 0, n_lacking);
  cyf_label_column_destroy(&type);
  cyf_label_column_destroy(&origin);
  cyf_label_column_destroy(&own);
  cyf_label_column_destroy(&donor);
  cyf_csr_buffer_destroy(&counts.rows);
  cyf_h5ad_close(&counts.file);
  free_cells(&lacking);
  free_cells(&real);
  free_cells(&one);
  free_cells(&two);
  free_cells(&three);
}

/* Logarithms of both are on the model's scale; genes are matched by name, and other genes are told. */
static void real_cells_are_brought_to_what_is_generated(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m run/model.h5 cells.h5ad -o logs.h5ad");
  cli_expect(4, "$cytoforge sample -m run/model.h5 --fill logs.h5ad --by cell_type --to 200 -o bad.h5ad");
  cli_expect_text("and the generated cells are counts; take a matrix of counts");
  cli_expect(0,
             "for f in logs cells; do $cytoforge sample -m run/model.h5 --fill $f.h5ad --by cell_type --to 200 --steps "
             "5 --output log -o of_$f.h5ad || exit 9; done");
  cells logs = read_cells("of_logs.h5ad"), counts = read_cells("of_cells.h5ad"), real = read_cells("logs.h5ad");
  cyf_label_column time = read_column(&counts, "pseudotime");
  assert_int_equal(logs.n, counts.n);
  assert_same_rows(&counts, 0, &real, 0, N_FILE);
  assert_same_rows(&logs, N_FILE, &counts, N_FILE, logs.n - N_FILE);
  assert_true(latent_difference(&logs, 0, &counts, 0, N_FILE) <= 1e-5);
  assert_int_equal(count_label(&time, N_FILE, counts.n, ""), counts.n - N_FILE);
  cyf_label_column_destroy(&time);
  free_cells(&logs);
  free_cells(&counts);
  free_cells(&real);
}

/* Classes that few training cells had are told once, and no others. */
static void classes_of_few_training_cells_are_told(void **state) {
  (void)state;
  cli_expect(0, "mpirun -n 2 $cytoforge sample -m run/model.h5 --each pseudotime=3 --steps 2 -o few.h5ad");
  cli_expect_text("of pseudotime '<0.02' alone");
  cli_expect_one_error("the model was trained on");
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 3 --where cell_type=type_1 --steps 2 -o many.h5ad");
  assert_null(strstr(cli_output, "the model was trained on"));
  cli_expect(0, "$cytoforge info run/model.h5 | grep -e 'cells, guidance' | wc -l");
  cli_expect_text("9"); /* 3 types, 4 donors, 2 bins */
}

static void bad_requests_say_what_is_possible(void **state) {
  (void)state;
  static const cli_refusal cases[] = {
      {2, "", "-n N is needed (the number of cells), or --each, --fill, --like or --requests"},
      {2, "--each cell_type", "--each wants ATTRIBUTE=N"},
      {2, "--each cell_type=0", "--each wants ATTRIBUTE=N"},
      {2, "--each cell_type=1.5", "--each wants ATTRIBUTE=N"},
      {2, "--each cell_tipe=5", "did you mean 'cell_type'?"},
      {2, "--each cell_type=5 --each donor=5", "--each is for one attribute"},
      {2, "--each cell_type=5 --where cell_type=type_1", "'cell_type' is asked for twice"},
      {2, "--each cell_type=5 -n 5", "-n, --like, --fill and --requests contradict it"},
      {2, "--each cell_type=5 --like cells.h5ad --by cell_type", "contradict it"},
      {2, "--each cell_type=5 --requests good.csv", "contradict it"},
      {2, "--each cell_type=5 --fill cells.h5ad --by cell_type --to 9", "contradict it"},
      {2, "--fill cells.h5ad --by cell_type --to 300 -n 5", "-n, --like and --requests contradict it"},
      {2, "--fill cells.h5ad --by cell_type", "--fill REAL.h5ad, --by ATTRIBUTE and --to N go together"},
      {2, "--fill cells.h5ad --to 300", "go together"},
      {2, "-n 5 --to 300", "go together"},
      {2, "--fill cells.h5ad --by cell_type --to -3", "--to wants at least 1 cell"},
      {2, "--fill cells.h5ad --by tissue --to 300", "no attribute 'tissue'"},
      {2, "--fill cells.h5ad --by cell_type --to 300 --output mean", "real cells have no means"},
      {2, "-n 5 --matrix raw/X", "are for the file of --fill"},
      {4, "--fill cells.h5ad --by cell_type --to 2", "there is nothing to generate"},
      {4, "--fill nowhere.h5ad --by cell_type --to 300", "nowhere.h5ad"},
      {4, "--fill bare.h5ad --by cell_type --to 300", "cell_type"},
      {4, "--fill filled.h5ad --by cell_type --to 300", "has an obs column 'origin' already"},
      {2, "--fill other.h5ad --by cell_type --to 300", "the model has no cell_type 'type_4'"},
  };
  cli_expect(0,
             "printf 'cell_type,count\\ntype_1,5\\n' > good.csv && $cytoforge sample -m run/model.h5 -n 5 --steps 2 -o "
             "bare.h5ad && $cytoforge sample -m run/model.h5 --fill cells.h5ad --by cell_type --to 160 --steps 2 -o "
             "filled.h5ad && $cytoforge synth -o other.h5ad --cells 400 --genes 200 --types 4 --counts 500");
  cli_expect_refusals("sample -m run/model.h5 -o bad.h5ad", cases, sizeof cases / sizeof cases[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_class_gets_as_many_cells),
      cmocka_unit_test(real_and_generated_cells_are_written_together),
      cmocka_unit_test(real_cells_are_brought_to_what_is_generated),
      cmocka_unit_test(classes_of_few_training_cells_are_told),
      cmocka_unit_test(bad_requests_say_what_is_possible),
  };
  return cmocka_run_group_tests_name("cli_fill", tests, setup, cli_teardown);
}
