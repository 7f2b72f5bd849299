#include "evaluate/evaluate.h"

#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "evaluate/label_accuracy.h"
#include "evaluate/metrics.h"
#include "evaluate/pca.h"
#include "evaluate/rows.h"

/* What the comparison works on; ceiling cells stand where synthetic cells do, for the ceilings. */
typedef struct compared {
  cyf_rows real, synthetic, ceiling; /* ceiling empty (no rows) without training cells */
  int64_t *synthetic_subset;         /* rows of the synthetic matrix */
  int64_t n_subset;
} compared;

cyf_evaluate_options cyf_evaluate_defaults(void) {
  return (cyf_evaluate_options){.n_components = 50,
                                .pca_exact_limit = 4000,
                                .min_cells = 3,
                                .lisi_perplexity = 30.0,
                                .n_trees = 1000,
                                .tree_depth = 5,
                                .test_fraction = 0.25,
                                .logistic_l2 = 1.0,
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
  if (!(o->logistic_l2 > 0.0)) return CYF_FAIL(CYF_ERR_USAGE, "evaluate: L2 weight %g; valid: above 0", o->logistic_l2);
  return CYF_OK;
}

static void compared_destroy(compared *c) {
  cyf_rows_destroy(&c->real);
  cyf_rows_destroy(&c->synthetic);
  cyf_rows_destroy(&c->ceiling);
  cyf_free(c->synthetic_subset);
}

/* Draws equally many synthetic and training cells; leaves what was made to compared_destroy. */
static cyf_status draw_compared(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                                uint64_t seed, compared *c) {
  int64_t n = synthetic->matrix.n_cells;
  if (train && train->matrix.n_cells < n) n = train->matrix.n_cells;
  c->n_subset = n;
  CYF_TRY(cyf_choose(seed, CYF_USE_SYNTHETIC, synthetic->matrix.n_cells, n, &c->synthetic_subset));
  CYF_TRY(cyf_rows_create(&real->matrix, NULL, 0, &c->real));
  CYF_TRY(cyf_rows_create(&synthetic->matrix, c->synthetic_subset, n, &c->synthetic));
  if (!train) return CYF_OK;
  int64_t *subset = NULL;
  CYF_TRY(cyf_choose(seed, CYF_USE_TRAIN, train->matrix.n_cells, n, &subset));
  cyf_status status = cyf_rows_create(&train->matrix, subset, n, &c->ceiling);
  cyf_free(subset);
  return status;
}

static cyf_status summarise(const cyf_cells *cells, const cyf_rows *used, const cyf_gene_moments *moments,
                            cyf_set_summary *ret_summary) {
  ret_summary->n_cells = cells->matrix.n_cells;
  ret_summary->n_cells_in_file = cells->n_cells_in_file > 0 ? cells->n_cells_in_file : cells->matrix.n_cells;
  ret_summary->n_cells_used = used->n_cells;
  double n_detected = 0.0;
  for (int64_t gene = 0; gene < moments->n_genes; gene++) n_detected += (double)moments->n_detected[gene];
  ret_summary->genes_per_cell = n_detected / (double)used->n_cells;
  ret_summary->zero_fraction = 1.0 - ret_summary->genes_per_cell / (double)moments->n_genes;
  return cyf_strdup(cells->name ? cells->name : "", &ret_summary->name);
}

/* Copies the entries of the genes kept to the front. */
static void keep_genes(int64_t n_genes, const int64_t *n_detected, int64_t least, double *values) {
  for (int64_t gene = 0, kept = 0; gene < n_genes; gene++) {
    if (n_detected[gene] >= least) values[kept++] = values[gene];
  }
}

static cyf_status correlate(int64_t n, const cyf_gene_moments *a, const cyf_gene_moments *b, double *mean_spearman,
                            double *mean_pearson, double *variance_spearman, double *variance_pearson) {
  *mean_pearson = cyf_pearson(n, a->mean, b->mean);
  *variance_pearson = cyf_pearson(n, a->variance, b->variance);
  CYF_TRY(cyf_spearman(n, a->mean, b->mean, mean_spearman));
  return cyf_spearman(n, a->variance, b->variance, variance_spearman);
}

/* Everything that needs gene moments only. */
static cyf_status compare_genes(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                                const compared *c, int64_t min_cells, cyf_evaluation *e) {
  cyf_status status = CYF_OK;
  cyf_gene_moments a = {0}, b = {0}, t = {0}, all_train = {0};
  cyf_rows train_rows = {0};
  CYF_TRY_CLEANUP(cyf_gene_moments_create(&c->real, &a));
  CYF_TRY_CLEANUP(cyf_gene_moments_create(&c->synthetic, &b));
  CYF_TRY_CLEANUP(summarise(real, &c->real, &a, &e->real));
  CYF_TRY_CLEANUP(summarise(synthetic, &c->synthetic, &b, &e->synthetic));
  if (train) {
    CYF_TRY_CLEANUP(cyf_rows_create(&train->matrix, NULL, 0, &train_rows));
    CYF_TRY_CLEANUP(cyf_gene_moments_create(&train_rows, &all_train));
    CYF_TRY_CLEANUP(cyf_gene_moments_create(&c->ceiling, &t));
    CYF_TRY_CLEANUP(summarise(train, &c->ceiling, &t, &e->train));
  }
  const int64_t *n_detected = train ? all_train.n_detected : a.n_detected;
  cyf_gene_moments *sets[3] = {&a, &b, &t};
  for (int s = 0; s < (train ? 3 : 2); s++) {
    keep_genes(e->n_genes, n_detected, min_cells, sets[s]->mean);
    keep_genes(e->n_genes, n_detected, min_cells, sets[s]->variance);
  }
  for (int64_t gene = 0; gene < e->n_genes; gene++) e->n_genes_compared += n_detected[gene] >= min_cells;
  CYF_TRY_CLEANUP(correlate(e->n_genes_compared, &a, &b, &e->mean_spearman.value, &e->mean_pearson.value,
                            &e->variance_spearman.value, &e->variance_pearson.value));
  if (train) {
    CYF_TRY_CLEANUP(correlate(e->n_genes_compared, &a, &t, &e->mean_spearman.ceiling, &e->mean_pearson.ceiling,
                              &e->variance_spearman.ceiling, &e->variance_pearson.ceiling));
  }
cleanup:
  cyf_gene_moments_destroy(&a);
  cyf_gene_moments_destroy(&b);
  cyf_gene_moments_destroy(&t);
  cyf_gene_moments_destroy(&all_train);
  cyf_rows_destroy(&train_rows);
  return status;
}

/* The measures on joint principal components of two sets. */
typedef struct joint_scores {
  double mmd, ilisi, auc;
  int64_t n_components;
  bool randomised;
} joint_scores;

static cyf_status compare_jointly(const cyf_rows *a, const cyf_rows *b, const cyf_evaluate_options *options,
                                  joint_scores *ret_scores) {
  cyf_status status = CYF_OK;
  cyf_rows joint = {0};
  cyf_pca pca = {0};
  double *points = NULL, *lisi = NULL, sum = 0.0;
  int64_t n = a->n_cells + b->n_cells;
  CYF_TRY_CLEANUP(cyf_rows_stack(a, b, &joint));
  CYF_TRY_CLEANUP(cyf_pca_fit(&joint, options->n_components, options->pca_exact_limit, options->seed, &pca));
  CYF_TRY_CLEANUP(CYF_NEW(&points, n * pca.n_components));
  CYF_TRY_CLEANUP(CYF_NEW(&lisi, n));
  CYF_TRY_CLEANUP(cyf_pca_project(&pca, &joint, points));
  CYF_TRY_CLEANUP(cyf_mmd(a->n_cells, b->n_cells, pca.n_components, points, &ret_scores->mmd));
  ret_scores->ilisi = NAN;
  if (pca.n_components > 0) { /* where all cells are equal, none is nearer than another */
    CYF_TRY_CLEANUP(cyf_lisi(a->n_cells, b->n_cells, pca.n_components, points, options->lisi_perplexity, lisi));
    for (int64_t i = 0; i < n; i++) sum += lisi[i];
    ret_scores->ilisi = sum / (double)n;
  }
  cyf_forest_options forest = {.n_trees = options->n_trees, .depth = options->tree_depth, .seed = options->seed};
  CYF_TRY_CLEANUP(cyf_forest_auc(a->n_cells, b->n_cells, pca.n_components, points, options->test_fraction, &forest,
                                 &ret_scores->auc));
  ret_scores->n_components = pca.n_components;
  ret_scores->randomised = pca.randomised;
cleanup:
  cyf_rows_destroy(&joint);
  cyf_pca_destroy(&pca);
  cyf_free(points);
  cyf_free(lisi);
  return status;
}

static cyf_status fill_evaluation(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                                  const cyf_evaluate_options *options, compared *c, cyf_evaluation *e) {
  joint_scores value = {0}, ceiling = {.mmd = NAN, .ilisi = NAN, .auc = NAN};
  CYF_TRY(draw_compared(real, synthetic, train, options->seed, c));
  CYF_TRY(compare_genes(real, synthetic, train, c, options->min_cells, e));
  cyf_debug("evaluate: gene moments compared");
  CYF_TRY(compare_jointly(&c->real, &c->synthetic, options, &value));
  cyf_debug("evaluate: synthetic cells compared");
  if (train) CYF_TRY(compare_jointly(&c->real, &c->ceiling, options, &ceiling));
  cyf_debug("evaluate: ceilings computed");
  e->mmd = (cyf_score){value.mmd, ceiling.mmd};
  e->ilisi = (cyf_score){value.ilisi, ceiling.ilisi};
  e->auc = (cyf_score){value.auc, ceiling.auc};
  e->n_components = value.n_components;
  e->n_components_ceiling = ceiling.n_components;
  e->pca_randomised = value.randomised;
  return cyf_label_accuracy(real, synthetic, c->synthetic_subset, c->n_subset, train, options, &e->labels);
}

cyf_status cyf_evaluate(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                        const cyf_evaluate_options *options, cyf_evaluation *ret_evaluation) {
  const cyf_score none = {NAN, NAN};
  compared c = {0};
  *ret_evaluation = (cyf_evaluation){0};
  CYF_TRY(check_options(options));
  CYF_TRY(check_set("real", real, real));
  CYF_TRY(check_set("synthetic", synthetic, real));
  if (train) CYF_TRY(check_set("training", train, real));
  *ret_evaluation = (cyf_evaluation){.n_genes = real->matrix.n_genes,
                                     .mean_spearman = none,
                                     .mean_pearson = none,
                                     .variance_spearman = none,
                                     .variance_pearson = none,
                                     .mmd = none,
                                     .ilisi = none,
                                     .auc = none,
                                     .train = {.genes_per_cell = NAN, .zero_fraction = NAN},
                                     .options = *options};
  cyf_status status = fill_evaluation(real, synthetic, train, options, &c, ret_evaluation);
  compared_destroy(&c);
  if (status != CYF_OK) cyf_evaluation_destroy(ret_evaluation);
  return status;
}

void cyf_evaluation_destroy(cyf_evaluation *evaluation) {
  if (!evaluation) return;
  cyf_free(evaluation->real.name);
  cyf_free(evaluation->synthetic.name);
  cyf_free(evaluation->train.name);
  cyf_label_scores_destroy(&evaluation->labels);
  *evaluation = (cyf_evaluation){0};
}
