/* SPDX-License-Identifier: MIT */
#include "figures/axes.h"

#include <math.h>
#include <stdio.h>

static double fraction(const cyf_axis *axis, double value) {
  if (!axis->logarithmic) return (value - axis->low) / (axis->high - axis->low);
  double low = log10(axis->low), high = log10(axis->high);
  return value <= axis->low ? 0.0 : fmin(1.0, (log10(value) - low) / (high - low));
}

double cyf_axes_x(const cyf_axes *axes, double value) {
  return axes->left + axes->width * fraction(&axes->x, value);
}

double cyf_axes_y(const cyf_axes *axes, double value) {
  return axes->top + axes->height * (1.0 - fraction(&axes->y, value));
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about five. */
static double nice_step(double range) {
  double rough = range / 5.0, power = pow(10.0, floor(log10(rough))), unit = rough / power;
  return power * (unit < 1.5 ? 1.0 : unit < 3.5 ? 2.0 : unit < 7.5 ? 5.0 : 10.0);
}

static void draw_tick(const cyf_axes *axes, cyf_canvas *canvas, bool is_x, double value, const char *text) {
  const cyf_text_style style = {.size = 9.5, .anchor = is_x ? 0.5 : 1.0, .colour = CYF_QUIET_INK};
  double right = axes->left + axes->width, bottom = axes->top + axes->height;
  if (is_x) {
    double x = cyf_axes_x(axes, value);
    cyf_canvas_line(canvas, x, axes->top, x, bottom, 0.6, CYF_GRID);
    cyf_canvas_text(canvas, x, bottom + 13.0, &style, text);
  } else {
    double y = cyf_axes_y(axes, value);
    cyf_canvas_line(canvas, axes->left, y, right, y, 0.6, CYF_GRID);
    cyf_canvas_text(canvas, axes->left - 5.0, y + 3.3, &style, text);
  }
}

static void draw_ticks(const cyf_axes *axes, cyf_canvas *canvas, bool is_x) {
  const cyf_axis *axis = is_x ? &axes->x : &axes->y;
  char text[32];
  if (axis->logarithmic) {
    for (int power = (int)lround(log10(axis->low)); power <= (int)lround(log10(axis->high)); power++) {
      double value = pow(10.0, power);
      snprintf(text, sizeof(text), value <= axis->low * 1.01 ? "0" : "%g", value);
      draw_tick(axes, canvas, is_x, value, text);
    }
    return;
  }
  double step = nice_step(axis->high - axis->low);
  for (double k = ceil(axis->low / step - 1e-9); k * step <= axis->high * (1.0 + 1e-12) + 1e-9 * step; k += 1.0) {
    snprintf(text, sizeof(text), "%g", k * step);
    draw_tick(axes, canvas, is_x, k * step, text);
  }
}

void cyf_axes_draw(const cyf_axes *axes, cyf_canvas *canvas) {
  const cyf_text_style title = {.size = 12.5, .bold = true, .colour = CYF_INK};
  const cyf_text_style subtitle = {.size = 10.0, .colour = CYF_QUIET_INK};
  const cyf_text_style across = {.size = 10.5, .anchor = 0.5, .colour = CYF_INK};
  cyf_text_style up = across;
  double bottom = axes->top + axes->height;
  up.upwards = true;
  draw_ticks(axes, canvas, true);
  draw_ticks(axes, canvas, false);
  cyf_canvas_line(canvas, axes->left, bottom, axes->left + axes->width, bottom, 1.0, CYF_QUIET_INK);
  cyf_canvas_line(canvas, axes->left, axes->top, axes->left, bottom, 1.0, CYF_QUIET_INK);
  cyf_canvas_text(canvas, axes->left, axes->top - (axes->subtitle ? 22.0 : 8.0), &title, axes->title);
  if (axes->subtitle) cyf_canvas_text(canvas, axes->left, axes->top - 8.0, &subtitle, axes->subtitle);
  cyf_canvas_text(canvas, axes->left + 0.5 * axes->width, bottom + 29.0, &across, axes->x.label);
  cyf_canvas_text(canvas, axes->left - 40.0, axes->top + 0.5 * axes->height, &up, axes->y.label);
}

void cyf_axis_include(cyf_axis *axis, int64_t n, const double *values, int64_t stride) {
  for (int64_t i = 0; i < n; i++) {
    axis->low = fmin(axis->low, values[i * stride]);
    axis->high = fmax(axis->high, values[i * stride]);
  }
}

void cyf_axis_add_room(cyf_axis *axis) {
  if (!(axis->low <= axis->high)) *axis = (cyf_axis){.low = 0.0, .high = 1.0, .label = axis->label};
  double room = axis->high > axis->low ? 0.04 * (axis->high - axis->low) : 0.5 + 0.1 * fabs(axis->high);
  axis->low -= room;
  axis->high += room;
}

double cyf_legend_entry(cyf_canvas *canvas, double x, double y, cyf_mark mark, cyf_colour colour, const char *text) {
  const cyf_text_style style = {.size = 10.5, .colour = CYF_INK};
  cyf_canvas_mark(canvas, mark, x + 4.0, y - 3.6, 4.0, colour, 1.0);
  cyf_canvas_text(canvas, x + 12.0, y, &style, text);
  return x + 12.0 + cyf_canvas_text_width(canvas, &style, text) + 16.0;
}

cyf_colour cyf_class_colour(int64_t class_code) {
  /* Okabe & Ito's, with a darker yellow that shows on white and grey for black, which would not show on a dark page. */
  static const cyf_colour palette[8] = {{0.902, 0.624, 0.0},   {0.337, 0.706, 0.914}, {0.0, 0.62, 0.451},
                                        {0.0, 0.447, 0.698},   {0.835, 0.369, 0.0},   {0.8, 0.475, 0.655},
                                        {0.545, 0.545, 0.545}, {0.75, 0.68, 0.05}};
  return palette[class_code % 8];
}

cyf_mark cyf_class_mark(int64_t class_code) {
  return (cyf_mark)(class_code / 8 % CYF_N_MARKS);
}

cyf_colour cyf_sequential_colour(double t) {
  /* Anchors of viridis between its darkest and lightest parts, which would vanish on one of the backgrounds. */
  static const cyf_colour anchor[5] = {
      {0.267, 0.227, 0.514}, {0.208, 0.376, 0.553}, {0.129, 0.569, 0.549}, {0.369, 0.741, 0.384}, {0.78, 0.83, 0.2}};
  double at = 4.0 * fmax(0.0, fmin(1.0, t));
  int k = at >= 4.0 ? 3 : (int)at;
  double f = at - k;
  const cyf_colour *a = &anchor[k], *b = &anchor[k + 1];
  return (cyf_colour){a->red + f * (b->red - a->red), a->green + f * (b->green - a->green),
                      a->blue + f * (b->blue - a->blue)};
}
