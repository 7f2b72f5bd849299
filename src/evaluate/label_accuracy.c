#include "evaluate/label_accuracy.h"

#include <math.h>

#include "base/memory.h"
#include "evaluate/metrics.h"
#include "evaluate/pca.h"

/* The labelled cells of one set, with classes numbered as in scores->classes. */
typedef struct labelled {
  int64_t n, n_unknown;
  int64_t *cell;       /* [n] rows of the set's matrix */
  int32_t *class_code; /* [n] */
} labelled;

static void labelled_destroy(labelled *set) {
  cyf_free(set->cell);
  cyf_free(set->class_code);
}

void cyf_label_scores_destroy(cyf_label_scores *scores) {
  if (!scores) return;
  for (int64_t c = 0; c < scores->n_classes; c++) cyf_free(scores->classes[c].name);
  cyf_free(scores->classes);
  cyf_free(scores->note);
  cyf_free(scores->attribute);
  *scores = (cyf_label_scores){0};
}

/* Makes a class of each training category that has a cell. */
static cyf_status list_classes(const cyf_label_column *train, cyf_label_scores *scores) {
  cyf_status status = CYF_OK;
  int64_t *count = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&count, train->categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&scores->classes, train->categories.n));
  for (int64_t i = 0; i < train->n_cells; i++) {
    if (train->code[i] >= 0) count[train->code[i]]++;
  }
  for (int64_t category = 0; category < train->categories.n; category++) {
    if (count[category] == 0) continue;
    CYF_TRY_CLEANUP(cyf_strdup(train->categories.name[category], &scores->classes[scores->n_classes].name));
    scores->n_classes++;
  }
cleanup:
  cyf_free(count);
  return status;
}

/* Gathers the cells of a set (subset NULL: all) whose label is one of the classes. */
static cyf_status gather(const cyf_cells *cells, const int64_t *subset, int64_t n_subset,
                         const cyf_label_scores *scores, labelled *ret_set) {
  cyf_status status = CYF_OK;
  const cyf_label_column *labels = cells->labels;
  int64_t n = subset ? n_subset : cells->matrix.n_cells;
  int32_t *class_of_category = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&class_of_category, labels->categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_set->cell, n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_set->class_code, n));
  for (int64_t category = 0; category < labels->categories.n; category++) class_of_category[category] = -1;
  for (int64_t c = 0; c < scores->n_classes; c++) {
    int64_t category = cyf_names_find(&labels->categories, scores->classes[c].name);
    if (category >= 0) class_of_category[category] = (int32_t)c;
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t cell = subset ? subset[i] : i;
    if (labels->code[cell] < 0) continue;
    int32_t code = class_of_category[labels->code[cell]];
    if (code < 0) {
      ret_set->n_unknown++;
    } else {
      ret_set->cell[ret_set->n] = cell;
      ret_set->class_code[ret_set->n++] = code;
    }
  }
cleanup:
  cyf_free(class_of_category);
  return status;
}

/* The cells' scores on the components; *ret_points [n, n_components] is freed with cyf_free. */
static cyf_status project(const cyf_cells *cells, const labelled *set, const cyf_pca *pca, double **ret_points) {
  cyf_rows rows = {0};
  *ret_points = NULL;
  cyf_status status = cyf_rows_create(&cells->matrix, set->cell, set->n, &rows);
  if (status == CYF_OK) status = CYF_NEW(ret_points, set->n * pca->n_components);
  if (status == CYF_OK) status = cyf_pca_project(pca, &rows, *ret_points);
  cyf_rows_destroy(&rows);
  return status;
}

/* Share of a set's cells that get their own label, overall and by class. count and accuracy are [n_classes]. */
static cyf_status score_set(const cyf_cells *cells, const labelled *set, const cyf_pca *pca, const cyf_logistic *model,
                            int64_t *count, double *accuracy, double *ret_accuracy, double *ret_balanced) {
  cyf_status status = CYF_OK;
  double *points = NULL, sum = 0.0;
  int32_t *predicted = NULL;
  int64_t n_correct = 0, n_present = 0;
  CYF_TRY_CLEANUP(project(cells, set, pca, &points));
  CYF_TRY_CLEANUP(CYF_NEW(&predicted, set->n));
  CYF_TRY_CLEANUP(cyf_logistic_predict(model, set->n, points, predicted));
  for (int64_t i = 0; i < set->n; i++) {
    count[set->class_code[i]]++;
    accuracy[set->class_code[i]] += predicted[i] == set->class_code[i];
    n_correct += predicted[i] == set->class_code[i];
  }
  for (int64_t c = 0; c < model->n_classes; c++) {
    accuracy[c] = count[c] > 0 ? accuracy[c] / (double)count[c] : NAN;
    if (count[c] == 0) continue;
    sum += accuracy[c];
    n_present++;
  }
  *ret_accuracy = set->n > 0 ? (double)n_correct / (double)set->n : NAN;
  *ret_balanced = n_present > 0 ? sum / (double)n_present : NAN;
cleanup:
  cyf_free(points);
  cyf_free(predicted);
  return status;
}

