/* SPDX-License-Identifier: MIT */
/** @file
 * The stages of training, for `bench train`: on made-up batches in device memory the models', the gradient plane's and
 * the optimiser's part of a step; the autoencoder also on an atlas, loader included. */
#ifndef CYF_BENCH_BENCH_STEPS_H
#define CYF_BENCH_BENCH_STEPS_H

#include "comm/gradient_plane.h"
#include "train/optimizer.h"

typedef struct cyf_bench_shape {
  const char *stage;          /**< "autoencoder", "denoiser" or "classifier" */
  const char *data;           /**< an atlas, for the autoencoder; NULL: cells are made up */
  int64_t n_genes, n_classes; /**< of the cells that are made up */
  double n_expressed;         /**< genes a cell, likewise */
  int64_t n_local, n_global;  /**< cells of a batch, here and over all ranks */
} cyf_bench_shape;

typedef struct cyf_bench_steps cyf_bench_steps;

/** Models and batches as the settings say. Collective. Errors: CYF_ERR_USAGE for a stage that is none. */
cyf_status cyf_bench_steps_create(cyf_comm *comm, cyf_device *device, const cyf_settings *settings,
                                  const cyf_bench_shape *shape, cyf_bench_steps **ret_steps);
void cyf_bench_steps_destroy(cyf_bench_steps **steps);
/** One update: forward, backward, the sum over ranks, AdamW, queued as training does it. *ret_n_cells: of its batch,
 * over all ranks. Collective. */
cyf_status cyf_bench_steps_run(cyf_bench_steps *steps, int64_t *ret_n_cells);
/** Returns when the device is through with all steps. */
cyf_status cyf_bench_steps_wait(cyf_bench_steps *steps);
/** Loss of the last step over its local cells, to see that it learns something; after a wait. */
double cyf_bench_steps_loss(const cyf_bench_steps *steps);
/** Multiplications and additions of the matrix products of one step over all ranks: 2 x rows x weights forward, twice
 * that backward. Rows are cells; the autoencoder's first layer counts with the share of genes that a cell expresses,
 * layers of the timestep with T where a rank has more cells. */
double cyf_bench_steps_flops(const cyf_bench_steps *steps);
/** The least that a step of one rank moves in its device's memory: parameters, gradients, moments and the average are
 * read and written once by AdamW, weights are read by both passes and gradients written, stored entries of cells read
 * once. */
double cyf_bench_steps_bytes(const cyf_bench_steps *steps);

/** @{ */
/** The shape with what the atlas says of itself. */
const cyf_bench_shape *cyf_bench_steps_shape(const cyf_bench_steps *steps);
const char *cyf_bench_steps_plane(const cyf_bench_steps *steps);
/** @} */

#endif
