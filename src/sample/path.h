/* SPDX-License-Identifier: MIT */
/** @file
 * Cells on the way from one class to another (gradient interpolation, Luo et al. 2024). Real cells are noised to a
 * timestep. The reverse process starts there, guided by the gradients of two classes. */
#ifndef CYF_SAMPLE_PATH_H
#define CYF_SAMPLE_PATH_H

#include "model/diffusion/signal_share.h"
#include "sample/class_path.h"
#include "sample/generator.h"
#include "sample/start_cells.h"

/** Cell i of the output is start cell i mod start.n at point i / start.n of the path. */
typedef struct cyf_path {
  cyf_class_path classes;
  cyf_start_cells start;
  double weight;     /**< of the classes' gradients; 0: they do not guide */
  int t_init;        /**< timestep that the start cells are noised to */
  cyf_signal signal; /**< what is left of them there */
} cyf_path;

/** t_init: as asked for (at least 0), or the latest that leaves the share `keep` of the start cells' signal (keep <= 0:
 * 0.1). Logs it, with a warning where almost nothing is left. */
void cyf_path_choose_start(cyf_path *path, const cyf_model *model, int64_t t_init, double keep);
/** The weight from the values of --guidance; 5 where none is for the path's attribute. Errors: CYF_ERR_USAGE. */
cyf_status cyf_path_choose_weight(cyf_path *path, const cyf_model *model, const cyf_texts *guidance);
/** What `asked` leaves open: ddpm over 100 steps, unless the model's settings say how it is to be sampled. */
cyf_reverse cyf_path_reverse(const cyf_reverse *asked, const cyf_settings *settings);

/** As cyf_generator_block. The generator's schedule ends at t_init and its conditions, of other attributes, are over
 * all cells of the output. A cell's noise and drawn counts are numbered by its start cell, so that its way from point
 * to point is smooth. */
cyf_status cyf_path_block(const cyf_path *path, const cyf_generator *generator, int thread, cyf_cell_block *block);
void cyf_path_destroy(cyf_path *path); /**< what it holds; zeroed: nothing */

#endif
