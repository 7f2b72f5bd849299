/* SPDX-License-Identifier: MIT */
/* Settings that are chosen by what an atlas holds. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "environment.h"
#include "train/auto_settings.h"

static const cyf_auto_label two_labels[] = {{"cell_type", 10, 280}, {"donor", 8, 300}};

static cyf_auto_facts facts_of(int64_t n_cells, bool has_counts) {
  return (cyf_auto_facts){
      .n_cells = n_cells, .n_genes = 15000, .has_counts = has_counts, .labels = two_labels, .n_labels = 2};
}

static void choose(const cyf_auto_facts *facts, int n_said, const char *const *said, cyf_settings *ret_settings) {
  assert_ok(cyf_settings_load(NULL, n_said, said, ret_settings));
  assert_ok(cyf_auto_settings_choose(facts, ret_settings));
}

static double cells_seen(const cyf_stage_settings *stage) {
  return (double)stage->steps * (double)stage->batch_cells;
}

/* From the smallest data set to the largest, every setting has a value that the others agree with. A larger atlas never
 * gets a narrower model or fewer cells to learn from. */
static void every_size_has_its_settings(void **state) {
  (void)state;
  static const int64_t sizes[] = {300, 800, 1500, 3000, 7000, 12000, 50000, 200000, 1000000, 22700000};
  double seen[3] = {0};
  int64_t width[3] = {0}, latent = 0;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const cyf_auto_facts facts = facts_of(sizes[i], true);
    cyf_settings s;
    choose(&facts, 0, NULL, &s);
    for (size_t f = 0; f < cyf_settings_schema()->n_fields; f++)
      assert_false(cyf_config_is_auto(&cyf_settings_schema()->fields[f], &s));
    assert_ok(cyf_settings_check(&s));
    const cyf_stage_settings *stages[3] = {&s.autoencoder.stage, &s.denoiser.stage, &s.classifier.stage};
    const cyf_config_ints *hidden[3] = {&s.autoencoder.hidden, &s.denoiser.hidden, &s.classifier.hidden};
    for (int k = 0; k < 3; k++) {
      assert_true(cells_seen(stages[k]) >= 0.9 * seen[k]); /* but for rounding */
      assert_true(hidden[k]->value[0] >= width[k]);
      assert_true(stages[k]->validate_every >= 1 && stages[k]->validate_every <= stages[k]->steps);
      seen[k] = cells_seen(stages[k]);
      width[k] = hidden[k]->value[0];
    }
    assert_true(s.autoencoder.latent >= latent);
    latent = s.autoencoder.latent;
    assert_int_equal(s.autoencoder.likelihood, CYF_LIKELIHOOD_NB);
    cyf_settings_destroy(&s);
  }
}

/* Effort is a number of cells: a quarter, once and four times, whatever a machine does in a second. */
static void effort_is_counted_in_cells(void **state) {
  (void)state;
  static const char *const efforts[] = {"effort=quick", "effort=normal", "effort=long"};
  const cyf_auto_facts facts = facts_of(7000, true);
  double seen[3];
  for (int e = 0; e < 3; e++) {
    cyf_settings s;
    choose(&facts, 1, &efforts[e], &s);
    seen[e] = cells_seen(&s.denoiser.stage);
    cyf_settings_destroy(&s);
  }
  for (int e = 0; e < 2; e++) assert_true(seen[e + 1] / seen[e] > 3.7 && seen[e + 1] / seen[e] < 4.3);
}

/* What was said stays, and what is chosen beside it agrees: as many cells in larger batches are fewer steps. */
static void what_is_said_stays(void **state) {
  (void)state;
  static const char *const said[] = {"denoiser.batch_cells=1024", "autoencoder.hidden=[40]", "classifier.steps=77",
                                     "denoiser.conditions=[donor]", "data.lanes=1024"};
  const cyf_auto_facts facts = facts_of(3000, true);
  cyf_settings usual, s;
  choose(&facts, 0, NULL, &usual);
  choose(&facts, 5, said, &s);
  assert_int_equal(s.denoiser.stage.batch_cells, 1024);
  const double share = cells_seen(&s.denoiser.stage) / cells_seen(&usual.denoiser.stage);
  assert_true(share > 0.9 && share < 1.1);
  assert_int_equal(s.autoencoder.hidden.n, 1);
  assert_int_equal(s.classifier.stage.steps, 77);
  assert_int_equal(s.denoiser.conditions.n, 1);
  assert_string_equal(s.denoiser.conditions.value[0], "donor");
  assert_int_equal(s.autoencoder.stage.batch_cells, 1024); /* a multiple of the lanes */
  cyf_settings_destroy(&usual);
  cyf_settings_destroy(&s);
}

