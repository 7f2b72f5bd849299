/* SPDX-License-Identifier: MIT */
#include "evaluate/report/page_figures.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluate/report/measure_list.h"
#include "figures/figures.h"

/* Where the logarithmic axes of gene means and variances begin. */
#define LEAST_MEAN 1e-3
#define LEAST_VARIANCE 1e-4

static const char *const CEILING_CELLS[] = {"", "training cells", "other half of the real cells", ""};

/* Names of the joint components with their share of the variance. */
typedef struct plane_labels {
  char x[64], y[64];
} plane_labels;

static cyf_plane name_plane(const cyf_pca *pca, plane_labels *labels) {
  snprintf(labels->x, sizeof(labels->x), "joint PC 1 (%.1f %% of the variance)",
           100.0 * pca->variance[0] / pca->total_variance);
  snprintf(labels->y, sizeof(labels->y), "joint PC 2 (%.1f %% of the variance)",
           100.0 * pca->variance[1] / pca->total_variance);
  return (cyf_plane){labels->x, labels->y};
}

static cyf_status draw_clouds(const cyf_evaluation *e, cyf_page_figure *figure) {
  const cyf_joint_space *j = &e->joint;
  plane_labels labels;
  if (j->pca.n_components < 2) return CYF_OK;
  int64_t width = j->pca.n_components;
  cyf_plane plane = name_plane(&j->pca, &labels);
  cyf_cloud real = {"real cells", j->n_real, width, j->points, NULL};
  cyf_cloud synthetic = {"synthetic cells", j->n_synthetic, width, j->points + j->n_real * width, NULL};
  cyf_cloud ceiling = {CEILING_CELLS[e->ceiling_kind], j->n_ceiling, width, j->ceiling_points, NULL};
  CYF_TRY(cyf_figure_clouds(&plane, &real, &synthetic, j->ceiling_points ? &ceiling : NULL, &figure->svg));
  return cyf_format(&figure->caption,
                    "Each dot is a cell on the first two principal components of %lld real and %lld synthetic cells "
                    "together.%s Two components show a part of the difference; the measures use %lld.",
                    (long long)j->n_real, (long long)j->n_synthetic,
                    j->ceiling_points ? " On the right, other real cells stand where the synthetic ones do: what a "
                                        "perfect generator would look like."
                                      : "",
                    (long long)width);
}

/* The names of the classes as an array that borrows them; freed with cyf_free. */
static cyf_status list_names(const cyf_label_scores *labels, const char ***ret_names) {
  CYF_TRY(CYF_NEW(ret_names, labels->n_classes));
  for (int64_t c = 0; c < labels->n_classes; c++) (*ret_names)[c] = labels->classes[c].name;
  return CYF_OK;
}

static cyf_status draw_classes(const cyf_evaluation *e, cyf_page_figure *figure) {
  const cyf_joint_space *j = &e->joint;
  plane_labels labels;
  const char **names = NULL;
  if (j->pca.n_components < 2 || !e->labels.available) return CYF_OK;
  int64_t width = j->pca.n_components;
  cyf_plane plane = name_plane(&j->pca, &labels);
  cyf_cloud real = {"Real cells", j->n_real, width, j->points, j->class_of_real};
  cyf_cloud synthetic = {"Synthetic cells", j->n_synthetic, width, j->points + j->n_real * width,
                         j->class_of_synthetic};
  CYF_TRY(list_names(&e->labels, &names));
  cyf_status status = cyf_figure_classes(&plane, &real, &synthetic, e->labels.n_classes, names, &figure->svg);
  cyf_free(names);
  if (status != CYF_OK) return status;
  return cyf_format(&figure->caption,
                    "The same plane, coloured by '%s': as annotated in the real cells, as asked for in the synthetic "
                    "ones. Grey: no label that training cells have.",
                    e->labels.attribute);
}

