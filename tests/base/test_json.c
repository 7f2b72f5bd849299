/* SPDX-License-Identifier: MIT */
/* Writing JSON. */
#include <math.h>

#include "base/json.h"
#include "check.h"

/* A writer into memory, and its text. */
typedef struct fixture {
  cyf_json json;
  FILE *stream;
  char *text;
  size_t size;
} fixture;

static void begin(fixture *f, bool pretty) {
  f->stream = open_memstream(&f->text, &f->size);
  assert_non_null(f->stream);
  cyf_json_init(&f->json, f->stream, pretty);
}

static void end(fixture *f, const char *expected) {
  assert_int_equal(fclose(f->stream), 0);
  assert_string_equal(f->text, expected);
  free(f->text);
}

static void write_step(cyf_json *json) {
  cyf_json_object_begin(json, NULL);
  cyf_json_text(json, "stage", "denoiser");
  cyf_json_int(json, "step", INT64_C(9007199254740993));
  cyf_json_real(json, "loss", 0.25);
  cyf_json_array_begin(json, "widths");
  cyf_json_int(json, NULL, 512);
  cyf_json_int(json, NULL, -256);
  cyf_json_array_end(json);
  cyf_json_object_begin(json, "empty");
  cyf_json_object_end(json);
  cyf_json_bool(json, "done", false);
  cyf_json_object_end(json);
}

static void an_object_is_written_on_one_line(void **state) {
  (void)state;
  fixture f;
  begin(&f, false);
  write_step(&f.json);
  end(&f,
      "{\"stage\": \"denoiser\", \"step\": 9007199254740993, \"loss\": 0.25, \"widths\": [512, -256], \"empty\": {}, "
      "\"done\": false}");
}

static void an_object_is_written_indented(void **state) {
  (void)state;
  fixture f;
  begin(&f, true);
  write_step(&f.json);
  end(&f,
      "{\n  \"stage\": \"denoiser\",\n  \"step\": 9007199254740993,\n  \"loss\": 0.25,\n  \"widths\": [\n    512,\n"
      "    -256\n  ],\n  \"empty\": {},\n  \"done\": false\n}");
}

static void objects_stand_in_arrays(void **state) {
  (void)state;
  fixture f;
  begin(&f, false);
  cyf_json_array_begin(&f.json, NULL);
  for (int i = 0; i < 2; ++i) {
    cyf_json_object_begin(&f.json, NULL);
    cyf_json_int(&f.json, "i", i);
    cyf_json_object_end(&f.json);
  }
  cyf_json_array_begin(&f.json, NULL);
  cyf_json_array_end(&f.json);
  cyf_json_array_end(&f.json);
  end(&f, "[{\"i\": 0}, {\"i\": 1}, []]");
}

/* Several values on one stream, one a line: the writer separates none of them. */
static void values_stand_one_a_line(void **state) {
  (void)state;
  fixture f;
  begin(&f, false);
  for (int i = 0; i < 2; ++i) {
    cyf_json_object_begin(&f.json, NULL);
    cyf_json_int(&f.json, "step", i);
    cyf_json_object_end(&f.json);
    fputc('\n', f.stream);
  }
  end(&f, "{\"step\": 0}\n{\"step\": 1}\n");
}

static void texts_are_escaped(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", "\"\""},
      {"a \"b\" \\c/", "\"a \\\"b\\\" \\\\c/\""},
      {"tab\tline\nbell\x07", "\"tab\\tline\\nbell\\u0007\""},
      {"na\xc3\xafve T \xf0\x9f\xa7\xac", "\"na\xc3\xafve T \xf0\x9f\xa7\xac\""}, /* UTF-8 passes through */
      {"bad\xff\xc3", "\"bad\\ufffd\\ufffd\""},                                   /* what is no UTF-8 is replaced */
      {"\xed\xa0\x80|\xc0\x80", "\"\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\""},      /* surrogate, overlong */
      {"\xe2\x80\xa8", "\"\\u2028\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    fixture f;
    begin(&f, false);
    cyf_json_text(&f.json, NULL, cases[i][0]);
    end(&f, cases[i][1]);
  }
  fixture f;
  begin(&f, false);
  cyf_json_object_begin(&f.json, NULL);
  cyf_json_text(&f.json, "a\"b", NULL);
  cyf_json_object_end(&f.json);
  end(&f, "{\"a\\\"b\": null}");
}

static void numbers_are_short(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0.1, "0.1"},       {1.0 / 3, "0.333333333"}, {5e-4, "0.0005"}, {1e300, "1e+300"},
               {-0.0, "-0"},       {123456789, "123456789"}, {1e-30, "1e-30"}, {NAN, "null"},
               {INFINITY, "null"}, {-INFINITY, "null"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    fixture f;
    begin(&f, false);
    cyf_json_real(&f.json, NULL, cases[i].value);
    end(&f, cases[i].text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_object_is_written_on_one_line),
      cmocka_unit_test(an_object_is_written_indented),
      cmocka_unit_test(objects_stand_in_arrays),
      cmocka_unit_test(values_stand_one_a_line),
      cmocka_unit_test(texts_are_escaped),
      cmocka_unit_test(numbers_are_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
