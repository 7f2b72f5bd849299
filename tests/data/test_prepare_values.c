/* SPDX-License-Identifier: MIT */
/* Inputs of every kind of values become an atlas of one kind on one scale, or are refused by name. On every number of
 * ranks. */
#include <stdlib.h>
#include <string.h>

#include "atlas_fixture.h"
#include "kernels/math/normalisation.h"
#include "values_example.h"

enum { N_INPUTS = 2 };

typedef struct setting {
  const fixture *shared;
  char path[N_INPUTS][128], output[128];
  const char *inputs[N_INPUTS];
  cyf_prepare_options options;
} setting;

/* Inputs a.h5ad (and b.h5ad, unless NULL), of cells a0, a1, ... (b0, ...), and options that keep every cell and gene.
 */
static void set_up(void **state, const values_example *a, const values_example *b, setting *s) {
  s->shared = *state;
  const values_example *const examples[N_INPUTS] = {a, b};
  static const char *const names[N_INPUTS] = {"a.h5ad", "b.h5ad"}, *const prefixes[N_INPUTS] = {"a", "b"};
  for (int i = 0; i < N_INPUTS; i++) {
    fixture_path(s->shared, names[i], s->path[i]);
    s->inputs[i] = s->path[i];
    if (!examples[i]) continue;
    values_example example = *examples[i];
    example.prefix = prefixes[i];
    if (s->shared->rank == 0) example_write(&example, s->path[i]);
  }
  assert_ok(cyf_comm_barrier(s->shared->comm));
  fixture_path(s->shared, "atlas", s->output);
  s->options = (cyf_prepare_options){.inputs = s->inputs,
                                     .n_inputs = b ? 2 : 1,
                                     .output = s->output,
                                     .cells_per_shard = 50,
                                     .force = true,
                                     .genes_join = CYF_GENES_JOIN_UNION};
}

/* Every value of the atlas, [input * cells + cell][gene], whose cells are named as the inputs'. */
static cyf_atlas *prepare_and_read(setting *s, float *values) {
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_prepare(s->shared->comm, &s->options, NULL));
  assert_ok(cyf_atlas_open(s->output, &atlas));
  assert_int_equal(atlas->n_genes, EXAMPLE_GENES);
  memset(values, 0, sizeof(float) * N_INPUTS * EXAMPLE_CELLS * EXAMPLE_GENES);
  for (int64_t shard = 0; shard < atlas->n_shards; shard++) {
    cyf_h5ad *file = NULL;
    char **names = NULL;
    cyf_csr_buffer rows = {0};
    cyf_csr_buffer_clear(&rows, EXAMPLE_GENES);
    assert_ok(cyf_h5ad_open(atlas->shards[shard].path, NULL, &file));
    assert_ok(cyf_h5ad_read_cell_names(file, &names));
    assert_ok(cyf_h5ad_read_rows(file, 0, atlas->shards[shard].n_cells, &rows));
    for (int64_t i = 0; i < rows.n_cells; i++) {
      float *row = values + ((names[i][0] - 'a') * EXAMPLE_CELLS + atoi(names[i] + 1)) * EXAMPLE_GENES;
      for (int64_t e = rows.indptr[i]; e < rows.indptr[i + 1]; e++) row[rows.indices[e]] = rows.values[e];
      cyf_free(names[i]);
    }
    cyf_free(names);
    cyf_csr_buffer_destroy(&rows);
    cyf_h5ad_close(&file);
  }
  return atlas;
}

static float values[N_INPUTS * EXAMPLE_CELLS * EXAMPLE_GENES];

static void check_kind(cyf_atlas *atlas, cyf_expression_kind kind, double target) {
  assert_int_equal(atlas->kind, kind);
  assert_true(atlas->target == target);
  cyf_atlas_close(&atlas);
}

/* Cells of one input are ln(1 + share x target). */
static void check_logs(int input, double target) {
  for (int64_t cell = 0; cell < EXAMPLE_CELLS; cell++)
    for (int64_t g = 0; g < EXAMPLE_GENES; g++) {
      const double got = (double)values[(input * EXAMPLE_CELLS + cell) * EXAMPLE_GENES + g];
      assert_true(fabs(got - log1p(example_count(cell, g) / example_total(cell) * target)) < 2e-5);
    }
}

