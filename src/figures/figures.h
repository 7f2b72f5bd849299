/* SPDX-License-Identifier: MIT */
/** @file
 * The figures of the evaluation page. Each function returns an SVG image as text, freed with cyf_free. Errors of each:
 * CYF_ERR_MEMORY, CYF_ERR_INTERNAL (drawing failed). Structures borrow all they point to. Not collective. */
#ifndef CYF_FIGURES_FIGURES_H
#define CYF_FIGURES_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** A set of cells as points: [n, stride] row-major, of which the first two of each row are drawn. */
typedef struct cyf_cloud {
  const char *name;
  int64_t n, stride;
  const double *points;
  const int32_t *class_code; /**< [n], -1: none; may be NULL */
} cyf_cloud;

/** What the two coordinates are, such as "PC 1 (12 % of the variance)". */
typedef struct cyf_plane {
  const char *x_label, *y_label;
} cyf_plane;

/** Real and synthetic cells in one panel; real and ceiling cells beside it (ceiling NULL: no second panel). */
cyf_status cyf_figure_clouds(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *synthetic,
                             const cyf_cloud *ceiling, char **ret_svg);

/** Real and synthetic cells side by side, coloured by class. */
cyf_status cyf_figure_classes(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *synthetic,
                              int64_t n_classes, const char *const *class_names, char **ret_svg);

/** One panel of cyf_figure_genes: a moment (mean or variance) of n genes in other cells. */
typedef struct cyf_gene_panel {
  const char *title, *subtitle, *y_label;
  const double *values; /**< [n]; NAN is not drawn */
  bool is_ceiling;
} cyf_gene_panel;
/** Draws each panel's moments against those of real cells, real [n], on logarithmic axes that begin at `low`. */
cyf_status cyf_figure_genes(const char *x_label, int64_t n, const double *real, double low, int n_panels,
                            const cyf_gene_panel *panels, char **ret_svg);

/** One panel of cyf_figure_bars: a measure by class and its ceiling. */
typedef struct cyf_bar_panel {
  const char *title, *subtitle;
  const double *value, *ceiling; /**< [n_classes] */
  double high;                   /**< end of the axis; 0: by the largest */
} cyf_bar_panel;
/** Draws a horizontal bar for each class, with the ceiling as a stroke; NAN is not drawn. */
cyf_status cyf_figure_bars(int64_t n_classes, const char *const *class_names, int n_panels, const cyf_bar_panel *panels,
                           char **ret_svg);

/** What cyf_figure_path needs to know of a generated path. s in [0, 1] says how far along the path a cell is. */
typedef struct cyf_path_drawing {
  const char *attribute;
  int64_t n_values;
  const char *const *value_names; /**< [n_values] of the attribute */
  bool numeric;                   /**< the values are numbers: coloured by order */
  int64_t n_steps;
  const double *step_s; /**< [n_steps] ascending; class_code of `path` numbers the steps */
} cyf_path_drawing;
/** Draws a generated path among real cells. Left: real cells, coloured by attribute (class_code of `real`). Right: path
 * cells, coloured by s, with a line through the mean cell of each step. */
cyf_status cyf_figure_path(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *path,
                           const cyf_path_drawing *drawing, char **ret_svg);

#endif
