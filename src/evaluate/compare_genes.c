/* SPDX-License-Identifier: MIT */
/* What needs gene moments only: detected genes, correlations of means and variances. */
#include "base/memory.h"
#include "evaluate/compared.h"
#include "evaluate/measures/metrics.h"

static cyf_status summarise(const cyf_part *part, const char *name, const cyf_gene_moments *moments,
                            cyf_set_summary *ret_summary) {
  const cyf_cells *cells = part->cells;
  ret_summary->n_cells = cells->matrix.n_cells;
  ret_summary->n_cells_in_file = cells->n_cells_in_file > 0 ? cells->n_cells_in_file : cells->matrix.n_cells;
  ret_summary->n_cells_used = part->rows.n_cells;
  double n_detected = 0.0;
  for (int64_t gene = 0; gene < moments->n_genes; gene++) n_detected += (double)moments->n_detected[gene];
  ret_summary->genes_per_cell = n_detected / (double)part->rows.n_cells;
  ret_summary->zero_fraction = 1.0 - ret_summary->genes_per_cell / (double)moments->n_genes;
  return cyf_strdup(name ? name : "", &ret_summary->name);
}

/* Lists the genes detected in at least min_cells cells. */
static cyf_status choose_genes(const int64_t *n_detected, cyf_evaluation *e) {
  CYF_TRY(CYF_NEW(&e->compared_gene, e->n_genes));
  for (int64_t gene = 0; gene < e->n_genes; gene++) {
    if (n_detected[gene] >= e->options.min_cells) e->compared_gene[e->n_genes_compared++] = gene;
  }
  return CYF_OK;
}

/* The moments of the genes compared. */
static cyf_status profile_create(const cyf_evaluation *e, const cyf_gene_moments *moments, cyf_gene_profile *profile) {
  CYF_TRY(CYF_NEW(&profile->mean, e->n_genes_compared));
  CYF_TRY(CYF_NEW(&profile->variance, e->n_genes_compared));
  for (int64_t k = 0; k < e->n_genes_compared; k++) {
    profile->mean[k] = moments->mean[e->compared_gene[k]];
    profile->variance[k] = moments->variance[e->compared_gene[k]];
  }
  return CYF_OK;
}

static cyf_status correlate(int64_t n, const cyf_gene_profile *a, const cyf_gene_profile *b, double *mean_spearman,
                            double *mean_pearson, double *variance_spearman, double *variance_pearson) {
  *mean_pearson = cyf_pearson(n, a->mean, b->mean);
  *variance_pearson = cyf_pearson(n, a->variance, b->variance);
  CYF_TRY(cyf_spearman(n, a->mean, b->mean, mean_spearman));
  return cyf_spearman(n, a->variance, b->variance, variance_spearman);
}

cyf_status cyf_compare_genes(const cyf_compared *c, cyf_evaluation *e) {
  cyf_status status = CYF_OK;
  const cyf_part *parts[3] = {&c->real, &c->synthetic, &c->ceiling};
  cyf_gene_profile *profiles[3] = {&e->real_genes, &e->synthetic_genes, &e->ceiling_genes};
  cyf_set_summary *summaries[3] = {&e->real, &e->synthetic, &e->ceiling};
  cyf_gene_moments moments[3] = {{0}, {0}, {0}}, all_train = {0};
  int n_sets = c->kind == CYF_CEILING_NONE ? 2 : 3;
  for (int s = 0; s < n_sets; s++) {
    CYF_TRY_CLEANUP(cyf_gene_moments_create(&parts[s]->rows, &moments[s]));
    CYF_TRY_CLEANUP(summarise(parts[s], parts[s]->cells->name, &moments[s], summaries[s]));
  }
  const int64_t *n_detected = moments[0].n_detected;
  if (c->train.cells) {
    CYF_TRY_CLEANUP(cyf_gene_moments_create(&c->train.rows, &all_train));
    n_detected = all_train.n_detected;
  }
  if (e->has_train) CYF_TRY_CLEANUP(summarise(&c->train, c->train.cells->name, &all_train, &e->train));
  CYF_TRY_CLEANUP(choose_genes(n_detected, e));
  for (int s = 0; s < n_sets; s++) CYF_TRY_CLEANUP(profile_create(e, &moments[s], profiles[s]));
  CYF_TRY_CLEANUP(correlate(e->n_genes_compared, profiles[0], profiles[1], &e->mean_spearman.value,
                            &e->mean_pearson.value, &e->variance_spearman.value, &e->variance_pearson.value));
  if (n_sets == 3) {
    CYF_TRY_CLEANUP(correlate(e->n_genes_compared, profiles[0], profiles[2], &e->mean_spearman.ceiling,
                              &e->mean_pearson.ceiling, &e->variance_spearman.ceiling, &e->variance_pearson.ceiling));
  }
cleanup:
  for (int s = 0; s < 3; s++) cyf_gene_moments_destroy(&moments[s]);
  cyf_gene_moments_destroy(&all_train);
  return status;
}
