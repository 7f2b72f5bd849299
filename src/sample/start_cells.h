/* SPDX-License-Identifier: MIT */
/** @file
 * Start cells: real cells of one class, encoded, from which a path begins. */
#ifndef CYF_SAMPLE_START_CELLS_H
#define CYF_SAMPLE_START_CELLS_H

#include "comm/comm.h"
#include "sample/cells_in.h"
#include "saved/model_file.h"

/** The cells that were chosen. Owns its arrays. */
typedef struct cyf_start_cells {
  int64_t n;
  int64_t *row;  /**< [n] place of each in the file, ascending */
  char **name;   /**< [n] */
  float *latent; /**< [n, width] as the encoder gives them, of unit length; the same on every rank */
} cyf_start_cells;

/** Which cells to start from; texts belong to the caller. */
typedef struct cyf_start_asked {
  cyf_cells_asked cells;
  int64_t attribute, code; /**< place of the attribute in the model, and the class */
  int64_t n;               /**< 0: all cells of the class */
  uint64_t seed;
} cyf_start_asked;

/** Chooses the file's cells whose obs column of the attribute's name says the class, and encodes them over all ranks
 * and threads. Where the model has bins of numbers for classes (data/tables/label_bins.h), the column holds numbers.
 * With asked->n above 0, so many are drawn by the seed, without replacement; where there are fewer, they are taken in
 * turn. Latents do not depend on the number of ranks and threads. The caller frees the result with
 * cyf_start_cells_destroy. Collective. Errors: CYF_ERR_INPUT (other genes; no such column, naming those there are; no
 * cell of the class, naming the classes there are with their numbers of cells); agreed over ranks. */
cyf_status cyf_start_cells_read(cyf_comm *comm, const cyf_model *model, const cyf_start_asked *asked,
                                cyf_start_cells *ret_cells);
/** Frees what the struct holds. NULL-safe. */
void cyf_start_cells_destroy(cyf_start_cells *cells);

#endif
