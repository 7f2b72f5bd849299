/* SPDX-License-Identifier: MIT */
/* Strict YAML configuration over a table of fields. */

#include "base/config/config.h"
#include "check.h"

typedef struct settings {
  char *name;
  int64_t seed;
  bool verbose;
  int64_t batch_cells;
  double learning_rate;
  cyf_config_ints widths;
  int balance;
  char *genes;
  double unbounded;
  int64_t nested_depth;
  char *nested_name;
} settings;

#define AT(member) offsetof(settings, member)
#define ANY 1, 0
static const char *const balance_words[] = {"none", "sqrt", "uniform", NULL};
static const cyf_config_field fields[] = {
    {"name", CYF_CONFIG_STRING, AT(name), "run", ANY, NULL, "name of the run"},
    {"seed", CYF_CONFIG_INT, AT(seed), "42", 0, 9.3e18, NULL, "seed of all random numbers"},
    {"verbose", CYF_CONFIG_BOOL, AT(verbose), "false", ANY, NULL, "say more"},
    {"denoiser.batch_cells", CYF_CONFIG_INT, AT(batch_cells), "1_024", 1, 1e6, NULL, "cells of a global batch"},
    {"denoiser.learning_rate", CYF_CONFIG_REAL, AT(learning_rate), "1e-4", 0, 1, NULL, "AdamW's step size"},
    {"denoiser.widths", CYF_CONFIG_INT_LIST, AT(widths), "[512, 256]", 1, 65536, NULL, "units of each block"},
    {"classifier.balance", CYF_CONFIG_CHOICE, AT(balance), "sqrt", ANY, balance_words, "weights of the classes"},
    {"classifier.genes", CYF_CONFIG_STRING, AT(genes), "", ANY, NULL, "gene list; empty: all"},
    {"classifier.offset", CYF_CONFIG_REAL, AT(unbounded), "-2.5", ANY, NULL, "any number"},
    {"classifier.head.depth", CYF_CONFIG_INT, AT(nested_depth), "3", 1, 8, NULL, "layers of the head"},
    {"classifier.head.name", CYF_CONFIG_STRING, AT(nested_name), "linear", ANY, NULL, "kind of head"},
};
static const cyf_config_schema schema = {fields, sizeof fields / sizeof *fields};

static settings now;

static int fill_defaults(void **state) {
  (void)state;
  cyf_status_clear();
  return cyf_config_defaults(&schema, &now) == CYF_OK ? 0 : 1;
}

static int free_strings(void **state) {
  (void)state;
  cyf_config_destroy_strings(&schema, &now);
  cyf_config_destroy_strings(&schema, &now); /* twice is fine */
  cyf_config_destroy_strings(&schema, NULL);
  return now.name == NULL ? 0 : 1;
}

static cyf_status read_text(const char *text) {
  return cyf_config_read_text(&schema, "runs.yaml", text, &now);
}

static cyf_status set(const char *assignment) {
  return cyf_config_set(&schema, assignment, &now);
}

static void fields_begin_with_their_defaults(void **state) {
  (void)state;
  assert_string_equal(now.name, "run");
  assert_int_equal(now.seed, 42);
  assert_false(now.verbose);
  assert_int_equal(now.batch_cells, 1024);
  assert_true(now.learning_rate == 1e-4);
  assert_int_equal(now.widths.n, 2);
  assert_int_equal(now.widths.value[1], 256);
  assert_int_equal(now.balance, 1);
  assert_string_equal(now.genes, "");
  assert_true(now.unbounded == -2.5);
}

