/* SPDX-License-Identifier: MIT */
/* The result as a table for people and as JSON. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "evaluate/report/measure_list.h"

/* A number in a column of the width. */
static void print_number(FILE *stream, int width, double value) {
  char text[CYF_NUMBER_LENGTH];
  cyf_print(stream, " %*s", width, cyf_number_text(value, text));
}

static void print_row(FILE *stream, const char *title, double value, double ceiling, const char *best) {
  cyf_print(stream, "%-26s", title);
  print_number(stream, 11, value);
  print_number(stream, 11, ceiling);
  cyf_print(stream, "  %s\n", best);
}

static void print_set(FILE *stream, const char *what, const cyf_set_summary *set) {
  if (set->n_cells == 0) return;
  cyf_print(stream, "%-10s %s: %lld cells", what, set->name, (long long)set->n_cells);
  if (set->n_cells_in_file > set->n_cells)
    cyf_print(stream, " (a random part of %lld)", (long long)set->n_cells_in_file);
  if (set->n_cells_used < set->n_cells) cyf_print(stream, ", %lld of them compared", (long long)set->n_cells_used);
  fputc('\n', stream);
}

static void print_expression(FILE *stream, const cyf_evaluation *e) {
  cyf_print(stream, "\n%-26s %11s %11s %11s\n", "expression", "synthetic", "ceiling", "real");
  const struct {
    const char *title;
    double value[3];
  } rows[] = {
      {"detected genes a cell", {e->synthetic.genes_per_cell, e->ceiling.genes_per_cell, e->real.genes_per_cell}},
      {"fraction of zeros", {e->synthetic.zero_fraction, e->ceiling.zero_fraction, e->real.zero_fraction}},
  };
  for (int r = 0; r < 2; r++) {
    cyf_print(stream, "%-26s", rows[r].title);
    for (int k = 0; k < 3; k++) print_number(stream, 11, rows[r].value[k]);
    fputc('\n', stream);
  }
}

/* Each class's scores, ceilings in brackets. */
static void print_classes(FILE *stream, const cyf_label_scores *l) {
  const char *const titles[] = {"accuracy", "gene means", "MMD", "markers"};
  cyf_print(stream, "\n%-26s", "class (ceiling)");
  for (int m = 0; m < 4; m++) cyf_print(stream, " %17s", titles[m]);
  cyf_print(stream, " %9s %7s %7s\n", "synthetic", "real", "train");
  for (int64_t c = 0; c < l->n_classes; c++) {
    const cyf_class_score *k = &l->classes[c];
    const cyf_score *const scores[] = {&k->accuracy, &k->mean_spearman, &k->mmd, &k->markers};
    char value[CYF_NUMBER_LENGTH], ceiling[CYF_NUMBER_LENGTH];
    cyf_print(stream, "%-26s", k->name);
    for (int m = 0; m < 4; m++) {
      cyf_print(stream, " %8s %8s", cyf_number_text(scores[m]->value, value),
                cyf_number_text(scores[m]->ceiling, ceiling));
    }
    cyf_print(stream, " %9lld %7lld %7lld\n", (long long)k->n_synthetic, (long long)k->n_real, (long long)k->n_train);
  }
  cyf_print(stream,
            "gene means: Spearman's correlation; markers: share of the top %lld in common; '-': fewer than 10 cells\n",
            (long long)l->n_markers);
}

static void print_memorisation(FILE *stream, const cyf_evaluation *e) {
  const cyf_memorisation *m = &e->memorisation;
  if (!m->available) return;
  cyf_print(stream, "\nnearest training cell: median distance %.4g of synthetic, %.4g of held-out cells\n",
            m->distance_synthetic, m->distance_real);
  if (e->train.n_cells_in_file > e->train.n_cells) {
    cyf_print(stream, "only %lld of the %lld training cells were searched: copies of the others do not show\n",
              (long long)e->train.n_cells, (long long)e->train.n_cells_in_file);
  }
}

