/* SPDX-License-Identifier: MIT */
/* Files of version 0.1.0 (tests/files-0.1; make.sh there says how they were made) are read, resumed from and sampled,
 * on copies in a scratch folder.
 *
 * Results are compared with those of version 0.1.0. On the kind of machine that made the files (compiler, build, CPU
 * and the BLAS library's kernels: made-on.txt) they must be equal bit for bit. On others float32 sums round otherwise.
 * There values may differ by 1e-5 of the largest, which is 80 times float32's spacing, for some ten layers and 15 steps
 * of the sampler. (With other kernels 5e-7 was measured, and 1e-8 for losses of 20 resumed steps.) A drawn count
 * changes where rounding carries a draw over a boundary: 1 of 100 may change (none did). */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"

enum { N_GENES = 100, LATENT = 8, N_HELD_OUT = 40, N_SAMPLED = 20, N_PARTS = 6, N_STEPS = 40, RESUMED_FROM = 20 };

static const double TOLERANCE = 1e-5, TOLERANCE_OF_COUNTS = 0.01;

static bool same_kind; /* this machine is of the kind that made the files */

static int copy_files(void **state) {
  if (cli_setup(state) != 0) return -1;
  if (cli_run("cp -r '%s'/tests/files-0.1/* . && chmod -R u+w . && gunzip expected/*.gz", test_source()) != 0)
    return -1;
  same_kind = cli_run(
                  "{ $cytoforge info | grep -E '^ +(compiler|BLAS) '; sed -n '/^cpu family\\|^model/p; /^$/q' "
                  "/proc/cpuinfo; } | "
                  "cmp - made-on.txt") == 0;
  print_message("%s\n", same_kind
                            ? "the kind of machine that made the files: results are compared bit for bit"
                            : "another kind of machine than made the files: results are compared with tolerances");
  return 0;
}

/* ---- reading what was written ---- */

/* X as a dense [n_cells, n_genes] array and obsm/X_latent as [n_cells, LATENT] (NULL: not wanted); free with cyf_free.
 */
static void read_cells(const char *path, int64_t n_cells, int64_t n_genes, float **ret_x, float **ret_latents) {
  cyf_h5ad *file = NULL;
  int64_t width = 0;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
  assert_int_equal(cyf_h5ad_n_genes(file), n_genes);
  if (ret_x != NULL) {
    cyf_csr_buffer rows = {0};
    assert_ok(CYF_NEW(ret_x, n_cells * n_genes));
    cyf_csr_buffer_clear(&rows, n_genes);
    assert_ok(cyf_h5ad_read_rows(file, 0, n_cells, &rows));
    for (int64_t cell = 0; cell < n_cells; cell++) {
      for (int64_t gene = 0; gene < n_genes; gene++) (*ret_x)[cell * n_genes + gene] = 0;
      for (int64_t i = rows.indptr[cell]; i < rows.indptr[cell + 1]; i++)
        (*ret_x)[cell * n_genes + rows.indices[i]] = rows.values[i];
    }
    cyf_csr_buffer_destroy(&rows);
  }
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, ret_latents));
  assert_int_equal(width, LATENT);
  cyf_h5ad_close(&file);
}

/* Compares values of today with those of version 0.1.0, bit for bit or to a tolerance relative to the largest. Frees
 * both.
 */
static void check_values(const char *what, float *now, float *then, int64_t n) {
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < n; i++) {
    assert_true(isfinite(now[i]));
    difference = fmax(difference, fabs((double)now[i] - (double)then[i]));
    largest = fmax(largest, fabs((double)then[i]));
  }
  print_message("%s: differ by at most %.2g of %.2g\n", what, difference, largest);
  assert_true(largest > 0);
  assert_true(difference <= (same_kind ? 0 : TOLERANCE * largest));
  cyf_free(now);
  cyf_free(then);
}

/* As check_values, of drawn counts. */
static void check_counts(const char *what, float *now, float *then, int64_t n) {
  int64_t n_different = 0;
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    n_different += now[i] != then[i];
    total += (double)then[i];
  }
  print_message("%s: %lld of %lld counts differ\n", what, (long long)n_different, (long long)n);
  assert_true(total > 0);
  assert_true((double)n_different <= (same_kind ? 0 : TOLERANCE_OF_COUNTS * (double)n));
  cyf_free(now);
  cyf_free(then);
}

