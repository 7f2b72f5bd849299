/* `cytoforge prepare`: h5ad files to an atlas. */
#ifndef CYF_DATA_PREPARE_H
#define CYF_DATA_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"

typedef struct cyf_prepare_options {
  const char *const *inputs;
  int64_t n_inputs;
  const char *output;        /* atlas directory */
  const char *matrix;        /* NULL: X */
  const char *const *labels; /* obs columns */
  int64_t n_labels;
  const char *genes_path;  /* gene list, one symbol a line; NULL: the union of the inputs' genes */
  const char *gene_column; /* NULL: var index */
  int64_t min_genes;       /* cells with fewer detected genes are dropped; 10 */
  int64_t min_cells;       /* genes in fewer training cells are dropped (not when a gene list is given); 3 */
  double holdout;          /* fraction held out, [0, 1) */
  uint64_t seed;
  int64_t cells_per_shard;  /* 0: a sensible default */
  bool force;               /* replace an existing atlas */
  const char *command_line; /* for provenance; may be NULL */
} cyf_prepare_options;

typedef struct cyf_prepare_summary {
  int64_t n_cells_in, n_cells_few_genes, n_cells_train, n_cells_heldout;
  int64_t n_genes_in, n_genes_few_cells, n_genes_missing, n_genes;
  int64_t nnz, n_shards, bytes;
} cyf_prepare_summary;

/* Two streaming passes over the inputs, one to select cells and one to shuffle them by way of files on disk (about the
 * size of the data, in OUTPUT.partial), then the shards are written, read back and compared. A rank's memory is bounded
 * by a block of cells, a shard, the labels and cell names of one input, and half a byte a cell; with cells held out,
 * also by the labels and names of all. The result is the same for any number of ranks. The atlas appears under its name
 * only when whole; a failed run leaves nothing. With holdout > 0 the atlas also holds heldout.h5ad and train.h5ad: raw
 * values over the atlas' genes, in input order. Sets the time-out of `comm` to a week, since ranks' shares of the
 * passes differ. With `force` a former atlas of that name is replaced, but not where its folder holds files that are no
 * part of an atlas. Signals (base/interrupt.h) are polled once a block. Collective. Errors: CYF_ERR_USAGE for numbers
 * out of range, CYF_ERR_INPUT, CYF_ERR_IO, CYF_ERR_INTERRUPTED; agreed over all ranks. ret_summary may be NULL. */
cyf_status cyf_prepare(cyf_comm *comm, const cyf_prepare_options *options, cyf_prepare_summary *ret_summary);

#endif
