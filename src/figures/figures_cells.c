/* SPDX-License-Identifier: MIT */
/* Cells on two principal components. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "figures/axes.h"
#include "figures/figures.h"

enum { WIDTH = 860, PANEL = 340, LEFT = 56, GAP = 80, TOP = 56 };
#define DOT 2.1
#define DOT_OPACITY 0.55

/* The panel numbered from the left, on axes that hold all clouds. */
static cyf_axes panel_axes(int panel, const cyf_plane *plane, const cyf_cloud *const *clouds, int n_clouds,
                           double legend_height) {
  cyf_axes axes = {.left = LEFT + panel * (PANEL + GAP),
                   .top = TOP + legend_height,
                   .width = PANEL,
                   .height = PANEL,
                   .x = {.low = INFINITY, .high = -INFINITY, .label = plane->x_label},
                   .y = {.low = INFINITY, .high = -INFINITY, .label = plane->y_label}};
  for (int c = 0; c < n_clouds; c++) {
    if (!clouds[c]) continue;
    cyf_axis_include(&axes.x, clouds[c]->n, clouds[c]->points, clouds[c]->stride);
    cyf_axis_include(&axes.y, clouds[c]->n, clouds[c]->points + 1, clouds[c]->stride);
  }
  cyf_axis_add_room(&axes.x);
  cyf_axis_add_room(&axes.y);
  return axes;
}

static void draw_point(cyf_canvas *canvas, const cyf_axes *axes, const cyf_cloud *cloud, int64_t i, cyf_mark mark,
                       cyf_colour colour, double opacity) {
  const double *point = cloud->points + i * cloud->stride;
  cyf_canvas_mark(canvas, mark, cyf_axes_x(axes, point[0]), cyf_axes_y(axes, point[1]), DOT, colour, opacity);
}

/* Two clouds in turns, in proportion to their sizes, so that neither hides the other. */
static void draw_mixed(cyf_canvas *canvas, const cyf_axes *axes, const cyf_cloud *a, cyf_colour a_colour,
                       const cyf_cloud *b, cyf_colour b_colour) {
  cyf_axes_draw(axes, canvas);
  cyf_canvas_picture_begin(canvas, axes->left, axes->top, axes->width, axes->height);
  for (int64_t i = 0, j = 0; i < a->n || j < b->n;) {
    if (j >= b->n || (i < a->n && i * b->n <= j * a->n)) {
      draw_point(canvas, axes, a, i++, CYF_MARK_DISC, a_colour, DOT_OPACITY);
    } else {
      draw_point(canvas, axes, b, j++, CYF_MARK_DISC, b_colour, DOT_OPACITY);
    }
  }
  cyf_canvas_picture_end(canvas);
}

cyf_status cyf_figure_clouds(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *synthetic,
                             const cyf_cloud *ceiling, char **ret_svg) {
  cyf_canvas *canvas = NULL;
  const cyf_cloud *const clouds[3] = {real, synthetic, ceiling};
  CYF_TRY(cyf_canvas_create(ceiling ? WIDTH : LEFT + PANEL + 24, TOP + PANEL + 60, &canvas));
  cyf_axes axes = panel_axes(0, plane, clouds, 3, 16.0);
  double x = axes.left;
  x = cyf_legend_entry(canvas, x, 16.0, CYF_MARK_DISC, CYF_REAL_COLOUR, real->name);
  x = cyf_legend_entry(canvas, x, 16.0, CYF_MARK_DISC, CYF_SYNTHETIC_COLOUR, synthetic->name);
  axes.title = "Real and synthetic cells";
  draw_mixed(canvas, &axes, real, CYF_REAL_COLOUR, synthetic, CYF_SYNTHETIC_COLOUR);
  if (ceiling) {
    cyf_legend_entry(canvas, x, 16.0, CYF_MARK_DISC, CYF_CEILING_COLOUR, ceiling->name);
    axes = panel_axes(1, plane, clouds, 3, 16.0);
    axes.title = "Ceiling: real cells and other real cells";
    draw_mixed(canvas, &axes, real, CYF_REAL_COLOUR, ceiling, CYF_CEILING_COLOUR);
  }
  cyf_status status = cyf_canvas_finish(canvas, ret_svg);
  cyf_canvas_destroy(&canvas);
  return status;
}

/* ---- by class ---- */

enum { LEGEND_ROW = 17 };

