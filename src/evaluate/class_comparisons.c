/* SPDX-License-Identifier: MIT */
/* Gene means, MMD and marker genes of each class. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluate/measures/label_accuracy.h"
#include "evaluate/measures/markers.h"
#include "evaluate/measures/metrics.h"

/* Fewer cells of a class than this have no mean worth comparing. */
enum { LEAST_CLASS_CELLS = 10 };

/* Some cells of one class: their numbers within the part. */
typedef struct members {
  int64_t n;
  int64_t *cell;
} members;

/* n of the part's cells of a class, drawn by (seed, use); n < 0: all. The caller frees ret_members->cell. */
static cyf_status draw_members(const cyf_part *part, const cyf_class_codes *codes, int32_t class_code, uint64_t seed,
                               uint32_t use, int64_t n, members *ret_members) {
  cyf_status status = CYF_OK;
  int64_t *chosen = NULL, n_class = 0;
  CYF_TRY_CLEANUP(CYF_NEW(&ret_members->cell, codes->n));
  for (int64_t i = 0; i < part->rows.n_cells; i++) {
    if (codes->code[i] == class_code) ret_members->cell[n_class++] = i;
  }
  ret_members->n = n_class;
  if (n < 0 || n >= n_class) goto cleanup;
  CYF_TRY_CLEANUP(cyf_choose(seed, use, n_class, n, &chosen));
  for (int64_t i = 0; i < n; i++) ret_members->cell[i] = ret_members->cell[chosen[i]]; /* chosen[i] >= i */
  ret_members->n = n;
cleanup:
  cyf_free(chosen);
  return status;
}

/* The members' means of the compared genes, a fresh array. */
static cyf_status class_means(const cyf_part *part, const members *m, const cyf_evaluation *e, double **ret_mean) {
  cyf_status status = CYF_OK;
  cyf_rows rows = {.n_cells = m->n, .n_genes = part->rows.n_genes};
  cyf_gene_moments moments = {0};
  CYF_TRY_CLEANUP(CYF_NEW(&rows.row, m->n));
  for (int64_t i = 0; i < m->n; i++) rows.row[i] = part->rows.row[m->cell[i]];
  CYF_TRY_CLEANUP(cyf_gene_moments_create(&rows, &moments));
  CYF_TRY_CLEANUP(CYF_NEW(ret_mean, e->n_genes_compared));
  for (int64_t k = 0; k < e->n_genes_compared; k++) (*ret_mean)[k] = moments.mean[e->compared_gene[k]];
cleanup:
  cyf_rows_destroy(&rows);
  cyf_gene_moments_destroy(&moments);
  return status;
}

/* MMD of members a and b, both numbered within joint points of which the first n_real are a's. */
static cyf_status class_mmd(const members *a, const members *b, int64_t n_real, int64_t n_dims, const double *points,
                            double *ret_mmd) {
  double *own = NULL;
  size_t bytes = (size_t)n_dims * sizeof(double);
  CYF_TRY(CYF_NEW(&own, (a->n + b->n) * n_dims));
  for (int64_t i = 0; i < a->n; i++) memcpy(own + i * n_dims, points + a->cell[i] * n_dims, bytes);
  for (int64_t i = 0; i < b->n; i++) {
    memcpy(own + (a->n + i) * n_dims, points + (n_real + b->cell[i]) * n_dims, bytes);
  }
  cyf_status status = cyf_mmd(a->n, b->n, n_dims, own, ret_mmd);
  cyf_free(own);
  return status;
}

/* Means and MMD of one class: real members against `other` ones. */
static cyf_status compare_members(const cyf_part *other_part, const members *real, const members *other,
                                  const double *real_mean, int64_t n_real, int64_t n_dims, const double *points,
                                  const cyf_evaluation *e, double *ret_spearman, double *ret_pearson, double *ret_mmd) {
  double *mean = NULL;
  CYF_TRY(class_means(other_part, other, e, &mean));
  *ret_pearson = cyf_pearson(e->n_genes_compared, real_mean, mean);
  cyf_status status = cyf_spearman(e->n_genes_compared, real_mean, mean, ret_spearman);
  if (status == CYF_OK) status = class_mmd(real, other, n_real, n_dims, points, ret_mmd);
  cyf_free(mean);
  return status;
}

static int64_t count_class(const cyf_part *part, const cyf_class_codes *codes, int32_t class_code) {
  int64_t n = 0;
  for (int64_t i = 0; codes->code && i < part->rows.n_cells; i++) n += codes->code[i] == class_code;
  return n;
}

