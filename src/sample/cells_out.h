/* SPDX-License-Identifier: MIT */
/** @file
 * The h5ad that sample, encode and decode write: X, obs, var, obsm/X_latent and uns/cytoforge, block by block on rank
 * 0. */
#ifndef CYF_SAMPLE_CELLS_OUT_H
#define CYF_SAMPLE_CELLS_OUT_H

#include "data/h5ad/writer.h"
#include "data/tables/labels.h"
#include "sample/decode.h"

typedef struct cyf_cells_out {
  const char *path;       /**< not owned */
  const cyf_names *genes; /**< not owned */
  int64_t n_cells, width;
  cyf_expression_output
      expression;          /**< counts: integers; else dense where more than half of the first block is non-zero */
  cyf_h5ad_writer *writer; /**< made with the first block */
  float *latent;           /**< [n_cells, width] */
  int64_t n_written;
} cyf_cells_out;

/** Appends a block; the first decides the matrix' format. Errors: CYF_ERR_IO. */
cyf_status cyf_cells_out_append(cyf_cells_out *out, const cyf_cell_block *block);
/** obsm/X_latent and what every output carries in uns/cytoforge. Other columns are set on out->writer by the caller
 * before commit. */
cyf_status cyf_cells_out_describe(cyf_cells_out *out, const char *command_line, const char *model_path,
                                  const char *model_created);
/** Finishes the file under its name. */
cyf_status cyf_cells_out_commit(cyf_cells_out *out);
/** Abandons an uncommitted file and frees what is held; NULL-safe. */
void cyf_cells_out_destroy(cyf_cells_out *out);

#endif
