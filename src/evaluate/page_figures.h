/* The figures of the page, from the evaluation. */
#ifndef CYF_EVALUATE_PAGE_FIGURES_H
#define CYF_EVALUATE_PAGE_FIGURES_H

#include "evaluate/page.h"

/* One figure; owns svg and caption (freed with cyf_free); svg NULL: there is nothing to draw. */
typedef struct cyf_page_figure {
  const char *name; /* the SVG file's name without its ending, and the anchor on the page */
  const char *title;
  char *svg;
  char *caption;
} cyf_page_figure;

enum { CYF_N_PAGE_FIGURES = 6 };

/* Draws all figures in the page's order. Freed with cyf_page_figures_destroy (also after an error). */
cyf_status cyf_page_figures_create(const cyf_evaluation *evaluation, const cyf_path_cells *path,
                                   cyf_page_figure figures[CYF_N_PAGE_FIGURES]);
void cyf_page_figures_destroy(cyf_page_figure figures[CYF_N_PAGE_FIGURES]);

#endif
