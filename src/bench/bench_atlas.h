/* SPDX-License-Identifier: MIT */
/** @file
 * Batches of an atlas on the device for `bench train`, made as training makes them: by a loader and a cell feed. */
#ifndef CYF_BENCH_BENCH_ATLAS_H
#define CYF_BENCH_BENCH_ATLAS_H

#include "saved/settings.h"
#include "train/cell_feed.h"

/** An open atlas, its loader and the feed to the device. */
typedef struct cyf_bench_atlas cyf_bench_atlas;

/** Opens the atlas and a shuffled stream of all its cells, with batch_cells cells in a batch over all ranks. All else,
 * data.residency included, is as the settings say. The caller frees it with cyf_bench_atlas_close. Collective; failures
 * are agreed. Errors: those of cyf_atlas_open, cyf_cell_feed_create and cyf_loader_create. */
cyf_status cyf_bench_atlas_open(cyf_comm *comm, cyf_device *device, const cyf_settings *settings, const char *path,
                                int64_t batch_cells, cyf_bench_atlas **ret_atlas);
/** Closes it and sets *atlas to NULL. NULL-safe. Collective where cyf_loader_destroy is. */
void cyf_bench_atlas_close(cyf_bench_atlas **atlas);

/** @{ */
/** The atlas' number of genes, and the mean number of genes that a cell expresses. */
int64_t cyf_bench_atlas_genes(const cyf_bench_atlas *atlas);
double cyf_bench_atlas_expressed(const cyf_bench_atlas *atlas);
/** @} */

/** Gives this rank's next batch [n_local, genes] in device memory, with the cells' totals[n_local] and the batch's
 * number of cells over all ranks. It is valid until the next call. Not collective. Errors: those of cyf_loader_next and
 * cyf_cell_feed_put. */
cyf_status cyf_bench_atlas_next(cyf_bench_atlas *atlas, cyf_csr *ret_cells, const float **ret_total,
                                int64_t *ret_n_global);

#endif
