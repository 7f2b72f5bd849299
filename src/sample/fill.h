/* SPDX-License-Identifier: MIT */
/** @file
 * A real data set that generated cells are added to. Its cells come first in the file, over the model's genes. Their
 * values are of the same kind as the generated ones'. No function here is collective. */
#ifndef CYF_SAMPLE_FILL_H
#define CYF_SAMPLE_FILL_H

#include "sample/blocks.h"
#include "sample/cells_in.h"
#include "sample/conditions.h"
#include "sample/decode.h"

/** The real cells. Zero-initialise before use. Owns its members but for the model. */
typedef struct cyf_fill {
  const cyf_model *model;
  cyf_cells_in in; /**< its n_cells are the real cells */
  bool is_open;    /**< `in` is */
  bool has_counts; /**< X holds counts, as the file has them; else logarithms on the model's scale */
} cyf_fill;

/** The cells of a block of real ones. */
enum { CYF_FILL_BLOCK_CELLS = 256 };

/** Opens the file for cells that are generated as `output`. Errors: those of cyf_cells_in_open. CYF_ERR_INPUT where
 * counts are generated and the file has others, or where its obs has a column `origin`. CYF_ERR_USAGE for means, which
 * real cells do not have. */
cyf_status cyf_fill_open(const cyf_cells_asked *asked, const cyf_model *model, cyf_expression_output output,
                         cyf_fill *ret_fill);
/** Closes the file. Does nothing to a fill that is zeroed or closed already. */
void cyf_fill_close(cyf_fill *fill);
/** Makes a block of real cells, the first with place block->index * CYF_FILL_BLOCK_CELLS in the file: their expression,
 * and their latents as encode gives them. Takes scratch memory, which the caller releases. Thread-safe where each
 * thread has its own scratch. Errors: those of cyf_cells_in_read and cyf_encode_rows. */
cyf_status cyf_fill_block(cyf_fill *fill, cyf_scratch *scratch, cyf_cell_block *block);
/** Writes names and obs of the real cells and, behind them, of conditions->n_cells generated ones, which are named
 * generated_0 and so on. `origin` is real or generated. A column that the generated cells are asked about has the
 * labels of both; the file's other columns are missing in generated cells, and those of numbers become float64. Errors:
 * CYF_ERR_INPUT, CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_fill_write_obs(const cyf_fill *fill, const cyf_conditions *conditions, cyf_h5ad_writer *writer);

#endif
