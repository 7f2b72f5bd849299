/* SPDX-License-Identifier: MIT */
/* The plan of prepare is arithmetic alone, so that atlases of any size can be tested. */
#include <math.h>

#include "check.h"
#include "data/prepare/plan.h"

static const int64_t mib = 1 << 20, gib = 1 << 30;

/* CELLxGENE's human census as scDiffusion would take it. */
static cyf_prepare_sizes census(void) {
  return (cyf_prepare_sizes){.n_cells = 22700000,
                             .n_kept = 22700000,
                             .n_genes = 28231,
                             .n_inputs = 60,
                             .n_labels = 2,
                             .longest_input = 1500000,
                             .values_per_cell = 1500,
                             .counts = true,
                             .data_bits = 16};
}

static void an_atlas_of_22_million_cells_fits(void **state) {
  (void)state;
  const cyf_prepare_sizes sizes = census();
  cyf_prepare_plan plan;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &plan));
  assert_true(plan.peak_bytes <= 4 * gib && plan.peak_bytes <= plan.budget_bytes);
  assert_true(plan.least_bytes <= gib);
  assert_int_equal(plan.unit_cells, 65536);
  assert_int_equal(plan.n_units, 347);
  assert_int_equal(plan.n_shards, (sizes.n_kept + plan.shard_cells - 1) / plan.shard_cells);
  /* 34 thousand million values: beyond 32 bits everywhere. */
  assert_true(plan.atlas_bytes > 120 * gib && plan.atlas_bytes < 140 * gib);
  assert_true(plan.spill_bytes > 60 * gib && plan.spill_bytes < plan.atlas_bytes);
  assert_int_equal(plan.heldout_bytes, 0);
}

/* Shards hold the training cells alone; the files for evaluation hold all, and the spill training cells twice. */
static void heldout_cells_are_exact(void **state) {
  (void)state;
  cyf_prepare_sizes sizes = census();
  cyf_prepare_plan all, some;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &all));
  sizes.n_heldout = 2700001;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &some));
  const int64_t n_train = sizes.n_kept - sizes.n_heldout;
  const double share = (double)n_train / (double)sizes.n_kept;
  assert_int_equal(some.n_shards, (n_train + some.shard_cells - 1) / some.shard_cells);
  assert_true(fabs((double)some.atlas_bytes / (double)all.atlas_bytes - share) < 1e-9);
  assert_true(fabs((double)some.heldout_bytes / (double)all.atlas_bytes - 1) < 1e-9);
  assert_true(fabs((double)some.spill_bytes / (double)all.spill_bytes - 1 - share) < 1e-9);
}

/* Compression changes what the files take, not what memory they are made in or how cells are cut into shards. */
static void compressed_atlases_take_less_disk(void **state) {
  (void)state;
  for (int bits = 8; bits <= 32; bits *= 2) {
    cyf_prepare_sizes sizes = census();
    cyf_prepare_plan plain, compressed;
    sizes.data_bits = bits;
    sizes.counts = bits < 32;
    assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &plain));
    sizes.compressed = true;
    assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &compressed));
    assert_true(compressed.atlas_bytes < plain.atlas_bytes * 2 / 3);
    assert_true(compressed.atlas_bytes > sizes.n_kept * 1500);
    assert_int_equal(compressed.shard_cells, plain.shard_cells);
    assert_true(compressed.n_shards == plain.n_shards && compressed.peak_bytes == plain.peak_bytes);
    assert_true(compressed.spill_bytes == plain.spill_bytes);
  }
}

/* The measured case: 2,000,000 cells on two ranks took 131 s (benchmarks/results/scale.md). */
static void seconds_are_about_those_measured(void **state) {
  (void)state;
  cyf_prepare_sizes sizes = census();
  sizes.n_cells = sizes.n_kept = 2000000;
  const double plain = cyf_prepare_seconds(&sizes, 100000, 2);
  assert_true(plain > 131 / 1.5 && plain < 131 * 1.5);
  assert_true(fabs(cyf_prepare_seconds(&sizes, 100000, 1) / plain - 2) < 1e-9);
  assert_true(fabs(cyf_prepare_seconds(&sizes, 10000, 2) - plain - 9 * 2 * 2000000 / 100000.0 / 2) < 1e-6);
  sizes.n_heldout = 200000; /* the values of all cells once more, though cheaper */
  const double heldout = cyf_prepare_seconds(&sizes, 100000, 2);
  assert_true(heldout > plain && heldout < 1.5 * plain);
  sizes.compressed = true;
  assert_true(cyf_prepare_seconds(&sizes, 100000, 2) > 1.4 * heldout);
  sizes.n_cells = 20000000; /* of which --keep leaves a tenth: read once, and no more */
  sizes.n_heldout = 0;
  sizes.compressed = false;
  assert_true(fabs(cyf_prepare_seconds(&sizes, 100000, 2) - plain - 90) < 1e-6);
}

