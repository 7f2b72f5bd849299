/* SPDX-License-Identifier: MIT */
/* Sampling, encoding and decoding through the program, on a small trained model. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "support.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1200 --genes 200 --types 3 --counts 500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --holdout 0.2 && "
      "$cytoforge train $fixed --data atlas --out run --threads 2 --set autoencoder.hidden='[64, 48]' --set "
      "autoencoder.latent=16 "
      "--set autoencoder.steps=600 --set denoiser.hidden='[64, 48, 32]' --set denoiser.steps=4000 --set "
      "denoiser.learning_rate=1e-3 "
      "--set denoiser.ema_decay=0.99 --set classifier.hidden='[48, 48, 32]' --set classifier.steps=800");
}

/* One h5ad, read whole. */
typedef struct cells {
  cyf_h5ad *file;
  int64_t n, n_genes, width;
  float *latent;
  cyf_csr_buffer rows;
} cells;

static cells read_cells(const char *path) {
  cells c = {0};
  assert_int_equal(cyf_h5ad_open(path, NULL, &c.file), CYF_OK);
  c.n = cyf_h5ad_n_cells(c.file);
  c.n_genes = cyf_h5ad_n_genes(c.file);
  assert_int_equal(cyf_h5ad_read_obsm(c.file, "X_latent", &c.width, &c.latent), CYF_OK);
  cyf_csr_buffer_clear(&c.rows, c.n_genes);
  assert_int_equal(cyf_h5ad_read_rows(c.file, 0, c.n, &c.rows), CYF_OK);
  return c;
}

static void free_cells(cells *c) {
  cyf_h5ad_close(&c->file);
  cyf_free(c->latent);
  cyf_csr_buffer_destroy(&c->rows);
}

static double latent_difference(const cells *a, const cells *b) {
  double worst = 0;
  assert_int_equal(a->n, b->n);
  assert_int_equal(a->width, b->width);
  for (int64_t i = 0; i < a->n * a->width; i++) worst = fmax(worst, fabs((double)a->latent[i] - (double)b->latent[i]));
  return worst;
}

static void the_same_seed_gives_the_same_cells_on_1_2_and_4_ranks(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 4; ranks *= 2)
    cli_expect(0,
               "mpirun -n %d $cytoforge sample -m run/model.h5 -n 900 --where cell_type=type_2 --steps 20 --seed 5 -o "
               "ranks_%d.h5ad",
               ranks, ranks);
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 900 --where cell_type=type_2 --steps 20 --seed 6 -o other.h5ad");
  cells one = read_cells("ranks_1.h5ad"), two = read_cells("ranks_2.h5ad"), four = read_cells("ranks_4.h5ad");
  cells other = read_cells("other.h5ad");
  assert_int_equal(one.n, 900);
  print_message("latents: 2 ranks differ by %.2g, 4 by %.2g from 1 (tolerance 1e-5)\n", latent_difference(&two, &one),
                latent_difference(&four, &one));
  assert_true(latent_difference(&two, &one) <= 1e-5);
  assert_true(latent_difference(&four, &one) <= 1e-5);
  assert_true(latent_difference(&other, &one) > 0.1);
  free_cells(&one);
  free_cells(&two);
  free_cells(&four);
  free_cells(&other);
}

static void latents_have_unit_length_and_x_is_their_decoding(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 300 --steps 20 -o plain.h5ad");
  cli_expect(0, "mpirun -n 2 $cytoforge decode -m run/model.h5 plain.h5ad -o plain_decoded.h5ad");
  cells sampled = read_cells("plain.h5ad"), decoded = read_cells("plain_decoded.h5ad");
  for (int64_t i = 0; i < sampled.n; i++) {
    double sum = 0;
    for (int64_t k = 0; k < sampled.width; k++) sum += pow((double)sampled.latent[i * sampled.width + k], 2);
    assert_true(fabs(sum - 1) < 1e-5);
  }
  assert_true(latent_difference(&sampled, &decoded) == 0);
  assert_int_equal(sampled.rows.indptr[sampled.n], decoded.rows.indptr[decoded.n]);
  for (int64_t e = 0; e < sampled.rows.indptr[sampled.n]; e++) {
    assert_true(sampled.rows.values[e] > 0);
    assert_true(fabsf(sampled.rows.values[e] - decoded.rows.values[e]) < 1e-5f);
  }
  free_cells(&sampled);
  free_cells(&decoded);
}

