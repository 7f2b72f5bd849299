/* SPDX-License-Identifier: MIT */
/* The whole comparison: against the references, on degenerate input, and its reports. */
#include "evaluate_check.h"

/* The three sets of evaluate_reference.h5. */
typedef struct sets {
  cyf_cell_set real, synthetic, train;
  cyf_cells a, b, t;
} sets;

static void sets_create(sets *s) {
  reference_cells("real", &s->real);
  reference_cells("synthetic", &s->synthetic);
  reference_cells("train", &s->train);
  s->a = cyf_cell_set_view(&s->real);
  s->b = cyf_cell_set_view(&s->synthetic);
  s->t = cyf_cell_set_view(&s->train);
}

static void sets_destroy(sets *s) {
  cyf_cell_set_destroy(&s->real);
  cyf_cell_set_destroy(&s->synthetic);
  cyf_cell_set_destroy(&s->train);
}

static cyf_evaluate_options quick_options(void) {
  cyf_evaluate_options options = cyf_evaluate_defaults();
  options.n_trees = 200;
  return options;
}

/* Takes labels away from the last cells of each class, until synthetic and training cells have as many of each. */
static void even_out_classes(sets *s) {
  for (int32_t c = 0; c < 3; c++) {
    cyf_label_column *columns[2] = {&s->synthetic.labels, &s->train.labels};
    int64_t n[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
      for (int64_t i = 0; i < columns[k]->n_cells; i++) n[k] += columns[k]->code[i] == c;
    }
    cyf_label_column *larger = columns[n[0] < n[1]];
    int64_t surplus = n[0] < n[1] ? n[1] - n[0] : n[0] - n[1];
    for (int64_t i = larger->n_cells - 1; surplus > 0; i--) {
      if (larger->code[i] != c) continue;
      larger->code[i] = -1;
      surplus--;
    }
  }
}

/* ---- against the references ---- */

static void check_correlations(const char *dataset, double mean_spearman, double mean_pearson, double variance_spearman,
                               double variance_pearson) {
  double *expected = reference(dataset, NULL);
  assert_near(mean_spearman, expected[0], 1e-10);
  assert_near(mean_pearson, expected[1], 1e-10);
  assert_near(variance_spearman, expected[2], 1e-10);
  assert_near(variance_pearson, expected[3], 1e-10);
  cyf_free(expected);
}

/* mmd, ilisi, auc (mean and spread over sklearn's splits: ours is another split). */
static void check_joint(const char *dataset, double mmd, double ilisi, double auc) {
  double *expected = reference(dataset, NULL);
  assert_near(mmd, expected[0], 1e-8);
  assert_near(ilisi, expected[1], 1e-4);
  assert_near(auc, expected[2], 3.0 * expected[3]);
  cyf_free(expected);
}

static void check_labels(const cyf_label_scores *l) {
  double *accuracy = reference("together/accuracy", NULL), *by_class = reference("together/class_accuracy", NULL);
  assert_true(l->available);
  assert_null(l->note);
  assert_string_equal(l->attribute, "cell_type");
  assert_int_equal(l->n_classes, 3);
  assert_int_equal(l->n_train, 120);
  assert_int_equal(l->n_synthetic, 120);
  assert_int_equal(l->n_real, 100);
  assert_near(l->accuracy_synthetic, accuracy[0], 1e-12);
  assert_near(l->accuracy_real, accuracy[1], 1e-12);
  assert_near(l->accuracy_ratio, accuracy[0] / accuracy[1], 1e-12);
  for (int c = 0; c < 3; c++) {
    assert_near(l->classes[c].accuracy.value, by_class[c], 1e-12);
    assert_near(l->classes[c].accuracy.ceiling, by_class[3 + c], 1e-12);
  }
  assert_near(l->balanced_synthetic, (by_class[0] + by_class[1] + by_class[2]) / 3.0, 1e-12);
  cyf_free(accuracy);
  cyf_free(by_class);
}

