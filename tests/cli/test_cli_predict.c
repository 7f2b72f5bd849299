/* SPDX-License-Identifier: MIT */
/* Labels with probabilities through the program: of a file's cells and of sampled ones, on any ranks, and bad requests.
 */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "support.h"

enum { N_FILE = 600 };

#define SIZES                                                                                                      \
  "--threads 1 --set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=600 --set " \
  "denoiser.hidden='[64, 48, 32]' --set denoiser.steps=600 --set denoiser.learning_rate=1e-3 --set "               \
  "denoiser.ema_decay=0.99 --set classifier.hidden='[48, 48, 32]' --set classifier.steps=300 --set data.lanes=16 " \
  "--set autoencoder.likelihood=nb "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells %d --genes 200 --types 3 --counts 1500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-genes 0 --min-cells 0 && "
      "$cytoforge train $fixed --data atlas --out run --stage autoencoder " SIZES
      "&& $cytoforge train $fixed --data atlas --out run --stage denoiser " SIZES
      "&& cp run/model.h5 plain.h5 && $cytoforge train $fixed --data atlas --out run --resume auto " SIZES,
      N_FILE);
}

/* What a file says of its cells' types. */
typedef struct labels {
  cyf_label_column own, predicted, best; /* `own` where the file has it */
  float *probability;
  int64_t n, n_classes;
} labels;

static labels read_labels(const char *path) {
  labels l = {0};
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  l.n = cyf_h5ad_n_cells(file);
  assert_ok(cyf_h5ad_read_labels(file, "cell_type", &l.own));
  assert_ok(cyf_h5ad_read_labels(file, "predicted_cell_type", &l.predicted));
  assert_ok(cyf_h5ad_read_labels(file, "predicted_cell_type_probability", &l.best));
  assert_ok(cyf_h5ad_read_obsm(file, "probabilities_cell_type", &l.n_classes, &l.probability));
  cyf_h5ad_close(&file);
  return l;
}

static void free_labels(labels *l) {
  cyf_label_column_destroy(&l->own);
  cyf_label_column_destroy(&l->predicted);
  cyf_label_column_destroy(&l->best);
  cyf_free(l->probability);
}

static const char *label(const cyf_label_column *column, int64_t cell) {
  return column->code[cell] < 0 ? "" : column->categories.name[column->code[cell]];
}

/* Probabilities add up to 1, the label is the most probable class, and it is right far more often than by chance. */
static void labels_are_the_most_probable_classes(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge predict -m run/model.h5 cells.h5ad -o one.h5ad");
  labels l = read_labels("one.h5ad");
  int64_t n_right = 0;
  assert_int_equal(l.n, N_FILE);
  assert_int_equal(l.n_classes, 3);
  for (int64_t i = 0; i < l.n; i++) {
    const float *p = l.probability + i * l.n_classes;
    const double best = strtod(label(&l.best, i), NULL);
    double sum = 0;
    for (int64_t c = 0; c < l.n_classes; c++) {
      sum += (double)p[c];
      assert_true((double)p[c] <= best + 1e-7);
    }
    assert_true(fabs(sum - 1) < 1e-5);
    assert_true(fabs((double)p[l.predicted.code[i]] - best) < 1e-7);
    n_right += strcmp(label(&l.own, i), label(&l.predicted, i)) == 0;
  }
  print_message("  %lld of %d are right\n", (long long)n_right, N_FILE);
  assert_true(n_right > N_FILE * 3 / 5);
  free_labels(&l);
}

static void any_ranks_give_the_same_labels(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 4; ranks++)
    cli_expect(0, "mpirun -n %d $cytoforge predict -m run/model.h5 cells.h5ad --threads 1 -o ranks_%d.h5ad", ranks,
               ranks);
  labels one = read_labels("ranks_1.h5ad");
  for (int ranks = 2; ranks <= 4; ranks++) {
    char path[32];
    snprintf(path, sizeof path, "ranks_%d.h5ad", ranks);
    labels other = read_labels(path);
    assert_int_equal(other.n, one.n);
    assert_memory_equal(other.probability, one.probability, sizeof(float) * (size_t)(one.n * one.n_classes));
    for (int64_t i = 0; i < one.n; i++) assert_string_equal(label(&other.predicted, i), label(&one.predicted, i));
    free_labels(&other);
  }
  free_labels(&one);
}