/* ---- the files ---- */

static void each_file_says_what_it_is(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge info atlas");
  cli_expect_text("360 cells x 100 genes, counts");
  cli_expect_text("donor_4                                  77 cells");
  cli_expect(0, "$cytoforge info mse.h5");
  cli_expect_text("model of cytoforge 0.1.0");
  cli_expect_text("decodes to log-normalised expression");
  cli_expect_text("classifier: yes, condition of the denoiser: no");
  cli_expect(0, "$cytoforge info nb.h5");
  cli_expect_text("decodes to counts");
  cli_expect(0, "$cytoforge info conditioned.h5");
  cli_expect_text("condition of the denoiser: yes");
  cli_expect(0, "$cytoforge info unfinished/checkpoints/denoiser-00000020.h5");
  cli_expect_text("checkpoint of stage denoiser at step 20 of 40");
  cli_expect(0, "$cytoforge info unfinished/checkpoints/autoencoder-final.h5");
  cli_expect_text("checkpoint of stage autoencoder at step 40 of 40");
  cli_expect(0, "$cytoforge info latents/latents-00005.h5ad");
  cli_expect_text("40 cells x 0 genes");
}

/* The denoiser's losses of steps before the checkpoint are the kept ones, the others are of the resumed run. */
static void check_losses(const char *run) {
  long steps_now[N_STEPS], steps_then[N_STEPS];
  double now[N_STEPS], then[N_STEPS], difference = 0;
  assert_int_equal(cli_read_metrics("expected", "denoiser", "loss", N_STEPS, steps_then, then), N_STEPS);
  assert_int_equal(cli_read_metrics(run, "denoiser", "loss", N_STEPS, steps_now, now), N_STEPS);
  for (int i = 0; i < N_STEPS; i++) {
    assert_int_equal(steps_now[i], i + 1);
    if (i >= RESUMED_FROM) difference = fmax(difference, fabs(now[i] - then[i]) / then[i]);
  }
  print_message("%s: losses differ by at most %.2g\n", run, difference);
  assert_true(difference <= TOLERANCE);
}

static void resume(const char *launcher, const char *run) {
  cli_expect(
      0,
      "cp -r unfinished %s && %s $cytoforge train -c train.yaml --data atlas --out %s --resume auto --device cpu "
      "--threads 1",
      run, launcher, run);
  cli_expect_text("denoiser: going on from step 20");
  check_losses(run);
  /* What the run has held since before the checkpoint was taken over, not made anew. */
  cli_expect(0,
             "cmp unfinished/checkpoints/autoencoder-final.h5 %s/checkpoints/autoencoder-final.h5 && "
             "for part in unfinished/latents/*; do cmp $part %s/latents/$(basename $part) || exit 9; done",
             run, run);
}

/* The resumed run ends in the weights of the one that was never stopped, which is what mse.h5 holds. */
static void training_goes_on_from_a_checkpoint(void **state) {
  (void)state;
  resume("", "resumed");
  if (!same_kind) return;
  cli_expect(0,
             "$cytoforge export -m resumed/model.h5 --format safetensors -o weights_now && "
             "$cytoforge export -m mse.h5 --format safetensors -o weights_then && "
             "cmp weights_now/model.safetensors weights_then/model.safetensors");
}

static void training_goes_on_on_two_ranks(void **state) {
  (void)state;
  resume("mpirun -n 2", "resumed_2");
}

/* Parts of an encoded atlas are known to be those of this model, and hold what encoding gives today. */
static void latents_are_used(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m mse.h5 atlas -o latents --precision float32 --device cpu --threads 1");
  cli_expect_text("6 of 6 parts are there already");
  cli_expect(0, "$cytoforge encode -m mse.h5 atlas -o anew --precision float32 --device cpu --threads 1");
  for (int part = 0; part < N_PARTS; part++) {
    char name[64], path_now[128], path_then[128];
    float *now = NULL, *then = NULL;
    const int64_t n = part < N_PARTS - 1 ? 64 : 40;
    snprintf(name, sizeof name, "latents-%05d.h5ad", part);
    snprintf(path_now, sizeof path_now, "anew/%s", name);
    snprintf(path_then, sizeof path_then, "latents/%s", name);
    read_cells(path_now, n, 0, NULL, &now);
    read_cells(path_then, n, 0, NULL, &then);
    check_values(name, now, then, n * LATENT);
  }
}

