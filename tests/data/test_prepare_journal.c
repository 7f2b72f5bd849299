/* SPDX-License-Identifier: MIT */
/* A run goes on from what a stopped run left where nothing that decides what the atlas is has changed, and only there.
 * This is tested for every option of the table. */
#include <math.h>

#include "base/log.h"
#include "check.h"
#include "data/prepare/job.h"

/* A job as claim_partial sees it, in a folder of its own. */
typedef struct claim {
  char folder[64], partial[96];
  char one[96], two[96]; /* files */
  cyf_prepare_input input[2];
} claim;

/* Values of an option: not given, and two that differ from that and from each other. (A flag and GZIP have but one.) */
enum { NOT_GIVEN, FIRST, SECOND, N_VALUES };

static int setup(void **state) {
  static claim made;
  cyf_log_setup(0, 1, false, CYF_LOG_ERROR);
  make_folder(made.folder);
  snprintf(made.partial, sizeof made.partial, "%s/atlas.partial", made.folder);
  snprintf(made.one, sizeof made.one, "%s/one", made.folder);
  snprintf(made.two, sizeof made.two, "%s/two", made.folder);
  assert_ok(cyf_write_text_file(made.one, "1"));
  assert_ok(cyf_write_text_file(made.two, "two"));
  *state = &made;
  return 0;
}

static int teardown(void **state) {
  const claim *made = *state;
  remove_folder(made->folder);
  return 0;
}

static void set_list(cyf_prepare_options *options, const cyf_prepare_option *option, const void *list, int64_t n) {
  memcpy((char *)options + option->offset, &list, sizeof list);
  memcpy((char *)options + option->count_offset, &n, sizeof n);
}

/* Sets the option of a row to one of its values. */
static void set_option(const claim *c, cyf_prepare_options *options, int row, int value) {
  static const char *const terms[] = {"a=1", "b=2"};
  static cyf_label_bins bins[] = {{.attribute = "age", .n_edges = 1, .edge = {1}},
                                  {.attribute = "age", .n_edges = 2, .edge = {1, 2.5}}};
  static const char *paths[3];
  const char *const texts[N_VALUES] = {NULL, "donor", "tissue"}, *const files[N_VALUES] = {NULL, c->one, c->two};
  const cyf_prepare_option *option = &cyf_prepare_option_table[row];
  char *field = (char *)options + option->offset;
  paths[0] = paths[2] = c->one;
  paths[1] = c->two;
  switch (option->kind) {
    case CYF_PREPARE_TEXT:
    case CYF_PREPARE_MATRIX:
      *(const char **)field = texts[value];
      break;
    case CYF_PREPARE_FILE:
      *(const char **)field = files[value];
      break;
    case CYF_PREPARE_TEXTS:
      set_list(options, option, value == NOT_GIVEN ? NULL : terms, value);
      break;
    case CYF_PREPARE_INPUTS: /* one; two; two and one */
      set_list(options, option, value == NOT_GIVEN ? paths : paths + 1, value == SECOND ? 2 : 1);
      break;
    case CYF_PREPARE_BINS:
      set_list(options, option, value == NOT_GIVEN ? NULL : &bins[value - 1], value == NOT_GIVEN ? 0 : 1);
      break;
    case CYF_PREPARE_INTEGER:
    case CYF_PREPARE_SIZE:
      *(int64_t *)field = value;
      break;
    case CYF_PREPARE_SEED:
      *(uint64_t *)field = (uint64_t)value;
      break;
    case CYF_PREPARE_REAL:
      *(double *)field = value == NOT_GIVEN ? 0 : value == FIRST ? 0.25 : nextafter(0.25, 1);
      break;
    case CYF_PREPARE_FLAG:
    case CYF_PREPARE_GZIP:
      *(bool *)field = value == FIRST;
      break;
    case CYF_PREPARE_DUPLICATES:
      *(cyf_duplicates *)field = (cyf_duplicates)value;
      break;
    case CYF_PREPARE_GENES_JOIN:
      *(cyf_genes_join *)field = (cyf_genes_join)value;
      break;
  }
}

static cyf_prepare_options options_of(const claim *c, int value) {
  cyf_prepare_options options = {0};
  for (int row = 0; row < CYF_PREPARE_N_OPTIONS; row++) set_option(c, &options, row, value);
  options.fresh = false; /* nothing is gone on with otherwise */
  return options;
}

/* Claims OUTPUT.partial as a run with these options would, and lets it go. */
static void claim_partial(claim *c, const cyf_prepare_options *options) {
  cyf_prepare_job job = {.options = options, .output = c->folder, .partial = c->partial, .lock = -1, .input = c->input};
  for (int64_t i = 0; i < options->n_inputs; i++)
    c->input[i] = (cyf_prepare_input){.path = options->inputs[i], .n_cells = 7, .n_genes = 5};
  assert_ok(cyf_prepare_claim_partial(&job));
  cyf_prepare_release_partial(&job);
}