static void a_file_changes_what_it_names(void **state) {
  (void)state;
  assert_ok(
      read_text("# a comment\n"
                "name: \"my run\"   # quoted\n"
                "verbose: true\n"
                "denoiser:\n"
                "  batch_cells: 1e3\n"
                "  learning_rate: 2.5e-5\n"
                "  widths:\n"
                "    - 64\n"
                "    - 1_000\n"
                "    - 7\n"
                "classifier:\n"
                "  head: {depth: 5}\n"
                "  balance: none\n"));
  assert_string_equal(now.name, "my run");
  assert_true(now.verbose);
  assert_int_equal(now.batch_cells, 1000);
  assert_true(now.learning_rate == 2.5e-5);
  assert_int_equal(now.widths.n, 3);
  assert_int_equal(now.widths.value[1], 1000);
  assert_int_equal(now.balance, 0);
  assert_int_equal(now.nested_depth, 5);
  assert_int_equal(now.seed, 42);
  /* A second file goes over the first. */
  assert_ok(read_text("denoiser: {widths: []}\nname: other\n"));
  assert_int_equal(now.widths.n, 0);
  assert_string_equal(now.name, "other");
  assert_int_equal(now.batch_cells, 1000);
}

/* Lists of texts: from files, overrides and print-outs, each replacing what was there. */
static void lists_of_texts_are_read_and_printed(void **state) {
  (void)state;
  struct {
    cyf_config_texts labels;
  } lists;
  static const cyf_config_field list_fields[] = {
      {"labels", CYF_CONFIG_TEXT_LIST, 0, "[a, b]", ANY, NULL, "label columns"}};
  static const cyf_config_schema list_schema = {list_fields, 1};
  char *text = NULL;
  assert_ok(cyf_config_defaults(&list_schema, &lists));
  assert_int_equal(lists.labels.n, 2);
  assert_string_equal(lists.labels.value[1], "b");
  assert_ok(cyf_config_read_text(&list_schema, "x.yaml", "labels: [cell type, \"a, b: \\\"c\\\"\", 'null']\n", &lists));
  assert_int_equal(lists.labels.n, 3);
  assert_ok(cyf_config_to_text(&list_schema, &lists, &text));
  assert_ok(cyf_config_set(&list_schema, "labels=[]", &lists));
  assert_int_equal(lists.labels.n, 0);
  assert_ok(cyf_config_read_text(&list_schema, "again.yaml", text, &lists));
  assert_int_equal(lists.labels.n, 3);
  assert_string_equal(lists.labels.value[0], "cell type");
  assert_string_equal(lists.labels.value[1], "a, b: \"c\"");
  assert_string_equal(lists.labels.value[2], "null");
  assert_ok(cyf_config_set(&list_schema, "labels=[ donor , cell type]", &lists));
  assert_int_equal(lists.labels.n, 2);
  assert_string_equal(lists.labels.value[0], "donor");
  static const struct {
    const char *text, *complaint;
  } cases[] = {{"labels: donor", "must be a list of texts such as [cell_type, donor], not 'donor'"},
               {"labels: [a, [b]]", "must hold texts, not lists"},
               {"labels: [a, ~]", "has an empty element"},
               {"labels: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "more than 16 elements"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    assert_fails(cyf_config_read_text(&list_schema, "x.yaml", cases[i].text, &lists), CYF_ERR_CONFIG,
                 cases[i].complaint);
    assert_string_equal(lists.labels.value[1], "cell type"); /* a refused list changes nothing */
  }
  cyf_free(text);
  cyf_config_destroy_strings(&list_schema, &lists);
  assert_int_equal(lists.labels.n, 0);
}

