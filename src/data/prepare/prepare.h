/* SPDX-License-Identifier: MIT */
/** @file
 * `cytoforge prepare`: h5ad files to an atlas. */
#ifndef CYF_DATA_PREPARE_PREPARE_H
#define CYF_DATA_PREPARE_PREPARE_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/prepare/options.h"

typedef struct cyf_prepare_summary {
  int64_t n_cells_in;
  int64_t n_cells_filtered;  /**< dropped by `keep` */
  int64_t n_cells_repeated;  /**< with an id of an earlier cell; dropped where `duplicates` says so */
  int64_t n_cells_few_genes; /**< dropped of the others */
  int64_t n_cells_train, n_cells_heldout;
  int64_t n_genes_in, n_genes_few_cells, n_genes_missing, n_genes;
  int64_t nnz, n_shards, bytes;
  int64_t sum_counts; /**< 0 where values are no counts */
} cyf_prepare_summary;

/** Genes are matched by name (h5ad/reader.h), labels by name over all inputs; `keep` and `holdout_where` mean a label
 * of the atlas where there is one of that name, an obs column otherwise, and read a file's columns once. A rank's share
 * of the cell ids, compared for `duplicates`, takes 200 MB at most.
 *
 * Two streaming passes over the inputs, one to select cells and one to shuffle them by way of files on disk (about half
 * the size of the data, in OUTPUT.partial), then each shard is written, read back, compared and given its name. Work is
 * cut into units and shards that are each on disk or not: after a failure, a signal or a kill OUTPUT.partial stays, and
 * the same command goes on from there, on any number of ranks; with other options or inputs it begins anew. The result
 * is the same for any number of ranks and stops.
 *
 * A rank's memory stays within memory_bytes: a block of cells, a buffer a shard, a shard; what grows with the cells is
 * half a byte a cell, with cells held out one byte more on one rank, and of each input in turn 8 bytes a cell of row
 * bounds and 8 for each label. The atlas appears under its name only when whole. With holdout > 0 it also holds
 * heldout.h5ad and train.h5ad: raw values over the atlas' genes, in input order, compared with the inputs as shards
 * are. Sets the time-out of `comm` to a week, since ranks' shares of the passes differ. With `force` a former atlas of
 * that name is replaced, but not where its folder holds files that are no part of an atlas. Signals (base/interrupt.h)
 * are polled once a block. Collective. Errors: CYF_ERR_USAGE for numbers out of range and too little memory,
 * CYF_ERR_INPUT, CYF_ERR_IO, CYF_ERR_INTERRUPTED; agreed over all ranks. ret_summary may be NULL. */
cyf_status cyf_prepare(cyf_comm *comm, const cyf_prepare_options *options, cyf_prepare_summary *ret_summary);

#endif