/* IN's own columns stay, also where it has been labelled before; its logarithms are the same cells as its counts. */
static void what_was_labelled_can_be_labelled_again(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge predict -m run/model.h5 cells.h5ad -o first.h5ad && $cytoforge predict -m run/model.h5 "
             "first.h5ad -o again.h5ad");
  labels first = read_labels("first.h5ad"), again = read_labels("again.h5ad");
  for (int64_t i = 0; i < N_FILE * first.n_classes; i++)
    assert_true(fabs((double)first.probability[i] - (double)again.probability[i]) < 1e-4);
  for (int64_t i = 0; i < N_FILE; i++) assert_string_equal(label(&first.own, i), label(&again.own, i));
  cli_expect(0, "$cytoforge info again.h5ad");
  cli_expect_text("pseudotime");
  free_labels(&first);
  free_labels(&again);
}

/* Cells that are asked for no type get one; those that are asked for one keep it alone. */
static void sampled_cells_without_a_label_get_one(void **state) {
  (void)state;
  cli_expect(
      0,
      "printf 'cell_type,donor,count\\ntype_1,donor_1,300\\n,donor_1,300\\n' > half.csv; for r in 1 3; do mpirun "
      "-n $r $cytoforge sample -m run/model.h5 --requests half.csv --steps 10 --threads 1 -o half_$r.h5ad || "
      "exit 9; done");
  cyf_h5ad *file[2] = {NULL, NULL};
  cyf_label_column own = {0}, type[2] = {{0}, {0}};
  assert_ok(cyf_h5ad_open("half_1.h5ad", NULL, &file[0]));
  assert_ok(cyf_h5ad_open("half_3.h5ad", NULL, &file[1]));
  assert_ok(cyf_h5ad_read_labels(file[0], "cell_type", &own));
  for (int k = 0; k < 2; k++) {
    assert_ok(cyf_h5ad_read_labels(file[k], "predicted_cell_type", &type[k]));
    assert_false(cyf_h5ad_has_column(file[k], "predicted_donor"));
  }
  for (int64_t i = 0; i < 600; i++) {
    assert_string_equal(label(&own, i), i < 300 ? "type_1" : "");
    assert_true((type[0].code[i] < 0) == (i < 300));
    assert_string_equal(label(&type[0], i), label(&type[1], i));
  }
  /* They are what predict says of the same cells, whose expression is encoded anew, in most cases. */
  cli_expect(0, "$cytoforge predict -m run/model.h5 half_1.h5ad -o told.h5ad");
  labels told = read_labels("told.h5ad");
  int64_t n_same = 0;
  for (int64_t i = 300; i < 600; i++) n_same += strcmp(label(&told.predicted, i), label(&type[0], i)) == 0;
  print_message("  %lld of 300 are told alike\n", (long long)n_same);
  assert_true(n_same > 200);
  free_labels(&told);
  cyf_label_column_destroy(&own);
  for (int k = 0; k < 2; k++) {
    cyf_label_column_destroy(&type[k]);
    cyf_h5ad_close(&file[k]);
  }
}

static void bad_requests_say_what_is_possible(void **state) {
  (void)state;
  static const cli_refusal cases[] = {
      {2, "-m run/model.h5 -o bad.h5ad", "one input file is needed, not 0"},
      {2, "-m run/model.h5 cells.h5ad cells.h5ad -o bad.h5ad", "one input file is needed, not 2"},
      {2, "cells.h5ad -o bad.h5ad", "-m MODEL"},
      {2, "-m run/model.h5 cells.h5ad", "-o OUT.h5ad"},
      {2, "-m plain.h5 cells.h5ad -o bad.h5ad", "plain.h5 has no classifier, so it cannot predict labels"},
      {4, "-m run/model.h5 nowhere.h5ad -o bad.h5ad", "nowhere.h5ad"},
      {4, "-m nowhere.h5 cells.h5ad -o bad.h5ad", "nowhere.h5"},
      {5, "-m run/model.h5 cells.h5ad -o there.h5ad", "--force"},
  };
  cli_expect(0, "touch there.h5ad");
  cli_expect_refusals("predict", cases, sizeof cases / sizeof cases[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(labels_are_the_most_probable_classes),
      cmocka_unit_test(any_ranks_give_the_same_labels),
      cmocka_unit_test(what_was_labelled_can_be_labelled_again),
      cmocka_unit_test(sampled_cells_without_a_label_get_one),
      cmocka_unit_test(bad_requests_say_what_is_possible),
  };
  return cmocka_run_group_tests_name("cli_predict", tests, setup, cli_teardown);
}