/* Cells that were held out; decoding starts from the latents that version 0.1.0 wrote. */
static void cells_are_encoded_and_decoded(void **state) {
  (void)state;
  float *x_now = NULL, *x_then = NULL, *now = NULL, *then = NULL;
  cli_expect(0, "$cytoforge encode -m mse.h5 atlas/heldout.h5ad -o encoded.h5ad --device cpu --threads 1");
  read_cells("encoded.h5ad", N_HELD_OUT, N_GENES, &x_now, &now);
  read_cells("expected/encoded.h5ad", N_HELD_OUT, N_GENES, &x_then, &then);
  check_values("normalised cells", x_now, x_then, N_HELD_OUT * N_GENES);
  check_values("encoded cells", now, then, N_HELD_OUT * LATENT);
  cli_expect(0, "$cytoforge decode -m mse.h5 expected/encoded.h5ad -o decoded.h5ad --device cpu --threads 1");
  read_cells("decoded.h5ad", N_HELD_OUT, N_GENES, &x_now, &now);
  read_cells("expected/decoded.h5ad", N_HELD_OUT, N_GENES, &x_then, &then);
  check_values("decoded cells", x_now, x_then, N_HELD_OUT * N_GENES);
  cyf_free(now);
  cyf_free(then);
}

static void check_label(const char *path, const char *column, const char *value) {
  cyf_h5ad *file = NULL;
  cyf_label_column labels = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_labels(file, column, &labels));
  assert_int_equal(labels.n_cells, N_SAMPLED);
  for (int64_t cell = 0; cell < labels.n_cells; cell++)
    assert_string_equal(labels.categories.name[labels.code[cell]], value);
  cyf_label_column_destroy(&labels);
  cyf_h5ad_close(&file);
}

/* Samples `model`.h5 with the options of make.sh and compares with expected/`model`.h5ad. */
static void check_samples(const char *launcher, const char *model, const char *options, bool counts) {
  char path[64], path_then[128];
  float *x_now = NULL, *x_then = NULL, *now = NULL, *then = NULL;
  snprintf(path, sizeof path, "%s.h5ad", model);
  snprintf(path_then, sizeof path_then, "expected/%s.h5ad", model);
  cli_expect(0, "%s $cytoforge sample -m %s.h5 -n %d --seed 3 --device cpu --threads 1 -o %s --force %s", launcher,
             model, N_SAMPLED, path, options);
  read_cells(path, N_SAMPLED, N_GENES, &x_now, &now);
  read_cells(path_then, N_SAMPLED, N_GENES, &x_then, &then);
  check_values(model, now, then, N_SAMPLED * LATENT);
  (counts ? check_counts : check_values)(model, x_now, x_then, N_SAMPLED * N_GENES);
}

static void models_are_sampled(void **state) {
  (void)state;
  check_samples("", "mse", "--where cell_type=type_1 --where donor=donor_2", false);
  check_label("mse.h5ad", "cell_type", "type_1");
  check_label("mse.h5ad", "donor", "donor_2");
  check_samples("", "nb", "--where cell_type=type_2", true);
  check_label("nb.h5ad", "cell_type", "type_2");
  check_samples("", "conditioned", "--where cell_type=type_3 --guidance-mode free --guidance 2", false);
  check_label("conditioned.h5ad", "cell_type", "type_3");
}

static void two_ranks_sample_the_same(void **state) {
  (void)state;
  check_samples("mpirun -n 2", "mse", "--where cell_type=type_1 --where donor=donor_2", false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_file_says_what_it_is),     cmocka_unit_test(training_goes_on_from_a_checkpoint),
      cmocka_unit_test(training_goes_on_on_two_ranks), cmocka_unit_test(latents_are_used),
      cmocka_unit_test(cells_are_encoded_and_decoded), cmocka_unit_test(models_are_sampled),
      cmocka_unit_test(two_ranks_sample_the_same),
  };
  return cmocka_run_group_tests(tests, copy_files, cli_teardown);
}
