/* SPDX-License-Identifier: MIT */
/* The simulator: its counts are negative binomial with the stated means, cells depend on (seed, index) only, and the
 * file is whole. */
#include <math.h>
#include <signal.h>
#include <stdbool.h>

#include "base/interrupt.h"
#include "check.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/values.h"
#include "data/synth/synth.h"
#include "data/synth/synth_model.h"

static cyf_synth_options small_options(const char *output) {
  return (cyf_synth_options){.output = output,
                             .n_cells = 3000,
                             .n_genes = 2000,
                             .n_types = 4,
                             .n_donors = 3,
                             .mean_counts = 1000,
                             .expressed_fraction = 0.15,
                             .seed = 11};
}

/* Given each cell's type, donor and library size, sums over 8,000 cells of counts, of zeros and of squared deviations
 * have known means. The first two also have known variances. */
static void counts_are_negative_binomial(void **state) {
  (void)state;
  cyf_synth_options options = small_options("unused");
  options.n_genes = 60;
  options.mean_counts = 200;
  options.expressed_fraction = 0.6;
  enum { N_CELLS = 8000, N_GENES = 60 };
  cyf_synth_model *model = NULL;
  cyf_synth_scratch scratch = {0};
  assert_ok(cyf_synth_model_create(&options, &model));
  assert_ok(cyf_synth_scratch_make(model, &scratch));
  static double count[N_GENES], mean[N_GENES], zeros[N_GENES], p_zero[N_GENES], zero_variance[N_GENES],
      squares[N_GENES], variance[N_GENES];
  const double theta = CYF_SYNTH_SIZE;
  for (int64_t i = 0; i < N_CELLS; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0, e = 0;
    cyf_synth_draw_cell(model, i, &scratch, &cell, &nnz);
    for (int64_t g = 0; g < N_GENES; g++) {
      const double x = e < nnz && scratch.indices[e] == g ? (double)scratch.values[e++] : 0;
      const double mu = cyf_synth_expected_count(model, &cell, g), p = pow(1 + mu / theta, -theta);
      count[g] += x;
      mean[g] += mu;
      zeros[g] += x == 0;
      p_zero[g] += p;
      zero_variance[g] += p * (1 - p);
      squares[g] += (x - mu) * (x - mu);
      variance[g] += mu + mu * mu / theta;
    }
    assert_int_equal(e, nnz); /* ascending, within the genes */
  }
  double ratio = 0;
  for (int64_t g = 0; g < N_GENES; g++) {
    assert_true(fabs(count[g] - mean[g]) < 5 * sqrt(variance[g]));
    assert_true(fabs(zeros[g] - p_zero[g]) < 5 * sqrt(zero_variance[g]) + 1);
    ratio += squares[g] / variance[g] / N_GENES;
  }
  assert_true(fabs(ratio - 1) < 0.02); /* one gene's ratio has a standard error of some 3 %, the mean of 60 far less */
  cyf_synth_scratch_destroy(&scratch);
  cyf_synth_model_destroy(&model);
}

/* How often each count occurs, over all genes of an atlas-like profile (few expressed, means from 10^-4 to 50), against
 * the distribution's own probabilities given each cell's obs. */
