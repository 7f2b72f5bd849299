/* SPDX-License-Identifier: MIT */
/* Reading JSON: what is written reads back, and everything else is refused. */
#include "base/json_read.h"
#include "check.h"

static cyf_status parse(const char *text, cyf_json_document *ret_document) {
  return cyf_json_parse("made", text, strlen(text), ret_document);
}

static void values_are_found_by_their_names(void **state) {
  (void)state;
  cyf_json_document d;
  int64_t number = 0;
  assert_ok(parse(
      " {\"a\": [1, -2.5e3, true, null], \"b\" :{\"c\":\"text\"}, \"n\": -9223372036854775808, \"e\": {}}\n", &d));
  const int64_t a = cyf_json_get(&d, 0, "a");
  assert_int_equal(d.value[a].kind, CYF_JSON_ARRAY);
  assert_int_equal(d.value[a].count, 4);
  int64_t at = d.value[a].first;
  assert_true(cyf_json_int_of(&d, at, &number));
  assert_int_equal(number, 1);
  at = d.value[at].next;
  assert_string_equal(d.value[at].text, "-2.5e3");
  assert_false(cyf_json_int_of(&d, at, &number));
  at = d.value[at].next;
  assert_int_equal(d.value[at].kind, CYF_JSON_TRUE);
  at = d.value[at].next;
  assert_int_equal(d.value[at].kind, CYF_JSON_NULL);
  assert_int_equal(d.value[at].next, -1);
  assert_string_equal(cyf_json_text_of(&d, cyf_json_get(&d, cyf_json_get(&d, 0, "b"), "c")), "text");
  assert_true(cyf_json_int_of(&d, cyf_json_get(&d, 0, "n"), &number));
  assert_true(number == INT64_MIN);
  assert_int_equal(d.value[cyf_json_get(&d, 0, "e")].count, 0);
  assert_int_equal(cyf_json_get(&d, 0, "absent"), -1);
  assert_int_equal(cyf_json_get(&d, cyf_json_get(&d, 0, "absent"), "c"), -1);
  assert_null(cyf_json_text_of(&d, a));
  cyf_json_document_destroy(&d);
}

static void escapes_become_utf8(void **state) {
  (void)state;
  cyf_json_document d;
  assert_ok(parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t \\u0041\\u00e9\\u20AC\\ud835\\udefc \xc3\xa9\xf0\x9d\x9b\xbc\"", &d));
  assert_string_equal(d.value[0].text,
                      "\"\\/\b\f\n\r\t A\xc3\xa9\xe2\x82\xac\xf0\x9d\x9b\xbc \xc3\xa9\xf0\x9d\x9b\xbc");
  cyf_json_document_destroy(&d);
  assert_ok(parse("12", &d)); /* a text of its own length, without room for a NUL */
  assert_string_equal(d.value[0].text, "12");
  cyf_json_document_destroy(&d);
}

static void what_is_no_json_is_refused(void **state) {
  (void)state;
  static const char *const damaged[] = {"",
                                        " ",
                                        "{",
                                        "[1",
                                        "[1,]",
                                        "[,1]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{a:1}",
                                        "{\"a\":1,}",
                                        "[1 2]",
                                        "1 2",
                                        "\"a",
                                        "\"\\x\"",
                                        "\"\\u12g4\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\u0000\"",
                                        "\"\n\"",
                                        "\"\xff\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xe2\x82\"",
                                        "01",
                                        "-",
                                        "1.",
                                        "1e",
                                        "+1",
                                        "nul",
                                        "\"\\",
                                        "\"\\ud835\\u0041\"",
                                        "\"\xf4\x90\x80\x80\""};
  char deep[101];
  cyf_json_document d;
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++)
    assert_fails(parse(damaged[i], &d), CYF_ERR_INPUT, "made: its JSON is damaged at byte");
  memset(deep, '[', 100);
  deep[100] = '\0';
  assert_fails(parse(deep, &d), CYF_ERR_INPUT, "nested too deep");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_found_by_their_names),
      cmocka_unit_test(escapes_become_utf8),
      cmocka_unit_test(what_is_no_json_is_refused),
  };
  return cmocka_run_group_tests(tests, check_clear, NULL);
}
