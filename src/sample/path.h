/* SPDX-License-Identifier: MIT */
/** @file
 * Cells on the way from one class to another (gradient interpolation; Luo et al., Bioinformatics 2024, btae518). Real
 * cells are noised to a timestep. The reverse process starts there, guided by the gradients of two classes. No function
 * here is collective. */
#ifndef CYF_SAMPLE_PATH_H
#define CYF_SAMPLE_PATH_H

#include "sample/class_path.h"
#include "sample/generator.h"
#include "sample/start_cells.h"

/** A path and its start cells. Cell i of the output is start cell i mod start.n, led to point i / start.n. */
typedef struct cyf_path {
  cyf_class_path classes; /**< owned */
  cyf_start_cells start;  /**< owned */
  double weight;          /**< of the classes' gradients; 0: they do not guide */
  cyf_start_noise noise;  /**< how far the start cells are noised */
} cyf_path;

/** Sets path->noise (cyf_start_cells_noise; keep <= 0: 0.1). */
void cyf_path_choose_start(cyf_path *path, const cyf_model *model, int64_t t_init, double keep);
/** Sets path->weight from the values of --guidance; 5 where none is for the path's attribute. Errors: CYF_ERR_USAGE,
 * CYF_ERR_MEMORY. */
cyf_status cyf_path_choose_weight(cyf_path *path, const cyf_model *model, const cyf_texts *guidance);
/** `asked` with what it leaves open filled in: ddpm and 100 steps (all, where the model has no more). Where the
 * settings' sample.steps is not "auto", `asked` is given back as it is. */
cyf_reverse cyf_path_reverse(const cyf_reverse *asked, const cyf_settings *settings);

/** Makes the block's cells, as cyf_generator_block does. The generator's schedule ends at t_init; its conditions are of
 * other attributes than the path's and cover all cells of the output. Random numbers are keyed by the start cell, not
 * by the point, so that a cell changes smoothly from point to point. Errors: those of cyf_generator_block. */
cyf_status cyf_path_block(const cyf_path *path, const cyf_generator *generator, int thread, cyf_cell_block *block);
/** Frees what the path holds; a zeroed one holds nothing. */
void cyf_path_destroy(cyf_path *path);

#endif
