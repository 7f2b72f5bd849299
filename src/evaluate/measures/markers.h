/* SPDX-License-Identifier: MIT */
/** @file
 * Marker genes: those that one class expresses above all other cells. */
#ifndef CYF_EVALUATE_MEASURES_MARKERS_H
#define CYF_EVALUATE_MEASURES_MARKERS_H

#include <stdint.h>

#include "base/status.h"
#include "evaluate/measures/rows.h"

/** Wilcoxon's rank-sum test of each class against all other cells, gene by gene: z [n_classes, n_genes], positive where
 * the class has the higher values. It uses the normal approximation without continuity correction, average ranks, and a
 * variance corrected for ties (Lehmann, Nonparametrics, 1.4). So do scanpy's rank_genes_groups(method="wilcoxon",
 * tie_correct=True) and SciPy's asymptotic mannwhitneyu. The two-sided p-value is erfc(|z| / sqrt 2). class_code
 * [n_cells]; cells below 0 are left out. Values must not be negative. z is 0 where a gene is constant, or a class has
 * no cell or every cell. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_rank_sum(const cyf_rows *rows, const int32_t *class_code, int64_t n_classes, double *z);

/** The n_top genes of highest z [n_genes], equal ones by index; gene [n_top] ascending by index. n_top <= n_genes.
 * Errors: CYF_ERR_MEMORY. */
cyf_status cyf_top_genes(int64_t n_genes, const double *z, int64_t n_top, int64_t *gene);
/** How many numbers two ascending lists of n share. */
int64_t cyf_count_shared(int64_t n, const int64_t *a, const int64_t *b);

#endif