static cyf_status draw_genes(const cyf_evaluation *e, bool of_variance, cyf_page_figure *figure) {
  const double *real = of_variance ? e->real_genes.variance : e->real_genes.mean;
  const double *values[2] = {of_variance ? e->synthetic_genes.variance : e->synthetic_genes.mean,
                             of_variance ? e->ceiling_genes.variance : e->ceiling_genes.mean};
  const cyf_score *spearman = of_variance ? &e->variance_spearman : &e->mean_spearman;
  const cyf_score *pearson = of_variance ? &e->variance_pearson : &e->mean_pearson;
  const char *what = of_variance ? "variance" : "mean";
  char subtitle[2][80], y_label[2][80], x_label[64];
  cyf_gene_panel panels[2];
  int n_panels = values[1] ? 2 : 1;
  if (e->n_genes_compared == 0) return CYF_OK;
  snprintf(x_label, sizeof(x_label), "%s in real cells (log-normalised)", what);
  for (int p = 0; p < n_panels; p++) {
    snprintf(subtitle[p], sizeof(subtitle[p]), "Spearman %.4f, Pearson %.4f", p ? spearman->ceiling : spearman->value,
             p ? pearson->ceiling : pearson->value);
    snprintf(y_label[p], sizeof(y_label[p]), "%s in %s", what, p ? CEILING_CELLS[e->ceiling_kind] : "synthetic cells");
    panels[p] = (cyf_gene_panel){p ? "Ceiling" : "Synthetic cells", subtitle[p], y_label[p], values[p], p == 1};
  }
  CYF_TRY(cyf_figure_genes(x_label, e->n_genes_compared, real, of_variance ? LEAST_VARIANCE : LEAST_MEAN, n_panels,
                           panels, &figure->svg));
  return cyf_format(
      &figure->caption, "Each dot is one of %lld genes. On the line both are equal%s Values up to %g are drawn at 0.",
      (long long)e->n_genes_compared, of_variance ? "; below it, synthetic cells vary less than real ones." : ".",
      of_variance ? LEAST_VARIANCE : LEAST_MEAN);
}

static cyf_status draw_bars(const cyf_evaluation *e, cyf_page_figure *figure) {
  cyf_status status = CYF_OK;
  const cyf_label_scores *l = &e->labels;
  const char **names = NULL;
  double *numbers = NULL; /* [8, n_classes] */
  int64_t n = l->n_classes;
  if (!l->available) return CYF_OK;
  CYF_TRY_CLEANUP(list_names(l, &names));
  CYF_TRY_CLEANUP(CYF_NEW(&numbers, 8 * n));
  for (int64_t c = 0; c < n; c++) {
    const cyf_class_score *k = &l->classes[c];
    const cyf_score scores[4] = {k->accuracy, k->mean_spearman, k->markers, k->mmd};
    for (int m = 0; m < 4; m++) {
      numbers[2 * m * n + c] = scores[m].value;
      numbers[(2 * m + 1) * n + c] = scores[m].ceiling;
    }
  }
  const cyf_bar_panel panels[4] = {{"Label accuracy", "higher is better", numbers, numbers + n, 1.0},
                                   {"Gene means, Spearman", "higher is better", numbers + 2 * n, numbers + 3 * n, 1.0},
                                   {"Markers in common", "higher is better", numbers + 4 * n, numbers + 5 * n, 1.0},
                                   {"MMD", "lower is better", numbers + 6 * n, numbers + 7 * n, 0.0}};
  CYF_TRY_CLEANUP(cyf_figure_bars(n, names, 4, panels, &figure->svg));
  CYF_TRY_CLEANUP(
      cyf_format(&figure->caption,
                 "Scores of each '%s'. A bar that ends at its green stroke is as good as real cells: longer ones are "
                 "better where higher is better, shorter ones for MMD. "
                 "Nothing is drawn where either side has fewer than 10 cells of the type.",
                 l->attribute));
cleanup:
  cyf_free(names);
  cyf_free(numbers);
  return status;
}

/* ---- the path ---- */

static bool read_number(const char *text, double *ret_value) {
  char *end = NULL;
  *ret_value = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(*ret_value);
}

cyf_status cyf_path_check(const cyf_cells *path) {
  for (int64_t k = 0; k < path->labels->categories.n; k++) {
    double s;
    const char *name = path->labels->categories.name[k];
    if (!read_number(name, &s) || s < 0.0 || s > 1.0) {
      return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' in obs column '%s'; a path's column holds numbers from 0 to 1",
                      path->name ? path->name : "the path", name, path->labels->attribute);
    }
  }
  return CYF_OK;
}

static bool all_numbers(const cyf_names *names) {
  double value;
  for (int64_t k = 0; k < names->n; k++) {
    if (!read_number(names->name[k], &value)) return false;
  }
  return names->n > 0;
}

static cyf_status project(const cyf_pca *pca, const cyf_cells *cells, double **ret_points) {
  cyf_rows rows = {0};
  CYF_TRY(cyf_rows_create(&cells->matrix, NULL, 0, &rows));
  cyf_status status = CYF_NEW(ret_points, rows.n_cells * pca->n_components);
  if (status == CYF_OK) status = cyf_pca_project(pca, &rows, *ret_points);
  cyf_rows_destroy(&rows);
  return status;
}

/* A path with more different values of s than this has no steps; it is cut into equal ranges of s. */
enum { STEPS_MAX = 40, N_BINS = 20 };

