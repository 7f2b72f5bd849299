/* SPDX-License-Identifier: MIT */
/** @file
 * Plot panels: a frame with ticks, and where values lie on the canvas. Lengths are in points of the image, y grows
 * downwards. Not collective. */
#ifndef CYF_FIGURES_AXES_H
#define CYF_FIGURES_AXES_H

#include "figures/canvas.h"

/** One axis: its range and its label. */
typedef struct cyf_axis {
  double low, high;
  bool logarithmic; /**< low and high are then powers of ten; values at or below low are drawn at low, labelled 0 */
  const char *label;
} cyf_axis;

/** One panel. Texts are borrowed. */
typedef struct cyf_axes {
  double left, top, width, height; /**< of the frame on the canvas */
  cyf_axis x, y;
  const char *title, *subtitle; /**< subtitle may be NULL */
} cyf_axes;

/** @{ */
/** Where a value lies on the canvas, in points. */
double cyf_axes_x(const cyf_axes *axes, double value);
double cyf_axes_y(const cyf_axes *axes, double value);
/** @} */

/** Draws grid, ticks, labels and titles. */
void cyf_axes_draw(const cyf_axes *axes, cyf_canvas *canvas);

/** @{ */
/** Widen a linear axis: cyf_axis_include so that it holds the n values, `stride` apart in memory; cyf_axis_add_room by
 * a margin at both ends. */
void cyf_axis_include(cyf_axis *axis, int64_t n, const double *values, int64_t stride);
void cyf_axis_add_room(cyf_axis *axis);
/** @} */

/** Draws one legend entry from x on and returns where the next one may begin. */
double cyf_legend_entry(cyf_canvas *canvas, double x, double y, cyf_mark mark, cyf_colour colour, const char *text);

/** @{ */
/** The colour and the mark of a class, from eight colours and four marks; and the colour of t in [0, 1] on a sequential
 * scale. */
cyf_colour cyf_class_colour(int64_t class_code);
cyf_mark cyf_class_mark(int64_t class_code);
cyf_colour cyf_sequential_colour(double t);
/** @} */

#endif