static void every_measure_is_its_reference(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = cyf_evaluate_defaults();
  sets_create(&s);
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  double *n_compared = reference("together/n_genes_compared", NULL);
  double *genes = reference("together/genes_per_cell", NULL), *zeros = reference("together/zero_fraction", NULL);
  assert_int_equal(e.n_genes, 80);
  assert_int_equal(e.n_genes_compared, (int64_t)n_compared[0]);
  assert_int_equal(e.n_components, 50);
  check_correlations("together/value_correlations", e.mean_spearman.value, e.mean_pearson.value,
                     e.variance_spearman.value, e.variance_pearson.value);
  check_correlations("together/ceiling_correlations", e.mean_spearman.ceiling, e.mean_pearson.ceiling,
                     e.variance_spearman.ceiling, e.variance_pearson.ceiling);
  check_joint("together/value_joint", e.mmd.value, e.ilisi.value, e.auc.value);
  check_joint("together/ceiling_joint", e.mmd.ceiling, e.ilisi.ceiling, e.auc.ceiling);
  const cyf_set_summary *sets_in_order[3] = {&e.real, &e.synthetic, &e.train};
  for (int k = 0; k < 3; k++) {
    assert_near(sets_in_order[k]->genes_per_cell, genes[k], 1e-10);
    assert_near(sets_in_order[k]->zero_fraction, zeros[k], 1e-12);
  }
  check_labels(&e.labels);
  cyf_free(n_compared);
  cyf_free(genes);
  cyf_free(zeros);
  cyf_evaluation_destroy(&e);
  assert_null(e.labels.classes);
  sets_destroy(&s);
}

/* Scores of each class: [class, (value, ceiling)] of Spearman and Pearson of the means, MMD, marker agreement. */
static void check_classes(const cyf_label_scores *l) {
  double *expected = reference("together/classes", NULL);
  for (int c = 0; c < 3; c++) {
    const cyf_class_score *k = &l->classes[c];
    const cyf_score *const scores[4] = {&k->mean_spearman, &k->mean_pearson, &k->mmd, &k->markers};
    for (int m = 0; m < 4; m++) {
      double tolerance = m == 2 ? 1e-8 : 1e-10;
      assert_near(scores[m]->value, expected[(c * 4 + m) * 2], tolerance);
      assert_near(scores[m]->ceiling, expected[(c * 4 + m) * 2 + 1], tolerance);
    }
  }
  cyf_free(expected);
}

static void classes_and_memorisation_are_the_references(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  options.n_markers = 10;
  sets_create(&s);
  /* The reference compares all cells of a class, which needs as many synthetic as ceiling cells of each: the first n.
   */
  even_out_classes(&s);
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  check_classes(&e.labels);
  double *nearest = reference("together/nearest", NULL);
  assert_true(e.memorisation.available);
  assert_near(e.memorisation.distance_synthetic, nearest[0], 1e-8);
  assert_near(e.memorisation.distance_real, nearest[1], 1e-8);
  assert_near(e.memorisation.ratio.value, nearest[0] / nearest[1], 1e-8);
  assert_near(e.memorisation.copied.value, nearest[2], 1e-12);
  assert_near(e.memorisation.copied.ceiling, nearest[3], 1e-12);
  cyf_evaluation_destroy(&e);
  /* Training cells handed in as synthetic ones are copies, each and every one. */
  assert_ok(cyf_evaluate(&s.a, &s.t, &s.t, &options, &e));
  assert_near(e.memorisation.ratio.value, 0.0, 1e-9);
  assert_near(e.memorisation.copied.value, 1.0, 0.0);
  assert_true(e.memorisation.copied.ceiling < 0.05);
  cyf_free(nearest);
  cyf_evaluation_destroy(&e);
  sets_destroy(&s);
}

