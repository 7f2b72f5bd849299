/* SPDX-License-Identifier: MIT */
/* Models of counts through the program: training, drawing, what is written, and what is refused. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "kernels/math/normalisation.h"
#include "support.h"

#define SMALL                                                                                               \
  "--set autoencoder.hidden='[48]' --set autoencoder.latent=12 --set autoencoder.steps=400 --set "          \
  "autoencoder.learning_rate=1e-3 --set denoiser.hidden='[48, 32]' --set denoiser.steps=1500 --set "        \
  "denoiser.learning_rate=1e-3 --set denoiser.ema_decay=0.99 --set classifier.hidden='[48, 32, 32]' --set " \
  "classifier.steps=200 --set autoencoder.validate_every=100 "

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1200 --genes 150 --types 3 --counts 400 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --holdout 0.2 && "
      "mpirun -n 2 $cytoforge train $fixed --data atlas --out run --threads 1 --set autoencoder.likelihood=nb " SMALL);
}

/* X as dense doubles; free it. */
static double *read_matrix(const char *path, int64_t *ret_n_cells, int64_t *ret_n_genes) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  *ret_n_cells = cyf_h5ad_n_cells(file);
  *ret_n_genes = cyf_h5ad_n_genes(file);
  cyf_csr_buffer_clear(&rows, *ret_n_genes);
  assert_ok(cyf_h5ad_read_rows(file, 0, *ret_n_cells, &rows));
  double *dense = TEST_NEW(double, *ret_n_cells **ret_n_genes);
  for (int64_t i = 0; i < rows.n_cells; i++)
    for (int64_t k = rows.indptr[i]; k < rows.indptr[i + 1]; k++)
      dense[i * *ret_n_genes + rows.indices[k]] = (double)rows.values[k];
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
  return dense;
}

static void the_loss_falls(void **state) {
  (void)state;
  long steps[64];
  double losses[64];
  const int n = cli_read_metrics("run", "autoencoder", "validation_loss", 64, steps, losses);
  assert_true(n >= 3 && losses[n - 1] < losses[0]);
}

/* Counts are whole numbers with totals like the training cells', `log` is log1p of the same draws, and any number of
 * ranks gives the same. */
static void draws_are_counts(void **state) {
  (void)state;
  int64_t n = 0, genes = 0, n_log = 0;
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 600 --steps 8 --where cell_type=type_1 -o counts.h5ad");
  cli_expect(0,
             "mpirun -n 3 $cytoforge sample -m run/model.h5 -n 600 --steps 8 --where cell_type=type_1 -o three.h5ad");
  cli_expect(0, "$cytoforge sample -m run/model.h5 -n 600 --steps 8 --where cell_type=type_1 --output log -o log.h5ad");
  cli_expect(0,
             "$cytoforge sample -m run/model.h5 -n 600 --steps 8 --where cell_type=type_1 --output mean -o mean.h5ad");
  double *counts = read_matrix("counts.h5ad", &n, &genes), *three = read_matrix("three.h5ad", &n, &genes);
  double *logs = read_matrix("log.h5ad", &n_log, &genes), *means = read_matrix("mean.h5ad", &n, &genes);
  assert_int_equal(n, 600);
  assert_int_equal(n_log, 600);
  assert_memory_equal(counts, three, sizeof(double) * (size_t)(n * genes));
  double mean_total = 0;
  for (int64_t i = 0; i < n; i++) {
    double total = 0, share_sum = 0;
    for (int64_t g = 0; g < genes; g++) total += counts[i * genes + g];
    for (int64_t g = 0; g < genes; g++) {
      const double x = counts[i * genes + g];
      assert_true(x == rint(x) && x >= 0);
      assert_true(fabs(logs[i * genes + g] - log1p(x * CYF_NORMALISED_TOTAL / total)) < 1e-5);
      share_sum += expm1(means[i * genes + g]);
    }
    TEST_AT_MOST(fabs(share_sum - CYF_NORMALISED_TOTAL), 0.1);
    mean_total += total / (double)n;
  }
  print_message("  counts a cell: %.0f\n", mean_total); /* the simulator's are about 400 */
  assert_true(mean_total > 280 && mean_total < 560);
  free(counts), free(three), free(logs), free(means);
}

/* The same latents give the same counts for the same seed, others for another; obs is kept. */
static void decoding_draws_counts(void **state) {
  (void)state;
  int64_t n = 0, genes = 0;
  cli_expect(0, "$cytoforge encode -m run/model.h5 atlas/heldout.h5ad -o latent.h5ad");
  cli_expect(0, "$cytoforge decode -m run/model.h5 latent.h5ad -o first.h5ad");
  cli_expect(0, "mpirun -n 2 $cytoforge decode -m run/model.h5 latent.h5ad -o second.h5ad");
  cli_expect(0, "$cytoforge decode -m run/model.h5 latent.h5ad --seed 1 -o other.h5ad");
  double *first = read_matrix("first.h5ad", &n, &genes), *second = read_matrix("second.h5ad", &n, &genes);
  double *other = read_matrix("other.h5ad", &n, &genes), *real = read_matrix("atlas/heldout.h5ad", &n, &genes);
  const size_t bytes = sizeof(double) * (size_t)(n * genes);
  assert_memory_equal(first, second, bytes);
  assert_memory_not_equal(first, other, bytes);
  double drawn = 0, was = 0;
  for (int64_t k = 0; k < n * genes; k++) {
    drawn += first[k] > 0;
    was += real[k] > 0;
  }
  print_message("  detected genes, decoded / real: %.3f\n", drawn / was);
  TEST_AT_MOST(fabs(drawn / was - 1), 0.1);
  free(first), free(second), free(other), free(real);
}

static void what_cannot_be_is_said(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge sample -m run/model.h5 -n 5 --output raw -o x.h5ad");
  cli_expect_text("--output wants one of 'counts', 'log', 'mean', not 'raw' (the file to write is -o)");
  cli_expect(3,
             "$cytoforge train $fixed --data atlas --out run --stage autoencoder --resume auto "
             "--set autoencoder.likelihood=mse " SMALL);
  cli_expect_text("autoencoder.likelihood");
  cli_expect(0,
             "$cytoforge train $fixed --data atlas --out plain --threads 1 --stage autoencoder --set "
             "autoencoder.steps=5 " SMALL
             "--set autoencoder.steps=5 && $cytoforge train $fixed --data atlas --out plain --threads 1 --stage "
             "denoiser " SMALL "--set autoencoder.steps=5 --set denoiser.steps=5");
  cli_expect(2, "$cytoforge sample -m plain/model.h5 -n 5 --output counts -o x.h5ad");
  cli_expect_text("needs a model trained on counts (--set autoencoder.likelihood=nb)");
  cli_expect(0,
             "$cytoforge sample -m run/model.h5 -n 400 --output log -o logs.h5ad --force && $cytoforge prepare "
             "logs.h5ad -o log_atlas");
  cli_expect(3, "$cytoforge train $fixed --data log_atlas --out x --set autoencoder.likelihood=nb");
  cli_expect_text("needs raw counts, and the atlas log_atlas holds");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_loss_falls),
      cmocka_unit_test(draws_are_counts),
      cmocka_unit_test(decoding_draws_counts),
      cmocka_unit_test(what_cannot_be_is_said),
  };
  return cmocka_run_group_tests_name("cli_counts", tests, setup, cli_teardown);
}