static cyf_status compare_class(const cyf_compared *c, const cyf_class_codes codes[3], const double *ceiling_points,
                                int32_t class_code, cyf_evaluation *e) {
  cyf_status status = CYF_OK;
  cyf_class_score *score = &e->labels.classes[class_code];
  members real = {0}, synthetic = {0}, ceiling = {0};
  double *real_mean = NULL;
  int64_t n_ceiling = count_class(&c->ceiling, &codes[2], class_code), n_real = c->real.rows.n_cells;
  bool has_ceiling = n_ceiling >= LEAST_CLASS_CELLS;
  if (score->n_real < LEAST_CLASS_CELLS || score->n_synthetic < LEAST_CLASS_CELLS) return CYF_OK;
  int64_t n = has_ceiling && n_ceiling < score->n_synthetic ? n_ceiling : score->n_synthetic;
  score->n_used = n;
  uint64_t seed = e->options.seed;
  CYF_TRY_CLEANUP(draw_members(&c->real, &codes[0], class_code, seed, 0, -1, &real));
  CYF_TRY_CLEANUP(draw_members(&c->synthetic, &codes[1], class_code, seed, CYF_USE_CLASS_SYNTHETIC, n, &synthetic));
  CYF_TRY_CLEANUP(class_means(&c->real, &real, e, &real_mean));
  CYF_TRY_CLEANUP(compare_members(&c->synthetic, &real, &synthetic, real_mean, n_real, e->n_components, e->joint.points,
                                  e, &score->mean_spearman.value, &score->mean_pearson.value, &score->mmd.value));
  if (!has_ceiling) goto cleanup;
  CYF_TRY_CLEANUP(draw_members(&c->ceiling, &codes[2], class_code, seed, CYF_USE_CLASS_CEILING, n, &ceiling));
  CYF_TRY_CLEANUP(compare_members(&c->ceiling, &real, &ceiling, real_mean, n_real, e->n_components_ceiling,
                                  ceiling_points, e, &score->mean_spearman.ceiling, &score->mean_pearson.ceiling,
                                  &score->mmd.ceiling));
cleanup:
  cyf_free(real.cell);
  cyf_free(synthetic.cell);
  cyf_free(ceiling.cell);
  cyf_free(real_mean);
  return status;
}

/* The marker genes of every class: top [n_classes, n_top]. */
static cyf_status find_markers(const cyf_part *part, const cyf_class_codes *codes, int64_t n_classes, int64_t n_top,
                               int64_t *top) {
  double *z = NULL;
  int64_t n_genes = part->rows.n_genes;
  CYF_TRY(CYF_NEW(&z, n_classes * n_genes));
  cyf_status status = cyf_rank_sum(&part->rows, codes->code, n_classes, z);
  for (int64_t k = 0; status == CYF_OK && k < n_classes; k++) {
    status = cyf_top_genes(n_genes, z + k * n_genes, n_top, top + k * n_top);
  }
  cyf_free(z);
  return status;
}

/* Mean of the shares that are not NAN. */
static double mean_share(const cyf_label_scores *labels, bool of_ceiling) {
  double sum = 0.0, n = 0.0;
  for (int64_t k = 0; k < labels->n_classes; k++) {
    double share = of_ceiling ? labels->classes[k].markers.ceiling : labels->classes[k].markers.value;
    if (isnan(share)) continue;
    sum += share;
    n += 1.0;
  }
  return n > 0.0 ? sum / n : NAN;
}

static cyf_status compare_markers(const cyf_compared *c, const cyf_class_codes codes[3], cyf_evaluation *e) {
  cyf_status status = CYF_OK;
  cyf_label_scores *labels = &e->labels;
  const cyf_part *parts[3] = {&c->real, &c->synthetic, &c->ceiling};
  int64_t n_classes = labels->n_classes, *top[3] = {NULL, NULL, NULL};
  int64_t n_top = e->options.n_markers < e->n_genes ? e->options.n_markers : e->n_genes;
  int n_sets = c->kind == CYF_CEILING_NONE ? 2 : 3;
  labels->n_markers = n_top;
  for (int s = 0; s < n_sets; s++) {
    CYF_TRY_CLEANUP(CYF_NEW(&top[s], n_classes * n_top));
    CYF_TRY_CLEANUP(find_markers(parts[s], &codes[s], n_classes, n_top, top[s]));
  }
  for (int32_t k = 0; k < n_classes; k++) {
    cyf_class_score *score = &labels->classes[k];
    if (score->n_real < LEAST_CLASS_CELLS || score->n_synthetic < LEAST_CLASS_CELLS) continue;
    const int64_t *own = top[0] + k * n_top;
    score->markers.value = (double)cyf_count_shared(n_top, own, top[1] + k * n_top) / (double)n_top;
    if (n_sets < 3 || count_class(&c->ceiling, &codes[2], k) < LEAST_CLASS_CELLS) continue;
    score->markers.ceiling = (double)cyf_count_shared(n_top, own, top[2] + k * n_top) / (double)n_top;
  }
  labels->markers = (cyf_score){mean_share(labels, false), mean_share(labels, true)};
cleanup:
  for (int s = 0; s < 3; s++) cyf_free(top[s]);
  return status;
}

cyf_status cyf_class_comparisons(const cyf_compared *c, const cyf_class_codes codes[3], const double *ceiling_points,
                                 cyf_evaluation *e) {
  for (int32_t k = 0; k < e->labels.n_classes; k++) CYF_TRY(compare_class(c, codes, ceiling_points, k, e));
  return compare_markers(c, codes, e);
}
