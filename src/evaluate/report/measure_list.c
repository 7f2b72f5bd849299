/* SPDX-License-Identifier: MIT */
#include "evaluate/report/measure_list.h"

#include <math.h>
#include <stddef.h>

#include "base/memory.h"

const cyf_measure cyf_measures[CYF_N_MEASURES] = {
    {"gene_mean_spearman", "gene means, Spearman", offsetof(cyf_evaluation, mean_spearman), "higher (1: same order)",
     "Rank correlation of the genes' mean expression.", false},
    {"gene_mean_pearson", "gene means, Pearson", offsetof(cyf_evaluation, mean_pearson), "higher (1: same)",
     "Linear correlation of the genes' mean expression.", false},
    {"gene_variance_spearman", "gene variances, Spearman", offsetof(cyf_evaluation, variance_spearman),
     "higher (1: same order)", "Rank correlation of the genes' variance over cells.", false},
    {"gene_variance_pearson", "gene variances, Pearson", offsetof(cyf_evaluation, variance_pearson), "higher (1: same)",
     "Linear correlation of the genes' variance over cells.", false},
    {"mmd", "maximum mean discrepancy", offsetof(cyf_evaluation, mmd), "lower (0: same)",
     "Distance between the two clouds of cells on joint principal components, five Gaussian kernels.", false},
    {"ilisi", "integration LISI", offsetof(cyf_evaluation, ilisi), "higher (1: apart, 2: mixed)",
     "Effective number of sets (real, synthetic) among each cell's nearest neighbours.", false},
    {"real_or_synthetic_auc", "real-or-synthetic AUC", offsetof(cyf_evaluation, auc), "nearer 0.5 (1: told apart)",
     "How well a random forest tells held-back synthetic from held-back real cells.", false},
    {"marker_agreement", "marker genes in common", offsetof(cyf_evaluation, labels.markers), "higher (1: the same)",
     "Share of each type's top marker genes (rank-sum test) that both sets have, mean over types.", false},
    {"nearest_training_ratio", "nearest training cell", offsetof(cyf_evaluation, memorisation.ratio),
     "nearer 1 (0: copies)",
     "Median distance of synthetic cells to their nearest training cell over that of held-out cells. Smoothed cells, "
     "which lie between real ones, are below 1 too.",
     false},
    {"copied_share", "copied training cells", offsetof(cyf_evaluation, memorisation.copied), "no higher than ceiling",
     "Share of cells whose nearest training cell is less than a third as far as the second nearest.", false},
    {"energy_distance", "energy distance", offsetof(cyf_evaluation, energy), "lower (0: same)",
     "Twice the mean distance between the sets less the mean distances within them, on joint principal components.",
     true},
    {"nearest_neighbour_accuracy", "nearest of the same set", offsetof(cyf_evaluation, nearest_accuracy),
     "nearer 0.5 (1: apart)", "Share of cells whose nearest other cell is of their own set.", true},
    {"precision", "precision", offsetof(cyf_evaluation, precision), "higher",
     "Share of synthetic cells that lie within the neighbourhood of a real cell.", true},
    {"recall", "recall", offsetof(cyf_evaluation, recall), "higher",
     "Share of real cells that lie within the neighbourhood of a synthetic cell.", true},
    {"detected_genes_wasserstein", "detected genes, distance", offsetof(cyf_evaluation, detected_wasserstein),
     "lower (0: same)", "1-Wasserstein distance of the numbers of detected genes a cell.", true},
    {"detected_genes_ks", "detected genes, KS", offsetof(cyf_evaluation, detected_ks), "lower (0: same)",
     "Largest difference of the distribution functions of detected genes a cell.", true},
};

const char *cyf_number_text(double value, char text[CYF_NUMBER_LENGTH]) {
  if (isnan(value)) {
    snprintf(text, CYF_NUMBER_LENGTH, "-");
  } else if (value != 0.0 && fabs(value) < 1e-3) {
    snprintf(text, CYF_NUMBER_LENGTH, "%.2e", value);
  } else if (fabs(value) >= 100.0) {
    snprintf(text, CYF_NUMBER_LENGTH, "%.1f", value);
  } else {
    snprintf(text, CYF_NUMBER_LENGTH, "%.4f", value);
  }
  return text;
}

cyf_status cyf_ceiling_text(const cyf_evaluation *e, char **ret_text) {
  switch (e->ceiling_kind) {
    case CYF_CEILING_TRAIN:
      return cyf_format(ret_text, "the same measure for %lld training cells in place of the %lld synthetic cells",
                        (long long)e->ceiling.n_cells_used, (long long)e->synthetic.n_cells_used);
    case CYF_CEILING_HALVES:
      return cyf_format(ret_text,
                        "the same measure for %lld cells of one half of the real cells in place of the %lld synthetic "
                        "cells; both are compared with the %lld cells of the other half",
                        (long long)e->ceiling.n_cells_used, (long long)e->synthetic.n_cells_used,
                        (long long)e->real.n_cells_used);
    default:
      return cyf_format(ret_text, "none; it needs training cells, or 8 real cells to halve");
  }
}
