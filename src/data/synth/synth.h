/* SPDX-License-Identifier: MIT */
/** @file
 * A simulator of single-cell counts by a negative-binomial model, which writes cells as it draws them.
 *
 * The model. Gene g has a base share of a cell's counts, p_g ~ exp(sigma z_g) with z_g standard normal, where sigma is
 * solved for the wanted share of non-zero entries. Type t multiplies a random twentieth of the genes, its markers, by
 * exp(1 + |z|). Donor d multiplies every gene by exp(0.15 z), cut at 1.35. A cell has a type, the k-th (from 0) with a
 * weight of 1/sqrt(k + 1), and one of equally likely donors. Its library size m is log-normal with mean mean_counts and
 * a standard deviation of 0.35 of ln m, cut at three times the mean.
 *
 * Cells of the first two types lie on a path. Their pseudotime u is uniform on [0, 1/2) in the first type and on [1/2,
 * 1) in the second, and their profile is (1 - u) p_first + u p_second. Other cells' pseudotime is missing (NaN).
 *
 * Counts are negative binomial with mean mu = m p and size theta = 2 for every gene. They are drawn exactly, at a cost
 * that grows with the entries that are not zero. For this NB(mu, theta) is taken as a sum over clusters: their number
 * is Poisson(theta ln(1 + mu / theta)), the size of each logarithmic with q = mu / (mu + theta) (Quenouille, Biometrics
 * 1949). Genes lie along a line, each with a length that bounds its rate of clusters. Exponential steps along the line
 * propose clusters, gene after gene, and these are thinned to the cell's own rates. A gene with any cluster left is
 * expressed, and its count is drawn given that. */
#ifndef CYF_DATA_SYNTH_SYNTH_H
#define CYF_DATA_SYNTH_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"

/** What is simulated. Nothing is owned. The numbers named are the command's defaults. */
typedef struct cyf_synth_options {
  const char *output; /**< .h5ad, or a folder */
  int64_t n_cells, n_genes, n_types;
  int64_t n_donors;          /**< the second attribute; 4 */
  double mean_counts;        /**< mean library size; 3000 */
  double expressed_fraction; /**< wanted share of non-zero entries; it is met about */
  uint64_t seed;
  int n_threads; /**< 0: all that OpenMP has */
  bool compact;  /**< store integers as an atlas does (h5ad/writer.h), not float32 values and 32-bit indices */
  bool force;    /**< replace an existing output */
} cyf_synth_options;

/** Writes one file of counts, CSR float32 without gzip, or compact. obs has the columns cell_type and donor
 * (categorical) and pseudotime (float64).
 *
 * Cell i is named by its number. It depends only on (seed, i) and the model's parameters, not on n_cells, files or
 * threads. Memory: tables of 10 bytes a gene and type and 4 a gene and donor, and 24 bytes a cell of the file. Not
 * collective. Errors: CYF_ERR_USAGE for numbers out of range; CYF_ERR_IO, also for an existing output without force;
 * CYF_ERR_INTERRUPTED after a signal (base/interrupt.h, looked for once a block). Nothing is left behind then. */
cyf_status cyf_synth(const cyf_synth_options *options);

/** Writes the same cells as n_files files of consecutive cells, OUTPUT/cells-00000.h5ad and so on; rank k mod size
 * writes file k. Memory: as for one file.
 *
 * With force, cells-* of an earlier call are removed first. After a failure none of this call's files is left.
 * Collective. Errors, agreed: as cyf_synth. */
cyf_status cyf_synth_files(cyf_comm *comm, const cyf_synth_options *options, int64_t n_files);

#endif