static void print_labels(FILE *stream, const cyf_evaluation *e) {
  const cyf_label_scores *l = &e->labels;
  if (!l->available) {
    cyf_print(stream, "\nlabel accuracy is not available: %s\n", l->note ? l->note : "no labels");
    return;
  }
  cyf_print(stream,
            "\nlabels: '%s', predicted by logistic regression on %lld %s; the ceiling is the real cells' "
            "accuracy\n",
            l->attribute, (long long)l->n_train,
            e->has_train ? "training cells" : "cells of the other half of the real cells");
  print_row(stream, "label accuracy", l->accuracy_synthetic, l->accuracy_real, "higher");
  print_row(stream, "  mean over classes", l->balanced_synthetic, l->balanced_real, "higher");
  print_row(stream, "  synthetic / real", l->accuracy_ratio, 1.0, "nearer 1");
  if (l->n_unknown_real + l->n_unknown_synthetic > 0) {
    cyf_print(stream, "left out, with labels no training cell has: %lld real, %lld synthetic cells\n",
              (long long)l->n_unknown_real, (long long)l->n_unknown_synthetic);
  }
  print_classes(stream, l);
}

static cyf_status check_stream(FILE *stream) {
  if (fflush(stream) != 0 || ferror(stream))
    return CYF_FAIL(CYF_ERR_IO, "cannot write the evaluation: disk full or closed pipe");
  return CYF_OK;
}

cyf_status cyf_evaluation_print(const cyf_evaluation *evaluation, FILE *stream) {
  const cyf_evaluation *e = evaluation;
  print_set(stream, "real", &e->real);
  print_set(stream, "synthetic", &e->synthetic);
  print_set(stream, "train", &e->train);
  cyf_print(stream, "genes      %lld, %lld of them in correlations (detected in at least %lld %s cells)\n",
            (long long)e->n_genes, (long long)e->n_genes_compared, (long long)e->options.min_cells,
            e->has_train ? "training" : "real");
  cyf_print(stream, "components %lld, joint, by %s\n\n", (long long)e->n_components,
            e->pca_randomised ? "randomised subspace iteration" : "exact eigenvectors");
  cyf_print(stream, "%-26s %11s %11s  %s\n", "measure", "value", "ceiling", "better");
  for (int m = 0; m < CYF_N_MEASURES; m++) {
    if (!cyf_measure_is_taken(e, &cyf_measures[m])) continue;
    const cyf_score *score = cyf_measure_score(e, &cyf_measures[m]);
    print_row(stream, cyf_measures[m].title, score->value, score->ceiling, cyf_measures[m].best);
  }
  char *ceiling = NULL;
  CYF_TRY(cyf_ceiling_text(e, &ceiling));
  cyf_print(stream, "ceiling: %s\n", ceiling);
  cyf_free(ceiling);
  print_expression(stream, e);
  print_memorisation(stream, e);
  print_labels(stream, e);
  return check_stream(stream);
}

static void json_set(cyf_json *json, const char *key, const cyf_set_summary *set) {
  if (set->n_cells == 0) return;
  cyf_json_object_begin(json, key);
  cyf_json_text(json, "name", set->name);
  cyf_json_int(json, "n_cells_in_file", set->n_cells_in_file);
  cyf_json_int(json, "n_cells", set->n_cells);
  cyf_json_int(json, "n_cells_compared", set->n_cells_used);
  cyf_json_real(json, "detected_genes_per_cell", set->genes_per_cell);
  cyf_json_real(json, "zero_fraction", set->zero_fraction);
  cyf_json_object_end(json);
}

static void json_score(cyf_json *json, const char *key, const cyf_score *score) {
  cyf_json_object_begin(json, key);
  cyf_json_real(json, "value", score->value);
  cyf_json_real(json, "ceiling", score->ceiling);
  cyf_json_object_end(json);
}

static void json_memorisation(cyf_json *json, const cyf_evaluation *e) {
  const cyf_memorisation *m = &e->memorisation;
  if (!m->available) return;
  cyf_json_object_begin(json, "memorisation");
  cyf_json_real(json, "median_distance_synthetic", m->distance_synthetic);
  cyf_json_real(json, "median_distance_real", m->distance_real);
  cyf_json_int(json, "n_training_cells_searched", e->train.n_cells);
  cyf_json_object_end(json);
}

