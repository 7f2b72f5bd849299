/* SPDX-License-Identifier: MIT */
/* What the commands say of files of every kind of values, and what they make of them. */
#include <hdf5.h>

#include "cli.h"
#include "data/hdf5/hdf5_lock.h"
#include "plant.h"
#include "values_example.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  example_write(&(values_example){.kind = EXAMPLE_COUNTS}, "counts.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_COUNTS, .first_value = 0.5}, "half.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_SHARE}, "share.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_LINEAR, .target = 1}, "proportions.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4}, "log.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_LOG2, .target = 1e6}, "log2.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_SMOOTH}, "smooth.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_SCALED}, "scaled.h5ad");
  return 0;
}

static void info_names_each_kind(void **state) {
  (void)state;
  static const struct {
    const char *file, *text;
  } cases[] = {
      {"counts", "counts.h5ad: h5ad, 60 cells x 80 genes, X is csr, counts\n"},
      {"half", "X is csr, counts, but for 1 value such as 0.5 in cell 0\n"},
      {"share", "X is csr, fractional counts\n"},
      {"proportions", "X is csr, proportions (target 1)\n"},
      {"log", "X is csr, log-normalised (log1p, target 10000)\n"},
      {"log2", "X is csr, log-normalised (log2, target 1000000)\n"},
      {"smooth", "X is csr, unknown: taken for log-normalised unless --values says otherwise\n"},
      {"scaled", "X is csr, scaled (it has negative values): cannot be used\n  no matrix of the file can be used"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cli_expect(0, "$cytoforge info %s.h5ad", cases[i].file);
    cli_expect_text(cases[i].text);
  }
}

/* Copies X of one file to a place in another. */
static void copy_matrix(const char *from, const char *to, const char *place) {
  cyf_hdf5_lock();
  hid_t source = H5Fopen(from, H5F_ACC_RDONLY, H5P_DEFAULT), target = H5Fopen(to, H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  assert_true(H5Ocopy(source, "X", target, place, H5P_DEFAULT, links) >= 0);
  if (strcmp(place, "raw/X") == 0) assert_true(H5Ocopy(source, "var", target, "raw/var", H5P_DEFAULT, links) >= 0);
  H5Pclose(links);
  H5Fclose(source);
  H5Fclose(target);
  cyf_hdf5_unlock();
}

/* Every matrix is described, and the advice names those that are there. */
static void info_and_prepare_name_the_other_matrices(void **state) {
  (void)state;
  cli_expect(0, "cp scaled.h5ad several.h5ad");
  copy_matrix("counts.h5ad", "several.h5ad", "raw/X");
  copy_matrix("log2.h5ad", "several.h5ad", "layers/logs");
  copy_matrix("scaled.h5ad", "several.h5ad", "layers/z");
  cli_expect(0, "$cytoforge info several.h5ad");
  cli_expect_text("X is csr, scaled (it has negative values): cannot be used\n");
  cli_expect_text("  raw/X is csr, counts, 80 genes\n");
  cli_expect_text("  layers/logs is csr, log-normalised (log2, target 1000000), 80 genes\n");
  cli_expect_text("  layers/z is csr, scaled (it has negative values): cannot be used, 80 genes\n");
  cli_expect_text("  --matrix takes 'raw/X', 'layers/logs'\n");
  cli_expect(4, "$cytoforge prepare several.h5ad -o never");
  cli_expect_text("raw/X holds counts (--matrix raw/X), layers/logs holds log-normalised (log2, target 1000000)");
  cli_expect(0, "$cytoforge prepare several.h5ad -o several --matrix raw/X --min-genes 0");
  cli_expect_text("values are counts\n");
}

/* Whatever lies in an AnnData file, info says what it can. */
static void info_describes_files_without_a_readable_matrix(void **state) {
  (void)state;
  static const char *const wrong[] = {"X", "X/indptr"};
  for (int i = 0; i < 2; i++) {
    cli_expect(0, "cp counts.h5ad none.h5ad");
    cyf_hdf5_lock();
    hid_t file = H5Fopen("none.h5ad", H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(file, wrong[i], H5P_DEFAULT) >= 0);
    H5Fclose(file);
    cyf_hdf5_unlock();
    cli_expect(0, "$cytoforge info none.h5ad");
    cli_expect_text("none.h5ad: h5ad, 60 cells x 80 genes, ");
    cli_expect_text(i == 0 ? "no X\n" : "X cannot be read: none.h5ad: X/indptr is missing");
    cli_expect_text("no matrix of the file can be used as it is\n");
  }
}

static void warnings_name_the_file(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge prepare share.h5ad -o share --min-genes 0");
  cli_expect_text("WARN  share.h5ad: values are fractional counts");
  cli_expect(0, "$cytoforge prepare proportions.h5ad -o proportions --min-genes 0");
  cli_expect_text("WARN  proportions.h5ad: values are proportions");
  cli_expect(0, "$cytoforge prepare smooth.h5ad -o smooth --min-genes 0");
  cli_expect_text("WARN  smooth.h5ad: what the values of X are is unknown");
  cli_expect(0, "$cytoforge prepare half.h5ad -o half --min-genes 0");
  cli_expect_text("WARN  half.h5ad: cell 0 (c0) has the value 0.5 of gene G");
  cli_expect(0, "$cytoforge prepare log.h5ad log2.h5ad -o logs --min-genes 0");
  cli_expect_text(
      "log2.h5ad: values are log-normalised (log2, target 1000000); they are brought to log1p, target 10000");
  cli_expect(0, "$cytoforge info logs");
  cli_expect_text("log-normalised (log1p, target 10000)");
}

static const char small[] =
    "--set autoencoder.hidden='[16, 16]' --set autoencoder.latent=4 --set autoencoder.steps=4 "
    "--set denoiser.hidden='[8, 4]' --set denoiser.steps=4";

/* An atlas of fractional counts is normalised as one of counts is, and cannot be drawn from as counts. */
static void fractional_counts_are_trained_on(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge prepare share.h5ad -o kept --min-genes 0 --fractions keep && "
             "$cytoforge prepare counts.h5ad -o whole --min-genes 0");
  cli_expect(0, "$cytoforge info kept");
  cli_expect_text("60 cells x 80 genes, fractional counts\n");
  cli_expect(0,
             "$cytoforge train $fixed --data kept --out kept_run %s && $cytoforge train $fixed --data whole --out "
             "whole_run %s",
             small, small);
  long steps[64];
  double kept[64], whole[64];
  const int n = cli_read_metrics("kept_run", "autoencoder", "loss", 64, steps, kept);
  assert_int_equal(cli_read_metrics("whole_run", "autoencoder", "loss", 64, steps, whole), n);
  assert_true(n > 0);
  for (int i = 0; i < n; i++)
    assert_true(fabs(kept[i] - whole[i]) < 1e-4 * whole[i]); /* shares of the total are equal */
  cli_expect(3, "$cytoforge train $fixed --data kept --out nb_run --set autoencoder.likelihood=nb %s", small);
  cli_expect_text("the atlas kept holds fractional counts");
}

/* ---- cells beside a model ---- */

/* obsm/X_latent of a file: [EXAMPLE_CELLS, 4]; cyf_free. */
static float *read_latents(const char *path) {
  cyf_h5ad *file = NULL;
  float *latent = NULL;
  int64_t width = 0;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent));
  assert_int_equal(width, 4);
  cyf_h5ad_close(&file);
  return latent;
}

