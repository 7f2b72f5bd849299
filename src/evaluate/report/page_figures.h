/* SPDX-License-Identifier: MIT */
/** @file
 * The figures of the page, from the evaluation. */
#ifndef CYF_EVALUATE_REPORT_PAGE_FIGURES_H
#define CYF_EVALUATE_REPORT_PAGE_FIGURES_H

#include "evaluate/report/evaluation_page.h"
#include "figures/page.h"

enum { CYF_N_PAGE_FIGURES = 6 };

/** Draws all figures in the page's order. Freed with cyf_page_figures_destroy (also after an error). */
cyf_status cyf_page_figures_create(const cyf_evaluation *evaluation, const cyf_path_cells *path,
                                   cyf_page_figure figures[CYF_N_PAGE_FIGURES]);
void cyf_page_figures_destroy(cyf_page_figure figures[CYF_N_PAGE_FIGURES]);

#endif
