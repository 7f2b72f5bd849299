/* SPDX-License-Identifier: MIT */
/* examples/sample_cells.c prints, without mpirun, the cells of `cytoforge sample`: labels, latents and expression are
 * compared number by number. */
#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"

enum { N_CELLS = 10, N_GENES = 60 };

#define SMALL                                                                                                        \
  "--device cpu --threads 1 --set autoencoder.hidden='[32]' --set autoencoder.latent=8 --set autoencoder.steps=100 " \
  "--set denoiser.hidden='[32, 16]' --set denoiser.steps=200 --set classifier.hidden='[32, 16, 16]' --set "          \
  "classifier.steps=100 --set data.lanes=16 --set diffusion.timesteps=100 --set diffusion.guide_below=100 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 400 --genes %d --types 3 --counts 200 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --min-genes 0 --min-cells 0 && "
      "$cytoforge train $fixed --data atlas --out guided " SMALL
      "&& $cytoforge train $fixed --data atlas --out conditioned " SMALL
      "--set autoencoder.likelihood=nb --set denoiser.conditions='[cell_type]'",
      N_GENES);
}

/* The next word of the text, which is cut there; fails at its end. */
static char *next_word(char **at) {
  char *word = strtok_r(NULL, " \n", at);
  assert_non_null(word);
  return word;
}

/* Fails unless what the example printed is what the file holds. */
static void assert_same_cells(char *printed, const char *path) {
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  cyf_label_column types = {0};
  cyf_csr_buffer rows = {0};
  float *latent = NULL;
  int64_t width = 0;
  char label[64], *at = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), N_CELLS);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_ok(cyf_h5ad_read_labels(file, "cell_type", &types));
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent));
  cyf_csr_buffer_clear(&rows, genes.n);
  assert_ok(cyf_h5ad_read_rows(file, 0, N_CELLS, &rows));
  assert_true(rows.indptr[N_CELLS] > N_CELLS);
  char *word = strtok_r(printed, " \n", &at);
  for (int64_t i = 0; i < N_CELLS; i++) {
    snprintf(label, sizeof label, "cell_type=%s", types.categories.name[types.code[i]]);
    assert_string_equal(word, label);
    for (int64_t c = 0; c < width; c++) assert_true(strtof(next_word(&at), NULL) == latent[i * width + c]);
    for (int64_t k = rows.indptr[i]; k < rows.indptr[i + 1]; k++) {
      word = next_word(&at);
      char *colon = strrchr(word, ':');
      assert_non_null(colon);
      *colon = '\0';
      assert_string_equal(word, genes.name[rows.indices[k]]);
      assert_true(strtof(colon + 1, NULL) == rows.values[k]);
    }
    word = strtok_r(NULL, " \n", &at); /* the next cell's label */
  }
  assert_null(word);
  cyf_csr_buffer_destroy(&rows);
  cyf_label_column_destroy(&types);
  cyf_names_destroy(&genes);
  cyf_free(latent);
  cyf_h5ad_close(&file);
}

static void check(const char *run, const char *label, int seed) {
  char first[sizeof cli_output], path[64];
  cli_expect(0, "'%s' %s/model.h5 cell_type=%s %d", SAMPLE_CELLS, run, label, seed + 1);
  snprintf(first, sizeof first, "%s", cli_output);
  cli_expect(0, "'%s' %s/model.h5 cell_type=%s %d", SAMPLE_CELLS, run, label, seed);
  assert_string_not_equal(first, cli_output);
  snprintf(first, sizeof first, "%s", cli_output);
  snprintf(path, sizeof path, "%s.h5ad", run);
  cli_expect(0, "mpirun -n 2 $cytoforge sample -m %s/model.h5 -n %d --where cell_type=%s --seed %d --device cpu -o %s",
             run, N_CELLS, label, seed, path);
  assert_same_cells(first, path);
}

static void a_model_guided_by_a_classifier_gives_the_same_cells(void **state) {
  (void)state;
  check("guided", "type_1", 3);
}

static void a_conditioned_model_of_counts_gives_the_same_cells(void **state) {
  (void)state;
  check("conditioned", "type_2", 4);
}

static void what_cannot_be_asked_for_is_said(void **state) {
  (void)state;
  cli_expect(1, "'%s' guided/model.h5 cell_type=type_9 0", SAMPLE_CELLS);
  cli_expect_text("sample_cells: the model has no cell_type 'type_9'");
  cli_expect(2, "'%s' guided/model.h5", SAMPLE_CELLS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_guided_by_a_classifier_gives_the_same_cells),
      cmocka_unit_test(a_conditioned_model_of_counts_gives_the_same_cells),
      cmocka_unit_test(what_cannot_be_asked_for_is_said),
  };
  return cmocka_run_group_tests_name("sample_cells", tests, setup, cli_teardown);
}