/* Two files' latents, which have unit length, differ by no more than rounding. */
static void expect_same_latents(const char *one, const char *two) {
  float *a = read_latents(one), *b = read_latents(two);
  for (int i = 0; i < EXAMPLE_CELLS * 4; i++) assert_true(fabsf(a[i] - b[i]) < 1e-3F);
  cyf_free(a);
  cyf_free(b);
}

static void train_model(const char *run, const char *inputs) {
  cli_expect(0,
             "$cytoforge prepare %s -o %s_atlas --min-genes 0 --min-cells 0 && $cytoforge train $fixed --data %s_atlas "
             "--out %s %s",
             inputs, run, run, run, small);
}

static void expect_encoded_alike(const char *run) {
  static const char *const files[] = {"counts", "log", "log2", "proportions", "plain"};
  for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
    char path[64];
    snprintf(path, sizeof path, "%s_%s.h5ad", run, files[i]);
    cli_expect(0, "$cytoforge encode -m %s/model.h5 %s.h5ad -o %s", run, files[i], path);
    if (i > 0) expect_same_latents("encoded.h5ad", path);
    if (i == 0) cli_expect(0, "cp %s encoded.h5ad", path);
  }
}

/* Whatever scale a file is on, a model gets its own: here log1p of the usual target, and of a million. */
static void cells_are_held_to_the_models_scale(void **state) {
  (void)state;
  example_write(&(values_example){.kind = EXAMPLE_PLAIN_LOG}, "plain.h5ad");
  train_model("usual", "counts.h5ad");
  expect_encoded_alike("usual");
  train_model("million", "log2.h5ad");
  cli_expect(0, "$cytoforge info million/model.h5");
  cli_expect_text("80 genes (log-normalised (log1p, target 1000000)), latent 4");
  expect_encoded_alike("million");
}

