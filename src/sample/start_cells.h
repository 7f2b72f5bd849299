/* SPDX-License-Identifier: MIT */
/** @file
 * Real cells of one class, encoded: where a path begins. */
#ifndef CYF_SAMPLE_START_CELLS_H
#define CYF_SAMPLE_START_CELLS_H

#include "comm/comm.h"
#include "sample/cells_in.h"
#include "saved/model_file.h"

typedef struct cyf_start_cells {
  int64_t n;
  int64_t *row;  /**< [n] in the file, ascending */
  char **name;   /**< [n] */
  float *latent; /**< [n, width] as encoded, the same on every rank */
} cyf_start_cells;

typedef struct cyf_start_asked {
  const char *path, *matrix, *gene_column; /**< the last two NULL: X, the var index */
  int64_t attribute, code;                 /**< in the model */
  int64_t n;                               /**< 0: as many as there are */
  uint64_t seed;
} cyf_start_asked;

/** The cells of `path` whose obs column of the attribute's name says the class (numbers where the model has bins of
 * them: data/tables/label_bins.h): all, or n drawn by the seed without putting back; where n is more than there are,
 * they are taken in turn. Their rows over the model's genes are encoded in blocks over ranks and threads, so latents do
 * not depend on how many there are. Collective. Errors: CYF_ERR_INPUT (another gene list, no such column: those there
 * are; no cell of the class: the classes there are, with their cells). */
cyf_status cyf_start_cells_read(cyf_comm *comm, const cyf_model *model, const cyf_start_asked *asked,
                                cyf_start_cells *ret_cells);
void cyf_start_cells_destroy(cyf_start_cells *cells); /**< NULL-safe */

#endif
