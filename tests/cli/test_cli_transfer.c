/* SPDX-License-Identifier: MIT */
/* Real cells taken to another label, through the program: what they become and keep, on any ranks, and bad requests. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "plant.h"

enum { N_FILE = 600 };

#define SMALL                                                                                                      \
  "--threads 1 --set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=500 --set " \
  "denoiser.hidden='[64, 48, 32]' --set denoiser.learning_rate=1e-3 --set denoiser.ema_decay=0.99 --set "          \
  "data.lanes=16 "

/* `run` has a denoiser that is told both labels, `classifier.h5` a classifier of cell_type alone. */
static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells %d --genes 200 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-genes 0 --min-cells 0 && "
      "$cytoforge train $fixed --data atlas --out run --stage autoencoder " SMALL
      "&& cp -r run plain && $cytoforge train $fixed --data atlas --out run --stage denoiser " SMALL
      "--set denoiser.steps=3000 --set denoiser.conditions='[cell_type, donor]' && "
      "$cytoforge train $fixed --data atlas --out plain --stage denoiser " SMALL
      "--set denoiser.steps=1500 && cp plain/model.h5 classifier.h5 && "
      "$cytoforge train --data atlas -m classifier.h5 --stage classifier:cell_type --threads 1 --set "
      "classifier.hidden='[48, 48, 32]' --set classifier.steps=300",
      N_FILE);
}

/* What a file says of its cells. */
typedef struct cells {
  int64_t n, width;
  float *latent;
  cyf_label_column type, donor, start_type, start_cell; /* the last two: of transferred cells alone */
} cells;

static cells read_cells(const char *path, bool is_transferred) {
  cells c = {0};
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  c.n = cyf_h5ad_n_cells(file);
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &c.width, &c.latent));
  assert_ok(cyf_h5ad_read_labels(file, "cell_type", &c.type));
  assert_ok(cyf_h5ad_read_labels(file, "donor", &c.donor));
  if (is_transferred) {
    assert_ok(cyf_h5ad_read_labels(file, "start_cell_type", &c.start_type));
    assert_ok(cyf_h5ad_read_labels(file, "start_cell", &c.start_cell));
  }
  cyf_h5ad_close(&file);
  return c;
}

static void free_cells(cells *c) {
  cyf_label_column_destroy(&c->type);
  cyf_label_column_destroy(&c->donor);
  cyf_label_column_destroy(&c->start_type);
  cyf_label_column_destroy(&c->start_cell);
  cyf_free(c->latent);
}

static const char *label(const cyf_label_column *column, int64_t cell) {
  assert_true(column->code[cell] >= 0);
  return column->categories.name[column->code[cell]];
}

/* Cosine of the angle between two latents. */
static double cosine(const float *a, const float *b, int64_t width) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t k = 0; k < width; k++) {
    ab += (double)a[k] * (double)b[k];
    aa += (double)a[k] * (double)a[k];
    bb += (double)b[k] * (double)b[k];
  }
  return ab / sqrt(aa * bb);
}

/* The mean latent of the cells of a type. */
static void mean_of_type(const cells *c, const char *type, float *mean) {
  double n = 0;
  for (int64_t k = 0; k < c->width; k++) mean[k] = 0;
  for (int64_t i = 0; i < c->n; i++) {
    if (strcmp(label(&c->type, i), type) != 0) continue;
    n++;
    for (int64_t k = 0; k < c->width; k++) mean[k] += c->latent[i * c->width + k];
  }
  assert_true(n > 0);
  for (int64_t k = 0; k < c->width; k++) mean[k] /= (float)n;
}

/* The place among the file's cells of the one that transferred cell i was: the simulator numbers them. */
static int64_t place_of_start(const cells *moved, int64_t i) {
  const int64_t row = atoll(label(&moved->start_cell, i));
  assert_in_range(row, 0, N_FILE - 1);
  return row;
}

#define TRANSFER "$cytoforge transfer -m run/model.h5 --start cells.h5ad --to cell_type=type_2 "

static void any_ranks_give_the_same_cells(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 3; ranks++)
    cli_expect(0, "mpirun -n %d " TRANSFER "-n 560 --steps 20 --seed 3 --threads 1 -o ranks_%d.h5ad", ranks, ranks);
  cells one = read_cells("ranks_1.h5ad", true);
  assert_int_equal(one.n, 560);
  for (int ranks = 2; ranks <= 3; ranks++) {
    char path[32];
    snprintf(path, sizeof path, "ranks_%d.h5ad", ranks);
    cells other = read_cells(path, true);
    assert_int_equal(other.n, one.n);
    assert_memory_equal(other.latent, one.latent, sizeof(float) * (size_t)(one.n * one.width));
    for (int64_t i = 0; i < one.n; i++) {
      assert_string_equal(label(&other.start_cell, i), label(&one.start_cell, i));
      assert_string_equal(label(&other.donor, i), label(&one.donor, i));
    }
    free_cells(&other);
  }
  free_cells(&one);
}

