/* The stages of training on made-up batches in device memory, for `bench train`: the models', the gradient plane's and
 * the optimiser's part of a step, without a loader. */
#ifndef CYF_CLI_BENCH_STEPS_H
#define CYF_CLI_BENCH_STEPS_H

#include "comm/gradient_plane.h"
#include "train/optimizer.h"

typedef struct cyf_bench_shape {
  const char *stage;                       /* "autoencoder", "denoiser" or "classifier" */
  int64_t n_genes, n_expressed, n_classes; /* of the cells that are made up */
  int64_t n_local, n_global;               /* cells of a batch, here and over all ranks */
} cyf_bench_shape;

typedef struct cyf_bench_steps cyf_bench_steps;

/* Models and batches as the settings say. Collective. Errors: CYF_ERR_USAGE for a stage that is none. */
cyf_status cyf_bench_steps_create(cyf_comm *comm, cyf_device *device, const cyf_settings *settings,
                                  const cyf_bench_shape *shape, cyf_bench_steps **ret_steps);
void cyf_bench_steps_destroy(cyf_bench_steps **steps);
/* One update: forward, backward, the sum over ranks, AdamW. Returns when the device is through. Collective. */
cyf_status cyf_bench_steps_run(cyf_bench_steps *steps);
/* Loss of the last step over its local cells, to see that it learns something. */
double cyf_bench_steps_loss(const cyf_bench_steps *steps);
/* Multiplications and additions of the matrix products of one step over all ranks: 2 x rows x weights forward, twice
 * that backward. Rows are cells; the autoencoder's first layer counts with the share of genes that a cell expresses,
 * layers of the timestep with T where a rank has more cells. */
double cyf_bench_steps_flops(const cyf_bench_steps *steps);
const char *cyf_bench_steps_plane(const cyf_bench_steps *steps);

#endif
