/* SPDX-License-Identifier: MIT */
/* Label lists: one label a line, the line's number being its code. */
#include "check.h"
#include "data/tables/label_list.h"

static char path[96];

static int setup(void **state) {
  set_up_folder(state);
  snprintf(path, sizeof path, "%s/labels.txt", test_folder);
  return 0;
}
static void lines_are_labels_in_their_order(void **state) {
  (void)state;
  cyf_names labels = {0};
  assert_ok(cyf_write_text_file(path,
                                "\xef\xbb\xbf"
                                "T cell\r\nB cell, naive\t2\n na/ïve \n\n"));
  assert_ok(cyf_label_list_read(path, &labels));
  assert_int_equal(labels.n, 3);
  assert_string_equal(labels.name[0], "T cell");
  assert_string_equal(labels.name[1], "B cell, naive\t2");
  assert_string_equal(labels.name[2], " na/ïve ");
  assert_int_equal(cyf_names_find(&labels, "B cell, naive\t2"), 1);
  cyf_names_destroy(&labels);
}

static void what_would_shift_codes_is_refused(void **state) {
  (void)state;
  cyf_names labels = {0};
  assert_ok(cyf_write_text_file(path, "a\n\nb\n"));
  assert_fails(cyf_label_list_read(path, &labels), CYF_ERR_INPUT, "labels.txt:2: an empty line between labels");
  assert_ok(cyf_write_text_file(path, "a\nb\na\n"));
  assert_fails(cyf_label_list_read(path, &labels), CYF_ERR_INPUT, "labels.txt:3: label 'a' is listed a second time");
  assert_ok(cyf_write_text_file(path, "\n"));
  assert_fails(cyf_label_list_read(path, &labels), CYF_ERR_INPUT, "holds no label");
  assert_ok(cyf_remove_file(path));
  assert_fails(cyf_label_list_read(path, &labels), CYF_ERR_INPUT, "labels.txt");
  assert_int_equal(labels.n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(lines_are_labels_in_their_order, check_clear),
      cmocka_unit_test_setup(what_would_shift_codes_is_refused, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