/* The steps of a path: *ret_step [n_cells] and *ret_s [*ret_n_steps], freed with cyf_free. */
static cyf_status list_steps(const cyf_label_column *labels, int32_t **ret_step, double **ret_s, int64_t *ret_n_steps) {
  int64_t n = labels->categories.n;
  bool binned = n > STEPS_MAX;
  *ret_n_steps = binned ? N_BINS : n;
  CYF_TRY(CYF_NEW(ret_step, labels->n_cells));
  CYF_TRY(CYF_NEW(ret_s, *ret_n_steps));
  for (int64_t k = 0; k < *ret_n_steps; k++) {
    if (binned) {
      (*ret_s)[k] = (double)k / (N_BINS - 1);
    } else {
      read_number(labels->categories.name[k], &(*ret_s)[k]);
    }
  }
  for (int64_t i = 0; i < labels->n_cells; i++) {
    double s;
    (*ret_step)[i] = labels->code[i];
    if (!binned || labels->code[i] < 0) continue;
    read_number(labels->categories.name[labels->code[i]], &s);
    (*ret_step)[i] = (int32_t)lround(s * (N_BINS - 1));
  }
  return CYF_OK;
}

static cyf_status draw_path(const cyf_evaluation *e, const cyf_path_cells *p, cyf_page_figure *figure) {
  cyf_status status = CYF_OK;
  double *real_points = NULL, *path_points = NULL, *step_s = NULL;
  int32_t *step = NULL;
  int64_t n_steps = 0;
  const cyf_pca *pca = &e->joint.pca;
  plane_labels labels;
  if (!p || pca->n_components < 2) return CYF_OK;
  CYF_TRY_CLEANUP(cyf_path_check(p->path));
  const cyf_label_column *attribute = p->real->labels;
  CYF_TRY_CLEANUP(project(pca, p->real, &real_points));
  CYF_TRY_CLEANUP(project(pca, p->path, &path_points));
  CYF_TRY_CLEANUP(list_steps(p->path->labels, &step, &step_s, &n_steps));
  char title[160];
  snprintf(title, sizeof(title), attribute ? "Real cells by %s" : "Real cells", attribute ? attribute->attribute : "");
  cyf_plane plane = name_plane(pca, &labels);
  cyf_cloud real = {title, p->real->matrix.n_cells, pca->n_components, real_points, attribute ? attribute->code : NULL};
  cyf_cloud path = {"Generated path among real cells", p->path->matrix.n_cells, pca->n_components, path_points, step};
  cyf_path_drawing drawing = {.n_steps = n_steps, .step_s = step_s};
  if (attribute) {
    drawing.attribute = attribute->attribute;
    drawing.n_values = attribute->categories.n;
    drawing.value_names = (const char *const *)attribute->categories.name;
    drawing.numeric = all_numbers(&attribute->categories);
  }
  CYF_TRY_CLEANUP(cyf_figure_path(&plane, &real, &path, &drawing, &figure->svg));
  CYF_TRY_CLEANUP(cyf_format(&figure->caption,
                             "%lld generated cells of %s, coloured by s, their place on the path, on the plane of the "
                             "first figure; the track joins the mean cells of its %lld steps.",
                             (long long)p->path->matrix.n_cells, p->path->name ? p->path->name : "the path",
                             (long long)n_steps));
cleanup:
  cyf_free(real_points);
  cyf_free(path_points);
  cyf_free(step_s);
  cyf_free(step);
  return status;
}

cyf_status cyf_page_figures_create(const cyf_evaluation *e, const cyf_path_cells *path,
                                   cyf_page_figure figures[CYF_N_PAGE_FIGURES]) {
  const cyf_page_figure empty[CYF_N_PAGE_FIGURES] = {{.name = "cells", .title = "Cells on joint principal components"},
                                                     {.name = "classes", .title = "Cells by type"},
                                                     {.name = "gene_means", .title = "Gene means"},
                                                     {.name = "gene_variances", .title = "Gene variances"},
                                                     {.name = "by_class", .title = "Scores by type"},
                                                     {.name = "path", .title = "Generated path"}};
  for (int f = 0; f < CYF_N_PAGE_FIGURES; f++) figures[f] = empty[f];
  CYF_TRY(draw_clouds(e, &figures[0]));
  CYF_TRY(draw_classes(e, &figures[1]));
  CYF_TRY(draw_genes(e, false, &figures[2]));
  CYF_TRY(draw_genes(e, true, &figures[3]));
  CYF_TRY(draw_bars(e, &figures[4]));
  return draw_path(e, path, &figures[5]);
}

void cyf_page_figures_destroy(cyf_page_figure figures[CYF_N_PAGE_FIGURES]) {
  for (int f = 0; f < CYF_N_PAGE_FIGURES; f++) {
    cyf_free(figures[f].svg);
    cyf_free(figures[f].caption);
  }
}