static void json_labels(cyf_json *json, const cyf_label_scores *l) {
  cyf_json_object_begin(json, "labels");
  cyf_json_bool(json, "available", l->available);
  if (!l->available) {
    cyf_json_text(json, "reason", l->note ? l->note : "no labels");
    cyf_json_object_end(json);
    return;
  }
  cyf_json_text(json, "attribute", l->attribute);
  cyf_json_int(json, "n_train", l->n_train);
  cyf_json_int(json, "n_real", l->n_real);
  cyf_json_int(json, "n_synthetic", l->n_synthetic);
  cyf_json_int(json, "n_unknown_real", l->n_unknown_real);
  cyf_json_int(json, "n_unknown_synthetic", l->n_unknown_synthetic);
  cyf_json_real(json, "accuracy_synthetic", l->accuracy_synthetic);
  cyf_json_real(json, "accuracy_real", l->accuracy_real);
  cyf_json_real(json, "accuracy_ratio", l->accuracy_ratio);
  cyf_json_real(json, "balanced_accuracy_synthetic", l->balanced_synthetic);
  cyf_json_real(json, "balanced_accuracy_real", l->balanced_real);
  cyf_json_array_begin(json, "classes");
  for (int64_t c = 0; c < l->n_classes; c++) {
    cyf_json_object_begin(json, NULL);
    cyf_json_text(json, "name", l->classes[c].name);
    cyf_json_int(json, "n_train", l->classes[c].n_train);
    cyf_json_int(json, "n_real", l->classes[c].n_real);
    cyf_json_int(json, "n_synthetic", l->classes[c].n_synthetic);
    cyf_json_int(json, "n_synthetic_compared", l->classes[c].n_used);
    json_score(json, "accuracy", &l->classes[c].accuracy);
    json_score(json, "gene_mean_spearman", &l->classes[c].mean_spearman);
    json_score(json, "gene_mean_pearson", &l->classes[c].mean_pearson);
    json_score(json, "mmd", &l->classes[c].mmd);
    json_score(json, "marker_agreement", &l->classes[c].markers);
    cyf_json_object_end(json);
  }
  cyf_json_array_end(json);
  cyf_json_object_end(json);
}

static void json_settings(cyf_json *json, const cyf_evaluation *e) {
  cyf_json_object_begin(json, "settings");
  cyf_json_int(json, "n_components", e->n_components);
  cyf_json_bool(json, "pca_randomised", e->pca_randomised);
  cyf_json_int(json, "min_cells", e->options.min_cells);
  cyf_json_real(json, "lisi_perplexity", e->options.lisi_perplexity);
  cyf_json_int(json, "n_trees", e->options.n_trees);
  cyf_json_int(json, "tree_depth", e->options.tree_depth);
  cyf_json_real(json, "test_fraction", e->options.test_fraction);
  cyf_json_real(json, "logistic_l2", e->options.logistic_l2);
  cyf_json_int(json, "n_markers", e->options.n_markers);
  cyf_json_text(json, "ceiling", cyf_ceiling_words[e->ceiling_kind]);
  cyf_json_int(json, "seed", (int64_t)e->options.seed);
  cyf_json_object_end(json);
}

cyf_status cyf_evaluation_print_json(const cyf_evaluation *evaluation, FILE *stream) {
  const cyf_evaluation *e = evaluation;
  cyf_json json;
  cyf_json_init(&json, stream, true);
  cyf_json_object_begin(&json, NULL);
  json_set(&json, "real", &e->real);
  json_set(&json, "synthetic", &e->synthetic);
  json_set(&json, "train", &e->train);
  json_set(&json, "ceiling", &e->ceiling);
  cyf_json_int(&json, "n_genes", e->n_genes);
  cyf_json_int(&json, "n_genes_compared", e->n_genes_compared);
  cyf_json_object_begin(&json, "scores");
  for (int m = 0; m < CYF_N_MEASURES; m++) {
    if (!cyf_measure_is_taken(e, &cyf_measures[m])) continue;
    const cyf_score *score = cyf_measure_score(e, &cyf_measures[m]);
    cyf_json_object_begin(&json, cyf_measures[m].key);
    cyf_json_real(&json, "value", score->value);
    cyf_json_real(&json, "ceiling", score->ceiling);
    cyf_json_text(&json, "better", cyf_measures[m].best);
    cyf_json_object_end(&json);
  }
  cyf_json_object_end(&json);
  json_memorisation(&json, e);
  json_labels(&json, &e->labels);
  json_settings(&json, e);
  cyf_json_object_end(&json);
  fputc('\n', stream);
  return check_stream(stream);
}