/* Half the genes of another scale add up to more than the model's target; a statement lets them in. */
static void another_scale_is_refused_naming_both(void **state) {
  (void)state;
  example_write(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e6, .n_genes_kept = 40}, "half_million.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4, .n_genes_kept = 40}, "half_usual.h5ad");
  cli_expect(4, "$cytoforge encode -m usual/model.h5 half_million.h5ad -o never.h5ad");
  cli_expect_text(
      "the values of half_million.h5ad are log-normalised (log1p, target unknown), and the model "
      "usual/model.h5 takes log1p(counts / total x 1e4)");
  cli_expect(0, "$cytoforge encode -m usual/model.h5 half_million.h5ad -o stated.h5ad --values log1p:1e6");
  cli_expect(0, "$cytoforge encode -m usual/model.h5 half_usual.h5ad -o encoded_half.h5ad");
  cli_expect_text("WARN  the values of half_usual.h5ad are");
  expect_same_latents("stated.h5ad", "encoded_half.h5ad");
  cli_expect(2, "$cytoforge encode -m usual/model.h5 counts.h5ad -o never.h5ad --values loud");
}

/* Atlases beside a model are held to its scale too. */
static void atlases_are_held_to_the_models_scale(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge encode -m million/model.h5 usual_atlas -o of_counts --precision float32 && "
             "$cytoforge encode -m million/model.h5 million_atlas -o of_logs --precision float32");
  expect_same_latents("of_counts/latents-00000.h5ad", "of_logs/latents-00000.h5ad"); /* the same cells in one order */
}

/* The target goes with the model into every file that comes of it. */
static void the_target_travels(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge export --format safetensors -m million/model.h5 -o exported && grep -q 'log1p(counts / total "
             "x 1000000)' "
             "exported/README && $cytoforge import exported -o again.h5 && $cytoforge info again.h5");
  cli_expect_text("log-normalised (log1p, target 1000000)");
  cli_expect(0, "$cytoforge encode -m again.h5 counts.h5ad -o again_encoded.h5ad");
  expect_same_latents("million_counts.h5ad", "again_encoded.h5ad");
  cli_expect(0, "$cytoforge sample -m again.h5 -n 60 -o sampled.h5ad && $cytoforge info sampled.h5ad");
  cli_expect_text("log-normalised (log1p, target 1000000)");
  /* evaluate brings both to one scale: cells that were encoded and written are the real ones */
  cli_expect(0, "$cytoforge evaluate --real counts.h5ad --synthetic million_log2.h5ad --trees 50 --components 10");
  cli_expect_text("log-normalised (log1p, target 1000000)");
}

/* Older models have no target; it is said once. */
static void an_older_model_means_the_usual_target(void **state) {
  (void)state;
  cli_expect(0, "cp million/model.h5 older.h5");
  cyf_hdf5_lock();
  hid_t file = H5Fopen("older.h5", H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(H5Ldelete(file, "expression_target", H5P_DEFAULT) >= 0);
  H5Fclose(file);
  cyf_hdf5_unlock();
  plant_seal("older.h5");
  cli_expect(0, "$cytoforge encode -m older.h5 counts.h5ad -o older.h5ad");
  cli_expect_one_error("older.h5: says nothing of the target of its logarithms, which was 1e4");
  cli_expect(0, "$cytoforge info older.h5");
  cli_expect_text("log-normalised (log1p, target 10000)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(info_names_each_kind, check_clear),
      cmocka_unit_test_setup(info_and_prepare_name_the_other_matrices, check_clear),
      cmocka_unit_test_setup(info_describes_files_without_a_readable_matrix, check_clear),
      cmocka_unit_test_setup(warnings_name_the_file, check_clear),
      cmocka_unit_test_setup(fractional_counts_are_trained_on, check_clear),
      cmocka_unit_test_setup(cells_are_held_to_the_models_scale, check_clear),
      cmocka_unit_test_setup(another_scale_is_refused_naming_both, check_clear),
      cmocka_unit_test_setup(atlases_are_held_to_the_models_scale, check_clear),
      cmocka_unit_test_setup(the_target_travels, check_clear),
      cmocka_unit_test_setup(an_older_model_means_the_usual_target, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
