/* SPDX-License-Identifier: MIT */
/* What cytoforge prepare reads beside cells: names of genes and files, label maps, rules of selection, ids. */
#include "atlas_fixture.h"
#include "data/prepare/id_table.h"
#include "data/prepare/input_list.h"
#include "data/prepare/obs_rules.h"
#include "data/tables/gene_list.h"
#include "data/tables/label_map.h"

static void versions_are_cut_from_gene_names(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"ENSG00000139618.17", "ENSG00000139618"},
      {"ENSMUSG00000017167.16", "ENSMUSG00000017167"},
      {"ENSG00000139618", "ENSG00000139618"},
      {"ENSG00000182378.15_PAR_Y", "ENSG00000182378.15_PAR_Y"},
      {"ENST00000456328.2", "ENST00000456328.2"},
      {"ENSG0000013961.1", "ENSG0000013961.1"},
      {"ENSG00000139618.", "ENSG00000139618."},
      {"RP11-34P13.7", "RP11-34P13.7"},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char name[40];
    snprintf(name, sizeof name, "%s", pairs[i][0]);
    cyf_gene_cut_version(name);
    assert_string_equal(name, pairs[i][1]);
  }
}

static void files_are_found_by_pattern_and_list(void **state) {
  const fixture *shared = *state;
  static const char *const made[] = {"in/b.h5ad", "in/a.h5ad", "in/c[1].h5ad", "in/more/d.h5ad", "in/notes.txt"};
  char path[128], list[128], wanted[128];
  cyf_names paths = {0};
  fixture_path(shared, "in/more", path);
  if (shared->rank == 0) assert_ok(cyf_make_directory(path));
  for (size_t i = 0; i < sizeof made / sizeof *made && shared->rank == 0; i++) {
    fixture_path(shared, made[i], path);
    assert_ok(cyf_write_text_file(path, "x"));
  }
  fixture_path(shared, "in/list.txt", list);
  if (shared->rank == 0)
    assert_ok(cyf_write_text_file(list, "\xef\xbb\xbf# inputs\r\n\n  more/d.h5ad \r\n c[1].h5ad\n"));
  assert_ok(cyf_comm_barrier(shared->comm));
  fixture_path(shared, "in/[ab].h5ad", path);
  const char *argument = path;
  assert_ok(cyf_input_list_make(shared->comm, &argument, 1, list, &paths));
  static const char *const expected[] = {"in/a.h5ad", "in/b.h5ad", "in/more/d.h5ad", "in/c[1].h5ad"};
  assert_int_equal(paths.n, 4);
  for (int i = 0; i < 4; i++) {
    fixture_path(shared, expected[i], wanted);
    assert_string_equal(paths.name[i], wanted);
  }
  cyf_names_destroy(&paths);
  static const struct {
    const char *name, *text;
  } cases[] = {{"in/*.loom", "no file matches this pattern"},
               {"in", "/in/*.h5ad'"},
               {"in/none.h5ad", "none.h5ad: cannot be opened: No such file"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture_path(shared, cases[i].name, path);
    assert_fails(cyf_input_list_make(shared->comm, &argument, 1, NULL, &paths), CYF_ERR_INPUT, cases[i].text);
  }
  fixture_path(shared, "in/more/d.h5ad", path);
  assert_fails(cyf_input_list_make(shared->comm, &argument, 1, list, &paths), CYF_ERR_INPUT, "given twice");
  assert_fails(cyf_input_list_make(shared->comm, NULL, 0, NULL, &paths), CYF_ERR_INPUT, "no input file");
  if (shared->rank == 0) assert_ok(cyf_write_text_file(list, "# nothing\n"));
  assert_fails(cyf_input_list_make(shared->comm, NULL, 0, list, &paths), CYF_ERR_INPUT, "names no file");
  assert_int_equal(paths.n, 0);
}

static void label_maps_are_read_strictly(void **state) {
  const fixture *shared = *state;
  static const struct {
    const char *text, *message;
  } cases[] = {{"attribute,from\na,b\n", "bad.tsv:1: no column 'to'"},
               {"", "bad.tsv:1: no column 'attribute'"},
               {"attribute,from,to\na,b,c\na,b,d\n", "bad.tsv:3: a 'b' is listed a second time, first in line 2"},
               {"attribute\tfrom\tto\na\n", "bad.tsv:2: has fewer columns"},
               {"attribute,from,to\na,\"b,c\n", "bad.tsv:2: the quoted field that begins here does not end"},
               {"attribute,from,to\na,\"b\"x,c\n", "bad.tsv:2: text behind a quoted field"},
               {"attribute,from,to\n,b,c\n", "bad.tsv:2: attribute cannot be empty"}};
  char path[128];
  cyf_label_map map = {0};
  const char *to = NULL;
  if (shared->rank != 0) return;
  fixture_path(shared, "bad.tsv", path);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_ok(cyf_write_text_file(path, cases[i].text));
    assert_fails(cyf_label_map_read(path, &map), CYF_ERR_INPUT, cases[i].message);
  }
  assert_ok(cyf_write_text_file(path, "attribute\tfrom\tto\nt\tCD4, \"x\"\tT\nt\tT\tlymphocyte\nt\t\"a\tb\"\"\"\n"));
  assert_ok(cyf_label_map_read(path, &map));
  assert_int_equal(map.n, 3);
  assert_ok(cyf_label_map_find(&map, "t", "CD4, \"x\"", &to));
  assert_string_equal(to, "T"); /* and is not followed on */
  assert_ok(cyf_label_map_find(&map, "t", "a\tb\"", &to));
  assert_null(to);
  assert_ok(cyf_label_map_find(&map, "u", "T", &to));
  assert_string_equal(to, "T");
  assert_true(map.used[0] && !map.used[1] && map.used[2]);
  cyf_label_map_destroy(&map);

  /* Blanks are what a map is often there to remove; a column without a name is a row number that another tool wrote. */
  assert_ok(cyf_write_text_file(path, ",attribute,from,to\r\n0,t, T ,T\r\n1,t,B\r\n"));
  assert_ok(cyf_label_map_read(path, &map));
  assert_int_equal(map.n, 2);
  assert_ok(cyf_label_map_find(&map, "t", " T ", &to));
  assert_string_equal(to, "T");
  assert_ok(cyf_label_map_find(&map, "t", "B", &to));
  assert_null(to);
  cyf_label_map_destroy(&map);
  assert_ok(cyf_write_text_file(path, "attribute,from,to\n"));
  assert_ok(cyf_label_map_read(path, &map));
  assert_int_equal(map.n, 0);
  cyf_label_map_destroy(&map);
}

