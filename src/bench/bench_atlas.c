/* SPDX-License-Identifier: MIT */
#include "bench/bench_atlas.h"

#include "base/memory.h"
#include "train/stage_common.h"

struct cyf_bench_atlas {
  cyf_atlas *atlas;
  cyf_loader *loader;
  cyf_cell_feed *feed;
};

static cyf_status open_parts(cyf_device *device, const cyf_settings *settings, const char *path, cyf_bench_atlas *a) {
  CYF_TRY(cyf_atlas_open(path, &a->atlas));
  a->atlas->verify = settings->data.verify;
  return cyf_cell_feed_create(device, &a->feed);
}

cyf_status cyf_bench_atlas_open(cyf_comm *comm, cyf_device *device, const cyf_settings *settings, const char *path,
                                int64_t batch_cells, cyf_bench_atlas **ret_atlas) {
  const cyf_stage_environment environment = {.loop = {.settings = settings}, .device = device};
  cyf_stage_settings stage = settings->autoencoder.stage;
  cyf_bench_atlas *a = NULL;
  *ret_atlas = NULL;
  stage.batch_cells = batch_cells;
  cyf_loader_options options = cyf_stage_loader_options(&environment, &stage, CYF_SPLIT_TRAIN);
  options.validation = 0;
  if (options.decode_threads == 0) options.decode_threads = device->n_threads;
  cyf_status status = CYF_NEW(&a, 1);
  if (status == CYF_OK) status = open_parts(device, settings, path, a);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_loader_create(comm, a->atlas, &options, (cyf_cursor){0, 0}, &a->loader));
  *ret_atlas = a;
  return CYF_OK;
cleanup:
  cyf_bench_atlas_close(&a);
  return status;
}

void cyf_bench_atlas_close(cyf_bench_atlas **atlas) {
  if (atlas == NULL || *atlas == NULL) return;
  cyf_cell_feed_destroy(&(*atlas)->feed); /* before the loader, whose memory it reads */
  cyf_loader_destroy(&(*atlas)->loader);
  cyf_atlas_close(&(*atlas)->atlas);
  cyf_free(*atlas);
}

int64_t cyf_bench_atlas_genes(const cyf_bench_atlas *atlas) {
  return atlas->atlas->n_genes;
}

double cyf_bench_atlas_expressed(const cyf_bench_atlas *atlas) {
  return (double)atlas->atlas->nnz / (double)atlas->atlas->n_cells;
}

cyf_status cyf_bench_atlas_next(cyf_bench_atlas *atlas, cyf_csr *ret_cells, const float **ret_total,
                                int64_t *ret_n_global) {
  cyf_batch batch;
  CYF_TRY(cyf_cell_feed_wait(atlas->feed)); /* the loader uses the last batch's memory again */
  CYF_TRY(cyf_loader_next(atlas->loader, &batch));
  *ret_n_global = batch.n_global;
  return cyf_cell_feed_put(atlas->feed, &batch, ret_cells, ret_total);
}
