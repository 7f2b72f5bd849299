/* SPDX-License-Identifier: MIT */
/* Names: the nearest one, lists of them for messages, values found however they are written. */
#include "base/names.h"
#include "check.h"

static void the_nearest_name_is_found(void **state) {
  (void)state;
  static const char *const commands[] = {"prepare", "train", "sample", "evaluate", "info"};
  static const struct {
    const char *name, *nearest;
  } cases[] = {{"train", "train"}, {"trian", "train"},    {"smaple", "sample"}, {"evalute", "evaluate"},
               {"nfo", "info"},    {"prepar", "prepare"}, {"x", NULL},          {"", NULL},
               {"diffuse", NULL},  {"tr", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    const char *nearest = cyf_nearest_name(cases[i].name, commands, 5);
    if (cases[i].nearest) {
      assert_non_null(nearest);
      assert_string_equal(nearest, cases[i].nearest);
    } else {
      assert_null(nearest);
    }
  }
  char long_name[400];
  memset(long_name, 'a', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  assert_null(cyf_nearest_name(long_name, commands, 5));
  assert_null(cyf_nearest_name("train", NULL, 0));
}

static void lists_are_cut_to_whole_names(void **state) {
  (void)state;
  static const char *const names[] = {"B cells", "NK", "T, CD4", "Monocytes"};
  char text[CYF_NAMES_LIST_BYTES];
  assert_string_equal(cyf_list_names(4, names, text, sizeof text), "'B cells', 'NK', 'T, CD4', 'Monocytes'");
  assert_string_equal(cyf_list_names(0, NULL, text, sizeof text), "none");
  for (size_t size = 40; size < 90; size++) { /* whatever the size, nothing is written beyond it */
    memset(text, '#', sizeof text);
    cyf_list_names(4, names, text, size);
    assert_true(strlen(text) < size);
    assert_int_equal(text[size], '#');
  }
  assert_string_equal(cyf_list_names(4, names, text, 54), "'B cells', 'NK', ... (4 in all)");
}

static void numbers_are_found_however_they_are_written(void **state) {
  (void)state;
  cyf_names days = {0};
  assert_int_equal(cyf_names_add(&days, "10", NULL), CYF_OK);
  assert_int_equal(cyf_names_add(&days, "10.5", NULL), CYF_OK);
  assert_int_equal(cyf_names_add(&days, "D1", NULL), CYF_OK);
  assert_int_equal(cyf_names_find_value(&days, "10.50"), 1);
  assert_int_equal(cyf_names_find_value(&days, "1e1"), 0);
  assert_int_equal(cyf_names_find_value(&days, "D1"), 2);
  assert_int_equal(cyf_names_find_value(&days, "11"), -1);
  assert_int_equal(cyf_names_find_value(&days, ""), -1);
  cyf_names_destroy(&days);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_nearest_name_is_found),
      cmocka_unit_test(lists_are_cut_to_whole_names),
      cmocka_unit_test(numbers_are_found_however_they_are_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