static void rules_are_read(void **state) {
  (void)state;
  static const char *const keep[] = {"a=x=y", "b!=", "a=z, w=v"};
  static const char *const where[] = {"a=p, q r, c=2,b!=T, d", "c=1"};
  static const struct {
    const char *column, *value;
    bool differs;
    int64_t group;
  } expected[] = {{"a", "x=y", false, -1},   {"b", "", true, -1},  {"a", "z, w=v", false, -1},
                  {"a", "p, q r", false, 0}, {"c", "2", false, 0}, {"b", "T, d", true, 0},
                  {"c", "1", false, 1}};
  cyf_obs_rules rules;
  assert_ok(cyf_obs_rules_parse(keep, 3, where, 2, &rules));
  assert_int_equal(rules.n_terms, 7);
  for (int t = 0; t < 7; t++) {
    assert_string_equal(rules.columns.name[rules.term[t].column], expected[t].column);
    assert_string_equal(rules.term[t].value, expected[t].value);
    assert_int_equal(rules.term[t].differs, expected[t].differs);
    assert_int_equal(rules.term[t].group, expected[t].group);
  }
  assert_int_equal(rules.group_start[0], 3);
  assert_int_equal(rules.group_start[1], 6);
  assert_int_equal(rules.group_start[2], 7);
  assert_true(cyf_obs_term_is(&rules.term[1], NULL, true) && cyf_obs_term_is(&rules.term[1], "", true));
  assert_false(cyf_obs_term_is(&rules.term[1], "x", true));
  cyf_obs_rules_destroy(&rules);
}

/* Files hold Booleans as True, TRUE, true or 1. A number that was asked for is a number. */
static void booleans_are_found_however_they_are_written(void **state) {
  (void)state;
  static const char *const yes[] = {"True", "TRUE", "true"}, *const no[] = {"False", "FALSE", "false"};
  for (int i = 0; i < 3; i++) {
    const cyf_obs_term wanted = {.value = (char *)(uintptr_t)yes[i]}, unwanted = {.value = (char *)(uintptr_t)no[i]};
    for (int k = 0; k < 3; k++) {
      assert_true(cyf_obs_term_is(&wanted, yes[k], false) && cyf_obs_term_is(&unwanted, no[k], false));
      assert_false(cyf_obs_term_is(&wanted, no[k], true) || cyf_obs_term_is(&unwanted, yes[k], true));
    }
    assert_true(cyf_obs_term_is(&wanted, "1", true) && cyf_obs_term_is(&unwanted, "0", true));
    assert_false(cyf_obs_term_is(&wanted, "0", true) || cyf_obs_term_is(&unwanted, "1", true));
    assert_false(cyf_obs_term_is(&wanted, "1", false) || cyf_obs_term_is(&wanted, "2", true));
    assert_false(cyf_obs_term_is(&wanted, NULL, true));
  }
  const cyf_obs_term one = {.value = "1"};
  assert_true(cyf_obs_term_is(&one, "1", false) && !cyf_obs_term_is(&one, "True", true));
}

/* Against a plain table of cells by id, in an order that brings later cells first; the table grows on the way. */
static void the_id_table_knows_first_cells(void **state) {
  (void)state;
  enum { N = 20000, N_IDS = 7000 };
  static int64_t least[N_IDS];
  static int8_t n_told[N];
  cyf_id_table *table = NULL;
  char id[32];
  assert_ok(cyf_id_table_create(10, &table));
  memset(n_told, 0, sizeof n_told);
  for (int64_t i = 0; i < N_IDS; i++) least[i] = INT64_MAX;
  for (int64_t i = 0; i < N; i++) {
    const int64_t cell = i * 7919 % N, which = cell * cell % N_IDS;
    int64_t repeated = -1;
    if (cell < least[which]) least[which] = cell;
    snprintf(id, sizeof id, "AAAC%lld-1", (long long)which);
    assert_ok(cyf_id_table_add(table, cyf_id_hash_make(id), cell, &repeated));
    if (repeated >= 0) n_told[repeated]++;
  }
  for (int64_t cell = 0; cell < N; cell++) assert_int_equal(n_told[cell], least[cell * cell % N_IDS] != cell);
  for (int64_t which = 0; which < N_IDS; which++) {
    snprintf(id, sizeof id, "AAAC%lld-1", (long long)which);
    assert_int_equal(cyf_id_table_find(table, cyf_id_hash_make(id)), least[which] == INT64_MAX ? -1 : least[which]);
  }
  cyf_id_table_destroy(&table);
  cyf_id_table_destroy(&table);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(versions_are_cut_from_gene_names),
      TEST(files_are_found_by_pattern_and_list),
      TEST(label_maps_are_read_strictly),
      TEST(rules_are_read),
      TEST(booleans_are_found_however_they_are_written),
      TEST(the_id_table_knows_first_cells),
  };
  return FIXTURE_RUN(tests);
}