static void logs_of_one_scale_stay_as_they_are(void **state) {
  setting s;
  const values_example logs = {.kind = EXAMPLE_LOG1P, .target = 1e6};
  set_up(state, &logs, &logs, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 1e6);
  for (int64_t i = 0; i < N_INPUTS * EXAMPLE_CELLS * EXAMPLE_GENES; i++)
    assert_true(values[i] ==
                example_value(&logs, i / EXAMPLE_GENES % EXAMPLE_CELLS, i % EXAMPLE_GENES)); /* bit for bit */
}

static void logs_of_two_scales_come_to_one(void **state) {
  static const values_example others[] = {{.kind = EXAMPLE_LOG2, .target = 1e6},
                                          {.kind = EXAMPLE_LOG2, .target = CYF_NORMALISED_TOTAL},
                                          {.kind = EXAMPLE_LOG1P, .target = 2345.5},
                                          {.kind = EXAMPLE_LINEAR, .target = 1}};
  const values_example first = {.kind = EXAMPLE_LOG1P, .target = CYF_NORMALISED_TOTAL};
  for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
    setting s;
    set_up(state, &first, &others[i], &s);
    check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, CYF_NORMALISED_TOTAL);
    check_logs(0, CYF_NORMALISED_TOTAL);
    check_logs(1, CYF_NORMALISED_TOTAL);
  }
}

/* Alone, logarithms of another base come to ln, and what was not logged to ln of the usual target. */
static void one_input_comes_to_natural_logarithms(void **state) {
  setting s;
  set_up(state, &(values_example){.kind = EXAMPLE_LOG2, .target = 1e6}, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 1e6);
  check_logs(0, 1e6);
  set_up(state, &(values_example){.kind = EXAMPLE_LINEAR, .target = 1e6}, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, CYF_NORMALISED_TOTAL);
  check_logs(0, CYF_NORMALISED_TOTAL);
}

static void an_unknown_target_is_kept_unknown(void **state) {
  setting s;
  const values_example logs = {.kind = EXAMPLE_SIZE_FACTORS};
  set_up(state, &logs, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 0);
  for (int64_t i = 0; i < EXAMPLE_CELLS * EXAMPLE_GENES; i++)
    assert_true(values[i] == example_value(&logs, i / EXAMPLE_GENES, i % EXAMPLE_GENES));
  s.options.values = "log1p:5000"; /* said, it is known */
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 5000);
}

/* The same values on another scale are another atlas. With the usual target the fingerprint is that of versions which
 * knew no other; it is a constant. */
static void the_fingerprint_tells_targets_apart(void **state) {
  static const char *const stated[] = {NULL, "log1p:5000", "log1p:6000", "log1p:10000"};
  enum { N = sizeof stated / sizeof *stated };
  char fingerprint[N][32];
  setting s;
  set_up(state, &(values_example){.kind = EXAMPLE_SIZE_FACTORS}, NULL, &s);
  for (int i = 0; i < N; i++) {
    s.options.values = stated[i];
    cyf_atlas *atlas = prepare_and_read(&s, values);
    snprintf(fingerprint[i], sizeof fingerprint[i], "%s", atlas->fingerprint);
    cyf_atlas_close(&atlas);
    for (int k = 0; k < i; k++) assert_string_not_equal(fingerprint[i], fingerprint[k]);
  }
  assert_string_equal(fingerprint[N - 1], "c22eb6656822c93a");
}

