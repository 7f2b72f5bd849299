/* SPDX-License-Identifier: MIT */
/** @file
 * The figures of the evaluation page. Each returns an SVG image as text, freed with cyf_free; errors: CYF_ERR_MEMORY,
 * CYF_ERR_INTERNAL (drawing failed). */
#ifndef CYF_FIGURES_FIGURES_H
#define CYF_FIGURES_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Points in a plane; [n, stride] row-major, the first two of each row are drawn. */
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

/** A moment of n genes in other cells against that in real cells, on logarithmic axes from `low` on. */
typedef struct cyf_gene_panel {
  const char *title, *subtitle, *y_label;
  const double *values; /**< [n]; NAN is not drawn */
  bool is_ceiling;
} cyf_gene_panel;
cyf_status cyf_figure_genes(const char *x_label, int64_t n, const double *real, double low, int n_panels,
                            const cyf_gene_panel *panels, char **ret_svg);

/** Horizontal bars of one measure by class, the ceiling as a stroke; NAN is not drawn. */
typedef struct cyf_bar_panel {
  const char *title, *subtitle;
  const double *value, *ceiling; /**< [n_classes] */
  double high;                   /**< end of the axis; 0: by the largest */
} cyf_bar_panel;
cyf_status cyf_figure_bars(int64_t n_classes, const char *const *class_names, int n_panels, const cyf_bar_panel *panels,
                           char **ret_svg);

/** A generated path among real cells. Left: real cells by attribute (class_code of `real`); right: path cells by s, the
 * mean cell of each s as a track. */
typedef struct cyf_path_drawing {
  const char *attribute;
  int64_t n_values;
  const char *const *value_names; /**< [n_values] of the attribute */
  bool numeric;                   /**< the values are numbers: coloured by order */
  int64_t n_steps;
  const double *step_s; /**< [n_steps] ascending; class_code of `path` numbers the steps */
} cyf_path_drawing;
cyf_status cyf_figure_path(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *path,
                           const cyf_path_drawing *drawing, char **ret_svg);

#endif