/* Cells get the new label and lie among the cells that have it. Name, old label and donor are the start cell's. */
static void cells_become_what_is_asked_for_and_keep_the_rest(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m run/model.h5 cells.h5ad -o encoded.h5ad --force");
  cli_expect(0, TRANSFER "--from cell_type=type_1 --keep 0.001 --guidance cell_type=4,donor=1 -o moved.h5ad");
  cli_expect_text("cells to cell_type=type_2: ddim");
  cells real = read_cells("encoded.h5ad", false), moved = read_cells("moved.h5ad", true);
  float old[16], new[16];
  int64_t n_type = 0, n_there = 0;
  assert_int_equal(real.n, N_FILE);
  assert_int_equal(real.width, 16);
  mean_of_type(&real, "type_1", old);
  mean_of_type(&real, "type_2", new);
  for (int64_t i = 0; i < real.n; i++) n_type += strcmp(label(&real.type, i), "type_1") == 0;
  assert_int_equal(moved.n, n_type);
  for (int64_t i = 0; i < moved.n; i++) {
    const float *latent = moved.latent + i * moved.width;
    const int64_t row = place_of_start(&moved, i);
    assert_string_equal(label(&moved.type, i), "type_2");
    assert_string_equal(label(&moved.start_type, i), "type_1");
    assert_string_equal(label(&real.type, row), "type_1");
    assert_string_equal(label(&moved.donor, i), label(&real.donor, row));
    n_there += cosine(latent, new, moved.width) > cosine(latent, old, moved.width);
  }
  print_message("  %lld of %lld are nearer to the new type\n", (long long)n_there, (long long)moved.n);
  assert_true(n_there >= moved.n * 9 / 10);
  free_cells(&real);
  free_cells(&moved);
}

/* Without guidance both ways are the same equation, so that cells come back to where they started; from a timestep
 * nearer to noise less exactly than from an early one. */
static void without_guidance_cells_come_back(void **state) {
  (void)state;
  static const int t_init[] = {20, 500};
  static const double at_least[] = {0.999, 0.97};
  cli_expect(0, "$cytoforge encode -m run/model.h5 cells.h5ad -o encoded.h5ad --force");
  cells real = read_cells("encoded.h5ad", false);
  for (int k = 0; k < 2; k++) {
    cli_expect(0,
               "$cytoforge transfer -m classifier.h5 --start cells.h5ad --to cell_type=type_2 --guidance 0 --steps "
               "200 --t-init %d -n 50 --force -o back.h5ad",
               t_init[k]);
    cells back = read_cells("back.h5ad", true);
    double least = 1;
    for (int64_t i = 0; i < back.n; i++)
      least = fmin(
          least, cosine(back.latent + i * back.width, real.latent + place_of_start(&back, i) * real.width, back.width));
    print_message("  t_init %d: least cosine to the start cell %.4f\n", t_init[k], least);
    assert_true(least > at_least[k]);
    free_cells(&back);
  }
  free_cells(&real);
}

/* Copies the file with its labels; every value becomes change(value, total of the cell). */
static void write_changed(const char *path, double (*change)(double, double)) {
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  cyf_h5ad *file = NULL;
  cyf_h5ad_writer *writer = NULL;
  cyf_names genes = {0};
  char **names = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(cyf_h5ad_open("cells.h5ad", NULL, &file));
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_ok(cyf_h5ad_read_cell_names(file, &names));
  cyf_csr_buffer_clear(&rows, genes.n);
  assert_ok(cyf_h5ad_read_rows(file, 0, N_FILE, &rows));
  for (int64_t i = 0; i < N_FILE; i++) {
    double total = 0;
    for (int64_t k = rows.indptr[i]; k < rows.indptr[i + 1]; k++) total += (double)rows.values[k];
    for (int64_t k = rows.indptr[i]; k < rows.indptr[i + 1]; k++)
      rows.values[k] = (float)change((double)rows.values[k], total);
  }
  const cyf_csr view = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_create(path, genes.n, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)names, N_FILE));
  assert_ok(cyf_h5ad_copy_column(file, "cell_type", writer));
  assert_ok(cyf_h5ad_copy_column(file, "donor", writer));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  for (int64_t i = 0; i < N_FILE; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_csr_buffer_destroy(&rows);
  cyf_names_destroy(&genes);
  cyf_h5ad_close(&file);
}

static double as_log2(double value, double total) {
  return log2(1 + value / total * 1e6);
}
static double as_centred(double value, double total) {
  return value - 2.5 + 0 * total;
}

/* Start cells as logarithms of another base and total are the same cells. */
static void start_cells_on_another_scale_are_the_same_cells(void **state) {
  (void)state;
  write_changed("log2.h5ad", as_log2);
  cli_expect(0, TRANSFER "-n 60 --steps 20 -o of_counts.h5ad");
  cli_expect(0,
             "$cytoforge transfer -m run/model.h5 --start log2.h5ad --to cell_type=type_2 -n 60 --steps 20 -o "
             "of_log2.h5ad");
  cells a = read_cells("of_counts.h5ad", true), b = read_cells("of_log2.h5ad", true);
  double worst = 0;
  assert_int_equal(a.n, b.n);
  for (int64_t i = 0; i < a.n * a.width; i++) worst = fmax(worst, fabs((double)a.latent[i] - (double)b.latent[i]));
  print_message("  largest difference of latents: %.2g\n", worst);
  assert_true(worst < 1e-3);
  free_cells(&a);
  free_cells(&b);
}

