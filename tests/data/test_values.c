/* SPDX-License-Identifier: MIT */
/* What values are, judged by the values; statements of it; and one scale for others. */
#include <hdf5.h>

#include "data/h5ad/values.h"
#include "data/hdf5/hdf5_file.h"
#include "values_example.h"

static cyf_values judge(const values_example *example) {
  char *path = in_folder("example.h5ad");
  cyf_h5ad *file = NULL;
  cyf_values values;
  example_write(example, path);
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_judge_values(file, 1000, &values));
  cyf_h5ad_close(&file);
  cyf_free(path);
  return values;
}

static void each_kind_is_told(void **state) {
  (void)state;
  static const struct {
    values_example example;
    cyf_value_kind kind;
    double target;
    const char *text;
  } cases[] = {
      {{.kind = EXAMPLE_COUNTS}, CYF_VALUES_COUNTS, 0, "counts"},
      {{.kind = EXAMPLE_SHARE}, CYF_VALUES_FRACTIONS, 0, "fractional counts"},
      {{.kind = EXAMPLE_SHARE, .first_value = 40.3}, CYF_VALUES_FRACTIONS, 0, "fractional counts"},
      {{.kind = EXAMPLE_PARTLY}, CYF_VALUES_FRACTIONS, 0, "fractional counts"},
      {{.kind = EXAMPLE_LINEAR, .target = 1}, CYF_VALUES_LINEAR, 1, "proportions (target 1)"},
      {{.kind = EXAMPLE_LINEAR, .target = 1e6}, CYF_VALUES_LINEAR, 1e6, "normalised, not logged (target 1000000)"},
      {{.kind = EXAMPLE_LINEAR, .target = 1e6, .n_genes_kept = 40},
       CYF_VALUES_LINEAR,
       0,
       "normalised, not logged (target unknown)"},
      {{.kind = EXAMPLE_LOG1P, .target = 1e4}, CYF_VALUES_LOG1P, 1e4, "log-normalised (log1p, target 10000)"},
      {{.kind = EXAMPLE_LOG1P, .target = 1e6}, CYF_VALUES_LOG1P, 1e6, "log-normalised (log1p, target 1000000)"},
      {{.kind = EXAMPLE_LOG1P, .target = 1e4, .n_genes_kept = 40},
       CYF_VALUES_LOG1P,
       0,
       "log-normalised (log1p, target unknown)"},
      {{.kind = EXAMPLE_LOG2, .target = 1e6}, CYF_VALUES_LOG2, 1e6, "log-normalised (log2, target 1000000)"},
      {{.kind = EXAMPLE_LOG2, .target = 1e6, .n_genes_kept = 40},
       CYF_VALUES_LOG2,
       0,
       "log-normalised (log2, target unknown)"},
      {{.kind = EXAMPLE_PLAIN_LOG}, CYF_VALUES_LOG1P, 0, "logarithms of counts that were not normalised (log1p)"},
      {{.kind = EXAMPLE_SIZE_FACTORS}, CYF_VALUES_LOG1P, 0, "log-normalised (log1p, target unknown)"},
      {{.kind = EXAMPLE_SMOOTH}, CYF_VALUES_UNKNOWN, 0, "unknown"},
      {{.kind = EXAMPLE_HALVES}, CYF_VALUES_FRACTIONS, 0, "fractional counts"},
      {{.kind = EXAMPLE_HALVES, .n_genes_kept = 20}, CYF_VALUES_FRACTIONS, 0, "fractional counts"},
      {{.kind = EXAMPLE_ROOTS}, CYF_VALUES_UNKNOWN, 0, "unknown"},
      {{.kind = EXAMPLE_ROOTS, .is_half = true}, CYF_VALUES_UNKNOWN, 0, "unknown"},
      {{.kind = EXAMPLE_PLAIN_LOG, .is_half = true, .n_genes_kept = 20},
       CYF_VALUES_LOG1P,
       0,
       "logarithms of counts that were not normalised (log1p)"},
      {{.kind = EXAMPLE_LOG1P, .target = 1e4, .is_half = true, .n_genes_kept = 20},
       CYF_VALUES_LOG1P,
       0,
       "log-normalised (log1p, target unknown)"},
      {{.kind = EXAMPLE_LOG2, .target = 1e4, .is_half = true},
       CYF_VALUES_LOG2,
       1e4,
       "log-normalised (log2, target 10000)"},
      {{.kind = EXAMPLE_SCALED}, CYF_VALUES_SCALED, 0, "scaled (it has negative values)"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char text[CYF_VALUES_TEXT_SIZE];
    const cyf_values values = judge(&cases[i].example);
    if (values.kind != cases[i].kind) fail_msg("case %zu: %s", i, cyf_values_text(&values, text));
    assert_string_equal(cyf_values_text(&values, text), cases[i].text);
    assert_true(values.target == cases[i].target);
  }
}

/* A number that nobody chose, such as the median of the cells' totals, is kept as it is. */
static void a_target_is_the_sum_itself(void **state) {
  (void)state;
  const cyf_values values = judge(&(values_example){.kind = EXAMPLE_LOG1P, .target = 2345.6});
  assert_int_equal(values.kind, CYF_VALUES_LOG1P);
  assert_true(fabs(values.target - 2345.6) < 0.01);
}

static void one_fraction_among_counts_is_named(void **state) {
  (void)state;
  const cyf_values values = judge(&(values_example){.kind = EXAMPLE_COUNTS, .first_value = 0.5});
  assert_int_equal(values.kind, CYF_VALUES_COUNTS);
  assert_int_equal(values.n_odd, 1);
  assert_int_equal(values.odd_cell, 0);
  assert_true(example_count(0, values.odd_gene) > 0);
  assert_true(values.odd_value == 0.5);
}

/* 57 of 60 are 95 %. */
static void nineteen_in_twenty_voters_decide(void **state) {
  (void)state;
  cyf_values values = judge(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4, .n_smooth = 3});
  assert_int_equal(values.kind, CYF_VALUES_LOG1P);
  assert_int_equal(values.n_voters, 60);
  assert_int_equal(values.n_agree, 57);
  values = judge(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4, .n_smooth = 4});
  assert_int_equal(values.kind, CYF_VALUES_UNKNOWN);
}