static void counts_occur_as_often_as_they_should(void **state) {
  (void)state;
  cyf_synth_options options = small_options("unused");
  options.expressed_fraction = 0.06;
  enum { N_CELLS = 1500, MOST = 12 };
  cyf_synth_model *model = NULL;
  cyf_synth_scratch scratch = {0};
  assert_ok(cyf_synth_model_create(&options, &model));
  assert_ok(cyf_synth_scratch_make(model, &scratch));
  double seen[MOST + 1] = {0}, expected[MOST + 1] = {0}, variance[MOST + 1] = {0};
  for (int64_t i = 0; i < N_CELLS; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0;
    cyf_synth_draw_cell(model, i, &scratch, &cell, &nnz);
    seen[0] += (double)(options.n_genes - nnz);
    for (int64_t e = 0; e < nnz; e++) {
      assert_true(scratch.values[e] >= 1 && scratch.values[e] == floorf(scratch.values[e]));
      seen[scratch.values[e] < MOST ? (int)scratch.values[e] : MOST]++;
    }
    for (int64_t g = 0; g < options.n_genes; g++) {
      const double mu = cyf_synth_expected_count(model, &cell, g), theta = CYF_SYNTH_SIZE, q = mu / (mu + theta);
      double p = pow(1 - q, theta), rest = 1;
      for (int k = 0; k <= MOST; k++) {
        const double probability = k < MOST ? p : rest;
        expected[k] += probability;
        variance[k] += probability * (1 - probability);
        rest -= p;
        p *= q * (k + theta) / (k + 1);
      }
    }
  }
  for (int k = 0; k <= MOST; k++) assert_true(fabs(seen[k] - expected[k]) < 4.5 * sqrt(variance[k]) + 1);
  cyf_synth_scratch_destroy(&scratch);
  cyf_synth_model_destroy(&model);
}

static void a_cell_depends_on_seed_and_index_only(void **state) {
  (void)state;
  char folder[64], path[2][96];
  make_folder(folder);
  cyf_csr_buffer rows[2] = {{0}, {0}};
  for (int i = 0; i < 2; i++) {
    snprintf(path[i], sizeof(path[i]), "%s/%d.h5ad", folder, i);
    cyf_synth_options options = small_options(path[i]);
    options.n_cells = i == 0 ? 100 : 2500; /* less and more than a block of parallel drawing */
    assert_ok(cyf_synth(&options));
    cyf_h5ad *file = NULL;
    assert_ok(cyf_h5ad_open(path[i], NULL, &file));
    assert_int_equal(cyf_h5ad_n_cells(file), options.n_cells);
    cyf_csr_buffer_clear(&rows[i], cyf_h5ad_n_genes(file));
    assert_ok(cyf_h5ad_read_rows(file, 0, 100, &rows[i]));
    cyf_h5ad_close(&file);
  }
  const int64_t nnz = rows[0].indptr[100];
  assert_memory_equal(rows[0].indptr, rows[1].indptr, 101 * sizeof(int64_t));
  assert_memory_equal(rows[0].indices, rows[1].indices, (size_t)nnz * sizeof(int32_t));
  assert_memory_equal(rows[0].values, rows[1].values, (size_t)nnz * sizeof(float));
  cyf_csr_buffer_destroy(&rows[0]);
  cyf_csr_buffer_destroy(&rows[1]);
  remove_folder(folder);
}

static void the_file_has_the_wanted_sparsity_and_labels(void **state) {
  (void)state;
  char folder[64], path[96];
  make_folder(folder);
  snprintf(path, sizeof(path), "%s/cells.h5ad", folder);
  const cyf_synth_options options = small_options(path);
  assert_ok(cyf_synth(&options));
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_genes(file), options.n_genes);
  const double n = (double)options.n_cells;
  const double share = (double)cyf_h5ad_nnz(file) / (n * (double)options.n_genes);
  assert_true(fabs(share - options.expressed_fraction) < 0.1 * options.expressed_fraction);
  cyf_csr_buffer rows = {0};
  cyf_csr_buffer_clear(&rows, options.n_genes);
  assert_ok(cyf_h5ad_read_rows(file, 0, options.n_cells, &rows));
  double total = 0;
  for (int64_t e = 0; e < rows.indptr[options.n_cells]; e++) total += (double)rows.values[e];
  assert_true(fabs(total / n - options.mean_counts) < 0.05 * options.mean_counts);
  cyf_csr_buffer_destroy(&rows);
  cyf_values values;
  assert_ok(cyf_h5ad_judge_values(file, 1000, &values));
  assert_int_equal(values.kind, CYF_VALUES_COUNTS);
  const char *columns[2] = {"cell_type", "donor"};
  const int64_t n_categories[2] = {options.n_types, options.n_donors};
  for (int a = 0; a < 2; a++) {
    cyf_label_column column = {0};
    assert_ok(cyf_h5ad_read_labels(file, columns[a], &column));
    assert_int_equal(column.categories.n, n_categories[a]);
    int64_t count[4] = {0};
    for (int64_t i = 0; i < column.n_cells; i++) count[column.code[i]]++;
    for (int64_t c = 0; c < n_categories[a]; c++) assert_true(count[c] > n / 20);
    cyf_label_column_destroy(&column);
  }
  cyf_h5ad_close(&file);
  remove_folder(folder);
}

