/* SPDX-License-Identifier: MIT */
/* Gene moments against each other, and bars by class. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figures/axes.h"
#include "figures/figures.h"

enum { WIDTH = 860, PANEL = 320, LEFT = 62, GAP = 96, TOP = 44 };

/* The power of ten above every value. */
static double axis_end(int64_t n, const double *values, double high) {
  for (int64_t i = 0; i < n; i++) {
    if (isfinite(values[i])) high = fmax(high, values[i]);
  }
  return pow(10.0, ceil(log10(high) - 1e-9));
}

cyf_status cyf_figure_genes(const char *x_label, int64_t n, const double *real, double low, int n_panels,
                            const cyf_gene_panel *panels, char **ret_svg) {
  cyf_canvas *canvas = NULL;
  double high = axis_end(n, real, 10.0 * low);
  for (int p = 0; p < n_panels; p++) high = axis_end(n, panels[p].values, high);
  CYF_TRY(cyf_canvas_create(n_panels > 1 ? WIDTH : LEFT + PANEL + 24, TOP + PANEL + 40, &canvas));
  for (int p = 0; p < n_panels; p++) {
    const cyf_gene_panel *panel = &panels[p];
    cyf_axes axes = {.left = LEFT + p * (PANEL + GAP),
                     .top = TOP,
                     .width = PANEL,
                     .height = PANEL,
                     .x = {.low = low, .high = high, .logarithmic = true, .label = x_label},
                     .y = {.low = low, .high = high, .logarithmic = true, .label = panel->y_label},
                     .title = panel->title,
                     .subtitle = panel->subtitle};
    cyf_axes_draw(&axes, canvas);
    cyf_canvas_picture_begin(canvas, axes.left - 3.0, axes.top - 3.0, axes.width + 6.0, axes.height + 6.0);
    for (int64_t i = 0; i < n; i++) {
      if (!isfinite(real[i]) || !isfinite(panel->values[i])) continue;
      cyf_canvas_mark(canvas, CYF_MARK_DISC, cyf_axes_x(&axes, real[i]), cyf_axes_y(&axes, panel->values[i]), 1.3,
                      panel->is_ceiling ? CYF_CEILING_COLOUR : CYF_SYNTHETIC_COLOUR, 0.35);
    }
    cyf_canvas_picture_end(canvas);
    cyf_canvas_line(canvas, axes.left, axes.top + axes.height, axes.left + axes.width, axes.top, 1.1, CYF_INK);
  }
  cyf_status status = cyf_canvas_finish(canvas, ret_svg);
  cyf_canvas_destroy(&canvas);
  return status;
}

/* ---- bars ---- */

enum { BAR_ROW = 20, BAR_TOP = 66, NAME_MAX_CHARACTERS = 30 };

/* A name cut to what fits beside the bars, at a whole UTF-8 character. */
static const char *short_name(const char *name, char text[4 * NAME_MAX_CHARACTERS + 8]) {
  int n_characters = 0;
  size_t at = 0;
  while (name[at] && n_characters < NAME_MAX_CHARACTERS) {
    for (at++; ((unsigned char)name[at] & 0xC0) == 0x80;) at++;
    n_characters++;
  }
  if (at > 4 * NAME_MAX_CHARACTERS) at = 4 * NAME_MAX_CHARACTERS;
  memcpy(text, name, at);
  strcpy(text + at, name[at] ? "…" : "");
  return text;
}

static void draw_bar_panel(cyf_canvas *canvas, double left, double width, int64_t n_classes,
                           const cyf_bar_panel *panel) {
  double high = panel->high;
  for (int64_t c = 0; panel->high == 0.0 && c < n_classes; c++) {
    if (isfinite(panel->value[c])) high = fmax(high, panel->value[c]);
    if (isfinite(panel->ceiling[c])) high = fmax(high, panel->ceiling[c]);
  }
  if (high == 0.0) high = 1.0;
  const cyf_text_style title = {.size = 11.5, .bold = true, .colour = CYF_INK};
  const cyf_text_style subtitle = {.size = 9.5, .colour = CYF_QUIET_INK};
  const cyf_text_style tick = {.size = 9.5, .anchor = 0.5, .colour = CYF_QUIET_INK};
  double bottom = BAR_TOP + BAR_ROW * (double)n_classes;
  cyf_canvas_text(canvas, left, BAR_TOP - 22.0, &title, panel->title);
  cyf_canvas_text(canvas, left, BAR_TOP - 9.0, &subtitle, panel->subtitle);
  for (int k = 0; k <= 2; k++) {
    char text[32];
    double x = left + 0.5 * k * width;
    snprintf(text, sizeof(text), "%.2g", 0.5 * k * high);
    cyf_canvas_line(canvas, x, BAR_TOP, x, bottom, 0.6, CYF_GRID);
    cyf_canvas_text(canvas, x, bottom + 13.0, &tick, text);
  }
  for (int64_t c = 0; c < n_classes; c++) {
    double y = BAR_TOP + BAR_ROW * (double)c;
    if (isfinite(panel->value[c])) {
      double length = width * fmax(0.0, fmin(1.0, panel->value[c] / high));
      cyf_canvas_rectangle(canvas, left, y + 4.0, length, BAR_ROW - 8.0, CYF_SYNTHETIC_COLOUR);
    }
    if (isfinite(panel->ceiling[c])) {
      double x = left + width * fmax(0.0, fmin(1.0, panel->ceiling[c] / high));
      cyf_canvas_rectangle(canvas, x - 1.5, y + 1.0, 3.0, BAR_ROW - 2.0, CYF_CEILING_COLOUR);
    }
  }
}

cyf_status cyf_figure_bars(int64_t n_classes, const char *const *class_names, int n_panels, const cyf_bar_panel *panels,
                           char **ret_svg) {
  cyf_canvas *canvas = NULL;
  char text[4 * NAME_MAX_CHARACTERS + 8];
  const cyf_text_style name = {.size = 10.5, .anchor = 1.0, .colour = CYF_INK};
  double widest = 0.0;
  CYF_TRY(cyf_canvas_create(WIDTH, BAR_TOP + BAR_ROW * (double)n_classes + 24.0, &canvas));
  for (int64_t c = 0; c < n_classes; c++) {
    widest = fmax(widest, cyf_canvas_text_width(canvas, &name, short_name(class_names[c], text)));
  }
  double left = fmin(260.0, widest + 14.0), width = (WIDTH - left - 14.0) / n_panels - 26.0;
  for (int64_t c = 0; c < n_classes; c++) {
    cyf_canvas_text(canvas, left - 8.0, BAR_TOP + BAR_ROW * (double)c + 13.5, &name, short_name(class_names[c], text));
  }
  double x = cyf_legend_entry(canvas, left, 16.0, CYF_MARK_SQUARE, CYF_SYNTHETIC_COLOUR, "synthetic cells (bar)");
  cyf_legend_entry(canvas, x, 16.0, CYF_MARK_SQUARE, CYF_CEILING_COLOUR, "ceiling: real cells in their place (stroke)");
  for (int p = 0; p < n_panels; p++) draw_bar_panel(canvas, left + p * (width + 26.0), width, n_classes, &panels[p]);
  cyf_status status = cyf_canvas_finish(canvas, ret_svg);
  cyf_canvas_destroy(&canvas);
  return status;
}
