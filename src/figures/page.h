/* SPDX-License-Identifier: MIT */
/** @file
 * A report as one HTML page that needs no network: style, text, figures, files. Not collective. */
#ifndef CYF_FIGURES_PAGE_H
#define CYF_FIGURES_PAGE_H

#include <stdio.h>

#include "base/status.h"

/** One figure; owns svg and caption (freed with cyf_free); svg NULL: there is nothing to draw. */
typedef struct cyf_page_figure {
  const char *name; /**< the SVG file's name without its ending, and the anchor on the page */
  const char *title;
  char *svg;
  char *caption;
} cyf_page_figure;

/** Begins the page: its head with the style (light, dark and on paper), and the title as its first heading. */
void cyf_page_begin(FILE *page, const char *title);
/** Ends what cyf_page_begin began. */
void cyf_page_end(FILE *page);
/** Text with what HTML reserves replaced. */
void cyf_page_put_text(FILE *page, const char *text);
/** A section with the figure and its caption; nothing where there is no SVG. `number` makes the names inside the SVG
 * unique to the page. */
void cyf_page_put_figure(FILE *page, const cyf_page_figure *figure, int number);

/** Writes text as DIRECTORY/NAME and the ending (".svg"), replacing such a file. Errors: CYF_ERR_IO naming the file,
 * CYF_ERR_MEMORY. */
cyf_status cyf_page_write_file(const char *directory, const char *name, const char *ending, const char *text);

#endif
