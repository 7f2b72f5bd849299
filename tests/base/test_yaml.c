/* SPDX-License-Identifier: MIT */
/* Reading YAML documents of our own, and quoted scalars there and back. */
#include "base/config/yaml_doc.h"
#include "check.h"

static char *path;

static int setup(void **state) {
  set_up_folder(state);
  return cyf_path_join(test_folder, "manifest.yaml", &path) == CYF_OK ? 0 : 1;
}

static int teardown(void **state) {
  cyf_free(path);
  return tear_down_folder(state);
}

static cyf_yaml *open_text(const char *text) {
  cyf_yaml *document = NULL;
  assert_ok(cyf_write_text_file(path, text));
  assert_ok(cyf_yaml_open(path, &document));
  return document;
}

static void values_of_a_manifest_are_read(void **state) {
  (void)state;
  cyf_yaml *document = open_text(
      "n_cells: 123456789012\nname: \"heart: atlas\"\ngenes: [MALAT1, \"NA\", '3.10']\n"
      "labels:\n  - attribute: cell_type\n    classes:\n      - B\n      - \"T/NK\"\n");
  const cyf_yaml_node root = cyf_yaml_root(document);
  int64_t n_cells = 0;
  const char *name = NULL;
  assert_ok(cyf_yaml_require_int(document, root, "n_cells", &n_cells));
  assert_true(n_cells == INT64_C(123456789012));
  assert_ok(cyf_yaml_require_text(document, root, "name", &name));
  assert_string_equal(name, "heart: atlas");
  assert_int_equal(cyf_yaml_count(document, root), 4);
  const cyf_yaml_node genes = cyf_yaml_get(document, root, "genes");
  assert_int_equal(cyf_yaml_count(document, genes), 3);
  assert_string_equal(cyf_yaml_text(document, cyf_yaml_item(document, genes, 2)), "3.10");
  const cyf_yaml_node label = cyf_yaml_item(document, cyf_yaml_get(document, root, "labels"), 0);
  const cyf_yaml_node classes = cyf_yaml_get(document, label, "classes");
  assert_string_equal(cyf_yaml_text(document, cyf_yaml_item(document, classes, 1)), "T/NK");
  cyf_yaml_destroy(&document);
  assert_null(document);
  cyf_yaml_destroy(&document);
}

static void what_is_absent_is_node_zero(void **state) {
  (void)state;
  cyf_yaml *document = open_text("a: [1]\nb: {c: 2}\n");
  const cyf_yaml_node root = cyf_yaml_root(document), list = cyf_yaml_get(document, root, "a");
  assert_int_equal(cyf_yaml_get(document, root, "z").id, 0);
  assert_int_equal(cyf_yaml_get(document, list, "z").id, 0);
  assert_int_equal(cyf_yaml_item(document, list, 1).id, 0);
  assert_int_equal(cyf_yaml_item(document, list, -1).id, 0);
  assert_int_equal(cyf_yaml_item(document, root, 0).id, 0);
  assert_null(cyf_yaml_text(document, root));
  assert_null(cyf_yaml_text(document, (cyf_yaml_node){0}));
  assert_int_equal(cyf_yaml_count(document, (cyf_yaml_node){0}), 0);
  cyf_yaml_destroy(&document);
  document = open_text("# nothing\n");
  assert_int_equal(cyf_yaml_root(document).id, 0);
  cyf_yaml_destroy(&document);
}

static void complaints_name_the_place(void **state) {
  (void)state;
  int64_t value = 0;
  const char *text = NULL;
  cyf_yaml *document = open_text("n: many\nlist: [1]\nhuge: 99999999999999999999\n");
  const cyf_yaml_node root = cyf_yaml_root(document);
  assert_fails(cyf_yaml_require_int(document, root, "n", &value), CYF_ERR_INPUT,
               "manifest.yaml:1:4: 'n' must be an integer, not 'many'");
  assert_fails(cyf_yaml_require_int(document, root, "huge", &value), CYF_ERR_INPUT, "manifest.yaml:3:7");
  assert_fails(cyf_yaml_require_int(document, root, "m", &value), CYF_ERR_INPUT, "manifest.yaml: key 'm' is missing");
  assert_fails(cyf_yaml_require_text(document, root, "list", &text), CYF_ERR_INPUT, "manifest.yaml:2:7");
  cyf_yaml_destroy(&document);
  assert_ok(cyf_write_text_file(path, "a: 1\nb: [1, 2\nc: 3\n"));
  assert_fails(cyf_yaml_open(path, &document), CYF_ERR_INPUT, "manifest.yaml:3:");
  assert_null(document);
  assert_ok(cyf_write_text_file(path, "a: \xff\xfe\n"));
  assert_fails(cyf_yaml_open(path, &document), CYF_ERR_INPUT, "at byte 3");
  assert_fails(cyf_yaml_open("no/such.yaml", &document), CYF_ERR_INPUT, "no/such.yaml");
}

/* Every character but NUL, quoted and read back by libyaml. */
static void quoted_text_comes_back(void **state) {
  (void)state;
  enum { MOST = 4 * 0x3000 };
  char *text = NULL;
  size_t n = 0;
  assert_ok(CYF_NEW(&text, MOST + 64));
  text[n++] = ' '; /* spaces at the ends stay */
  for (uint32_t code = 1; code < 0x3000; ++code) {
    if (code < 0x80) {
      text[n++] = (char)code;
    } else if (code < 0x800) {
      text[n++] = (char)(0xC0 | code >> 6);
      text[n++] = (char)(0x80 | (code & 0x3F));
    } else {
      text[n++] = (char)(0xE0 | code >> 12);
      text[n++] = (char)(0x80 | (code >> 6 & 0x3F));
      text[n++] = (char)(0x80 | (code & 0x3F));
    }
  }
  strcpy(text + n, "\xef\xbb\xbf\xf0\x9f\xa7\xac ");
  FILE *stream = fopen(path, "w");
  assert_non_null(stream);
  fputs("text: ", stream);
  cyf_yaml_write_quoted(stream, text);
  fputc('\n', stream);
  assert_int_equal(fclose(stream), 0);
  cyf_yaml *document = NULL;
  const char *back = NULL;
  assert_ok(cyf_yaml_open(path, &document));
  assert_ok(cyf_yaml_require_text(document, cyf_yaml_root(document), "text", &back));
  assert_string_equal(back, text);
  cyf_yaml_destroy(&document);
  cyf_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(values_of_a_manifest_are_read, check_clear),
      cmocka_unit_test_setup(what_is_absent_is_node_zero, check_clear),
      cmocka_unit_test_setup(complaints_name_the_place, check_clear),
      cmocka_unit_test_setup(quoted_text_comes_back, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
