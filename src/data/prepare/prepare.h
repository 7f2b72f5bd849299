/* SPDX-License-Identifier: MIT */
/** @file
 * `cytoforge prepare`: h5ad files to an atlas. */
#ifndef CYF_DATA_PREPARE_PREPARE_H
#define CYF_DATA_PREPARE_PREPARE_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/prepare/options.h"

/** What a run has done. Cells and genes are numbers over all inputs. */
typedef struct cyf_prepare_summary {
  int64_t n_cells_in;
  int64_t n_cells_filtered;  /**< dropped by `keep` */
  int64_t n_cells_repeated;  /**< with the id of an earlier cell; dropped where `duplicates` says so */
  int64_t n_cells_few_genes; /**< dropped of the others: they have fewer genes than `min_genes` */
  int64_t n_cells_train, n_cells_heldout;
  int64_t n_genes_in, n_genes_few_cells, n_genes_missing, n_genes;
  int64_t n_genes_differ;       /**< in some inputs and not in others; 0 with a gene list */
  int64_t n_structural_zeros;   /**< cells x genes of the union, or of the gene list, that were never measured */
  int64_t nnz, n_shards, bytes; /**< of the shards */
  int64_t sum_counts;           /**< over training cells; 0 where values are no counts */
} cyf_prepare_summary;

/** Makes an atlas of h5ad files: selects cells and genes, shuffles the cells over the whole atlas and writes shards.
 *
 * Two passes stream over the inputs: one selects cells, the other shuffles them by way of files on disk. Those take
 * about half the size of the data, in OUTPUT.partial. Then each shard is written, read back, compared with the inputs
 * and given its name. The atlas appears under its name only when it is whole. The result is the same for any number of
 * ranks and stops.
 *
 * Work is cut into units and shards, each of which is on disk or not. After a failure, a signal or a kill
 * OUTPUT.partial stays. The same command goes on from there, on any number of ranks; with other options or inputs it
 * begins anew. Signals (base/interrupt.h) are looked for once a block.
 *
 * Genes are matched by name over all inputs (h5ad/reader.h), and so are labels. `keep` and `holdout_where` mean a label
 * of the atlas where there is one of that name, and an obs column otherwise. Where cells are held out, the atlas also
 * holds heldout.h5ad and train.h5ad: raw values over the atlas' genes, in input order, compared with the inputs as
 * shards are. With `force` a former atlas of that name is replaced, but not where its folder holds files that are no
 * part of an atlas.
 *
 * A rank's memory stays within memory_bytes: a block of cells, a buffer for each shard, and a shard. With the number of
 * cells grows half a byte a cell, and one byte more on one rank where cells are held out. Of each input in turn, row
 * bounds take 8 bytes a cell, and each label takes 8 more. A rank's share of the cell ids, compared for `duplicates`,
 * takes 200 MB at most.
 *
 * Sets the time-out of `comm` to a week, since ranks' shares of the passes differ. ret_summary may be NULL. Collective.
 * Errors, agreed over all ranks: CYF_ERR_USAGE for numbers out of range and too little memory, CYF_ERR_INPUT,
 * CYF_ERR_IO, CYF_ERR_INTERRUPTED. */
cyf_status cyf_prepare(cyf_comm *comm, const cyf_prepare_options *options, cyf_prepare_summary *ret_summary);

#endif