static int64_t count_label(const char *path, const char *column, const char *value) {
  cyf_h5ad *file = NULL;
  cyf_label_column labels = {0};
  int64_t n = 0;
  assert_int_equal(cyf_h5ad_open(path, NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_labels(file, column, &labels), CYF_OK);
  int64_t code = cyf_names_find(&labels.categories, value);
  for (int64_t i = 0; i < labels.n_cells; i++) n += labels.code[i] == code;
  cyf_label_column_destroy(&labels);
  cyf_h5ad_close(&file);
  return n;
}

static void like_keeps_the_proportions(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge sample -m run/model.h5 --like atlas/heldout.h5ad --by cell_type --steps 5 -o like.h5ad");
  static const char *const types[] = {"type_1", "type_2", "type_3"};
  for (int k = 0; k < 3; k++)
    assert_int_equal(count_label("like.h5ad", "cell_type", types[k]),
                     count_label("atlas/heldout.h5ad", "cell_type", types[k]));
  cli_expect(0,
             "$cytoforge sample -m run/model.h5 -n 100 --like atlas/heldout.h5ad --by cell_type --where donor=donor_1 "
             "--steps 5 -o both.h5ad");
  assert_int_equal(count_label("both.h5ad", "donor", "donor_1"), 100);
  int64_t n = 0;
  for (int k = 0; k < 3; k++) {
    int64_t got = count_label("both.h5ad", "cell_type", types[k]);
    double exact = 100.0 * (double)count_label("atlas/heldout.h5ad", "cell_type", types[k]) / 240.0;
    assert_true(fabs((double)got - exact) < 1);
    n += got;
  }
  assert_int_equal(n, 100);
}

static void conditions_come_true(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge sample -m run/model.h5 --like atlas/heldout.h5ad --by cell_type --guidance 3 --steps 100 -o "
             "guided.h5ad");
  cli_expect(0,
             "$cytoforge evaluate --real atlas/heldout.h5ad --train atlas/train.h5ad --synthetic guided.h5ad --label "
             "cell_type -o guided.json");
  cli_expect(0, "grep -o '\"accuracy_ratio\": *[0-9.]*' guided.json | grep -o '[0-9.]*$'");
  double ratio = atof(cli_output);
  print_message("label accuracy of guided cells over that of real ones: %.3f (at least 0.9)\n", ratio);
  assert_true(ratio >= 0.9);
}

static void encode_and_decode_are_inverse_in_format(void **state) {
  (void)state;
  cli_expect(0, "mpirun -n 2 $cytoforge encode -m run/model.h5 atlas/heldout.h5ad -o encoded.h5ad");
  cli_expect(0, "$cytoforge decode -m run/model.h5 encoded.h5ad -o decoded.h5ad");
  cli_expect(0, "$cytoforge encode -m run/model.h5 decoded.h5ad -o again.h5ad");
  assert_int_equal(count_label("again.h5ad", "cell_type", "type_1"),
                   count_label("atlas/heldout.h5ad", "cell_type", "type_1"));
  cells encoded = read_cells("encoded.h5ad"), decoded = read_cells("decoded.h5ad");
  assert_int_equal(encoded.n, 240);
  assert_true(latent_difference(&encoded, &decoded) == 0);
  free_cells(&encoded);
  free_cells(&decoded);
}

static void unknown_conditions_list_the_known_ones(void **state) {
  (void)state;
  cli_expect(2, "mpirun -n 2 $cytoforge sample -m run/model.h5 -n 10 --where cell_type=type_x -o x.h5ad");
  cli_expect_text("'type_1', 'type_2', 'type_3'");
  cli_expect_one_error("cytoforge: error");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --where celltype=type_2 -o x.h5ad");
  cli_expect_text("did you mean 'cell_type'?");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --where type_2 -o x.h5ad");
  cli_expect_text("ATTRIBUTE=VALUE");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --steps 2000 -o x.h5ad");
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --like atlas/heldout.h5ad -o x.h5ad");
  cli_expect_text("--by");
  assert_int_not_equal(access("x.h5ad", F_OK), 0);
}

/* Contradictions and folders that are not there are found before any work. */
static void impossible_conditions_are_refused(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --where cell_type=type_1 --where cell_type=type_2 -o x.h5ad");
  cli_expect_text("'cell_type' is asked for twice");
  cli_expect(5, "$cytoforge sample -m run/model.h5 -n 10 -o nowhere/x.h5ad");
  cli_expect_text("cannot write nowhere/x.h5ad");
}

/* Without options the reverse process is the model's: 15 steps of dpm++ unless its configuration said otherwise. */
static void steps_are_the_models_unless_said(void **state) {
  (void)state;
  static const char *const options[] = {"", "--method ddpm", "--method ddim", "--steps 25"};
  static const char *const said[] = {"dpm++, 15 steps", "ddpm, 1000 steps", "ddim, 50 steps", "dpm++, 25 steps"};
  for (int i = 0; i < 4; i++) {
    cli_expect(0, "$cytoforge sample -m run/model.h5 -n 10 %s -o steps.h5ad --force", options[i]);
    cli_expect_text(said[i]);
  }
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 10 --steps '' -o steps.h5ad --force");
  cli_expect_text("\"all\"");
}

static void outputs_are_not_overwritten_unasked(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 10 --steps 2 -o once.h5ad");
  cli_expect(5, "mpirun -n 2 $cytoforge sample -m run/model.h5 -n 10 --steps 2 -o once.h5ad");
  cli_expect_text("once.h5ad exists");
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 20 --steps 2 -o once.h5ad --force");
  cells c = read_cells("once.h5ad");
  assert_int_equal(c.n, 20);
  free_cells(&c);
}

static void info_says_what_files_are(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge info atlas run/model.h5 run/checkpoints/denoiser-final.h5 cells.h5ad");
  cli_expect_text("atlas: atlas");
  cli_expect_text("model of cytoforge");
  cli_expect_text("checkpoint of stage denoiser at step 4000 of 4000");
  cli_expect_text("h5ad, 1200 cells x 200 genes");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_seed_gives_the_same_cells_on_1_2_and_4_ranks),
      cmocka_unit_test(latents_have_unit_length_and_x_is_their_decoding),
      cmocka_unit_test(like_keeps_the_proportions),
      cmocka_unit_test(conditions_come_true),
      cmocka_unit_test(encode_and_decode_are_inverse_in_format),
      cmocka_unit_test(unknown_conditions_list_the_known_ones),
      cmocka_unit_test(impossible_conditions_are_refused),
      cmocka_unit_test(steps_are_the_models_unless_said),
      cmocka_unit_test(outputs_are_not_overwritten_unasked),
      cmocka_unit_test(info_says_what_files_are),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