static void halves_of_the_real_cells_are_a_ceiling(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  sets_create(&s);
  assert_ok(cyf_evaluate(&s.t, &s.b, NULL, &options, &e));
  assert_int_equal(e.ceiling_kind, CYF_CEILING_HALVES);
  assert_int_equal(e.real.n_cells_used, 60); /* of 120 real cells, the others stand for synthetic ones */
  assert_int_equal(e.ceiling.n_cells_used, 60);
  assert_int_equal(e.synthetic.n_cells_used, 60);
  assert_true(e.mmd.ceiling > 0.0 && e.mmd.ceiling < e.mmd.value);
  for (int c = 0; c < 3; c++) { /* blurred types keep the overall means, not their own */
    assert_true(e.labels.classes[c].mean_spearman.ceiling > e.labels.classes[c].mean_spearman.value);
  }
  assert_true(isfinite(e.auc.ceiling) && isfinite(e.ilisi.ceiling));
  assert_true(e.labels.available && e.labels.n_train == 60 && e.labels.n_real == 60);
  assert_true(isfinite(e.labels.markers.value) && isfinite(e.labels.markers.ceiling));
  assert_false(e.memorisation.available);
  assert_true(isnan(e.memorisation.ratio.value));
  cyf_evaluation_destroy(&e);
  /* Asked for beside training cells: those teach the labels and are searched for copies. */
  options.ceiling = CYF_CEILING_HALVES;
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  assert_int_equal(e.real.n_cells_used, 50);
  assert_int_equal(e.labels.n_train, 120);
  assert_true(e.memorisation.available);
  cyf_evaluation_destroy(&e);
  options.ceiling = CYF_CEILING_TRAIN;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_USAGE, "halves, none");
  options.ceiling = CYF_CEILING_HALVES;
  s.a.matrix = cyf_csr_rows(&s.a.matrix, 0, 7);
  s.a.labels = NULL;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_USAGE, "7 real cells");
  sets_destroy(&s);
}

static void the_same_cells_have_perfect_values(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  options.ceiling = CYF_CEILING_NONE;
  sets_create(&s);
  assert_ok(cyf_evaluate(&s.t, &s.t, NULL, &options, &e));
  assert_int_equal(e.ceiling_kind, CYF_CEILING_NONE);
  assert_near(e.mmd.value, 0.0, 1e-12);
  assert_near(e.mean_spearman.value, 1.0, 1e-12);
  assert_near(e.variance_pearson.value, 1.0, 1e-12);
  assert_true(e.ilisi.value > 1.7); /* below 2: each cell's nearest neighbour is its twin, always of the other set */
  assert_true(e.auc.value < 0.6);   /* below 0.5: a tested cell's twin may have trained under the other name */
  assert_true(isnan(e.mmd.ceiling) && isnan(e.ilisi.ceiling) && isnan(e.auc.ceiling) && isnan(e.mean_pearson.ceiling));
  assert_false(e.labels.available);
  assert_non_null(strstr(e.labels.note, "training"));
  cyf_evaluation_destroy(&e);
  sets_destroy(&s);
}

static void equal_numbers_of_cells_are_compared(void **state) {
  (void)state;
  /* Fewer training than synthetic cells: as many of either are compared, while all real cells are. */
  sets s;
  cyf_evaluation e, again;
  cyf_evaluate_options options = quick_options();
  sets_create(&s);
  s.t.matrix = cyf_csr_rows(&s.t.matrix, 0, 40);
  s.t.labels = NULL;
  s.t.label_note = "no column";
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  assert_int_equal(e.synthetic.n_cells, 120);
  assert_int_equal(e.synthetic.n_cells_used, 40);
  assert_int_equal(e.train.n_cells_used, 40);
  assert_int_equal(e.real.n_cells_used, 100);
  assert_false(e.labels.available);
  assert_string_equal(e.labels.note, "no column");
  assert_true(isnan(e.labels.accuracy_ratio));
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &again));
  assert_near(again.auc.value, e.auc.value, 0.0);
  assert_near(again.mmd.value, e.mmd.value, 1e-12);
  cyf_evaluation_destroy(&e);
  cyf_evaluation_destroy(&again);
  sets_destroy(&s);
}

/* ---- degenerate input ---- */