/* Fits on set 0 (train), scores sets 1 (real) and 2 (synthetic). */
static cyf_status fit_and_score(const cyf_cells *const cells[3], const labelled set[3],
                                const cyf_evaluate_options *options, cyf_label_scores *scores) {
  cyf_status status = CYF_OK;
  cyf_pca pca = {0};
  cyf_rows rows = {0};
  cyf_logistic model = {0};
  double *points = NULL, *accuracy = NULL;
  int64_t *count = NULL, n_classes = scores->n_classes;
  CYF_TRY_CLEANUP(cyf_rows_create(&cells[0]->matrix, set[0].cell, set[0].n, &rows));
  CYF_TRY_CLEANUP(cyf_pca_fit(&rows, options->n_components, options->pca_exact_limit, options->seed, &pca));
  CYF_TRY_CLEANUP(project(cells[0], &set[0], &pca, &points));
  CYF_TRY_CLEANUP(
      cyf_logistic_fit(set[0].n, pca.n_components, points, n_classes, set[0].class_code, options->logistic_l2, &model));
  CYF_TRY_CLEANUP(CYF_NEW(&count, 2 * n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&accuracy, 2 * n_classes));
  CYF_TRY_CLEANUP(
      score_set(cells[1], &set[1], &pca, &model, count, accuracy, &scores->accuracy_real, &scores->balanced_real));
  CYF_TRY_CLEANUP(score_set(cells[2], &set[2], &pca, &model, count + n_classes, accuracy + n_classes,
                            &scores->accuracy_synthetic, &scores->balanced_synthetic));
  scores->accuracy_ratio = scores->accuracy_real > 0.0 ? scores->accuracy_synthetic / scores->accuracy_real : NAN;
  for (int64_t i = 0; i < set[0].n; i++) scores->classes[set[0].class_code[i]].n_train++;
  for (int64_t c = 0; c < n_classes; c++) {
    scores->classes[c].n_real = count[c];
    scores->classes[c].accuracy_real = accuracy[c];
    scores->classes[c].n_synthetic = count[n_classes + c];
    scores->classes[c].accuracy_synthetic = accuracy[n_classes + c];
  }
  scores->available = true;
cleanup:
  cyf_pca_destroy(&pca);
  cyf_rows_destroy(&rows);
  cyf_logistic_destroy(&model);
  cyf_free(points);
  cyf_free(accuracy);
  cyf_free(count);
  return status;
}

static const char *shown_name(const cyf_cells *cells) {
  return cells->name ? cells->name : "a set";
}

/* Sets the note where a set has no labels. */
static cyf_status note_missing(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                               cyf_label_scores *scores) {
  const cyf_cells *sets[3] = {real, synthetic, train};
  if (!train) return cyf_strdup("no training cells were given", &scores->note);
  for (int s = 0; s < 3; s++) {
    if (sets[s]->labels) continue;
    if (sets[s]->label_note) return cyf_strdup(sets[s]->label_note, &scores->note);
    return cyf_format(&scores->note, "%s has no labels", shown_name(sets[s]));
  }
  return CYF_OK;
}

cyf_status cyf_label_accuracy(const cyf_cells *real, const cyf_cells *synthetic, const int64_t *synthetic_subset,
                              int64_t n_subset, const cyf_cells *train, const cyf_evaluate_options *options,
                              cyf_label_scores *ret_scores) {
  cyf_status status = CYF_OK;
  const cyf_cells *const cells[3] = {train, real, synthetic};
  labelled set[3] = {{0}, {0}, {0}};
  *ret_scores = (cyf_label_scores){.accuracy_real = NAN,
                                   .accuracy_synthetic = NAN,
                                   .accuracy_ratio = NAN,
                                   .balanced_real = NAN,
                                   .balanced_synthetic = NAN};
  CYF_TRY_CLEANUP(note_missing(real, synthetic, train, ret_scores));
  if (ret_scores->note) return CYF_OK;
  CYF_TRY_CLEANUP(cyf_strdup(train->labels->attribute ? train->labels->attribute : "label", &ret_scores->attribute));
  CYF_TRY_CLEANUP(list_classes(train->labels, ret_scores));
  if (ret_scores->n_classes < 2) {
    CYF_TRY_CLEANUP(cyf_format(&ret_scores->note, "%s: '%s' has %lld class%s among the training cells, two are needed",
                               shown_name(train), ret_scores->attribute, (long long)ret_scores->n_classes,
                               ret_scores->n_classes == 1 ? "" : "es"));
    goto cleanup;
  }
  for (int s = 0; s < 3; s++) {
    CYF_TRY_CLEANUP(gather(cells[s], s == 2 ? synthetic_subset : NULL, n_subset, ret_scores, &set[s]));
  }
  ret_scores->n_train = set[0].n;
  ret_scores->n_real = set[1].n;
  ret_scores->n_synthetic = set[2].n;
  ret_scores->n_unknown_real = set[1].n_unknown;
  ret_scores->n_unknown_synthetic = set[2].n_unknown;
  CYF_TRY_CLEANUP(fit_and_score(cells, set, options, ret_scores));
cleanup:
  for (int s = 0; s < 3; s++) labelled_destroy(&set[s]);
  if (status != CYF_OK) cyf_label_scores_destroy(ret_scores);
  return status;
}