/* What grows with the cells is about a byte a cell on a rank: selection bits, places in the spill, a buffer a shard.
 * With cells held out there is one byte more for repeated names, and the spill is twice as large. */
static void memory_hardly_grows_with_the_cells(void **state) {
  (void)state;
  for (int holdout = 0; holdout < 2; holdout++) {
    cyf_prepare_sizes sizes = census();
    cyf_prepare_plan small, large;
    sizes.n_cells = sizes.n_kept = 2270000;
    sizes.n_heldout = holdout * sizes.n_kept / 10;
    assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &small));
    sizes.n_cells = sizes.n_kept = 22700000;
    sizes.n_heldout = holdout * sizes.n_kept / 10;
    assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &large));
    const double grown = (double)(large.least_bytes - small.least_bytes) / (22700000.0 - 2270000.0);
    print_message("%.2f bytes a cell, least %lld MiB\n", grown, (long long)(large.least_bytes / mib));
    assert_true(grown < (holdout ? 3.5 : 1.5));
  }
}

static void a_small_budget_makes_small_pieces(void **state) {
  (void)state;
  const cyf_prepare_sizes sizes = census();
  cyf_prepare_plan wide, narrow, none;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, true, &wide));
  assert_ok(cyf_prepare_plan_make(&sizes, wide.least_bytes, true, &narrow));
  assert_true(narrow.peak_bytes <= wide.least_bytes);
  assert_true(narrow.shard_cells < wide.shard_cells && narrow.block_values < wide.block_values);
  assert_int_equal(narrow.unit_cells, wide.unit_cells); /* so that a run may go on with another --memory */
  char least[32];
  snprintf(least, sizeof(least), "--memory %lldM", (long long)((wide.least_bytes + mib - 1) / mib));
  assert_fails(cyf_prepare_plan_make(&sizes, wide.least_bytes - mib, true, &none), CYF_ERR_USAGE, least);
}

/* The default must not depend on the machine, or ranks on it: the atlas would. */
static void shards_follow_an_explicit_budget_alone(void **state) {
  (void)state;
  const cyf_prepare_sizes sizes = census();
  cyf_prepare_plan much, little;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, false, &much));
  assert_ok(cyf_prepare_plan_make(&sizes, mib, false, &little));
  assert_int_equal(much.shard_cells, little.shard_cells);
  assert_true(little.budget_bytes >= little.peak_bytes);
  assert_true(cyf_prepare_default_memory(1) >= cyf_prepare_default_memory(4));
  assert_true(cyf_prepare_default_memory(1) <= 4 * gib);
}

static void small_and_odd_sizes_are_planned(void **state) {
  (void)state;
  cyf_prepare_plan plan;
  cyf_prepare_sizes sizes = {
      .n_cells = 1, .n_kept = 1, .n_genes = 1, .n_inputs = 1, .longest_input = 1, .counts = true, .data_bits = 8};
  assert_ok(cyf_prepare_plan_make(&sizes, gib, false, &plan));
  assert_int_equal(plan.unit_cells, 64);
  assert_int_equal(plan.n_units, 1);
  assert_int_equal(plan.n_shards, 1);
  sizes.n_cells = sizes.n_kept = 3774;
  assert_ok(cyf_prepare_plan_make(&sizes, gib, false, &plan));
  assert_int_equal(plan.unit_cells, 256);
  assert_int_equal(plan.n_units, 15);
  sizes = census();
  sizes.shard_cells = 1000;
  assert_ok(cyf_prepare_plan_make(&sizes, 4 * gib, true, &plan));
  assert_int_equal(plan.shard_cells, 1000);
  assert_int_equal(plan.n_shards, 22700);
  sizes.transpose_bytes = 8 * gib;
  assert_fails(cyf_prepare_plan_make(&sizes, 4 * gib, true, &plan), CYF_ERR_USAGE, "CSC");
  sizes = census();
  sizes.n_cells = sizes.n_kept = INT64_C(1) << 40; /* nothing overflows */
  assert_ok(cyf_prepare_plan_make(&sizes, gib, false, &plan));
  assert_int_equal(plan.n_units, INT64_C(1) << 24);
  assert_true(plan.peak_bytes > 0 && plan.atlas_bytes > 0 && plan.spill_bytes > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(an_atlas_of_22_million_cells_fits, check_clear),
      cmocka_unit_test_setup(heldout_cells_are_exact, check_clear),
      cmocka_unit_test_setup(seconds_are_about_those_measured, check_clear),
      cmocka_unit_test_setup(compressed_atlases_take_less_disk, check_clear),
      cmocka_unit_test_setup(memory_hardly_grows_with_the_cells, check_clear),
      cmocka_unit_test_setup(a_small_budget_makes_small_pieces, check_clear),
      cmocka_unit_test_setup(shards_follow_an_explicit_budget_alone, check_clear),
      cmocka_unit_test_setup(small_and_odd_sizes_are_planned, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