/* A legend in rows over both panels; with canvas NULL only its height is found, which needs a canvas to measure. */
static double draw_class_legend(cyf_canvas *canvas, int64_t n_classes, const char *const *names, bool numeric) {
  const cyf_text_style style = {.size = 10.5};
  double x = LEFT, y = 16.0;
  for (int64_t c = 0; c < n_classes; c++) {
    if (x > LEFT && x + 28.0 + cyf_canvas_text_width(canvas, &style, names[c]) > WIDTH) {
      x = LEFT;
      y += LEGEND_ROW;
    }
    cyf_colour colour = numeric ? cyf_sequential_colour(n_classes > 1 ? (double)c / (double)(n_classes - 1) : 0.5)
                                : cyf_class_colour(c);
    x = cyf_legend_entry(canvas, x, y, numeric ? CYF_MARK_DISC : cyf_class_mark(c), colour, names[c]);
  }
  return y + 6.0;
}

/* Rows of the legend, measured on a canvas of its own. */
static cyf_status class_legend_height(int64_t n_classes, const char *const *names, double *ret_height) {
  cyf_canvas *canvas = NULL;
  CYF_TRY(cyf_canvas_create(WIDTH, 100.0, &canvas));
  *ret_height = draw_class_legend(canvas, n_classes, names, false);
  cyf_canvas_destroy(&canvas);
  return CYF_OK;
}

/* A cloud by class; cells without one are grey and first. */
static void draw_by_class(cyf_canvas *canvas, const cyf_axes *axes, const cyf_cloud *cloud, int64_t n_classes,
                          bool numeric) {
  cyf_axes_draw(axes, canvas);
  cyf_canvas_picture_begin(canvas, axes->left, axes->top, axes->width, axes->height);
  for (int64_t i = 0; i < cloud->n; i++) {
    if (!cloud->class_code || cloud->class_code[i] < 0)
      draw_point(canvas, axes, cloud, i, CYF_MARK_DISC, CYF_GRID, DOT_OPACITY);
  }
  for (int64_t i = 0; cloud->class_code && i < cloud->n; i++) {
    int32_t code = cloud->class_code[i];
    if (code < 0) continue;
    double t = n_classes > 1 ? (double)code / (double)(n_classes - 1) : 0.5;
    draw_point(canvas, axes, cloud, i, numeric ? CYF_MARK_DISC : cyf_class_mark(code),
               numeric ? cyf_sequential_colour(t) : cyf_class_colour(code), 0.75);
  }
  cyf_canvas_picture_end(canvas);
}

cyf_status cyf_figure_classes(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *synthetic,
                              int64_t n_classes, const char *const *class_names, char **ret_svg) {
  cyf_canvas *canvas = NULL;
  double legend = 0.0;
  const cyf_cloud *const clouds[2] = {real, synthetic};
  CYF_TRY(class_legend_height(n_classes, class_names, &legend));
  CYF_TRY(cyf_canvas_create(WIDTH, TOP + legend + PANEL + 40.0, &canvas));
  draw_class_legend(canvas, n_classes, class_names, false);
  for (int panel = 0; panel < 2; panel++) {
    cyf_axes axes = panel_axes(panel, plane, clouds, 2, legend);
    axes.title = clouds[panel]->name;
    draw_by_class(canvas, &axes, clouds[panel], n_classes, false);
  }
  cyf_status status = cyf_canvas_finish(canvas, ret_svg);
  cyf_canvas_destroy(&canvas);
  return status;
}

/* ---- a generated path ---- */

/* The s of an end of the track, on the side that its neighbour is not. */
static void draw_end(cyf_canvas *canvas, double x, double y, double neighbour_x, double s) {
  const bool to_the_right = x >= neighbour_x;
  const cyf_text_style style = {.size = 11.0, .bold = true, .anchor = to_the_right ? 0.0 : 1.0, .colour = CYF_INK};
  char text[32];
  snprintf(text, sizeof(text), "s = %g", s);
  cyf_canvas_text(canvas, x + (to_the_right ? 9.0 : -9.0), y + 4.0, &style, text);
}

