/* SPDX-License-Identifier: MIT */
/** @file
 * How real synthetic cells are: comparison of synthetic with held-out real cells, each number beside its ceiling.
 *
 * There are three sets of log-normalised cells over the same genes: `real` (held out of training), `synthetic`, and
 * optionally `train` (real cells that the model was trained on). A measure's ceiling is the same measure with equally
 * many other real cells in the place of the synthetic ones. These are training cells, or one half of the real cells
 * while only the other half is compared. So the ceiling is what a perfect generator would score with this number of
 * cells, on which the maximum mean discrepancy, iLISI and the AUC depend.
 *
 *   cyf_cell_set real = {0}, synthetic = {0}, train = {0};
 *   cyf_load_options load = cyf_load_defaults();
 *   load.label = "cell_type";
 *   CYF_TRY(cyf_cell_set_load("heldout.h5ad", &load, NULL, &real));
 *   CYF_TRY(cyf_cell_set_load("synthetic.h5ad", &load, &real.genes, &synthetic));
 *   CYF_TRY(cyf_cell_set_load("train.h5ad", &load, &real.genes, &train));
 *   cyf_cells a = cyf_cell_set_view(&real), b = cyf_cell_set_view(&synthetic), t = cyf_cell_set_view(&train);
 *   cyf_evaluate_options options = cyf_evaluate_defaults();
 *   CYF_TRY(cyf_evaluate(&a, &b, &t, &options, &evaluation));
 *   CYF_TRY(cyf_evaluation_print(&evaluation, stdout));
 *
 * Not collective; threads are OpenMP's. Results depend on inputs, options and seed, and not on the number of threads,
 * but for the rounding of the linear algebra library. */
#ifndef CYF_EVALUATE_EVALUATE_H
#define CYF_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/values.h"
#include "data/tables/labels.h"
#include "evaluate/measures/pca.h"
#include "kernels/csr.h"

/* ---- Loading ---- */

/** Which cells and which genes of a file are loaded. */
typedef struct cyf_load_options {
  const char *matrix;      /**< as cyf_h5ad_open; NULL: X */
  const char *gene_column; /**< as cyf_h5ad_read_genes; NULL: the var index */
  const char *label;       /**< obs column; NULL: none */
  int64_t max_cells;       /**< larger files are subsampled to this many cells; 0: never; default 5000 */
  uint64_t seed;           /**< of the subsample; default 0 */
  const char *values;      /**< what values that do not tell are (cyf_values_parse); NULL: nothing is stated */
} cyf_load_options;

/** X, the var index, no label, 5,000 cells, seed 0. */
cyf_load_options cyf_load_defaults(void);

/** The cells of one file, log-normalised: log1p(counts / total x CYF_NORMALISED_TOTAL), total over the genes kept. Owns
 * everything. */
typedef struct cyf_cell_set {
  char *path;
  cyf_names genes;         /**< [n_genes] in the order of the matrix' columns */
  cyf_csr_buffer matrix;   /**< [n_cells, n_genes] */
  bool has_labels;         /**< false: label_note says why */
  cyf_label_column labels; /**< codes of the n_cells kept */
  char *label_note;        /**< NULL when there are labels */
  cyf_values values;       /**< what the file's are */
  int64_t n_cells_in_file; /**< more than matrix.n_cells when subsampled */
} cyf_cell_set;

/** Loads a file's cells. It judges what the values are (cyf_h5ad_judge_values), keeps `genes` by name and
 * in that order (NULL: all the file's genes), then brings them to log1p(counts / total x CYF_NORMALISED_TOTAL).
 * Logarithms of an unknown target are used as they are. More than max_cells cells are subsampled without replacement,
 * depending on the seed and the number of cells in the file; the kept cells stay in file order.
 *
 * *ret_set is zeroed and filled, freed with cyf_cell_set_destroy, and empty after an error. A missing label column is
 * no error (has_labels false). Errors: CYF_ERR_INPUT for an unreadable file, no cells, missing genes (how many, and the
 * first), or values that are neither counts nor log-normalised; CYF_ERR_MEMORY. */
cyf_status cyf_cell_set_load(const char *path, const cyf_load_options *options, const cyf_names *genes,
                             cyf_cell_set *ret_set);
/** Frees what the set holds and zeroes the struct. NULL-safe. */
void cyf_cell_set_destroy(cyf_cell_set *set);

/* ---- Comparing ---- */

/** One set of cells to compare; borrows everything. Anything may stand in for the synthetic cells: to score an
 * autoencoder, pass decode(encode(real)). */
typedef struct cyf_cells {
  const char *name;               /**< shown in reports, such as the path */
  cyf_csr matrix;                 /**< [n_cells, n_genes] log-normalised; the same genes in each set */
  const cyf_label_column *labels; /**< n_cells codes; NULL: none */
  const char *label_note;         /**< why there are none; may be NULL */
  int64_t n_cells_in_file;        /**< before subsampling; 0: not subsampled */
} cyf_cells;

