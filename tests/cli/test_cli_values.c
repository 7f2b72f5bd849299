/* SPDX-License-Identifier: MIT */
/* What the commands say of files of every kind of values, and what they make of them. */
#include <hdf5.h>

#include "cli.h"
#include "data/hdf5/hdf5_lock.h"
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
  cli_expect(0, "$cytoforge train --data kept --out kept_run %s && $cytoforge train --data whole --out whole_run %s",
             small, small);
  long steps[64];
  double kept[64], whole[64];
  const int n = cli_read_metrics("kept_run", "autoencoder", "loss", 64, steps, kept);
  assert_int_equal(cli_read_metrics("whole_run", "autoencoder", "loss", 64, steps, whole), n);
  assert_true(n > 0);
  for (int i = 0; i < n; i++)
    assert_true(fabs(kept[i] - whole[i]) < 1e-4 * whole[i]); /* shares of the total are equal */
  cli_expect(3, "$cytoforge train --data kept --out nb_run --set autoencoder.likelihood=nb %s", small);
  cli_expect_text("the atlas kept holds fractional counts");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(info_names_each_kind, check_clear),
      cmocka_unit_test_setup(info_and_prepare_name_the_other_matrices, check_clear),
      cmocka_unit_test_setup(info_describes_files_without_a_readable_matrix, check_clear),
      cmocka_unit_test_setup(warnings_name_the_file, check_clear),
      cmocka_unit_test_setup(fractional_counts_are_trained_on, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
