/* SPDX-License-Identifier: MIT */
#include "evaluate/measures/label_accuracy.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluate/measures/metrics.h"

/* The points of the cells that have a class, and those classes; both freed by the caller. */
static cyf_status gather(int64_t n_cells, int64_t n_dims, const double *points, const cyf_class_codes *codes,
                         double **ret_points, int32_t **ret_codes) {
  CYF_TRY(CYF_NEW(ret_points, codes->n * n_dims));
  CYF_TRY(CYF_NEW(ret_codes, codes->n));
  int64_t at = 0;
  for (int64_t i = 0; i < n_cells; i++) {
    if (codes->code[i] < 0) continue;
    memcpy(*ret_points + at * n_dims, points + i * n_dims, (size_t)n_dims * sizeof(double));
    (*ret_codes)[at++] = codes->code[i];
  }
  return CYF_OK;
}

/* Share of a set's cells that get their own label, overall and by class. count and accuracy are [n_classes]. */
static cyf_status score_set(int64_t n_cells, const double *all_points, const cyf_class_codes *codes,
                            const cyf_logistic *model, int64_t *count, double *accuracy, double *ret_accuracy,
                            double *ret_balanced) {
  cyf_status status = CYF_OK;
  double *points = NULL, sum = 0.0;
  int32_t *own = NULL, *predicted = NULL;
  int64_t n_correct = 0, n_present = 0;
  CYF_TRY_CLEANUP(gather(n_cells, model->n_dims, all_points, codes, &points, &own));
  CYF_TRY_CLEANUP(CYF_NEW(&predicted, codes->n));
  CYF_TRY_CLEANUP(cyf_logistic_predict(model, codes->n, points, predicted));
  for (int64_t i = 0; i < codes->n; i++) {
    count[own[i]]++;
    accuracy[own[i]] += predicted[i] == own[i];
    n_correct += predicted[i] == own[i];
  }
  for (int64_t c = 0; c < model->n_classes; c++) {
    accuracy[c] = count[c] > 0 ? accuracy[c] / (double)count[c] : NAN;
    if (count[c] == 0) continue;
    sum += accuracy[c];
    n_present++;
  }
  *ret_accuracy = codes->n > 0 ? (double)n_correct / (double)codes->n : NAN;
  *ret_balanced = n_present > 0 ? sum / (double)n_present : NAN;
cleanup:
  cyf_free(points);
  cyf_free(own);
  cyf_free(predicted);
  return status;
}

cyf_status cyf_label_accuracy(const cyf_compared *compared, const cyf_train_space *space,
                              const cyf_class_codes codes[3], const cyf_evaluate_options *options,
                              cyf_label_scores *scores) {
  cyf_status status = CYF_OK;
  cyf_logistic model = {0};
  double *points = NULL, *accuracy = NULL;
  int32_t *own = NULL;
  int64_t *count = NULL, n_classes = scores->n_classes;
  CYF_TRY_CLEANUP(gather(compared->train.rows.n_cells, space->n_components, space->train, &codes[0], &points, &own));
  CYF_TRY_CLEANUP(
      cyf_logistic_fit(codes[0].n, space->n_components, points, n_classes, own, options->logistic_l2, &model));
  CYF_TRY_CLEANUP(CYF_NEW(&count, 2 * n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&accuracy, 2 * n_classes));
  CYF_TRY_CLEANUP(score_set(compared->real.rows.n_cells, space->real, &codes[1], &model, count, accuracy,
                            &scores->accuracy_real, &scores->balanced_real));
  CYF_TRY_CLEANUP(score_set(compared->synthetic.rows.n_cells, space->synthetic, &codes[2], &model, count + n_classes,
                            accuracy + n_classes, &scores->accuracy_synthetic, &scores->balanced_synthetic));
  scores->accuracy_ratio = scores->accuracy_real > 0.0 ? scores->accuracy_synthetic / scores->accuracy_real : NAN;
  for (int64_t i = 0; i < codes[0].n; i++) scores->classes[own[i]].n_train++;
  for (int64_t c = 0; c < n_classes; c++) {
    scores->classes[c].n_real = count[c];
    scores->classes[c].n_synthetic = count[n_classes + c];
    scores->classes[c].accuracy = (cyf_score){accuracy[n_classes + c], accuracy[c]};
  }
cleanup:
  cyf_logistic_destroy(&model);
  cyf_free(points);
  cyf_free(own);
  cyf_free(accuracy);
  cyf_free(count);
  return status;
}