/** A view of a loaded set, valid as long as it is. */
cyf_cells cyf_cell_set_view(const cyf_cell_set *set);

/** Which real cells stand in for synthetic ones. */
typedef enum cyf_ceiling_kind {
  CYF_CEILING_AUTO,   /**< training cells where there are some, else halves where there are 8 real cells, else none */
  CYF_CEILING_TRAIN,  /**< training cells against all real cells */
  CYF_CEILING_HALVES, /**< one half of the real cells against the other; synthetic cells meet that other half too */
  CYF_CEILING_NONE,
  CYF_CEILING_KINDS
} cyf_ceiling_kind;
/** The words of cyf_ceiling_kind, in its order. */
static const char *const cyf_ceiling_words[] = {"auto", "train", "halves", "none", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_ceiling_words) == CYF_CEILING_KINDS, "a word for each kind");

/** Which measures are taken: those of the published paper, or those that papers on generating cells use as well. */
typedef enum cyf_protocol { CYF_PROTOCOL_SCDIFFUSION, CYF_PROTOCOL_GENERATION, CYF_PROTOCOLS } cyf_protocol;
/** The words of cyf_protocol, in its order. */
static const char *const cyf_protocol_words[] = {"scdiffusion", "generation", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_protocol_words) == CYF_PROTOCOLS, "a word for each protocol");

/** How cells are compared; the numbers behind the meanings are the defaults. These follow the published protocol (Luo
 * et al. 2024): a forest of 1,000 trees of depth 5 on 50 joint components, trained on three quarters of the cells. */
typedef struct cyf_evaluate_options {
  int64_t n_components;     /**< principal components; 50 (fewer where the data has fewer) */
  int64_t pca_exact_limit;  /**< exact up to this min(cells, genes), else randomised subspace iteration; 2000 */
  int64_t min_cells;        /**< genes detected in fewer training (else real) cells are left out of correlations; 3 */
  double lisi_perplexity;   /**< 30; the neighbourhood is three times that */
  int64_t n_trees;          /**< 1000 */
  int64_t tree_depth;       /**< 5; at most 10 */
  double test_fraction;     /**< of cells the forest is tested on; 0.25 */
  double logistic_l2;       /**< weight of |W|^2 / 2 beside the summed log-loss; 1 */
  int64_t n_markers;        /**< marker genes of a class compared between the sets; 50 */
  cyf_ceiling_kind ceiling; /**< CYF_CEILING_AUTO */
  cyf_protocol protocol;    /**< CYF_PROTOCOL_SCDIFFUSION */
  uint64_t seed;            /**< 0 */
} cyf_evaluate_options;

/** The default options. */
cyf_evaluate_options cyf_evaluate_defaults(void);

/** A measure and its ceiling; NAN where not available. */
typedef struct cyf_score {
  double value;
  double ceiling;
} cyf_score;

/** One set in the result. */
typedef struct cyf_set_summary {
  char *name;
  int64_t n_cells;         /**< given to cyf_evaluate; 0: this set is absent */
  int64_t n_cells_in_file; /**< before subsampling */
  int64_t n_cells_used;    /**< in the comparisons (labels: all training cells train) */
  double genes_per_cell;   /**< mean number of genes with a positive value, over n_cells_used */
  double zero_fraction;    /**< share of entries that are not positive, over n_cells_used */
} cyf_set_summary;

/** One class of the label column. A score needs 10 cells of the class in both sets that it compares; else it is NAN. As
 * many synthetic as ceiling cells of a class are compared, where the class has 10 ceiling cells. */
typedef struct cyf_class_score {
  char *name;
  int64_t n_train, n_real, n_synthetic;
  int64_t n_used; /**< synthetic cells in the class's means and MMD */
  cyf_score
      accuracy; /**< share of the class's cells that are predicted as it; ceiling: of the real ones; NAN without any */
  cyf_score mean_spearman, mean_pearson; /**< of gene means */
  cyf_score mmd;                         /**< on the joint components of all cells */
  cyf_score markers;                     /**< share of the n_markers marker genes that both sides have */
} cyf_class_score;

/** Accuracy of a classifier that is trained on the training cells or, without any, on the half of the real cells that
 * is not compared. The ceiling of accuracy_synthetic is accuracy_real. */
typedef struct cyf_label_scores {
  bool available;
  char *note;                                               /**< why not available, else NULL */
  char *attribute;                                          /**< the label column */
  int64_t n_train, n_real, n_synthetic;                     /**< cells whose label training cells have too */
  int64_t n_unknown_real, n_unknown_synthetic;              /**< cells whose label no training cell has: left out */
  double accuracy_real, accuracy_synthetic, accuracy_ratio; /**< ratio synthetic / real */
  double balanced_real, balanced_synthetic; /**< mean over classes that have cells, each counting alike */
  int64_t n_markers;                        /**< compared a class: options' n_markers, or fewer genes */
  cyf_score markers;                        /**< mean over the classes that have one */
  int64_t n_classes;
  cyf_class_score *classes; /**< [n_classes], in the training column's order */
} cyf_label_scores;