static void one_cell_is_enough_or_refused(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  sets_create(&s);
  s.a.matrix = cyf_csr_rows(&s.a.matrix, 0, 1);
  s.b.matrix = cyf_csr_rows(&s.b.matrix, 0, 1);
  s.a.labels = s.b.labels = NULL;
  assert_ok(cyf_evaluate(&s.a, &s.b, NULL, &options, &e));
  assert_int_equal(e.n_components, 1);
  assert_true(e.mmd.value > 0.0 && isfinite(e.mmd.value)); /* 2 (5 - sum of kernels), see the_mmd_is_the_references */
  assert_true(isnan(e.auc.value));
  assert_true(isnan(e.mmd.ceiling)); /* nothing to halve */
  assert_true(isnan(e.variance_pearson.value));
  cyf_evaluation_destroy(&e);
  assert_ok(cyf_evaluate(&s.a, &s.t, &s.t, &options, &e)); /* one real cell, many others */
  assert_true(isfinite(e.mmd.value) && isfinite(e.ilisi.value));
  cyf_evaluation_destroy(&e);
  s.b.matrix.n_cells = 0;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_INPUT, "synthetic cells");
  sets_destroy(&s);
}

static void constant_genes_give_no_values(void **state) {
  (void)state;
  /* Every cell the same, then every cell empty. */
  for (int empty = 0; empty < 2; empty++) {
    cyf_csr_buffer matrix = {0};
    const int32_t index[2] = {0, 1};
    const float value[2] = {1.5f, 1.5f};
    cyf_evaluation e;
    cyf_evaluate_options options = quick_options();
    cyf_csr_buffer_clear(&matrix, 2);
    for (int i = 0; i < 20; i++) assert_ok(cyf_csr_buffer_append(&matrix, empty ? 0 : 2, index, value));
    cyf_cells cells = {.name = "constant", .matrix = cyf_csr_view(&matrix)};
    assert_ok(cyf_evaluate(&cells, &cells, &cells, &options, &e));
    assert_int_equal(e.n_components, 0);
    assert_near(e.mmd.value, 0.0, 0.0);
    assert_near(e.auc.value, 0.5, 0.0);
    assert_true(isnan(e.ilisi.value) && isnan(e.mean_spearman.value) && isnan(e.mean_pearson.value));
    assert_near(e.real.zero_fraction, empty ? 1.0 : 0.0, 0.0);
    assert_int_equal(e.n_genes_compared, empty ? 0 : 2);
    assert_false(e.labels.available);
    cyf_evaluation_destroy(&e);
    cyf_csr_buffer_destroy(&matrix);
  }
}

static void labels_that_do_not_match_are_left_out(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  sets_create(&s);
  /* Missing labels are skipped; types that training lacks are left out and counted. */
  int64_t n_second = 0, n_labelled = 0;
  for (int64_t i = 0; i < s.train.labels.n_cells; i++) {
    if (s.train.labels.code[i] == 2) s.train.labels.code[i] = -1;
  }
  s.synthetic.labels.code[0] = -1;
  for (int64_t i = 0; i < s.synthetic.labels.n_cells; i++) {
    n_second += s.synthetic.labels.code[i] == 2;
    n_labelled += s.synthetic.labels.code[i] >= 0;
  }
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  assert_int_equal(e.labels.n_classes, 2);
  assert_int_equal(e.labels.n_unknown_synthetic, n_second);
  assert_int_equal(e.labels.n_synthetic, n_labelled - n_second);
  assert_true(e.labels.accuracy_real > 0.9);
  cyf_evaluation_destroy(&e);
  /* Names of which none is in common. */
  for (int c = 0; c < 3; c++) s.synthetic.labels.categories.name[c][0] = 'k';
  cyf_names renamed = {0};
  assert_ok(cyf_names_copy(&s.synthetic.labels.categories, &renamed));
  cyf_names_destroy(&s.synthetic.labels.categories);
  s.synthetic.labels.categories = renamed;
  assert_fails(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e), CYF_ERR_INPUT,
               "there: 'kype 0', 'kype 1', 'kype 2'; possible: 'type 0', 'type 1', 'type 2'");
  /* A single class. */
  for (int64_t i = 0; i < s.train.labels.n_cells; i++) s.train.labels.code[i] = 1;
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  assert_false(e.labels.available);
  assert_non_null(strstr(e.labels.note, "1 class"));
  assert_true(isnan(e.labels.accuracy_real));
  cyf_evaluation_destroy(&e);
  sets_destroy(&s);
}