static void cells_of_few_values_do_not_vote(void **state) {
  (void)state;
  cyf_values values = judge(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4, .n_few = 30});
  assert_int_equal(values.kind, CYF_VALUES_LOG1P);
  assert_int_equal(values.n_voters, 30);
  assert_true(values.target == 1e4);
  values = judge(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4, .n_few = 60});
  assert_int_equal(values.kind, CYF_VALUES_UNKNOWN);
  assert_int_equal(values.n_voters, 0);
}

/* Half the cells whole numbers and half of them logarithms are no fractional counts. */
static void two_kinds_in_one_file_are_unknown(void **state) {
  (void)state;
  const cyf_values values = judge(&(values_example){.kind = EXAMPLE_COUNTS, .n_smooth = 30});
  assert_int_equal(values.kind, CYF_VALUES_UNKNOWN);
}

/* Stores X/data anew as this type. */
static void store_as(const char *path, hid_t type) {
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), data = H5Dopen2(file, "X/data", H5P_DEFAULT);
  hid_t extendible = H5Dget_space(data);
  const hsize_t n = (hsize_t)H5Sget_simple_extent_npoints(extendible);
  hid_t space = H5Screate_simple(1, &n, NULL);
  float *values = malloc((size_t)n * sizeof(*values));
  assert_true(H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(data);
  assert_true(H5Ldelete(file, "X/data", H5P_DEFAULT) >= 0);
  data = H5Dcreate2(file, "X/data", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  free(values);
  H5Dclose(data);
  H5Sclose(space);
  H5Sclose(extendible);
  H5Fclose(file);
  cyf_hdf5_unlock();
}

/* What float16 and float64 resolve is taken into account. */
static void precision_is_that_of_the_file(void **state) {
  (void)state;
  char *path = in_folder("precision.h5ad");
  for (int i = 0; i < 2; i++) {
    cyf_h5ad *file = NULL;
    cyf_values values;
    example_write(&(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4}, path);
    hid_t half = cyf_h5_half_type();
    store_as(path, i == 0 ? half : H5T_IEEE_F64LE);
    H5Tclose(half);
    assert_ok(cyf_h5ad_open(path, NULL, &file));
    assert_ok(cyf_h5ad_judge_values(file, 1000, &values));
    assert_int_equal(values.kind, CYF_VALUES_LOG1P);
    assert_true(values.target == 1e4);
    cyf_h5ad_close(&file);
  }
  cyf_free(path);
}

static void statements_are_read_strictly(void **state) {
  (void)state;
  cyf_values values;
  assert_ok(cyf_values_parse("counts", &values));
  assert_int_equal(values.kind, CYF_VALUES_COUNTS);
  assert_ok(cyf_values_parse("fractional-counts", &values));
  assert_int_equal(values.kind, CYF_VALUES_FRACTIONS);
  assert_ok(cyf_values_parse("log1p", &values));
  assert_true(values.kind == CYF_VALUES_LOG1P && values.target == 0);
  assert_ok(cyf_values_parse("log2:1e6", &values));
  assert_true(values.kind == CYF_VALUES_LOG2 && values.target == 1e6);
  static const char *const bad[] = {"",       "count",   "counts:5",   "log1p:",    "log1p:0", "log1p:-1",
                                    "log2:x", "log10:5", "log1p:1e4x", "log1p:inf", "Log1p"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_fails(cyf_values_parse(bad[i], &values), CYF_ERR_USAGE, bad[i]);
}

static void statements_go_before_judgements(void **state) {
  (void)state;
  cyf_values stated = {.kind = CYF_VALUES_LOG1P}, judged = {.kind = CYF_VALUES_LOG1P, .target = 1e6};
  cyf_values_state("x", &stated, &judged);
  assert_true(judged.kind == CYF_VALUES_LOG1P && judged.target == 1e6); /* the target is not stated */
  stated.target = 1e4;
  cyf_values_state("x", &stated, &judged);
  assert_true(judged.target == 1e4);
  judged = (cyf_values){.kind = CYF_VALUES_LOG2, .target = 1e6};
  stated.target = 0;
  cyf_values_state("x", &stated, &judged);
  assert_true(judged.kind == CYF_VALUES_LOG1P && judged.target == 0);
}

/* Every kind comes to ln(1 + share of the total x target). */
static void other_scales_come_to_one(void **state) {
  (void)state;
  static const double target = 2e3;
  static const values_example examples[] = {{.kind = EXAMPLE_COUNTS},
                                            {.kind = EXAMPLE_SHARE},
                                            {.kind = EXAMPLE_LINEAR, .target = 1},
                                            {.kind = EXAMPLE_LOG1P, .target = 1e4},
                                            {.kind = EXAMPLE_LOG2, .target = 1e6}};
  for (size_t k = 0; k < sizeof(examples) / sizeof(*examples); k++) {
    const cyf_values values = judge(&examples[k]);
    const cyf_rescaling rescaling = cyf_values_rescaling(&values, target);
    assert_false(cyf_rescaling_is_none(&rescaling));
    for (int64_t cell = 0; cell < EXAMPLE_CELLS; cell++) {
      float row[EXAMPLE_GENES];
      for (int64_t g = 0; g < EXAMPLE_GENES; g++) row[g] = example_value(&examples[k], cell, g);
      cyf_rescale(&rescaling, 1, (const int64_t[]){0, EXAMPLE_GENES}, row);
      for (int64_t g = 0; g < EXAMPLE_GENES; g++)
        assert_true(fabs((double)row[g] - log1p(example_count(cell, g) / example_total(cell) * target)) < 2e-5);
    }
  }
  const cyf_values same = {.kind = CYF_VALUES_LOG1P, .target = target}, unknown = {.kind = CYF_VALUES_LOG1P};
  const cyf_rescaling none = cyf_values_rescaling(&same, target), left = cyf_values_rescaling(&unknown, target);
  assert_true(cyf_rescaling_is_none(&none) && cyf_rescaling_is_none(&left));
}

static void what_is_of_no_use_is_refused_with_advice(void **state) {
  (void)state;
  char *path = in_folder("advice.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_SCALED}, path);
  cyf_values values = {.kind = CYF_VALUES_SCALED};
  assert_fails(cyf_values_settle(path, NULL, &values), CYF_ERR_INPUT,
               "X has negative values: what is scaled or centred cannot be used; no other matrix of the file can be");
  cyf_hdf5_lock();
  char *counts = in_folder("counts.h5ad");
  example_write(&(values_example){.kind = EXAMPLE_COUNTS}, counts);
  hid_t from = H5Fopen(counts, H5F_ACC_RDONLY, H5P_DEFAULT), to = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(H5Ocopy(from, "X", to, "layers/spliced", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(from);
  H5Fclose(to);
  cyf_hdf5_unlock();
  assert_fails(cyf_values_settle(path, NULL, &values), CYF_ERR_INPUT,
               "layers/spliced holds counts (--matrix layers/spliced)");
  values = (cyf_values){.kind = CYF_VALUES_UNKNOWN, .largest = 25};
  assert_fails(cyf_values_settle(path, NULL, &values), CYF_ERR_INPUT, "--values says what they are; layers/spliced");
  values.largest = 24.9;
  assert_ok(cyf_values_settle(path, NULL, &values)); /* with a warning */
  assert_true(values.kind == CYF_VALUES_LOG1P && values.target == 0);
  cyf_free(counts);
  cyf_free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(each_kind_is_told, check_clear),
      cmocka_unit_test_setup(a_target_is_the_sum_itself, check_clear),
      cmocka_unit_test_setup(one_fraction_among_counts_is_named, check_clear),
      cmocka_unit_test_setup(nineteen_in_twenty_voters_decide, check_clear),
      cmocka_unit_test_setup(cells_of_few_values_do_not_vote, check_clear),
      cmocka_unit_test_setup(two_kinds_in_one_file_are_unknown, check_clear),
      cmocka_unit_test_setup(precision_is_that_of_the_file, check_clear),
      cmocka_unit_test_setup(statements_are_read_strictly, check_clear),
      cmocka_unit_test_setup(statements_go_before_judgements, check_clear),
      cmocka_unit_test_setup(other_scales_come_to_one, check_clear),
      cmocka_unit_test_setup(what_is_of_no_use_is_refused_with_advice, check_clear),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
