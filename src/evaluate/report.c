/* The result as a table for people and as JSON. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "evaluate/evaluate.h"

/* One line of the table and one member of "scores" in JSON. */
typedef struct measure {
  const char *key;
  const char *title;
  size_t offset; /* of the cyf_score */
  const char *best;
} measure;

static const measure MEASURES[] = {
    {"gene_mean_spearman", "gene means, Spearman", offsetof(cyf_evaluation, mean_spearman), "higher (1: same order)"},
    {"gene_mean_pearson", "gene means, Pearson", offsetof(cyf_evaluation, mean_pearson), "higher (1: same)"},
    {"gene_variance_spearman", "gene variances, Spearman", offsetof(cyf_evaluation, variance_spearman),
     "higher (1: same order)"},
    {"gene_variance_pearson", "gene variances, Pearson", offsetof(cyf_evaluation, variance_pearson),
     "higher (1: same)"},
    {"mmd", "maximum mean discrepancy", offsetof(cyf_evaluation, mmd), "lower (0: same)"},
    {"ilisi", "integration LISI", offsetof(cyf_evaluation, ilisi), "higher (1: apart, 2: mixed)"},
    {"real_or_synthetic_auc", "real-or-synthetic AUC", offsetof(cyf_evaluation, auc), "nearer 0.5 (1: told apart)"},
};
enum { N_MEASURES = sizeof(MEASURES) / sizeof(MEASURES[0]) };

static const cyf_score *score_of(const cyf_evaluation *e, const measure *m) {
  return (const cyf_score *)((const char *)e + m->offset);
}

/* A number in a column of 11, "-" where not available. */
static void print_number(FILE *stream, double value) {
  if (isnan(value)) {
    fprintf(stream, " %11s", "-");
  } else if (value != 0.0 && fabs(value) < 1e-3) {
    fprintf(stream, " %11.2e", value);
  } else if (fabs(value) >= 100.0) {
    fprintf(stream, " %11.1f", value);
  } else {
    fprintf(stream, " %11.4f", value);
  }
}

static void print_row(FILE *stream, const char *title, double value, double ceiling, const char *best) {
  fprintf(stream, "%-26s", title);
  print_number(stream, value);
  print_number(stream, ceiling);
  fprintf(stream, "  %s\n", best);
}

static void print_set(FILE *stream, const char *what, const cyf_set_summary *set) {
  if (set->n_cells == 0) return;
  fprintf(stream, "%-10s %s: %lld cells", what, set->name, (long long)set->n_cells);
  if (set->n_cells_in_file > set->n_cells) fprintf(stream, " (a random part of %lld)", (long long)set->n_cells_in_file);
  if (set->n_cells_used < set->n_cells) fprintf(stream, ", %lld of them compared", (long long)set->n_cells_used);
  fputc('\n', stream);
}

static void print_expression(FILE *stream, const cyf_evaluation *e) {
  fprintf(stream, "\n%-26s %11s %11s %11s\n", "expression", "synthetic", "train", "real");
  const struct {
    const char *title;
    double value[3];
  } rows[] = {
      {"detected genes a cell", {e->synthetic.genes_per_cell, e->train.genes_per_cell, e->real.genes_per_cell}},
      {"fraction of zeros", {e->synthetic.zero_fraction, e->train.zero_fraction, e->real.zero_fraction}},
  };
  for (int r = 0; r < 2; r++) {
    fprintf(stream, "%-26s", rows[r].title);
    for (int k = 0; k < 3; k++) print_number(stream, rows[r].value[k]);
    fputc('\n', stream);
  }
}

static void print_labels(FILE *stream, const cyf_label_scores *l) {
  if (!l->available) {
    fprintf(stream, "\nlabel accuracy is not available: %s\n", l->note ? l->note : "no labels");
    return;
  }
  fprintf(stream,
          "\nlabels: '%s', predicted by logistic regression on the training cells; the ceiling is the real cells' "
          "accuracy\n",
          l->attribute);
  print_row(stream, "label accuracy", l->accuracy_synthetic, l->accuracy_real, "higher");
  print_row(stream, "  mean over classes", l->balanced_synthetic, l->balanced_real, "higher");
  print_row(stream, "  synthetic / real", l->accuracy_ratio, 1.0, "nearer 1");
  if (l->n_unknown_real + l->n_unknown_synthetic > 0) {
    fprintf(stream, "left out, with labels no training cell has: %lld real, %lld synthetic cells\n",
            (long long)l->n_unknown_real, (long long)l->n_unknown_synthetic);
  }
  fprintf(stream, "\n%-26s %11s %11s %11s %11s %11s\n", "class", "synthetic", "real", "n synthetic", "n real",
          "n train");
  for (int64_t c = 0; c < l->n_classes; c++) {
    const cyf_class_score *k = &l->classes[c];
    fprintf(stream, "%-26s", k->name);
    print_number(stream, k->accuracy_synthetic);
    print_number(stream, k->accuracy_real);
    fprintf(stream, " %11lld %11lld %11lld\n", (long long)k->n_synthetic, (long long)k->n_real, (long long)k->n_train);
  }
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
  fprintf(stream, "genes      %lld, %lld of them in correlations (detected in at least %lld %s cells)\n",
          (long long)e->n_genes, (long long)e->n_genes_compared, (long long)e->options.min_cells,
          e->train.n_cells > 0 ? "training" : "real");
  fprintf(stream, "components %lld, joint, by %s\n\n", (long long)e->n_components,
          e->pca_randomised ? "randomised subspace iteration" : "exact eigenvectors");
  fprintf(stream, "%-26s %11s %11s  %s\n", "measure", "value", "ceiling", "better");
  for (int m = 0; m < N_MEASURES; m++) {
    print_row(stream, MEASURES[m].title, score_of(e, &MEASURES[m])->value, score_of(e, &MEASURES[m])->ceiling,
              MEASURES[m].best);
  }
  if (e->train.n_cells > 0) {
    fprintf(stream, "ceiling: the same measure for %lld training cells in place of the %lld synthetic cells\n",
            (long long)e->train.n_cells_used, (long long)e->synthetic.n_cells_used);
  } else {
    fprintf(stream, "ceilings need training cells\n");
  }
  print_expression(stream, e);
  print_labels(stream, &e->labels);
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
    cyf_json_real(json, "accuracy_real", l->classes[c].accuracy_real);
    cyf_json_real(json, "accuracy_synthetic", l->classes[c].accuracy_synthetic);
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
  cyf_json_int(&json, "n_genes", e->n_genes);
  cyf_json_int(&json, "n_genes_compared", e->n_genes_compared);
  cyf_json_object_begin(&json, "scores");
  for (int m = 0; m < N_MEASURES; m++) {
    cyf_json_object_begin(&json, MEASURES[m].key);
    cyf_json_real(&json, "value", score_of(e, &MEASURES[m])->value);
    cyf_json_real(&json, "ceiling", score_of(e, &MEASURES[m])->ceiling);
    cyf_json_text(&json, "better", MEASURES[m].best);
    cyf_json_object_end(&json);
  }
  cyf_json_object_end(&json);
  json_labels(&json, &e->labels);
  json_settings(&json, e);
  cyf_json_object_end(&json);
  fputc('\n', stream);
  return check_stream(stream);
}
