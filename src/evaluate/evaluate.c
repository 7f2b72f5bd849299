/* SPDX-License-Identifier: MIT */
#include "evaluate/evaluate.h"

#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "evaluate/measures/label_accuracy.h"

cyf_evaluate_options cyf_evaluate_defaults(void) {
  return (cyf_evaluate_options){.n_components = 50,
                                .pca_exact_limit = 2000,
                                .min_cells = 3,
                                .lisi_perplexity = 30.0,
                                .n_trees = 1000,
                                .tree_depth = 5,
                                .test_fraction = 0.25,
                                .logistic_l2 = 1.0,
                                .n_markers = 50,
                                .ceiling = CYF_CEILING_AUTO,
                                .seed = 0};
}

static cyf_status check_set(const char *what, const cyf_cells *cells, const cyf_cells *real) {
  const char *name = cells->name ? cells->name : "?";
  if (cells->matrix.n_cells < 1) return CYF_FAIL(CYF_ERR_INPUT, "evaluate: the %s cells (%s) are none", what, name);
  if (cells->matrix.n_genes != real->matrix.n_genes || cells->matrix.n_genes < 1) {
    return CYF_FAIL(CYF_ERR_INPUT,
                    "evaluate: the %s cells (%s) have %lld genes, the real cells %lld; valid: the same, 1 or more",
                    what, name, (long long)cells->matrix.n_genes, (long long)real->matrix.n_genes);
  }
  if (cells->labels && cells->labels->n_cells != cells->matrix.n_cells) {
    return CYF_FAIL(CYF_ERR_INPUT, "evaluate: the %s cells (%s) have %lld labels for %lld cells", what, name,
                    (long long)cells->labels->n_cells, (long long)cells->matrix.n_cells);
  }
  return CYF_OK;
}

static cyf_status check_options(const cyf_evaluate_options *o) {
  if (o->n_components < 1)
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: %lld components; valid: 1 or more", (long long)o->n_components);
  if (!(o->lisi_perplexity >= 1.0 && o->lisi_perplexity <= 1e6)) {
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: iLISI perplexity %g; valid: 1 to 1e6", o->lisi_perplexity);
  }
  if (o->n_trees < 1 || o->n_trees > 100000 || o->tree_depth < 1 || o->tree_depth > 10) {
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: %lld trees of depth %lld; valid: 1 to 100000 trees of depth 1 to 10",
                    (long long)o->n_trees, (long long)o->tree_depth);
  }
  if (!(o->test_fraction > 0.0 && o->test_fraction < 1.0)) {
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: test fraction %g; valid: between 0 and 1", o->test_fraction);
  }
  if (o->n_markers < 1)
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: %lld marker genes; valid: 1 or more", (long long)o->n_markers);
  if (!(o->logistic_l2 > 0.0)) return CYF_FAIL(CYF_ERR_USAGE, "evaluate: L2 weight %g; valid: above 0", o->logistic_l2);
  return CYF_OK;
}

/* Runs every comparison on the cells drawn. */
static cyf_status fill_evaluation(const cyf_compared *c, cyf_train_space *space, double **ceiling_points,
                                  cyf_evaluation *e) {
  e->ceiling_kind = c->kind;
  CYF_TRY(cyf_compare_genes(c, e));
  cyf_debug("evaluate: gene moments compared");
  CYF_TRY(cyf_compare_jointly(c, ceiling_points, e));
  cyf_debug("evaluate: joint components compared");
  if (e->options.protocol == CYF_PROTOCOL_GENERATION) CYF_TRY(cyf_compare_clouds(c, *ceiling_points, e));
  CYF_TRY(cyf_train_space_create(c, &e->options, space));
  cyf_debug("evaluate: training cells' components found");
  CYF_TRY(cyf_compare_nearest(c, space, e));
  cyf_debug("evaluate: nearest training cells found");
  return cyf_compare_labels(c, space, *ceiling_points, e);
}

/* A result without any measure yet. */
static cyf_evaluation nothing_measured(const cyf_cells *real, bool has_train, const cyf_evaluate_options *options) {
  const cyf_score none = {NAN, NAN};
  const cyf_set_summary absent = {.genes_per_cell = NAN, .zero_fraction = NAN};
  return (cyf_evaluation){
      .n_genes = real->matrix.n_genes,
      .has_train = has_train,
      .mean_spearman = none,
      .mean_pearson = none,
      .variance_spearman = none,
      .variance_pearson = none,
      .mmd = none,
      .ilisi = none,
      .auc = none,
      .energy = none,
      .nearest_accuracy = none,
      .precision = none,
      .recall = none,
      .detected_wasserstein = none,
      .detected_ks = none,
      .train = absent,
      .ceiling = absent,
      .memorisation = {.distance_synthetic = NAN, .distance_real = NAN, .ratio = none, .copied = none},
      .labels = {.accuracy_real = NAN,
                 .accuracy_synthetic = NAN,
                 .accuracy_ratio = NAN,
                 .balanced_real = NAN,
                 .balanced_synthetic = NAN,
                 .markers = none},
      .options = *options};
}

cyf_status cyf_evaluate(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                        const cyf_evaluate_options *options, cyf_evaluation *ret_evaluation) {
  cyf_status status = CYF_OK;
  cyf_compared compared = {0};
  cyf_train_space space = {0};
  double *ceiling_points = NULL;
  *ret_evaluation = (cyf_evaluation){0};
  CYF_TRY(check_options(options));
  CYF_TRY(check_set("real", real, real));
  CYF_TRY(check_set("synthetic", synthetic, real));
  if (train) CYF_TRY(check_set("training", train, real));
  *ret_evaluation = nothing_measured(real, train != NULL, options);
  CYF_TRY_CLEANUP(cyf_compared_create(real, synthetic, train, options, &compared));
  CYF_TRY_CLEANUP(fill_evaluation(&compared, &space, &ceiling_points, ret_evaluation));
cleanup:
  cyf_compared_destroy(&compared);
  cyf_train_space_destroy(&space);
  cyf_free(ceiling_points);
  if (status != CYF_OK) cyf_evaluation_destroy(ret_evaluation);
  return status;
}

static void profile_destroy(cyf_gene_profile *profile) {
  cyf_free(profile->mean);
  cyf_free(profile->variance);
}

void cyf_evaluation_destroy(cyf_evaluation *evaluation) {
  if (!evaluation) return;
  cyf_free(evaluation->real.name);
  cyf_free(evaluation->synthetic.name);
  cyf_free(evaluation->train.name);
  cyf_free(evaluation->ceiling.name);
  cyf_label_scores_destroy(&evaluation->labels);
  profile_destroy(&evaluation->real_genes);
  profile_destroy(&evaluation->synthetic_genes);
  profile_destroy(&evaluation->ceiling_genes);
  cyf_free(evaluation->compared_gene);
  cyf_pca_destroy(&evaluation->joint.pca);
  cyf_free(evaluation->joint.points);
  cyf_free(evaluation->joint.ceiling_points);
  cyf_free(evaluation->joint.class_of_real);
  cyf_free(evaluation->joint.class_of_synthetic);
  *evaluation = (cyf_evaluation){0};
}
