/* SPDX-License-Identifier: MIT */
/** @file
 * The evaluation as a folder: index.html (one page, no network needed), the figures as SVG files and evaluation.json.
 * Not collective. */
#ifndef CYF_EVALUATE_REPORT_EVALUATION_PAGE_H
#define CYF_EVALUATE_REPORT_EVALUATION_PAGE_H

#include "evaluate/evaluate.h"

/** A generated path among real cells; borrows everything. */
typedef struct cyf_path_cells {
  const cyf_cells *real; /**< the real cells; their labels are the attribute that colours them, or NULL */
  const cyf_cells *path; /**< the generated cells over the same genes; their labels are s, numbers in [0, 1] */
} cyf_path_cells;

/** Checks that the path cells' labels are numbers in [0, 1]. Errors: CYF_ERR_INPUT naming the first that is not. */
cyf_status cyf_path_check(const cyf_cells *path);

/** Writes the page into the folder (made when absent; its files are replaced). path may be NULL. Errors: CYF_ERR_IO
 * naming the file, CYF_ERR_MEMORY, CYF_ERR_INPUT (see cyf_path_check). */
cyf_status cyf_evaluation_write_page(const cyf_evaluation *evaluation, const cyf_path_cells *path,
                                     const char *directory);

#endif
