/* SPDX-License-Identifier: MIT */
/* Small tables as text. */
#include "check.h"
#include "data/tables/csv.h"

static char path[96];

static int setup(void **state) {
  set_up_folder(state);
  snprintf(path, sizeof path, "%s/table.csv", test_folder);
  return 0;
}
static void fields_are_read_as_they_are_meant(void **state) {
  (void)state;
  cyf_csv t = {0};
  assert_ok(cyf_write_text_file(path,
                                "\xef\xbb\xbf"
                                "type , \"do\"\"nor\",count\r\n\r\n B cell ,\" a,\nb \",5\r\n,,\n\"\",x,1"));
  assert_ok(cyf_csv_read(path, &t));
  assert_int_equal(t.n_columns, 3);
  assert_int_equal(t.n_rows, 3);
  assert_string_equal(t.header[0], "type");
  assert_string_equal(t.header[1], "do\"nor");
  static const char *const wanted[] = {"B cell", " a,\nb ", "5", "", "", "", "", "x", "1"};
  for (int i = 0; i < 9; i++) assert_string_equal(t.field[i], wanted[i]);
  static const int64_t lines[] = {3, 5, 6};
  for (int r = 0; r < 3; r++) assert_int_equal(t.line[r], lines[r]);
  cyf_csv_destroy(&t);
}

static void tabs_separate_where_there_is_no_comma(void **state) {
  (void)state;
  cyf_csv t = {0};
  assert_ok(cyf_write_text_file(path, "type\tcount\nB, naive\t5\n\t7\n"));
  assert_ok(cyf_csv_read(path, &t));
  assert_int_equal(t.n_columns, 2);
  assert_string_equal(t.field[0], "B, naive");
  assert_string_equal(t.field[2], "");
  assert_string_equal(t.field[3], "7");
  cyf_csv_destroy(&t);
}

static void one_column_is_a_table(void **state) {
  (void)state;
  cyf_csv t = {0};
  assert_ok(cyf_write_text_file(path, "count\n5\n\n6\n"));
  assert_ok(cyf_csv_read(path, &t));
  assert_int_equal(t.n_rows, 2);
  assert_string_equal(t.field[1], "6");
  cyf_csv_destroy(&t);
}

static void loose_tables_keep_blanks_and_may_be_ragged(void **state) {
  (void)state;
  cyf_csv t = {0};
  assert_ok(cyf_write_text_file(path, "\n,a,\"a\"\r\n x ,\n\r\n1, \"2\",\"3\n\",4\n"));
  assert_ok(cyf_csv_read_loose(path, &t));
  assert_int_equal(t.n_columns, 3);
  assert_int_equal(t.header_line, 2);
  assert_string_equal(t.header[0], "");
  assert_string_equal(t.header[2], "a");
  static const char *const wanted[] = {" x ", "", NULL, "1", " \"2\"", "3\n"};
  static const int64_t lines[] = {3, 5};
  assert_int_equal(t.n_rows, 2);
  for (int i = 0; i < 6; i++) {
    if (wanted[i] == NULL) {
      assert_null(t.field[i]);
    } else {
      assert_string_equal(t.field[i], wanted[i]);
    }
  }
  for (int r = 0; r < 2; r++) assert_int_equal(t.line[r], lines[r]);
  cyf_csv_destroy(&t);
  assert_ok(cyf_write_text_file(path, "a\tb,c\n1\t2,3\n"));
  assert_ok(cyf_csv_read_loose(path, &t));
  assert_int_equal(t.n_columns, 2);
  assert_string_equal(t.header[1], "b,c");
  cyf_csv_destroy(&t);
  assert_ok(cyf_write_text_file(path, ""));
  assert_ok(cyf_csv_read_loose(path, &t));
  assert_int_equal(t.n_columns, 0);
  assert_int_equal(t.n_rows, 0);
  cyf_csv_destroy(&t);
}

static void malformed_tables_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {{"", "at least one row"},
               {"a,b\n", "at least one row"},
               {"a,b\n1,2,3\n", "table.csv:2: 3 fields, but the header has 2"},
               {"a,b\n\n1\n", "table.csv:3: 1 fields"},
               {"a,b\n1,\"2\n", "table.csv:2: the quoted field that begins here does not end"},
               {"a,b\n\"1\"x,2\n", "table.csv:2: text behind a quoted field"},
               {"a,a\n1,2\n", "two columns are called 'a'"},
               {"a,\n1,2\n", "column 2 has no name"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cyf_csv t = {0};
    assert_ok(cyf_write_text_file(path, cases[i].text));
    assert_fails(cyf_csv_read(path, &t), CYF_ERR_INPUT, cases[i].message);
    assert_null(t.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(fields_are_read_as_they_are_meant, check_clear),
      cmocka_unit_test_setup(tabs_separate_where_there_is_no_comma, check_clear),
      cmocka_unit_test_setup(one_column_is_a_table, check_clear),
      cmocka_unit_test_setup(loose_tables_keep_blanks_and_may_be_ragged, check_clear),
      cmocka_unit_test_setup(malformed_tables_are_refused, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