static void wrong_arguments_are_refused(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  sets_create(&s);
  cyf_evaluate_options options = quick_options();
  options.tree_depth = 0;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_USAGE, "depth 0");
  options = quick_options();
  options.n_components = 0;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_USAGE, "components");
  options = quick_options();
  options.test_fraction = 1.0;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_USAGE, "test fraction");
  options = quick_options();
  s.b.matrix.n_genes = 81;
  assert_fails(cyf_evaluate(&s.a, &s.b, NULL, &options, &e), CYF_ERR_INPUT, "81 genes");
  sets_destroy(&s);
}

/* ---- reports ---- */

static char *print_to_text(cyf_status (*print)(const cyf_evaluation *, FILE *), const cyf_evaluation *e) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  assert_non_null(stream);
  assert_ok(print(e, stream));
  fclose(stream);
  return text;
}

static void assert_holds(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s", part, text);
}

static void reports_say_what_was_measured(void **state) {
  (void)state;
  sets s;
  cyf_evaluation e;
  cyf_evaluate_options options = quick_options();
  char number[64];
  sets_create(&s);
  assert_ok(cyf_evaluate(&s.a, &s.b, &s.t, &options, &e));
  char *table = print_to_text(cyf_evaluation_print, &e), *json = print_to_text(cyf_evaluation_print_json, &e);
  snprintf(number, sizeof(number), "%.4f", e.mmd.value);
  assert_holds(table, number);
  snprintf(number, sizeof(number), "%.4f", e.mmd.ceiling);
  assert_holds(table, number);
  assert_holds(table, "type 2");
  assert_holds(table, "120 training cells in place of the 120 synthetic cells");
  snprintf(number, sizeof(number), "\"value\": %.9g", e.mmd.value);
  assert_holds(json, number);
  assert_holds(json, "\"n_genes_compared\": 73");
  assert_holds(json, "\"name\": \"type 1\"");
  free(table);
  free(json);
  cyf_evaluation_destroy(&e);

  options.ceiling = CYF_CEILING_NONE;
  assert_ok(cyf_evaluate(&s.a, &s.b, NULL, &options, &e));
  table = print_to_text(cyf_evaluation_print, &e);
  json = print_to_text(cyf_evaluation_print_json, &e);
  assert_holds(table, "ceiling: none");
  assert_holds(table, "label accuracy is not available: no training cells");
  assert_holds(json, "\"ceiling\": null");
  assert_holds(json, "\"ceiling\": \"none\"");
  assert_holds(json, "\"reason\": \"no training cells were given\"");
  free(table);
  free(json);
  FILE *full = fopen("/dev/full", "w");
  if (full) {
    assert_fails(cyf_evaluation_print(&e, full), CYF_ERR_IO, "disk full");
    fclose(full);
  }
  cyf_evaluation_destroy(&e);
  sets_destroy(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_measure_is_its_reference),
      cmocka_unit_test(the_same_cells_have_perfect_values),
      cmocka_unit_test(classes_and_memorisation_are_the_references),
      cmocka_unit_test(halves_of_the_real_cells_are_a_ceiling),
      cmocka_unit_test(equal_numbers_of_cells_are_compared),
      cmocka_unit_test(one_cell_is_enough_or_refused),
      cmocka_unit_test(constant_genes_give_no_values),
      cmocka_unit_test(labels_that_do_not_match_are_left_out),
      cmocka_unit_test(wrong_arguments_are_refused),
      cmocka_unit_test(reports_say_what_was_measured),
  };
  return cmocka_run_group_tests_name("evaluate: comparisons", tests, NULL, NULL);
}
