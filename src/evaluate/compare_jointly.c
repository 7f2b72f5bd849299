/* SPDX-License-Identifier: MIT */
/* The measures on joint principal components: MMD, iLISI, the real-or-synthetic forest. */
#include <math.h>

#include "base/memory.h"
#include "evaluate/compared.h"
#include "evaluate/measures/metrics.h"

typedef struct joint_scores {
  double mmd, ilisi, auc;
} joint_scores;

/* Fits the components of a and b together; *ret_points [n_a + n_b, n_components] and *ret_pca are the caller's. */
static cyf_status compare_two(const cyf_rows *a, const cyf_rows *b, const cyf_evaluate_options *options,
                              cyf_pca *ret_pca, double **ret_points, joint_scores *ret_scores) {
  cyf_status status = CYF_OK;
  cyf_rows joint = {0};
  double *lisi = NULL, sum = 0.0;
  int64_t n = a->n_cells + b->n_cells;
  *ret_points = NULL;
  CYF_TRY_CLEANUP(cyf_rows_stack(a, b, &joint));
  CYF_TRY_CLEANUP(cyf_pca_fit(&joint, options->n_components, options->pca_exact_limit, options->seed, ret_pca));
  int64_t n_dims = ret_pca->n_components;
  CYF_TRY_CLEANUP(CYF_NEW(ret_points, n * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&lisi, n));
  CYF_TRY_CLEANUP(cyf_pca_project(ret_pca, &joint, *ret_points));
  CYF_TRY_CLEANUP(cyf_mmd(a->n_cells, b->n_cells, n_dims, *ret_points, &ret_scores->mmd));
  ret_scores->ilisi = NAN;
  if (n_dims > 0) { /* where all cells are equal, none is nearer than another */
    CYF_TRY_CLEANUP(cyf_lisi(a->n_cells, b->n_cells, n_dims, *ret_points, options->lisi_perplexity, lisi));
    for (int64_t i = 0; i < n; i++) sum += lisi[i];
    ret_scores->ilisi = sum / (double)n;
  }
  cyf_forest_options forest = {.n_trees = options->n_trees, .depth = options->tree_depth, .seed = options->seed};
  CYF_TRY_CLEANUP(
      cyf_forest_auc(a->n_cells, b->n_cells, n_dims, *ret_points, options->test_fraction, &forest, &ret_scores->auc));
cleanup:
  cyf_rows_destroy(&joint);
  cyf_free(lisi);
  return status;
}

/* The ceiling cells on the components of the real and synthetic ones, to be drawn beside them. */
static cyf_status project_ceiling(const cyf_compared *c, cyf_evaluation *e) {
  CYF_TRY(CYF_NEW(&e->joint.ceiling_points, c->ceiling.rows.n_cells * e->joint.pca.n_components));
  return cyf_pca_project(&e->joint.pca, &c->ceiling.rows, e->joint.ceiling_points);
}

cyf_status cyf_compare_jointly(const cyf_compared *c, double **ret_ceiling_points, cyf_evaluation *e) {
  joint_scores value = {0}, ceiling = {.mmd = NAN, .ilisi = NAN, .auc = NAN};
  *ret_ceiling_points = NULL;
  CYF_TRY(compare_two(&c->real.rows, &c->synthetic.rows, &e->options, &e->joint.pca, &e->joint.points, &value));
  e->joint.n_real = c->real.rows.n_cells;
  e->joint.n_synthetic = c->synthetic.rows.n_cells;
  e->n_components = e->joint.pca.n_components;
  e->pca_randomised = e->joint.pca.randomised;
  if (c->kind != CYF_CEILING_NONE) {
    cyf_pca pca = {0};
    cyf_status status = compare_two(&c->real.rows, &c->ceiling.rows, &e->options, &pca, ret_ceiling_points, &ceiling);
    e->joint.n_ceiling = c->ceiling.rows.n_cells;
    e->n_components_ceiling = pca.n_components;
    cyf_pca_destroy(&pca);
    if (status != CYF_OK) return status;
    CYF_TRY(project_ceiling(c, e));
  }
  e->mmd = (cyf_score){value.mmd, ceiling.mmd};
  e->ilisi = (cyf_score){value.ilisi, ceiling.ilisi};
  e->auc = (cyf_score){value.auc, ceiling.auc};
  return CYF_OK;
}
