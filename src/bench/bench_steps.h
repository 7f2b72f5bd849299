/* SPDX-License-Identifier: MIT */
/** @file
 * Training steps for `bench train`: forward, backward, the sum of gradients over ranks, and the optimiser. Batches are
 * made up and lie in device memory; the autoencoder also takes those of an atlas, its loader included. */
#ifndef CYF_BENCH_BENCH_STEPS_H
#define CYF_BENCH_BENCH_STEPS_H

#include "comm/gradient_plane.h"
#include "train/optimizer.h"

/** Which stage is measured, and on what batches. */
typedef struct cyf_bench_shape {
  const char *stage;          /**< name of a stage that is trained (train/stages.h) */
  const char *data;           /**< an atlas, for the autoencoder; NULL: cells are made up */
  int64_t n_genes, n_classes; /**< of the cells that are made up */
  double n_expressed;         /**< genes that a made-up cell expresses */
  int64_t n_local, n_global;  /**< cells of a batch, of this rank and over all ranks */
} cyf_bench_shape;

/** The model of one stage with its batch, its optimiser and its gradient plane. */
typedef struct cyf_bench_steps cyf_bench_steps;

/** Makes the stage's model as the settings say, and its batch. The settings must outlive it. The caller frees it with
 * cyf_bench_steps_destroy. Collective; failures are agreed. Errors: CYF_ERR_USAGE (no such stage; an atlas for another
 * stage than the autoencoder; counts from made-up cells), and those of cyf_bench_atlas_open. */
cyf_status cyf_bench_steps_create(cyf_comm *comm, cyf_device *device, const cyf_settings *settings,
                                  const cyf_bench_shape *shape, cyf_bench_steps **ret_steps);
/** Frees it and sets *steps to NULL. NULL-safe. Collective where cyf_loader_destroy is. */
void cyf_bench_steps_destroy(cyf_bench_steps **steps);
/** Queues one update as training does: forward, backward, the sum over ranks, AdamW. *ret_n_cells: cells of its batch
 * over all ranks. Collective. Errors: those of a training step. */
cyf_status cyf_bench_steps_run(cyf_bench_steps *steps, int64_t *ret_n_cells);
/** Waits until the device has finished all steps. Errors: CYF_ERR_DEVICE. */
cyf_status cyf_bench_steps_wait(cyf_bench_steps *steps);
/** The loss of the last step over this rank's cells, to see that it falls; to be called after a wait. */
double cyf_bench_steps_loss(const cyf_bench_steps *steps);
/** Multiplications and additions in the matrix products of one step, over all ranks: for each layer 2 x rows x weights
 * forward and twice that backward. Rows are cells, with two exceptions. For the autoencoder's first layer they are
 * cells times the share of genes that a cell expresses. For layers of the timestep they are at most the number of
 * timesteps.
 */
double cyf_bench_steps_flops(const cyf_bench_steps *steps);
/** The fewest bytes that a step of one rank moves in its device's memory. AdamW reads and writes parameters, gradients,
 * both moments and the moving average once. Both passes read the weights; the backward pass writes gradients. The
 * non-zero entries of cells are read once, at 8 bytes. */
double cyf_bench_steps_bytes(const cyf_bench_steps *steps);

/** The shape that is measured, with the atlas' genes and expressed genes where there is one. Valid until destroy. */
const cyf_bench_shape *cyf_bench_steps_shape(const cyf_bench_steps *steps);
/** The gradient plane's name: "NCCL" or "MPI". */
const char *cyf_bench_steps_plane(const cyf_bench_steps *steps);

#endif
