/* SPDX-License-Identifier: MIT */
/** @file
 * Start cells: real cells, encoded, from which a path or a transfer begins. */
#ifndef CYF_SAMPLE_START_CELLS_H
#define CYF_SAMPLE_START_CELLS_H

#include "comm/comm.h"
#include "model/diffusion/signal_share.h"
#include "sample/cells_in.h"
#include "saved/model_file.h"

/** The cells that were chosen. Owns its arrays. */
typedef struct cyf_start_cells {
  int64_t n;
  int64_t *row;  /**< [n] place of each in the file, ascending */
  char **name;   /**< [n] */
  float *latent; /**< [n, width] as the encoder gives them, of unit length; the same on every rank */
} cyf_start_cells;

/** Which cells to start from; nothing is owned. */
typedef struct cyf_start_asked {
  cyf_cells_asked cells;
  const int64_t *row;      /**< [n_rows] places in the file, ascending, of the cells to choose from; NULL: a class */
  int64_t n_rows;          /**< at least 1 where `row` is not NULL */
  int64_t attribute, code; /**< without `row`: place of the attribute in the model, and the class */
  int64_t n;               /**< 0: all cells that can be chosen */
  uint64_t seed;
} cyf_start_asked;

/** How far start cells are noised. */
typedef struct cyf_start_noise {
  int t_init;        /**< timestep that they are noised to */
  cyf_signal signal; /**< how much of them is left there */
} cyf_start_noise;

/** Chooses the cells of asked->row, or else those whose obs column of the attribute's name says the class, and encodes
 * them over all ranks and threads. Where the model has bins of numbers for classes (data/tables/label_bins.h), the
 * column holds numbers.
 * With asked->n above 0, so many are drawn by the seed, without replacement; where there are fewer, they are taken in
 * turn. Latents do not depend on the number of ranks and threads. The caller frees the result with
 * cyf_start_cells_destroy. Collective. Errors: CYF_ERR_INPUT (other genes; no such column, naming those there are; no
 * cell of the class, naming the classes there are with their numbers of cells); agreed over ranks. */
cyf_status cyf_start_cells_read(cyf_comm *comm, const cyf_model *model, const cyf_start_asked *asked,
                                cyf_start_cells *ret_cells);
/** Chooses how far the cells are noised: to t_init if it is at least 0. Otherwise it is the latest timestep at which
 * the share `keep` of their signal power is left. Logs it, with a warning where almost nothing is left. Not collective.
 */
cyf_start_noise cyf_start_cells_noise(const cyf_start_cells *cells, const cyf_model *model, int64_t t_init,
                                      double keep);
/** Gives the model's code for each category of a file's column of the attribute; -1: the model has it not. Classes that
 * are bins hold the numbers in their range. ret_code has room for them. Not collective. */
void cyf_start_codes(const cyf_model_attribute *attribute, const cyf_names *categories, int64_t *ret_code);
/** Frees what the struct holds. NULL-safe. */
void cyf_start_cells_destroy(cyf_start_cells *cells);

#endif