/** Whether training cells were copied. Distances are to the nearest training cell, Euclidean on the training cells'
 * principal components. Cells that lie between training cells, such as smoothed ones, also have a ratio below 1; copies
 * show in `copied`. */
typedef struct cyf_memorisation {
  bool available;                           /**< false without training cells; then the rest is NAN */
  double distance_synthetic, distance_real; /**< medians */
  cyf_score ratio;                          /**< synthetic / real; ceiling 1 */
  cyf_score copied; /**< share of cells whose nearest training cell is under a third as far as the second nearest */
} cyf_memorisation;

/** Moments of the genes compared. */
typedef struct cyf_gene_profile {
  double *mean, *variance; /**< [n_genes_compared] */
} cyf_gene_profile;

/** The cells on the joint principal components of real and synthetic cells. */
typedef struct cyf_joint_space {
  cyf_pca pca;
  int64_t n_real, n_synthetic, n_ceiling;
  double *points;              /**< [n_real + n_synthetic, n_components] */
  double *ceiling_points;      /**< [n_ceiling, n_components]; NULL without a ceiling */
  int32_t *class_of_real;      /**< [n_real] class numbers of labels.classes, -1: none; NULL without labels */
  int32_t *class_of_synthetic; /**< [n_synthetic] likewise */
} cyf_joint_space;

/** The result of a comparison; owns everything. What could not be measured is NAN. */
typedef struct cyf_evaluation {
  cyf_set_summary real, synthetic;
  cyf_set_summary train;         /**< n_cells 0: none given */
  cyf_set_summary ceiling;       /**< the set its cells come from; n_cells 0: no ceiling */
  cyf_ceiling_kind ceiling_kind; /**< never CYF_CEILING_AUTO */
  bool has_train;
  int64_t n_genes;
  int64_t n_genes_compared; /**< detected in at least min_cells cells */
  int64_t n_components, n_components_ceiling;
  bool pca_randomised;                           /**< of the joint components */
  cyf_score mean_spearman, mean_pearson;         /**< of gene means */
  cyf_score variance_spearman, variance_pearson; /**< of gene variances */
  cyf_score mmd;                                 /**< sum of five Gaussian kernels, biased, no square root; 0: same */
  cyf_score ilisi;                               /**< 1: separate; 2: mixed */
  cyf_score auc;                                 /**< real-or-synthetic forest; 0.5: cannot tell, 1: tells */
  /** @{ */
  /** Of CYF_PROTOCOL_GENERATION alone, on the joint components (evaluate/measures/clouds.h). */
  cyf_score energy, nearest_accuracy, precision, recall;
  cyf_score detected_wasserstein, detected_ks; /**< of the numbers of detected genes a cell */
  /** @} */
  cyf_memorisation memorisation;
  cyf_label_scores labels;
  cyf_gene_profile real_genes, synthetic_genes, ceiling_genes; /**< ceiling_genes NULL without a ceiling */
  int64_t *compared_gene;                                      /**< [n_genes_compared] ascending */
  cyf_joint_space joint;
  cyf_evaluate_options options; /**< as used */
} cyf_evaluation;

/** Compares synthetic with real cells by all measures (evaluate/measures/metrics.h and pca.h). train may be NULL; then
 * memorisation is not measured and ceilings come from halves.
 *
 * Value and ceiling are computed from equal numbers of cells. With a ceiling from training cells, n = min(synthetic,
 * train) cells of each, drawn by the seed, are compared with all real cells. With a ceiling from halves, n =
 * min(synthetic, real / 2) cells of each are compared with the other half.
 *
 * The sets should share no cell. A shared cell has its twin in the other set, which pushes the AUC below 0.5 and lowers
 * the maximum mean discrepancy. The ceiling is a single draw, so small differences from it mean nothing. What a
 * degenerate input leaves undefined is NAN.
 *
 * *ret_evaluation is filled, freed with cyf_evaluation_destroy, and empty after an error. Errors: CYF_ERR_INPUT for a
 * set without cells, different numbers of genes, or sets that have no label in common. CYF_ERR_USAGE for options out of
 * range. CYF_ERR_NUMERIC for values that are not finite; CYF_ERR_MEMORY. */
cyf_status cyf_evaluate(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                        const cyf_evaluate_options *options, cyf_evaluation *ret_evaluation);
/** Frees what the result holds and zeroes the struct. NULL-safe. */
void cyf_evaluation_destroy(cyf_evaluation *evaluation);

/** Writes an aligned table for people to the stream, which stays the caller's. Errors: CYF_ERR_IO when it fails. */
cyf_status cyf_evaluation_print(const cyf_evaluation *evaluation, FILE *stream);
/** Writes one JSON object and a newline; what is not available is null. Errors: CYF_ERR_IO when the stream fails. */
cyf_status cyf_evaluation_print_json(const cyf_evaluation *evaluation, FILE *stream);

#endif
