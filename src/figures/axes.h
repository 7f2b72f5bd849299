/* SPDX-License-Identifier: MIT */
/** @file
 * Plot panels: a frame with ticks, and the way from data to the canvas. */
#ifndef CYF_FIGURES_AXES_H
#define CYF_FIGURES_AXES_H

#include "figures/canvas.h"

typedef struct cyf_axis {
  double low, high;
  bool logarithmic; /**< low and high are then powers of ten; values at or below low are drawn at low, labelled 0 */
  const char *label;
} cyf_axis;

typedef struct cyf_axes {
  double left, top, width, height; /**< of the frame on the canvas */
  cyf_axis x, y;
  const char *title, *subtitle; /**< subtitle may be NULL */
} cyf_axes;

/** @{ */
/** Where a value lies on the canvas. */
double cyf_axes_x(const cyf_axes *axes, double value);
double cyf_axes_y(const cyf_axes *axes, double value);
/** @} */

/** Grid, ticks, labels and titles. */
void cyf_axes_draw(const cyf_axes *axes, cyf_canvas *canvas);

/** @{ */
/** A linear axis that holds all n values (stride apart) and some room. */
void cyf_axis_include(cyf_axis *axis, int64_t n, const double *values, int64_t stride);
void cyf_axis_add_room(cyf_axis *axis);
/** @} */

/** A row of legend entries from x on; returns the x after them. */
double cyf_legend_entry(cyf_canvas *canvas, double x, double y, cyf_mark mark, cyf_colour colour, const char *text);

/** @{ */
/** Colours and marks of classes: eight colours by four marks; and a sequential scale for t in [0, 1]. */
cyf_colour cyf_class_colour(int64_t class_code);
cyf_mark cyf_class_mark(int64_t class_code);
cyf_colour cyf_sequential_colour(double t);
/** @} */

#endif
