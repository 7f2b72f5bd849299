/* SPDX-License-Identifier: MIT */
/** @file
 * Batches of an atlas on the device for `bench train`, by the way that training takes: loader and feed. */
#ifndef CYF_BENCH_BENCH_ATLAS_H
#define CYF_BENCH_BENCH_ATLAS_H

#include "saved/settings.h"
#include "train/cell_feed.h"

typedef struct cyf_bench_atlas cyf_bench_atlas;

/** Opens the atlas and its stream of all cells, shuffled: batch_cells over all ranks; the rest, data.residency among
 * it, is the settings'. Collective; failures are agreed. Errors: those of cyf_atlas_open and cyf_loader_create. */
cyf_status cyf_bench_atlas_open(cyf_comm *comm, cyf_device *device, const cyf_settings *settings, const char *path,
                                int64_t batch_cells, cyf_bench_atlas **ret_atlas);
/** NULL-safe; collective as cyf_loader_destroy is. */
void cyf_bench_atlas_close(cyf_bench_atlas **atlas);

/** @{ */
/** Its genes, and stored values a cell. */
int64_t cyf_bench_atlas_genes(const cyf_bench_atlas *atlas);
double cyf_bench_atlas_expressed(const cyf_bench_atlas *atlas);
/** @} */

/** This rank's next batch in device memory, until the next call, with its totals and its cells over all ranks. Not
 * collective. */
cyf_status cyf_bench_atlas_next(cyf_bench_atlas *atlas, cyf_csr *ret_cells, const float **ret_total,
                                int64_t *ret_n_global);

#endif
