/* SPDX-License-Identifier: MIT */
/** @file
 * A negative-binomial simulator of single-cell counts, streaming.
 *
 * The model. Gene g has the base share p_g ~ exp(sigma z_g), z_g standard normal; sigma is solved for the wanted share
 * of non-zero entries. Type t multiplies a random twentieth of the genes, its markers, by exp(1 + |z|); donor d
 * multiplies every gene by exp(0.15 z), cut at 1.35. Cell i has a type (the k-th with a weight of 1/sqrt(k + 1)), a
 * donor (uniform) and a library size m, log-normal with mean mean_counts and log-sd 0.35, at most three times the mean.
 * Cells of the first two types lie on a path: with pseudotime u, uniform on [0, 1/2) in the first type and on [1/2, 1)
 * in the second, their profile is (1 - u) p_first + u p_second. Elsewhere pseudotime is missing (NaN).
 *
 * Counts are negative binomial with mean mu = m p and size theta = 2 for every gene, exactly, at a cost that grows with
 * the entries that are not zero: NB(mu, theta) is a Poisson(theta ln(1 + mu / theta)) number of clusters, each of a
 * logarithmic size with q = mu / (mu + theta) (Quenouille, Biometrics 1949). Clusters are proposed along a line on
 * which each gene has a length that bounds its rate, by exponential steps, and thinned to the cell's own rates: genes
 * come in ascending order. A gene with any cluster left is expressed; its count is drawn given that. */
#ifndef CYF_DATA_SYNTH_SYNTH_H
#define CYF_DATA_SYNTH_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"

typedef struct cyf_synth_options {
  const char *output; /**< .h5ad, or a folder */
  int64_t n_cells, n_genes, n_types;
  int64_t n_donors;          /**< the second attribute; 4 */
  double mean_counts;        /**< mean library size; 3000 */
  double expressed_fraction; /**< target share of non-zero entries, about */
  uint64_t seed;
  int n_threads; /**< 0: all that OpenMP has */
  bool compact;  /**< the atlas' integers (h5ad/writer.h) in place of float32 values and 32-bit indices */
  bool force;
} cyf_synth_options;

/** Writes counts (CSR float32 without gzip, or compact) with obs columns cell_type, donor (categorical), pseudotime
 * (numeric, along the path from the first type to the second; NaN elsewhere). Cell i is named by its number; it depends
 * on (seed, i) and the model's parameters only, not on n_cells, files or threads. Not collective. Memory: the tables
 * (10 bytes a gene and type, 4 a gene and donor) and 24 bytes a cell of the file. Errors: CYF_ERR_USAGE for numbers out
 * of range, CYF_ERR_IO (an existing output without force, a full disk), CYF_ERR_INTERRUPTED after a signal
 * (base/interrupt.h, polled once a block; nothing is left behind). */
cyf_status cyf_synth(const cyf_synth_options *options);

/** The same cells cut into OUTPUT/cells-00000.h5ad ... of consecutive cells; file k is written by rank k mod size.
 * Memory: as for one file. With force, cells-* of an earlier call are removed first; after a failure none of this
 * call's is left. Collective. Errors: as above, on all ranks. */
cyf_status cyf_synth_files(cyf_comm *comm, const cyf_synth_options *options, int64_t n_files);

#endif
