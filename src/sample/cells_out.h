/* SPDX-License-Identifier: MIT */
/** @file
 * The h5ad file that sample, interpolate, encode and decode write, block by block, on rank 0: X, obs, var,
 * obsm/X_latent and uns/cytoforge. No function here is collective. */
#ifndef CYF_SAMPLE_CELLS_OUT_H
#define CYF_SAMPLE_CELLS_OUT_H

#include "data/h5ad/writer.h"
#include "data/tables/labels.h"
#include "sample/decode.h"

/** A file that is being written. The caller sets the first six members and zeroes the others. */
typedef struct cyf_cells_out {
  const char *path;       /**< not owned */
  const cyf_names *genes; /**< not owned */
  int64_t n_cells, width; /**< of all blocks; of a latent */
  cyf_expression_output
      expression; /**< counts: X holds integers; else X is dense where more than half of the first block is non-zero */
  double target;  /**< of the logarithms: the model's */
  cyf_h5ad_writer *writer; /**< owned; made with the first block */
  float *latent;           /**< [n_cells, width] owned: 4 x width bytes a cell */
  int64_t n_written;
} cyf_cells_out;

/** Appends a block; the first one decides whether X is sparse. Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_cells_out_append(cyf_cells_out *out, const cyf_cell_block *block);
/** Writes obsm/X_latent, and to uns/cytoforge where the cells come from. The caller sets obs columns on out->writer,
 * before cyf_cells_out_commit. Errors: CYF_ERR_IO. */
cyf_status cyf_cells_out_describe(cyf_cells_out *out, const char *command_line, const char *model_path,
                                  const char *model_created);
/** Finishes the file and gives it its name; until then it is `path`.partial. Errors: CYF_ERR_IO. */
cyf_status cyf_cells_out_commit(cyf_cells_out *out);
/** Removes a file that was not committed, and frees what is held. NULL-safe. */
void cyf_cells_out_destroy(cyf_cells_out *out);

#endif