static void scales_that_cannot_be_one_are_refused_naming_both(void **state) {
  static const struct {
    values_example a, b;
    const char *text;
  } cases[] = {
      {{.kind = EXAMPLE_COUNTS}, {.kind = EXAMPLE_LOG1P, .target = 1e4}, "an atlas needs one kind of values"},
      {{.kind = EXAMPLE_LOG1P, .target = 1e4}, {.kind = EXAMPLE_SHARE}, "an atlas needs one kind of values"},
      /* logarithms of another base, of fewer genes */
      {{.kind = EXAMPLE_LOG1P, .target = 1e4},
       {.kind = EXAMPLE_LOG2, .target = 1e6, .n_genes_kept = 40},
       "where a target is unknown"},
      /* half of a million is more than ten thousand */
      {{.kind = EXAMPLE_LOG1P, .target = 1e4},
       {.kind = EXAMPLE_LOG1P, .target = 1e6, .n_genes_kept = 40},
       "adds up to more than the target of the former"},
      {{.kind = EXAMPLE_PLAIN_LOG}, {.kind = EXAMPLE_LOG1P, .target = 1e4}, "never normalised"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    setting s;
    char both[400];
    set_up(state, &cases[i].a, &cases[i].b, &s);
    fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, cases[i].text);
    fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, s.path[0]);
    snprintf(both, sizeof(both), "and those of %s are", s.path[1]);
    if (i != 1) fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, both); /* counts are named first */
    fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, s.path[1]);
    fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, "--matrix raw/X or layers/NAME");
  }
}

/* A subset of genes whose sums stay below the other's target may well be on its scale. */
static void scales_that_may_be_one_are_taken_for_it(void **state) {
  setting s;
  const values_example part = {.kind = EXAMPLE_LOG1P, .target = 1e4, .n_genes_kept = 40};
  set_up(state, &(values_example){.kind = EXAMPLE_LOG1P, .target = 1e4}, &part, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 0);
  check_logs(0, 1e4);
}

/* Each value is one of its two neighbours, and their mean is the values' own. */
static void check_rounded(const values_example *example) {
  double sum = 0, expected = 0, n_changed = 0;
  for (int64_t cell = 0; cell < EXAMPLE_CELLS; cell++)
    for (int64_t g = 0; g < EXAMPLE_GENES; g++) {
      const double was = (double)example_value(example, cell, g), is = (double)values[cell * EXAMPLE_GENES + g];
      assert_true(is == floor(was) || is == ceil(was));
      sum += is;
      expected += was;
      n_changed += was != floor(was);
    }
  assert_true(fabs(sum - expected) < 3 * 0.5 * sqrt(n_changed)); /* three standard deviations, at most */
}

