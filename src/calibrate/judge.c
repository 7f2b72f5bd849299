/* SPDX-License-Identifier: MIT */
#include "calibrate/judge.h"

#include "base/memory.h"

enum { N_COMPONENTS = 50, EXACT_LIMIT = 1000, SEED = 0 };

static cyf_status project(const cyf_pca *pca, const cyf_csr_buffer *rows, double **ret_scores) {
  const cyf_csr matrix = cyf_csr_view(rows);
  cyf_rows list = {0};
  CYF_TRY(CYF_NEW(ret_scores, rows->n_cells * pca->n_components));
  CYF_TRY(cyf_rows_create(&matrix, NULL, 0, &list));
  const cyf_status status = cyf_pca_project(pca, &list, *ret_scores);
  cyf_rows_destroy(&list);
  return status;
}

static cyf_status fit_components(const cyf_csr_buffer *rows, cyf_pca *pca) {
  const cyf_csr matrix = cyf_csr_view(rows);
  cyf_rows list = {0};
  CYF_TRY(cyf_rows_create(&matrix, NULL, 0, &list));
  const cyf_status status = cyf_pca_fit(&list, N_COMPONENTS, EXACT_LIMIT, SEED, pca);
  cyf_rows_destroy(&list);
  return status;
}

/* Cells of a class go to the parts in turn. */
static cyf_status cut(const cyf_real_cells *cells, cyf_judge *j, int32_t *part) {
  for (int64_t i = 0; i < cells->rows.n_cells; i++) part[i] = (int32_t)(j->n_real[cells->code[i]]++ % CYF_JUDGE_FOLDS);
  return CYF_OK;
}

static cyf_status fit_folds(const cyf_real_cells *cells, const double *scores, const int32_t *part, cyf_judge *j) {
  const int64_t n = cells->rows.n_cells, n_dims = j->pca.n_components;
  int32_t *seen = NULL;
  cyf_status status = CYF_NEW(&seen, n);
  for (int f = 0; f < CYF_JUDGE_FOLDS && status == CYF_OK; f++) {
    for (int64_t i = 0; i < n; i++) seen[i] = part[i] == f ? -1 : cells->code[i];
    status = cyf_discriminant_fit(n, n_dims, scores, j->n_classes, seen, &j->fold[f]);
  }
  cyf_free(seen);
  CYF_TRY(status);
  for (int64_t i = 0; i < n; i++)
    j->real_right[cells->code[i]] += cyf_discriminant_class(&j->fold[part[i]], scores + i * n_dims) == cells->code[i];
  return CYF_OK;
}

cyf_status cyf_judge_fit(const cyf_real_cells *cells, int64_t n_classes, cyf_judge *j) {
  double *scores = NULL;
  int32_t *part = NULL;
  cyf_status status;
  j->n_classes = n_classes;
  CYF_TRY(CYF_NEW(&j->n_real, n_classes));
  CYF_TRY(CYF_NEW(&j->real_right, n_classes));
  CYF_TRY(fit_components(&cells->rows, &j->pca));
  CYF_TRY_CLEANUP(project(&j->pca, &cells->rows, &scores));
  CYF_TRY_CLEANUP(CYF_NEW(&part, cells->rows.n_cells));
  CYF_TRY_CLEANUP(cut(cells, j, part));
  status = fit_folds(cells, scores, part, j);
cleanup:
  cyf_free(scores);
  cyf_free(part);
  return status;
}

cyf_status cyf_judge_tell(const cyf_judge *j, const cyf_csr_buffer *rows, int64_t first, int32_t *code) {
  double *scores = NULL;
  const cyf_status status = project(&j->pca, rows, &scores);
  for (int64_t i = 0; i < rows->n_cells && status == CYF_OK; i++)
    code[i] = cyf_discriminant_class(&j->fold[(first + i) % CYF_JUDGE_FOLDS], scores + i * j->pca.n_components);
  cyf_free(scores);
  return status;
}

void cyf_judge_destroy(cyf_judge *j) {
  if (j == NULL) return;
  cyf_pca_destroy(&j->pca);
  for (int f = 0; f < CYF_JUDGE_FOLDS; f++) cyf_discriminant_destroy(&j->fold[f]);
  cyf_free(j->n_real);
  cyf_free(j->real_right);
}
