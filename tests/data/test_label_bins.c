/* SPDX-License-Identifier: MIT */
/* Numeric columns as classes: bins and their names. */
#include <string.h>

#include "check.h"
#include "data/tables/label_bins.h"

static void bins_are_named_by_their_ranges_in_order(void **state) {
  (void)state;
  cyf_label_bins bins = {0}, read = {0};
  cyf_names names = {0};
  assert_ok(cyf_label_bins_parse("time=of=day=-5,0.5,300,1e5", &bins));
  assert_string_equal(bins.attribute, "time=of=day");
  assert_ok(cyf_label_bins_names(&bins, &names));
  static const char *const wanted[] = {"<-5", "-5..0.5", "0.5..300", "300..100000", ">=100000"};
  assert_int_equal(names.n, 5);
  for (int i = 0; i < 5; i++) assert_string_equal(names.name[i], wanted[i]);
  /* The names alone give the edges back. */
  assert_true(cyf_label_bins_from_names(&names, &read));
  assert_int_equal(read.n_edges, 4);
  for (int i = 0; i < 4; i++) assert_true(read.edge[i] == bins.edge[i]);
  assert_ok(cyf_names_add(&names, "another", NULL));
  assert_false(cyf_label_bins_from_names(&names, &read));
  cyf_names_destroy(&names);
  cyf_label_bins_destroy(&bins);
}

static void a_lower_edge_belongs_to_its_bin(void **state) {
  (void)state;
  cyf_label_bins bins = {0};
  static const struct {
    const char *number;
    int64_t bin;
  } cases[] = {{"-7", 0}, {"9.999", 0}, {"10", 1},   {"10.0", 1}, {"19", 1},
               {"20", 2}, {"inf", 2},   {"nan", -1}, {"", -1}};
  assert_ok(cyf_label_bins_parse("day=10,20", &bins));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t bin = -2;
    assert_ok(cyf_label_bins_find(&bins, cases[i].number, &bin));
    assert_int_equal(bin, cases[i].bin);
  }
  int64_t bin = 0;
  assert_fails(cyf_label_bins_find(&bins, "ten", &bin), CYF_ERR_INPUT, "'ten' of column 'day' is no number");
  cyf_label_bins_destroy(&bins);
}

static void malformed_bins_are_refused(void **state) {
  (void)state;
  cyf_label_bins bins = {0};
  assert_fails(cyf_label_bins_parse("10,20", &bins), CYF_ERR_USAGE, "NAME=E1,E2");
  assert_fails(cyf_label_bins_parse("=10,20", &bins), CYF_ERR_USAGE, "NAME=E1,E2");
  assert_fails(cyf_label_bins_parse("day=", &bins), CYF_ERR_USAGE, "number");
  assert_fails(cyf_label_bins_parse("day=10,x", &bins), CYF_ERR_USAGE, "'x' does not begin with a number");
  assert_fails(cyf_label_bins_parse("day=10,10", &bins), CYF_ERR_USAGE, "10 does not come after 10");
  assert_null(bins.attribute);
}

static void other_names_are_no_bins(void **state) {
  (void)state;
  static const char *const lists[][3] = {{"B", "T", "NK"}, {"<10", "20..30", ">=30"}, {"<10", "10..20", ">=30"}};
  for (int i = 0; i < 3; i++) {
    cyf_names names = {0};
    cyf_label_bins bins = {0};
    for (int k = 0; k < 3; k++) assert_ok(cyf_names_add(&names, lists[i][k], NULL));
    assert_false(cyf_label_bins_from_names(&names, &bins));
    cyf_names_destroy(&names);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(bins_are_named_by_their_ranges_in_order, check_clear),
      cmocka_unit_test_setup(a_lower_edge_belongs_to_its_bin, check_clear),
      cmocka_unit_test_setup(malformed_bins_are_refused, check_clear),
      cmocka_unit_test_setup(other_names_are_no_bins, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
