/* SPDX-License-Identifier: MIT */
/** @file
 * The figures of the page, drawn from the evaluation. Not collective. */
#ifndef CYF_EVALUATE_REPORT_PAGE_FIGURES_H
#define CYF_EVALUATE_REPORT_PAGE_FIGURES_H

#include "evaluate/report/evaluation_page.h"
#include "figures/page.h"

/** Number of figures. */
enum { CYF_N_PAGE_FIGURES = 6 };

/** Draws all figures in the page's order; path may be NULL. Freed with cyf_page_figures_destroy (also after an error).
 * Errors: CYF_ERR_MEMORY, CYF_ERR_INTERNAL (drawing failed), CYF_ERR_INPUT (cyf_path_check). */
cyf_status cyf_page_figures_create(const cyf_evaluation *evaluation, const cyf_path_cells *path,
                                   cyf_page_figure figures[CYF_N_PAGE_FIGURES]);
/** Frees the images and captions and sets them to NULL. */
void cyf_page_figures_destroy(cyf_page_figure figures[CYF_N_PAGE_FIGURES]);

#endif