/* The mean point of each step, joined; the ends with their s. */
static cyf_status draw_track(cyf_canvas *canvas, const cyf_axes *axes, const cyf_cloud *path,
                             const cyf_path_drawing *drawing) {
  double *sum = NULL; /* [n_steps, 3] x, y, number */
  CYF_TRY(CYF_NEW(&sum, 3 * drawing->n_steps));
  for (int64_t i = 0; i < path->n; i++) {
    if (path->class_code[i] < 0) continue;
    double *step = sum + 3 * path->class_code[i];
    step[0] += path->points[i * path->stride];
    step[1] += path->points[i * path->stride + 1];
    step[2] += 1.0;
  }
  double last_x = NAN, last_y = NAN;
  for (int64_t k = 0; k < drawing->n_steps; k++) {
    if (sum[3 * k + 2] == 0.0) continue;
    double x = cyf_axes_x(axes, sum[3 * k] / sum[3 * k + 2]), y = cyf_axes_y(axes, sum[3 * k + 1] / sum[3 * k + 2]);
    if (!isnan(last_x)) cyf_canvas_line(canvas, last_x, last_y, x, y, 1.6, CYF_INK);
    last_x = x;
    last_y = y;
  }
  for (int64_t k = 0; k < drawing->n_steps; k++) {
    if (sum[3 * k + 2] == 0.0) continue;
    double x = cyf_axes_x(axes, sum[3 * k] / sum[3 * k + 2]), y = cyf_axes_y(axes, sum[3 * k + 1] / sum[3 * k + 2]);
    cyf_canvas_mark(canvas, CYF_MARK_DISC, x, y, 4.6, CYF_INK, 1.0);
    cyf_canvas_mark(canvas, CYF_MARK_DISC, x, y, 3.4, cyf_sequential_colour(drawing->step_s[k]), 1.0);
    if (k > 0 && k + 1 < drawing->n_steps) continue;
    const int64_t other = k > 0 ? k - 1 : drawing->n_steps > 1 ? 1 : 0;
    const double beside = sum[3 * other + 2] > 0.0 ? cyf_axes_x(axes, sum[3 * other] / sum[3 * other + 2]) : x;
    draw_end(canvas, x, y, beside, drawing->step_s[k]);
  }
  cyf_free(sum);
  return CYF_OK;
}

/* A bar of the sequential colours for s. */
static void draw_scale(cyf_canvas *canvas, const cyf_axes *axes) {
  const cyf_text_style style = {.size = 10.0, .anchor = 0.5, .colour = CYF_QUIET_INK};
  double left = axes->left + axes->width - 130.0, y = axes->top - 36.0; /* above the title */
  for (int k = 0; k < 50; k++)
    cyf_canvas_rectangle(canvas, left + 2.0 * k, y, 2.2, 8.0, cyf_sequential_colour(k / 49.0));
  cyf_canvas_text(canvas, left - 18.0, y + 8.0, &style, "s = 0");
  cyf_canvas_text(canvas, left + 110.0, y + 8.0, &style, "1");
}

cyf_status cyf_figure_path(const cyf_plane *plane, const cyf_cloud *real, const cyf_cloud *path,
                           const cyf_path_drawing *drawing, char **ret_svg) {
  cyf_canvas *canvas = NULL;
  double legend = 0.0;
  const cyf_cloud *const clouds[2] = {real, path};
  CYF_TRY(class_legend_height(drawing->n_values, drawing->value_names, &legend));
  CYF_TRY(cyf_canvas_create(WIDTH, TOP + legend + PANEL + 40.0, &canvas));
  draw_class_legend(canvas, drawing->n_values, drawing->value_names, drawing->numeric);
  cyf_axes axes = panel_axes(0, plane, clouds, 2, legend);
  axes.title = real->name;
  draw_by_class(canvas, &axes, real, drawing->n_values, drawing->numeric);
  axes = panel_axes(1, plane, clouds, 2, legend);
  axes.title = path->name;
  cyf_axes_draw(&axes, canvas);
  cyf_canvas_picture_begin(canvas, axes.left, axes.top, axes.width, axes.height);
  for (int64_t i = 0; i < real->n; i++) draw_point(canvas, &axes, real, i, CYF_MARK_DISC, cyf_class_colour(6), 0.25);
  for (int64_t i = 0; i < path->n; i++) {
    if (path->class_code[i] < 0) continue;
    draw_point(canvas, &axes, path, i, CYF_MARK_DISC, cyf_sequential_colour(drawing->step_s[path->class_code[i]]),
               0.75);
  }
  cyf_canvas_picture_end(canvas);
  draw_scale(canvas, &axes);
  cyf_status status = draw_track(canvas, &axes, path, drawing);
  if (status == CYF_OK) status = cyf_canvas_finish(canvas, ret_svg);
  cyf_canvas_destroy(&canvas);
  return status;
}