static void fractional_counts_are_rounded_at_random_or_kept(void **state) {
  static const example_kind kinds[] = {EXAMPLE_SHARE, EXAMPLE_PARTLY};
  static float again[N_INPUTS * EXAMPLE_CELLS * EXAMPLE_GENES];
  for (int k = 0; k < 2; k++) {
    setting s;
    const values_example example = {.kind = kinds[k]};
    set_up(state, &example, NULL, &s);
    check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
    check_rounded(&example);
    s.options.values = "fractional-counts";
    s.options.fractions = "round";
    check_kind(prepare_and_read(&s, again), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
    assert_memory_equal(values, again, sizeof(values));
    s.options.seed = 1;
    check_kind(prepare_and_read(&s, again), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
    assert_true(memcmp(values, again, sizeof(values)) != 0);
    s.options.fractions = "keep";
    check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_FRACTIONAL, CYF_NORMALISED_TOTAL);
    for (int64_t i = 0; i < EXAMPLE_CELLS * EXAMPLE_GENES; i++)
      assert_true(values[i] == example_value(&example, i / EXAMPLE_GENES, i % EXAMPLE_GENES));
  }
}

/* Beside counts, fractional ones are rounded, and counts stay. */
static void counts_and_fractional_counts_are_counts(void **state) {
  setting s;
  const values_example share = {.kind = EXAMPLE_SHARE};
  set_up(state, &share, &(values_example){.kind = EXAMPLE_COUNTS}, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
  check_rounded(&share);
  for (int64_t i = 0; i < EXAMPLE_CELLS * EXAMPLE_GENES; i++)
    assert_true((double)values[EXAMPLE_CELLS * EXAMPLE_GENES + i] ==
                example_count(i / EXAMPLE_GENES, i % EXAMPLE_GENES));
}

/* The rounding follows from seed, cell and gene, so it is the same whatever the ranks. */
static void rounding_knows_no_ranks(void **state) {
  setting s;
  uint64_t sum = 0;
  set_up(state, &(values_example){.kind = EXAMPLE_SHARE}, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
  for (int64_t i = 0; i < EXAMPLE_CELLS * EXAMPLE_GENES; i++)
    sum = sum * 31 + (uint64_t)values[i]; /* of a run on one rank: */
  assert_int_equal(sum, UINT64_C(0x2a6bfbbb52f63479));
}

static void one_fraction_among_counts_is_rounded(void **state) {
  setting s;
  const values_example half = {.kind = EXAMPLE_COUNTS, .first_value = 0.5};
  set_up(state, &half, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_COUNTS, CYF_NORMALISED_TOTAL);
  int64_t n_other = 0;
  for (int64_t i = 0; i < EXAMPLE_CELLS * EXAMPLE_GENES; i++)
    n_other += (double)values[i] != example_count(i / EXAMPLE_GENES, i % EXAMPLE_GENES);
  assert_int_equal(n_other, 1);
  set_up(state, &(values_example){.kind = EXAMPLE_SHARE}, NULL, &s);
  s.options.values = "counts"; /* which they are not */
  fixture_refused(s.shared, &s.options, CYF_ERR_INPUT, "values are no whole numbers; if they are fractional counts");
}

static void options_are_checked(void **state) {
  setting s;
  set_up(state, &(values_example){.kind = EXAMPLE_COUNTS}, NULL, &s);
  s.options.values = "log10";
  fixture_refused(s.shared, &s.options, CYF_ERR_USAGE, "log1p[:TARGET] or log2[:TARGET], not 'log10'");
  s.options.values = NULL;
  s.options.fractions = "floor";
  fixture_refused(s.shared, &s.options, CYF_ERR_USAGE, "--fractions is round or keep, not 'floor'");
}

/* Manifests of version 0.1 have no target, and no checksum of their own. */
static void an_older_manifest_means_the_usual_target(void **state) {
  setting s;
  char path[160], *text = NULL;
  set_up(state, &(values_example){.kind = EXAMPLE_LOG1P, .target = 1e6}, NULL, &s);
  check_kind(prepare_and_read(&s, values), CYF_EXPRESSION_LOG_NORMALIZED, 1e6);
  assert_ok(cyf_comm_barrier(s.shared->comm)); /* all have read it */
  if (s.shared->rank != 0) return;
  snprintf(path, sizeof(path), "%s/manifest.yaml", s.output);
  assert_ok(cyf_read_text_file(path, &text));
  char *line = strstr(text, "target: 1000000\n");
  assert_non_null(line);
  memmove(line, line + 16, strlen(line + 16) + 1);
  assert_ok(cyf_write_text_file(path, text));
  cyf_atlas *atlas = NULL;
  assert_fails(cyf_atlas_open(s.output, &atlas), CYF_ERR_INPUT, "is not what was written, by its checksum");
  strstr(text, "# checksum")[0] = '\0';
  assert_ok(cyf_write_text_file(path, text));
  assert_ok(cyf_atlas_open(s.output, &atlas));
  check_kind(atlas, CYF_EXPRESSION_LOG_NORMALIZED, CYF_NORMALISED_TOTAL);
  cyf_free(text);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(logs_of_one_scale_stay_as_they_are),       TEST(logs_of_two_scales_come_to_one),
      TEST(one_input_comes_to_natural_logarithms),    TEST(an_unknown_target_is_kept_unknown),
      TEST(the_fingerprint_tells_targets_apart),      TEST(scales_that_cannot_be_one_are_refused_naming_both),
      TEST(scales_that_may_be_one_are_taken_for_it),  TEST(fractional_counts_are_rounded_at_random_or_kept),
      TEST(counts_and_fractional_counts_are_counts),  TEST(rounding_knows_no_ranks),
      TEST(one_fraction_among_counts_is_rounded),     TEST(options_are_checked),
      TEST(an_older_manifest_means_the_usual_target),
  };
  return FIXTURE_RUN(tests);
}