static void values_that_are_no_counts_get_the_squared_error(void **state) {
  (void)state;
  const cyf_auto_facts facts = facts_of(3000, false);
  cyf_settings s;
  choose(&facts, 0, NULL, &s);
  assert_int_equal(s.autoencoder.likelihood, CYF_LIKELIHOOD_MSE);
  cyf_settings_destroy(&s);
}

/* The first eight labels that can be learnt: no constant, and none that names nearly every cell. */
static void the_denoiser_is_told_what_can_be_learnt(void **state) {
  (void)state;
  cyf_auto_label labels[12] = {{"constant", 1, 300}, {"barcode", 290, 300}};
  char names[10][8];
  for (int i = 0; i < 10; i++) {
    snprintf(names[i], sizeof names[i], "label%d", i);
    labels[2 + i] = (cyf_auto_label){names[i], 3, 300};
  }
  cyf_auto_facts facts = facts_of(300, true);
  facts.labels = labels;
  facts.n_labels = 12;
  cyf_settings s;
  choose(&facts, 0, NULL, &s);
  assert_int_equal(s.denoiser.conditions.n, 8);
  assert_string_equal(s.denoiser.conditions.value[0], "label0");
  assert_string_equal(s.denoiser.conditions.value[7], "label7");
  cyf_settings_destroy(&s);
  facts.n_labels = 2;
  choose(&facts, 0, NULL, &s);
  assert_int_equal(s.denoiser.conditions.n, 0);
  cyf_settings_destroy(&s);
}

/* Published autoencoders have widths of their own. */
static void a_published_start_has_its_widths(void **state) {
  (void)state;
  static const char *const said[] = {"autoencoder.init=model_v1.1"};
  const cyf_auto_facts facts = facts_of(3000, true);
  cyf_settings s;
  choose(&facts, 1, said, &s);
  assert_int_equal(s.autoencoder.hidden.n, 3);
  assert_int_equal(s.autoencoder.hidden.value[2], 1024);
  assert_int_equal(s.autoencoder.latent, 128);
  cyf_settings_destroy(&s);
}

/* Runs and models keep values; auto in their texts is refused. Texts from before a key had auto mean its old value. */
static void kept_texts_hold_values(void **state) {
  (void)state;
  const cyf_auto_facts facts = facts_of(3000, true);
  char *text = NULL, *again = NULL;
  cyf_settings s, read;
  choose(&facts, 0, NULL, &s);
  assert_ok(cyf_config_to_text(cyf_settings_schema(), &s, &text));
  assert_null(strstr(text, "steps: auto"));
  assert_ok(cyf_settings_load_text("kept", text, &read));
  assert_ok(cyf_config_to_text(cyf_settings_schema(), &read, &again));
  assert_string_equal(text, again);
  cyf_settings_destroy(&read);
  assert_ok(cyf_settings_load_text("kept", "seed: 3\n", &read));
  assert_int_equal(read.autoencoder.likelihood, CYF_LIKELIHOOD_MSE);
  assert_int_equal(read.autoencoder.hidden.value[2], 1024);
  assert_int_equal(read.denoiser.conditions.n, 0);
  cyf_settings_destroy(&read);
  assert_fails(cyf_settings_load_text("kept", "denoiser: {steps: auto}\n", &read), CYF_ERR_CONFIG, "denoiser.steps");
  cyf_settings_destroy(&s);
  cyf_free(text);
  cyf_free(again);
}

/* The published method, and the settings of the largest atlas, leave nothing to choose. */
static void files_of_settings_leave_nothing_to_choose(void **state) {
  (void)state;
  static const char *const names[] = {"configs/paper.yaml", "configs/atlas-22m.yaml", "benchmarks/counts.yaml",
                                      "benchmarks/quality.yaml", "benchmarks/interpolate.yaml"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[4096];
    cyf_settings s;
    snprintf(path, sizeof path, "%s/%s", test_source(), names[i]);
    assert_ok(cyf_settings_load(path, 0, NULL, &s));
    for (size_t f = 0; f < cyf_settings_schema()->n_fields; f++) {
      const cyf_config_field *field = &cyf_settings_schema()->fields[f];
      if (cyf_config_is_auto(field, &s)) print_error("%s: %s is auto\n", path, field->path);
      assert_false(cyf_config_is_auto(field, &s));
    }
    cyf_settings_destroy(&s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_size_has_its_settings),
      cmocka_unit_test(effort_is_counted_in_cells),
      cmocka_unit_test(what_is_said_stays),
      cmocka_unit_test(values_that_are_no_counts_get_the_squared_error),
      cmocka_unit_test(the_denoiser_is_told_what_can_be_learnt),
      cmocka_unit_test(a_published_start_has_its_widths),
      cmocka_unit_test(kept_texts_hold_values),
      cmocka_unit_test(files_of_settings_leave_nothing_to_choose),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
