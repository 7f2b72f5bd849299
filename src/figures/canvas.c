/* SPDX-License-Identifier: MIT */
#include "figures/canvas.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Pixels a point in pictures. */
#define PICTURE_SCALE 2.0

struct cyf_canvas {
  cairo_surface_t *surface;
  cairo_t *page;    /* draws on the surface */
  cairo_t *picture; /* NULL: none is open */
  double picture_x, picture_y;
  cairo_status_t failed; /* the first failure of a picture */
  char *svg;
  size_t size, capacity;
};

/* Cairo calls this with the SVG's text, a part at a time. */
static cairo_status_t take_piece(void *context, const unsigned char *bytes, unsigned int n) {
  cyf_canvas *canvas = context;
  if (canvas->size + n + 1 > canvas->capacity) {
    size_t wanted = 2 * (canvas->size + n + 1);
    void *memory = canvas->svg;
    if (cyf_realloc(&memory, wanted, 1) != CYF_OK) return CAIRO_STATUS_NO_MEMORY;
    canvas->svg = memory;
    canvas->capacity = wanted;
  }
  memcpy(canvas->svg + canvas->size, bytes, n);
  canvas->size += n;
  canvas->svg[canvas->size] = '\0';
  return CAIRO_STATUS_SUCCESS;
}

static cyf_status cairo_result(cairo_status_t status) {
  if (status == CAIRO_STATUS_SUCCESS) return CYF_OK;
  return CYF_FAIL(status == CAIRO_STATUS_NO_MEMORY ? CYF_ERR_MEMORY : CYF_ERR_INTERNAL, "cannot draw a figure: %s",
                  cairo_status_to_string(status));
}

cyf_status cyf_canvas_create(double width, double height, cyf_canvas **ret_canvas) {
  *ret_canvas = NULL;
  cyf_canvas *canvas = NULL;
  CYF_TRY(CYF_NEW(&canvas, 1));
  canvas->surface = cairo_svg_surface_create_for_stream(take_piece, canvas, width, height);
  canvas->page = cairo_create(canvas->surface);
  cairo_select_font_face(canvas->page, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cyf_status status = cairo_result(cairo_status(canvas->page));
  if (status != CYF_OK) cyf_canvas_destroy(&canvas);
  *ret_canvas = canvas;
  return status;
}

void cyf_canvas_destroy(cyf_canvas **canvas) {
  if (!canvas || !*canvas) return;
  if ((*canvas)->picture) cairo_destroy((*canvas)->picture);
  cairo_destroy((*canvas)->page);
  cairo_surface_destroy((*canvas)->surface);
  cyf_free((*canvas)->svg);
  cyf_free(*canvas);
}

cyf_status cyf_canvas_finish(cyf_canvas *canvas, char **ret_svg) {
  *ret_svg = NULL;
  CYF_TRY(cairo_result(canvas->failed));
  CYF_TRY(cairo_result(cairo_status(canvas->page)));
  cairo_surface_finish(canvas->surface);
  CYF_TRY(cairo_result(cairo_surface_status(canvas->surface)));
  *ret_svg = canvas->svg;
  canvas->svg = NULL;
  return CYF_OK;
}

static void set_colour(cairo_t *cairo, cyf_colour colour, double opacity) {
  cairo_set_source_rgba(cairo, colour.red, colour.green, colour.blue, opacity);
}

static cairo_t *target(const cyf_canvas *canvas) {
  return canvas->picture ? canvas->picture : canvas->page;
}

void cyf_canvas_line(cyf_canvas *canvas, double x0, double y0, double x1, double y1, double width, cyf_colour colour) {
  cairo_t *cairo = target(canvas);
  set_colour(cairo, colour, 1.0);
  cairo_set_line_width(cairo, width);
  cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
  cairo_move_to(cairo, x0, y0);
  cairo_line_to(cairo, x1, y1);
  cairo_stroke(cairo);
}

void cyf_canvas_rectangle(cyf_canvas *canvas, double x, double y, double width, double height, cyf_colour colour) {
  cairo_t *cairo = target(canvas);
  set_colour(cairo, colour, 1.0);
  cairo_rectangle(cairo, x, y, width, height);
  cairo_fill(cairo);
}

void cyf_canvas_mark(cyf_canvas *canvas, cyf_mark mark, double x, double y, double radius, cyf_colour colour,
                     double opacity) {
  cairo_t *cairo = target(canvas);
  set_colour(cairo, colour, opacity);
  cairo_new_path(cairo);
  if (mark == CYF_MARK_DISC) {
    cairo_arc(cairo, x, y, radius, 0.0, 2.0 * M_PI);
  } else if (mark == CYF_MARK_SQUARE) {
    cairo_rectangle(cairo, x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius);
  } else {
    int n = mark == CYF_MARK_TRIANGLE ? 3 : 4;
    for (int corner = 0; corner < n; corner++) {
      double angle = 2.0 * M_PI * corner / n - M_PI / 2.0;
      cairo_line_to(cairo, x + 1.25 * radius * cos(angle), y + 1.25 * radius * sin(angle));
    }
    cairo_close_path(cairo);
  }
  cairo_fill(cairo);
}

static void set_font(cairo_t *cairo, const cyf_text_style *style) {
  cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         style->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, style->size);
}

double cyf_canvas_text_width(cyf_canvas *canvas, const cyf_text_style *style, const char *text) {
  cairo_text_extents_t extents;
  set_font(canvas->page, style);
  cairo_text_extents(canvas->page, text, &extents);
  return extents.x_advance;
}

void cyf_canvas_text(cyf_canvas *canvas, double x, double y, const cyf_text_style *style, const char *text) {
  cairo_t *cairo = canvas->page;
  double width = cyf_canvas_text_width(canvas, style, text);
  cairo_save(cairo);
  set_colour(cairo, style->colour, 1.0);
  cairo_translate(cairo, x, y);
  if (style->upwards) cairo_rotate(cairo, -M_PI / 2.0);
  cairo_move_to(cairo, -style->anchor * width, 0.0);
  cairo_show_text(cairo, text);
  cairo_restore(cairo);
}

void cyf_canvas_picture_begin(cyf_canvas *canvas, double x, double y, double width, double height) {
  cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)ceil(width * PICTURE_SCALE),
                                                      (int)ceil(height * PICTURE_SCALE));
  canvas->picture = cairo_create(image);
  cairo_surface_destroy(image); /* the context holds it */
  canvas->picture_x = x;
  canvas->picture_y = y;
  cairo_scale(canvas->picture, PICTURE_SCALE, PICTURE_SCALE);
  cairo_translate(canvas->picture, -x, -y);
}

void cyf_canvas_picture_end(cyf_canvas *canvas) {
  cairo_t *picture = canvas->picture;
  canvas->picture = NULL;
  if (canvas->failed == CAIRO_STATUS_SUCCESS) canvas->failed = cairo_status(picture);
  cairo_save(canvas->page);
  cairo_translate(canvas->page, canvas->picture_x, canvas->picture_y);
  cairo_scale(canvas->page, 1.0 / PICTURE_SCALE, 1.0 / PICTURE_SCALE);
  cairo_set_source_surface(canvas->page, cairo_get_target(picture), 0.0, 0.0);
  cairo_paint(canvas->page);
  cairo_restore(canvas->page);
  cairo_destroy(picture);
}
