/* SPDX-License-Identifier: MIT */
#include "calibrate/real_cells.h"

#include <stdlib.h>

#include "base/memory.h"
#include "data/loader/loader.h"

/* A cell as it comes, before the cells of all ranks are in order. */
typedef struct arrived {
  int64_t cell; /* place in the atlas */
  int64_t code;
  int64_t nnz;
  int64_t first; /* of its entries */
} arrived;

/* What one rank has read, or on rank 0 what all have sent. */
typedef struct gathered {
  arrived *cell;
  int32_t *index;
  float *value;
  int64_t n_cells, nnz;
} gathered;

static void destroy(gathered *g) {
  cyf_free(g->cell);
  cyf_free(g->index);
  cyf_free(g->value);
}

/* The rows of a batch that have a label. */
static cyf_status take_batch(const cyf_batch *batch, int64_t attribute, cyf_csr_buffer *rows, gathered *own) {
  for (int64_t i = 0; i < batch->cells.n_cells; i++) {
    const int32_t code = batch->codes[attribute * batch->cells.n_cells + i];
    const int64_t first = batch->cells.indptr[i], nnz = batch->cells.indptr[i + 1] - first;
    if (code < 0) continue;
    CYF_TRY(cyf_csr_buffer_append(rows, nnz, batch->cells.indices + first, batch->cells.values + first));
    own->cell[own->n_cells++] = (arrived){.cell = batch->cell[i], .code = code, .nnz = nnz};
  }
  return CYF_OK;
}

static cyf_status read_own(cyf_loader *loader, int64_t n_batches, int64_t attribute, int64_t most, cyf_csr_buffer *rows,
                           gathered *own) {
  CYF_TRY(CYF_NEW(&own->cell, most));
  for (int64_t b = 0; b < n_batches; b++) {
    cyf_batch batch;
    CYF_TRY(cyf_loader_next(loader, &batch));
    CYF_TRY(take_batch(&batch, attribute, rows, own));
  }
  return CYF_OK;
}

static int by_cell(const void *left, const void *right) {
  const arrived *a = left, *b = right;
  return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* Rank 0: a cell of a small class may have come more than once. */
static cyf_status put_in_order(gathered *all, int64_t n_genes, cyf_real_cells *cells) {
  int64_t entries = 0;
  for (int64_t i = 0; i < all->n_cells; i++) {
    all->cell[i].first = entries;
    entries += all->cell[i].nnz;
  }
  if (all->n_cells > 0) qsort(all->cell, (size_t)all->n_cells, sizeof *all->cell, by_cell);
  CYF_TRY(CYF_NEW(&cells->code, all->n_cells));
  cyf_csr_buffer_clear(&cells->rows, n_genes);
  for (int64_t i = 0; i < all->n_cells; i++) {
    const arrived *a = &all->cell[i];
    if (i > 0 && a->cell == all->cell[i - 1].cell) continue;
    cells->code[cells->rows.n_cells] = (int32_t)a->code;
    CYF_TRY(cyf_csr_buffer_append(&cells->rows, a->nnz, all->index + a->first, all->value + a->first));
  }
  return CYF_OK;
}

static cyf_status gather(cyf_comm *comm, const cyf_csr_buffer *rows, const gathered *own, gathered *all) {
  const int64_t nnz = own->n_cells > 0 ? rows->indptr[own->n_cells] : 0;
  const void *bytes[3] = {own->cell, rows->indices, rows->values};
  const int64_t size[3] = {own->n_cells * (int64_t)sizeof *own->cell, nnz * (int64_t)sizeof *rows->indices,
                           nnz * (int64_t)sizeof *rows->values};
  void *got[3] = {NULL};
  for (int part = 0; part < 3; part++) {
    int64_t *counts = NULL;
    const cyf_status status = cyf_comm_gather(comm, bytes[part], size[part], 0, &got[part], &counts);
    for (int r = 0; part == 0 && counts != NULL && r < cyf_comm_size(comm); r++)
      all->n_cells += counts[r] / (int64_t)sizeof *own->cell;
    cyf_free(counts);
    all->cell = got[0];
    all->index = got[1];
    all->value = got[2];
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_loader_options options_for(const cyf_atlas *atlas, const cyf_settings *settings, int64_t attribute) {
  const int64_t lanes = settings->data.lanes;
  const bool is_large = atlas->n_cells > CYF_REAL_CELLS_MAX;
  return (cyf_loader_options){.batch_cells = lanes * (lanes < 1000 ? 1000 / lanes : 1),
                              .n_lanes = lanes,
                              .block_cells = settings->data.block_cells,
                              .window_blocks = settings->data.window_blocks,
                              .prefetch_batches = 1,
                              .decode_threads = 1,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = is_large,
                              .seed = (uint64_t)settings->seed,
                              .io = settings->data.io,
                              .sampling = is_large ? CYF_SAMPLING_UNIFORM : CYF_SAMPLING_PLAIN,
                              .balance_label = atlas->attributes[attribute].name};
}

cyf_status cyf_real_cells_read(cyf_comm *comm, const cyf_atlas *atlas, const cyf_settings *settings, int64_t attribute,
                               cyf_real_cells *ret_cells) {
  const cyf_loader_options options = options_for(atlas, settings, attribute);
  cyf_loader *loader = NULL;
  cyf_csr_buffer rows = {0};
  gathered own = {0}, all = {0};
  cyf_status status;
  *ret_cells = (cyf_real_cells){0};
  CYF_TRY(cyf_loader_create(comm, atlas, &options, (cyf_cursor){0}, &loader));
  int64_t n_batches = cyf_loader_batches_per_epoch(loader);
  const int64_t most = (CYF_REAL_CELLS_MAX + options.batch_cells - 1) / options.batch_cells;
  if (n_batches > most) n_batches = most;
  cyf_csr_buffer_clear(&rows, atlas->n_genes);
  status = read_own(loader, n_batches, attribute, n_batches * options.batch_cells, &rows, &own);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(gather(comm, &rows, &own, &all));
  if (cyf_comm_rank(comm) == 0) status = put_in_order(&all, atlas->n_genes, ret_cells);
  status = cyf_comm_agree(comm, status);
cleanup:
  cyf_loader_destroy(&loader);
  cyf_csr_buffer_destroy(&rows);
  destroy(&own);
  destroy(&all);
  if (status != CYF_OK) cyf_real_cells_destroy(ret_cells);
  return status;
}

void cyf_real_cells_destroy(cyf_real_cells *cells) {
  if (cells == NULL) return;
  cyf_csr_buffer_destroy(&cells->rows);
  cyf_free(cells->code);
}