static void empty_texts_and_sections_change_nothing(void **state) {
  (void)state;
  static const char *const texts[] = {
      "", "# only a comment\n", "---\n", "denoiser:\n", "denoiser:\n  # nothing\nseed: 42\n", "{}", "denoiser: ~\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) assert_ok(read_text(texts[i]));
  fields_begin_with_their_defaults(state);
}

static void null_is_the_empty_string_only(void **state) {
  (void)state;
  assert_ok(read_text("name: ~\nclassifier: {genes: null}\n"));
  assert_string_equal(now.name, "");
  assert_ok(read_text("name: \"null\"\n"));
  assert_string_equal(now.name, "null");
  assert_fails(read_text("seed: ~\n"), CYF_ERR_CONFIG, "runs.yaml:1:7: 'seed' has no value; it must be an integer");
  assert_fails(read_text("seed:\n"), CYF_ERR_CONFIG, "'seed' has no value");
  assert_fails(read_text("classifier: {balance: null}\n"), CYF_ERR_CONFIG, "'classifier.balance' has no value");
}

static void unknown_keys_name_the_nearest(void **state) {
  (void)state;
  assert_fails(read_text("name: x\ndenoiser:\n  learning_rate: 1e-3\n  batch_cell: 3\n"), CYF_ERR_CONFIG,
               "runs.yaml:4:3: unknown key 'denoiser.batch_cell'; did you mean 'denoiser.batch_cells'?");
  assert_fails(read_text("denioser: {}\n"), CYF_ERR_CONFIG,
               "runs.yaml:1:1: unknown key 'denioser'; did you mean 'denoiser'?");
  assert_fails(read_text("batch_cells: 3\n"), CYF_ERR_CONFIG,
               "did you mean 'denoiser.batch_cells'?"); /* section forgotten */
  assert_fails(read_text("denoiser: {balance: none}\n"), CYF_ERR_CONFIG, "did you mean 'classifier.balance'?");
  assert_fails(read_text("classifier: {head: {dpeth: 3}}\n"), CYF_ERR_CONFIG, "did you mean 'classifier.head.depth'?");
  assert_fails(read_text("denoiser: {xyzzy: 3}\n"), CYF_ERR_CONFIG,
               "unknown key 'denoiser.xyzzy'; valid here: 'batch_cells', 'learning_rate', 'widths'");
  assert_fails(read_text("xyzzy: 3\n"), CYF_ERR_CONFIG,
               "valid here: 'name', 'seed', 'verbose', 'denoiser', 'classifier'");
  assert_fails(set("denoiser.batch_cell=3"), CYF_ERR_CONFIG,
               "--set denoiser.batch_cell=3: unknown key 'denoiser.batch_cell'; did you mean 'denoiser.batch_cells'?");
  assert_fails(set("denoisr.batch_cells=3"), CYF_ERR_CONFIG, "did you mean 'denoiser.batch_cells'?");
}

static void wrong_types_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *complaint;
  } cases[] = {
      {"seed: many", "runs.yaml:1:7: 'seed' must be an integer, not 'many'"},
      {"seed: 1.5", "'seed' must be an integer, not '1.5'"},
      {"seed: \"5\"", "'seed' must be an integer, not the quoted text '5'"},
      {"seed: 0x10", "must be an integer"},
      {"seed: 1__0", "must be an integer"},
      {"seed: _10", "must be an integer"},
      {"seed: 99999999999999999999", "must be an integer"},
      {"seed: [1]", "'seed' must be an integer, not a list"},
      {"seed: {a: 1}", "'seed' must be an integer, not a mapping"},
      {"verbose: yes", "'verbose' must be true or false, not 'yes'"},
      {"verbose: \"true\"", "not the quoted text 'true'"},
      {"denoiser: {learning_rate: fast}", "'denoiser.learning_rate' must be a number, not 'fast'"},
      {"denoiser: {learning_rate: .nan}", "must be a number"},
      {"denoiser: {learning_rate: inf}", "must be a number"},
      {"classifier: {offset: 1e999}", "must be a number"},
      {"denoiser: {widths: 512}", "must be a list of integers such as [512, 256], not '512'"},
      {"denoiser: {widths: [512, x]}", "runs.yaml:1:26: 'denoiser.widths' must hold integers, not 'x'"},
      {"denoiser: {widths: [[1]]}", "must hold integers, not lists"},
      {"denoiser: {widths: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "more than 16 elements"},
      {"classifier: {balance: sqr}", "'classifier.balance' cannot be 'sqr'; valid: 'none', 'sqrt', 'uniform'"},
      {"name: [a]", "'name' must be a text, not a list"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
    assert_fails(read_text(cases[i].text), CYF_ERR_CONFIG, cases[i].complaint);
}

static void ranges_are_inclusive(void **state) {
  (void)state;
  assert_ok(read_text("denoiser: {batch_cells: 1, learning_rate: 0}\n"));
  assert_ok(read_text("denoiser: {batch_cells: 1000000, learning_rate: 1}\n"));
  assert_ok(read_text("classifier: {offset: -1e300}\nseed: 9223372036854775807\n"));
  assert_true(now.seed == INT64_MAX);
  assert_fails(read_text("denoiser: {batch_cells: 0}\n"), CYF_ERR_CONFIG,
               "runs.yaml:1:25: 'denoiser.batch_cells' is 0, which is out of range; valid: 1..1000000");
  assert_fails(read_text("denoiser: {learning_rate: 1.01}\n"), CYF_ERR_CONFIG, "valid: 0..1");
  assert_fails(read_text("denoiser: {widths: [4, 0]}\n"), CYF_ERR_CONFIG, "valid: 1..65536");
  assert_fails(read_text("seed: -1\n"), CYF_ERR_CONFIG, "valid: at least 0");
}

static void structure_is_checked(void **state) {
  (void)state;
  static const struct {
    const char *text, *complaint;
  } cases[] = {
      {"denoiser: 5\n", "runs.yaml:1:11: 'denoiser' is a section: its keys stand on indented lines below it"},
      {"classifier:\n  head: [1]\n", "runs.yaml:2:9: 'classifier.head' is a section"},
      {"seed: 1\nname: a\nseed: 2\n", "runs.yaml:3:1: duplicate key 'seed', first given in line 1"},
      {"denoiser: {}\nclassifier: {}\ndenoiser: {}\n",
       "runs.yaml:3:1: duplicate key 'denoiser', first given in line 1"},
      {"classifier:\n  head: {}\n  head: {}\n", "runs.yaml:3:3: duplicate key 'classifier.head'"},
      {"- seed\n", "runs.yaml:1:1: a configuration is a mapping"},
      {"just text\n", "a configuration is a mapping"},
      {"seed: 1\n---\nseed: 2\n", "a second YAML document"},
      {"seed: &a 1\ndenoiser: {batch_cells: *a}\n", "runs.yaml:2:25: aliases"},
      {"? [a]\n: 1\n", "a key must be a name"},
      {"seed: 1\n\tname: x\n", "runs.yaml:2:"},
      {"denoiser: {batch_cells: 1\n", "runs.yaml:2:1: not valid YAML"},
      {"name: \"open\n", "not valid YAML"},
      {"name: \xff\n", "runs.yaml: not valid YAML"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
    assert_fails(read_text(cases[i].text), CYF_ERR_CONFIG, cases[i].complaint);
}

static void values_are_set_from_the_command_line(void **state) {
  (void)state;
  assert_ok(set("denoiser.batch_cells=2_048"));
  assert_int_equal(now.batch_cells, 2048);
  assert_ok(set("denoiser.widths=[ 1, 2 ,3]"));
  assert_int_equal(now.widths.n, 3);
  assert_int_equal(now.widths.value[2], 3);
  assert_ok(set("name=a=b: c #d")); /* texts are taken as they are */
  assert_string_equal(now.name, "a=b: c #d");
  assert_ok(set("name="));
  assert_string_equal(now.name, "");
  assert_ok(set("classifier.balance=uniform"));
  assert_int_equal(now.balance, 2);
  assert_fails(set("seed"), CYF_ERR_CONFIG, "--set seed: expected KEY=VALUE");
  assert_fails(set("=1"), CYF_ERR_CONFIG, "expected KEY=VALUE");
  assert_fails(set("seed="), CYF_ERR_CONFIG, "--set seed=: 'seed' has no value");
  assert_fails(set("denoiser=1"), CYF_ERR_CONFIG, "--set denoiser=1: 'denoiser' is a section");
  assert_fails(set("denoiser.widths=[1, 2"), CYF_ERR_CONFIG, "must be a list of integers");
  assert_fails(set("denoiser.widths=[1, 0]"), CYF_ERR_CONFIG, "valid: 1..65536");
  assert_fails(set("seed=-1"), CYF_ERR_CONFIG, "--set seed=-1: 'seed' is -1, which is out of range");
}

static void files_are_read_and_complaints_name_them(void **state) {
  (void)state;
  char folder[64], *path = NULL;
  make_folder(folder);
  assert_ok(cyf_path_join(folder, "runs.yaml", &path));
  assert_fails(cyf_config_read(&schema, path, &now), CYF_ERR_INPUT, "runs.yaml': No such file");
  assert_ok(cyf_write_text_file(path, "seed: 7\n"));
  assert_ok(cyf_config_read(&schema, path, &now));
  assert_int_equal(now.seed, 7);
  assert_ok(cyf_write_text_file(path, "\n\nsede: 7\n"));
  assert_fails(cyf_config_read(&schema, path, &now), CYF_ERR_CONFIG, "runs.yaml:3:1: unknown key 'sede'");
  cyf_free(path);
  remove_folder(folder);
}

static char *printed(int with_help) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  assert_non_null(stream);
  assert_ok(cyf_config_print(&schema, &now, with_help, stream));
  assert_int_equal(fclose(stream), 0);
  return text;
}

static void values_are_printed_as_yaml(void **state) {
  (void)state;
  char *text = printed(0), *same = NULL;
  assert_string_equal(text,
                      "name: \"run\"\nseed: 42\nverbose: false\n\ndenoiser:\n  batch_cells: 1024\n"
                      "  learning_rate: 0.0001\n  widths: [512, 256]\n\nclassifier:\n  balance: sqrt\n  genes: \"\"\n"
                      "  offset: -2.5\n  head:\n    depth: 3\n    name: \"linear\"\n");
  assert_ok(cyf_config_to_text(&schema, &now, &same));
  assert_string_equal(text, same);
  free(text);
  cyf_free(same);
}

static void values_are_printed_with_their_help(void **state) {
  (void)state;
  char *text = printed(1);
  static const char *const lines[] = {
      "name: \"run\"              # name of the run (default: run)\n",
      "seed: 42                 # seed of all random numbers (default: 42, at least 0)\n",
      "  batch_cells: 1024      # cells of a global batch (default: 1_024, range 1..1000000)\n",
      "  learning_rate: 0.0001  # AdamW's step size (default: 1e-4, range 0..1)\n",
      "  balance: sqrt          # weights of the classes (default: sqrt, one of none|sqrt|uniform)\n",
      "  genes: \"\"              # gene list; empty: all (default: \"\")\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
    if (!strstr(text, lines[i])) fail_msg("no line \"%s\" in:\n%s", lines[i], text);
  }
  free(text);
}

/* What is printed reads back as the same settings, to the last bit. */
static void printed_values_read_back_the_same(void **state) {
  (void)state;
  static const double reals[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e-5, 123456789.125, 1e22};
  static const char *const texts[] = {
      "",       "null", "a: b # c", "  x  ", "\"q\" 'q' \\", "line\nbreak\ttab", "\xc3\xa9\xf0\x9f\xa7\xac",
      "[1, 2]", "- x",  "*a",       "true"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    const double real = reals[i % (sizeof reals / sizeof *reals)];
    for (int with_help = 0; with_help < 2; ++with_help) {
      cyf_free(now.name);
      assert_ok(cyf_strdup(texts[i], &now.name));
      now.unbounded = real;
      now.seed = INT64_MAX - (int64_t)i;
      now.widths.n = (int)i;
      for (int j = 0; j < now.widths.n; ++j) now.widths.value[j] = j + 1;
      char *text = printed(with_help);
      now.unbounded = 1;
      now.seed = 1;
      now.widths.n = 0;
      assert_ok(set("name=changed"));
      assert_ok(cyf_config_read_text(&schema, "printed", text, &now));
      assert_string_equal(now.name, texts[i]);
      assert_memory_equal(&now.unbounded, &real, sizeof real);
      assert_true(now.seed == INT64_MAX - (int64_t)i);
      assert_int_equal(now.widths.n, (int)i);
      for (int j = 0; j < now.widths.n; ++j) assert_int_equal(now.widths.value[j], j + 1);
      char *again = printed(with_help);
      assert_string_equal(text, again);
      free(text);
      free(again);
    }
  }
}

static void unwritable_stream_is_an_error(void **state) {
  (void)state;
  FILE *stream = fopen("/dev/full", "w");
  assert_non_null(stream);
  setvbuf(stream, NULL, _IONBF, 0);
  assert_fails(cyf_config_print(&schema, &now, 1, stream), CYF_ERR_IO, "could not be written");
  fclose(stream);
}

static void wrong_tables_are_internal_errors(void **state) {
  (void)state;
  static const struct {
    cyf_config_field fields[3];
    const char *complaint;
  } cases[] = {
      {{{"a", CYF_CONFIG_INT, 0, "x", ANY, NULL, ""}}, "'a' must be an integer"},
      {{{"a", CYF_CONFIG_INT, 0, "5", 6, 7, NULL, ""}}, "out of range"},
      {{{"a", CYF_CONFIG_CHOICE, 0, "x", ANY, NULL, ""}}, "wrong type or choices"},
      {{{"a.b.c.d", CYF_CONFIG_INT, 0, "5", ANY, NULL, ""}}, "one to three levels"},
      {{{"a", CYF_CONFIG_INT, 0, NULL, ANY, NULL, ""}}, "lacks"},
      {{{"a", CYF_CONFIG_INT, 0, "5", ANY, NULL, ""}, {"a", CYF_CONFIG_INT, 8, "5", ANY, NULL, ""}}, "there twice"},
      {{{"a", CYF_CONFIG_INT, 0, "5", ANY, NULL, ""}, {"a.b", CYF_CONFIG_INT, 8, "5", ANY, NULL, ""}}, "there twice"},
      {{{"a.x", CYF_CONFIG_INT, 0, "5", ANY, NULL, ""},
        {"b", CYF_CONFIG_INT, 8, "5", ANY, NULL, ""},
        {"a.y", CYF_CONFIG_INT, 16, "5", ANY, NULL, ""}},
       "stands apart"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    int64_t members[16];
    cyf_config_schema wrong = {cases[i].fields, 0};
    while (wrong.n_fields < 3 && cases[i].fields[wrong.n_fields].path) ++wrong.n_fields;
    assert_fails(cyf_config_defaults(&wrong, members), CYF_ERR_INTERNAL, cases[i].complaint);
  }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fill_defaults, free_strings)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fields_begin_with_their_defaults),
      TEST(a_file_changes_what_it_names),
      cmocka_unit_test_setup(lists_of_texts_are_read_and_printed, check_clear),
      TEST(empty_texts_and_sections_change_nothing),
      TEST(null_is_the_empty_string_only),
      TEST(unknown_keys_name_the_nearest),
      TEST(wrong_types_are_refused),
      TEST(ranges_are_inclusive),
      TEST(structure_is_checked),
      TEST(values_are_set_from_the_command_line),
      TEST(files_are_read_and_complaints_name_them),
      TEST(values_are_printed_as_yaml),
      TEST(values_are_printed_with_their_help),
      TEST(printed_values_read_back_the_same),
      TEST(unwritable_stream_is_an_error),
      cmocka_unit_test_setup(wrong_tables_are_internal_errors, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
