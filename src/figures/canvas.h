/* SPDX-License-Identifier: MIT */
/** @file
 * Drawing on an SVG image in memory; only this part calls Cairo. Lengths are in points of the image, y grows downwards.
 * Drawing calls return nothing: cyf_canvas_finish reports what failed in them. One thread at a time may draw on a
 * canvas. Not collective. */
#ifndef CYF_FIGURES_CANVAS_H
#define CYF_FIGURES_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** An image that is being drawn. */
typedef struct cyf_canvas cyf_canvas;

/** A colour in sRGB. */
typedef struct cyf_colour {
  double red, green, blue; /**< 0 to 1 */
} cyf_colour;

/** @{ */
/** Colours of text, of lesser text and of grid lines, for a white page. They are whole per cent that nothing else uses.
 * So the page finds them in the SVG and replaces them by the theme's colours. */
#define CYF_INK ((cyf_colour){0.11, 0.12, 0.13})
#define CYF_QUIET_INK ((cyf_colour){0.36, 0.37, 0.38})
#define CYF_GRID ((cyf_colour){0.86, 0.87, 0.88})
/** @} */

/** @{ */
/** Colours of real, synthetic and ceiling cells in every figure, from Okabe & Ito's palette, which colour-blind people
 * tell apart. */
#define CYF_REAL_COLOUR ((cyf_colour){0.0, 0.447, 0.698})
#define CYF_SYNTHETIC_COLOUR ((cyf_colour){0.835, 0.369, 0.0})
#define CYF_CEILING_COLOUR ((cyf_colour){0.0, 0.62, 0.451})
/** @} */

/** The shape of a point. */
typedef enum cyf_mark { CYF_MARK_DISC, CYF_MARK_TRIANGLE, CYF_MARK_SQUARE, CYF_MARK_DIAMOND } cyf_mark;
/** Number of shapes. */
enum { CYF_N_MARKS = 4 };

/** How a text is drawn. */
typedef struct cyf_text_style {
  double size;
  double anchor; /**< 0: the text begins at x, 0.5: centred, 1: ends */
  bool bold, upwards;
  cyf_colour colour;
} cyf_text_style;

/** Makes an empty image; freed with cyf_canvas_destroy. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_canvas_create(double width, double height, cyf_canvas **ret_canvas);
/** Frees the canvas, finished or not, and sets *canvas to NULL. NULL-safe. */
void cyf_canvas_destroy(cyf_canvas **canvas);
/** Ends the drawing; *ret_svg is the image's text, freed with cyf_free. Errors: CYF_ERR_MEMORY, CYF_ERR_INTERNAL (what
 * Cairo says). */
cyf_status cyf_canvas_finish(cyf_canvas *canvas, char **ret_svg);

/** @{ */
/** Draws a straight line, a filled rectangle (x and y are its upper left corner), or a filled mark around x and y.
 * opacity is in [0, 1]. */
void cyf_canvas_line(cyf_canvas *canvas, double x0, double y0, double x1, double y1, double width, cyf_colour colour);
void cyf_canvas_rectangle(cyf_canvas *canvas, double x, double y, double width, double height, cyf_colour colour);
void cyf_canvas_mark(cyf_canvas *canvas, cyf_mark mark, double x, double y, double radius, cyf_colour colour,
                     double opacity);
/** @} */

/** @{ */
/** Draws a text, whose baseline is at y, or returns how wide it would be. */
void cyf_canvas_text(cyf_canvas *canvas, double x, double y, const cyf_text_style *style, const char *text);
double cyf_canvas_text_width(cyf_canvas *canvas, const cyf_text_style *style, const char *text);
/** @} */

/** @{ */
/** What is drawn between these two calls becomes one embedded picture of the rectangle, in pixels, and is clipped to
 * it. So thousands of translucent marks do not make the SVG large. */
void cyf_canvas_picture_begin(cyf_canvas *canvas, double x, double y, double width, double height);
void cyf_canvas_picture_end(cyf_canvas *canvas);
/** @} */

#endif