/* Whether a run with the options `after` goes on with what one with `before` has left. */
static bool goes_on(claim *c, const cyf_prepare_options *before, const cyf_prepare_options *after) {
  char work[160];
  snprintf(work, sizeof work, "%s/select/000000", c->partial);
  claim_partial(c, before);
  assert_ok(cyf_write_text_file(work, "a unit's result"));
  claim_partial(c, after);
  const bool stays = check_exists(work);
  if (stays) { /* and the journal is still that of the first run's options: they go on just so */
    claim_partial(c, before);
    assert_true(check_exists(work));
  }
  assert_ok(cyf_remove_tree(c->partial));
  return stays;
}

/* `fresh` is asked for to begin anew. Another `output` has another OUTPUT.partial; here it is one. */
static bool should_go_on(int row) {
  return cyf_prepare_option_table[row].journal == NULL && row != CYF_PREPARE_ROW_fresh;
}

static void work_is_gone_on_with_where_no_option_that_changes_the_atlas_differs(void **state) {
  claim *c = *state;
  int n_keep = 0;
  for (int base = NOT_GIVEN; base <= FIRST; base++) {
    const cyf_prepare_options before = options_of(c, base);
    assert_true(goes_on(c, &before, &before));
    for (int row = 0; row < CYF_PREPARE_N_OPTIONS; row++) {
      const cyf_prepare_option *option = &cyf_prepare_option_table[row];
      const bool wanted = should_go_on(row);
      n_keep += wanted;
      for (int value = NOT_GIVEN; value < N_VALUES; value++) {
        const bool is_flag = option->kind == CYF_PREPARE_FLAG || option->kind == CYF_PREPARE_GZIP;
        cyf_prepare_options after = before;
        set_option(c, &after, row, value);
        if (value == base || (is_flag && value == SECOND) || (row == CYF_PREPARE_ROW_fresh && !after.fresh)) continue;
        if (goes_on(c, &before, &after) != wanted)
          fail_msg("row %d (%s): value %d after %d is %s", row, option->name, value, base,
                   wanted ? "not gone on with" : "gone on with");
      }
    }
  }
  assert_int_equal(n_keep, 2 * 5); /* output, memory, dry-run, force and the command line */
}

static void a_file_that_changes_ends_the_going_on(void **state) {
  claim *c = *state;
  const cyf_prepare_options options = options_of(c, FIRST);
  char work[160];
  snprintf(work, sizeof work, "%s/select/000000", c->partial);
  char *const files[] = {c->one /* genes and label map */, c->two /* the input */};
  for (int f = 0; f < 2; f++) {
    claim_partial(c, &options);
    assert_ok(cyf_write_text_file(work, "a unit's result"));
    assert_ok(cyf_write_text_file(files[f], f ? "longer than two" : "longer than one"));
    claim_partial(c, &options);
    assert_false(check_exists(work));
    assert_ok(cyf_remove_tree(c->partial));
  }
}

static void no_value_looks_like_two_lines(void **state) {
  claim *c = *state;
  static const char *const one[] = {"a\nlabel b"}, *const two[] = {"a", "b"}, *const escaped[] = {"a\\nlabel b"};
  cyf_prepare_options before = options_of(c, NOT_GIVEN), after = before;
  set_list(&before, &cyf_prepare_option_table[CYF_PREPARE_ROW_labels], one, 1);
  set_list(&after, &cyf_prepare_option_table[CYF_PREPARE_ROW_labels], two, 2);
  assert_false(goes_on(c, &before, &after));
  set_list(&after, &cyf_prepare_option_table[CYF_PREPARE_ROW_labels], escaped, 1);
  assert_false(goes_on(c, &before, &after));
}

/* What a stopped run of this version left must stay readable. So the text must not change unless its number does. */
static void the_text_of_journal_3_is_this_one(void **state) {
  claim *c = *state;
  cyf_prepare_options options = options_of(c, FIRST);
  static const char *const missing[] = {"missing.h5ad"};
  options.genes_path = options.label_map_path = "missing.tsv";
  options.inputs = missing;
  char *text = NULL;
  c->input[0] = (cyf_prepare_input){.path = missing[0], .n_cells = 7, .n_genes = 5};
  const cyf_prepare_job job = {.options = &options, .partial = c->partial, .input = c->input};
  assert_ok(cyf_prepare_journal_text(&job, &text));
  assert_string_equal(text,
                      "cytoforge prepare journal 3\nversion " CYF_VERSION
                      "\nmatrix donor\nvalues donor\nfractions donor\ngene column donor\nmin genes 1\nmin cells "
                      "1\nholdout 0.25\nseed 1\nshard cells "
                      "1\ncompress gzip\nlabel a=1\nkeep a=1\nholdout where a=1\nbins age 1\nduplicates 1\nid column "
                      "donor\ngenes missing.tsv: -1 bytes, 0.000000000\ngenes join union\nlabel map missing.tsv: -1 "
                      "bytes, "
                      "0.000000000\ninput missing.h5ad: -1 bytes, 0.000000000, 7 cells, 5 genes\n");
  cyf_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(work_is_gone_on_with_where_no_option_that_changes_the_atlas_differs, check_clear),
      cmocka_unit_test_setup(a_file_that_changes_ends_the_going_on, check_clear),
      cmocka_unit_test_setup(no_value_looks_like_two_lines, check_clear),
      cmocka_unit_test_setup(the_text_of_journal_3_is_this_one, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