/* The expected profile of a cell half way is the mean of both types', and the two ends are the types themselves. */
static void the_path_leads_from_the_first_type_to_the_second(void **state) {
  (void)state;
  cyf_synth_options options = small_options("unused");
  cyf_synth_model *model = NULL;
  assert_ok(cyf_synth_model_create(&options, &model));
  cyf_synth_scratch scratch = {0};
  assert_ok(cyf_synth_scratch_make(model, &scratch));
  int64_t seen[2] = {0};
  for (int64_t i = 0; i < 2000; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0;
    cyf_synth_draw_cell(model, i, &scratch, &cell, &nnz);
    if (cell.type > 1) {
      assert_true(isnan(cell.pseudotime));
    } else {
      assert_true(cell.pseudotime >= 0.5 * cell.type && cell.pseudotime < 0.5 * (cell.type + 1));
      seen[cell.type]++;
    }
  }
  assert_true(seen[0] > 300 && seen[1] > 300);
  const cyf_synth_cell start = {0, 0, 0.0, 100}, middle = {0, 0, 0.5, 100}, end = {1, 0, 1.0, 100};
  for (int64_t g = 0; g < options.n_genes; g++) {
    const double ends = cyf_synth_expected_count(model, &start, g) + cyf_synth_expected_count(model, &end, g);
    assert_true(fabs(2 * cyf_synth_expected_count(model, &middle, g) - ends) <= 1e-12 * ends);
  }
  cyf_synth_scratch_destroy(&scratch);
  cyf_synth_model_destroy(&model);
}

static void bad_requests_are_refused(void **state) {
  (void)state;
  char folder[64], path[96];
  make_folder(folder);
  snprintf(path, sizeof(path), "%s/cells.h5ad", folder);
  cyf_synth_options options = small_options(path);
  options.n_types = 0;
  assert_fails(cyf_synth(&options), CYF_ERR_USAGE, "types");
  options = small_options(path);
  options.expressed_fraction = 1.5;
  assert_fails(cyf_synth(&options), CYF_ERR_USAGE, "1.5");
  assert_false(check_exists(path));
  options = small_options(path);
  options.n_cells = 10;
  assert_ok(cyf_synth(&options));
  assert_fails(cyf_synth(&options), CYF_ERR_IO, "--force");
  options.force = true;
  assert_ok(cyf_synth(&options));
  snprintf(path, sizeof(path), "%s/none/cells.h5ad", folder);
  assert_fails(cyf_synth(&options), CYF_ERR_IO, "none/cells.h5ad");
  remove_folder(folder);
}

/* The last test: a request to stop cannot be taken back. */
static void a_signal_leaves_nothing_behind(void **state) {
  (void)state;
  char folder[64], path[128];
  make_folder(folder);
  snprintf(path, sizeof(path), "%s/cells.h5ad", folder);
  const cyf_synth_options options = small_options(path);
  cyf_interrupt_install();
  raise(SIGINT);
  assert_fails(cyf_synth(&options), CYF_ERR_INTERRUPTED, "stopped by a signal");
  assert_false(check_exists(path));
  assert_int_equal(count_partials(path), 0);
  remove_folder(folder);
}

#define TEST(function) cmocka_unit_test_setup(function, check_clear)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(counts_are_negative_binomial),
      TEST(counts_occur_as_often_as_they_should),
      TEST(a_cell_depends_on_seed_and_index_only),
      TEST(the_file_has_the_wanted_sparsity_and_labels),
      TEST(the_path_leads_from_the_first_type_to_the_second),
      TEST(bad_requests_are_refused),
      TEST(a_signal_leaves_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