/* A classifier guides where the denoiser is told nothing; what nothing guides to is not held, and it is said. */
static void a_classifier_guides_where_the_denoiser_is_told_nothing(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m classifier.h5 cells.h5ad -o encoded.h5ad --force");
  cli_expect(0,
             "$cytoforge transfer -m classifier.h5 --start cells.h5ad --from cell_type=type_1 --to cell_type=type_2 "
             "--guidance 6 -o guided.h5ad");
  cells real = read_cells("encoded.h5ad", false), moved = read_cells("guided.h5ad", true);
  float old[16], new[16];
  double before = 0, after = 0;
  mean_of_type(&real, "type_1", old);
  mean_of_type(&real, "type_2", new);
  for (int64_t i = 0; i < moved.n; i++) {
    const float *start = real.latent + place_of_start(&moved, i) * real.width, *end = moved.latent + i * moved.width;
    before += cosine(start, new, 16) - cosine(start, old, 16);
    after += cosine(end, new, 16) - cosine(end, old, 16);
  }
  print_message("  nearer to the new type by %.2f, before by %.2f\n", after / (double)moved.n,
                before / (double)moved.n);
  assert_true(after > before + 0.1 * (double)moved.n);
  free_cells(&real);
  free_cells(&moved);
}

static void bad_requests_say_what_is_possible(void **state) {
  (void)state;
  static const cli_refusal cases[] = {
      {2, "--start cells.h5ad", "--to ATTR=VALUE"},
      {2, "--to cell_type=type_2", "--start CONTROL.h5ad"},
      {2, "--start cells.h5ad --to cell_type", "--to wants ATTRIBUTE=VALUE, not 'cell_type'"},
      {2, "--start cells.h5ad --to cell_tipe=type_2", "did you mean 'cell_type'?"},
      {2, "--start cells.h5ad --to cell_type=typ_2", "did you mean 'type_2'?"},
      {2, "--start cells.h5ad --to cell_type=type_2 --to cell_type=type_3", "--to gives 'cell_type' twice"},
      {2, "--start cells.h5ad --to cell_type=type_2 --from cell_type", "--from wants ATTRIBUTE=VALUE"},
      {4, "--start cells.h5ad --to cell_type=type_2 --from cell_type=type_2", "no cell to start from: of 600, "},
      {4, "--start no_labels.h5ad --to cell_type=type_2", "no_labels.h5ad has no obs column 'cell_type'"},
      {2, "--start cells.h5ad --to cell_type=type_2 --guidance pseudotime=2", "no attribute 'pseudotime'"},
      {2, "--start cells.h5ad --to cell_type=type_2 --keep 1.5", "between 0 and 1"},
      {2, "--start cells.h5ad --to cell_type=type_2 --keep 0.1 --t-init 9", "same thing twice"},
      {2, "--start cells.h5ad --to cell_type=type_2 --t-init 1000", "timesteps are 0 to 999"},
      {2, "--start cells.h5ad --to cell_type=type_2 -n -1", "cannot be negative"},
      {2, "--start cells.h5ad --to cell_type=type_2 --guidance-mode classifier", "no classifier for 'donor'"},
      {4, "--start nowhere.h5ad --to cell_type=type_2", "nowhere.h5ad"},
      {4, "--start nan.h5ad --to cell_type=type_2", "X holds nan at cell 0"},
      {4, "--start centred.h5ad --to cell_type=type_2", "negative"},
      {2, "--start cells.h5ad --to donor=donor_1 -m classifier.h5", "no classifier for 'donor'"},
      {2, "--start cells.h5ad --to cell_type=type_2 --guidance donor=1 -m classifier.h5",
       "nothing in the model guides"},
  };
  cli_expect(0, "cp cells.h5ad nan.h5ad && $cytoforge sample -m run/model.h5 -n 5 --steps 2 -o no_labels.h5ad");
  plant("nan.h5ad", "X/data", 3, NAN);
  write_changed("centred.h5ad", as_centred);
  cli_expect_refusals("transfer -m run/model.h5 -o bad.h5ad", cases, sizeof cases / sizeof cases[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_ranks_give_the_same_cells),
      cmocka_unit_test(cells_become_what_is_asked_for_and_keep_the_rest),
      cmocka_unit_test(without_guidance_cells_come_back),
      cmocka_unit_test(start_cells_on_another_scale_are_the_same_cells),
      cmocka_unit_test(a_classifier_guides_where_the_denoiser_is_told_nothing),
      cmocka_unit_test(bad_requests_say_what_is_possible),
  };
  return cmocka_run_group_tests_name("cli_transfer", tests, setup, cli_teardown);
}
