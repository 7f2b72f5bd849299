/* SPDX-License-Identifier: MIT */
/* Cells that stay in the device's memory as integers. They are read once, before the first batch, and a batch is a list
 * of their rows. Bounds and labels of the blocks stay in host memory, so that planner and assembler work as with any
 * other stream. */
#include "base/memory.h"
#include "data/loader/loader_internal.h"
#include "kernels/backend.h"

/* How far the device's memory is filled. */
typedef struct filling {
  cyf_loader *loader;
  int64_t n_rows, nnz; /* so far */
  int64_t *indptr;     /* [rows + 1] */
  float *factor;       /* [rows] */
  cyf_compact_memory block;
} filling;

static int64_t first_cell_of(const cyf_loader *loader) {
  return cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, loader->first_lane);
}

static int64_t n_cells_of(const cyf_loader *loader) {
  return cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, loader->first_lane + loader->n_lanes_local) -
         first_cell_of(loader);
}

/* Counts this rank's cells of the split and their entries, from the row bounds alone. */
static cyf_status count_rows(cyf_loader *loader, int64_t *ret_rows, int64_t *ret_nnz) {
  enum { PIECE = 4096 };
  int64_t *bound = NULL;
  bool in_split[PIECE];
  cyf_status status = CYF_OK;
  *ret_rows = *ret_nnz = 0;
  CYF_TRY(CYF_NEW(&bound, PIECE + 1));
  for (int64_t p = 0; p < loader->shards.n_parts; p++) {
    cyf_shard_part *part = &loader->shards.part[p];
    const int64_t part_end = part->first_cell + part->n_cells;
    for (int64_t first = part->first_cell, end; first < part_end; first = end) {
      end = part_end - first < PIECE ? part_end : first + PIECE;
      cyf_plan_split(&loader->plan, first, end - first, in_split);
      CYF_TRY_CLEANUP(cyf_shard_read_bounds(&loader->shards, part, first, end, bound));
      for (int64_t i = 0; i < end - first; i++) {
        *ret_rows += in_split[i];
        *ret_nnz += in_split[i] ? bound[i + 1] - bound[i] : 0;
      }
    }
  }
cleanup:
  cyf_free(bound);
  return status;
}

static cyf_status check_fits(const cyf_loader *loader, int64_t n_rows, int64_t nnz) {
  const size_t entry = cyf_index_bytes(loader->index_type) + cyf_count_bytes(loader->count_type);
  const size_t bytes = (size_t)nnz * entry + (size_t)n_rows * (sizeof(int64_t) + sizeof(float));
  const size_t available = loader->device->ops->free_bytes(loader->device);
  if (n_rows > INT32_MAX)
    return CYF_FAIL(CYF_ERR_CONFIG, "data.residency: device takes up to 2^31 - 1 cells a rank, and there are %lld",
                    (long long)n_rows);
  if (available == 0 || bytes <= available) return CYF_OK;
  return CYF_FAIL(CYF_ERR_CONFIG,
                  "data.residency: device keeps %.2f GB (%zu bytes) of cells a rank in device memory, of which %.2f GB "
                  "are free; use more ranks, or host",
                  (double)bytes / 1e9, bytes, (double)available / 1e9);
}

static cyf_status allocate(filling *f, int64_t n_rows, int64_t nnz) {
  cyf_loader *loader = f->loader;
  cyf_device *d = loader->device;
  cyf_compact *m = &loader->resident.matrix;
  *m = (cyf_compact){.n_cells = n_rows,
                     .n_genes = loader->atlas->n_genes,
                     .count_type = loader->count_type,
                     .index_type = loader->index_type};
  CYF_TRY(CYF_NEW(&f->indptr, n_rows + 1));
  CYF_TRY(CYF_NEW(&f->factor, n_rows));
  CYF_TRY(CYF_NEW(&loader->resident.total, n_rows));
  CYF_TRY(CYF_NEW(&loader->resident.row_of_cell, n_cells_of(loader)));
  CYF_TRY(d->ops->alloc(d, sizeof(int64_t) * (size_t)(n_rows + 1), (void **)&m->indptr));
  if (cyf_expression_is_counted(loader->atlas->kind))
    CYF_TRY(d->ops->alloc(d, sizeof(float) * (size_t)n_rows, (void **)&m->factor));
  CYF_TRY(d->ops->alloc(d, (size_t)nnz * cyf_index_bytes(m->index_type), (void **)&m->indices));
  return d->ops->alloc(d, (size_t)nnz * cyf_count_bytes(m->count_type), (void **)&m->counts);
}

/* Sends the block's cells of the split to the device; the block keeps its bounds and labels. */
static cyf_status add_block(filling *f, cyf_block *block) {
  cyf_loader *loader = f->loader;
  cyf_device *d = loader->device;
  const cyf_compact *m = &loader->resident.matrix;
  const int64_t n = block->end_cell - block->first_cell, first_row = f->n_rows, first_entry = f->nnz;
  const size_t index_bytes = cyf_index_bytes(m->index_type), count_bytes = cyf_count_bytes(m->count_type);
  int64_t nnz = 0;
  for (int64_t i = 0; i < n; i++) nnz += cyf_block_row_nnz(block, block->first_cell + i);
  CYF_TRY(cyf_compact_reserve(loader, loader->plan.block_cells, nnz, &f->block));
  cyf_plan_split(&loader->plan, block->first_cell, n, loader->in_split);
  for (int64_t i = 0; i < n; i++) {
    const int64_t cell = block->first_cell + i;
    int32_t *row = &loader->resident.row_of_cell[cell - first_cell_of(loader)];
    *row = loader->in_split[i] ? (int32_t)f->n_rows : -1;
    if (*row < 0) continue;
    const cyf_block_row from = cyf_block_find_row(block, cell);
    CYF_TRY(cyf_compact_gather(loader, &from, *row - first_row, f->nnz - first_entry, NULL, &f->block,
                               &loader->resident.total[*row]));
    f->factor[*row] = f->block.factor[*row - first_row];
    f->nnz += from.n;
    f->indptr[++f->n_rows] = f->nnz;
  }
  const size_t n_sent = (size_t)(f->nnz - first_entry), at = (size_t)first_entry;
  CYF_TRY(d->ops->upload(d, (char *)m->indices + at * index_bytes, f->block.indices, n_sent * index_bytes));
  CYF_TRY(d->ops->upload(d, (char *)m->counts + at * count_bytes, f->block.counts, n_sent * count_bytes));
  cyf_block_drop_entries(block);
  return CYF_OK;
}

static cyf_status fill(filling *f) {
  cyf_loader *loader = f->loader;
  cyf_device *d = loader->device;
  int64_t n_rows = 0, nnz = 0;
  CYF_TRY(count_rows(loader, &n_rows, &nnz));
  CYF_TRY(check_fits(loader, n_rows, nnz));
  CYF_TRY(allocate(f, n_rows, nnz));
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    cyf_lane *lane = &loader->lane[l];
    for (int64_t b = 0; b < lane->n_blocks; b++) {
      int64_t first = 0, end = 0;
      cyf_plan_block_range(&loader->plan, lane->number, b, &first, &end);
      CYF_TRY(cyf_block_read(&loader->shards, first, end, &lane->resident[b]));
      atomic_fetch_add_explicit(&loader->bytes_read, lane->resident[b].n_bytes, memory_order_relaxed);
      CYF_TRY(add_block(f, &lane->resident[b]));
    }
  }
  const cyf_compact *m = &loader->resident.matrix;
  CYF_TRY(d->ops->upload(d, (void *)m->indptr, f->indptr, sizeof(int64_t) * (size_t)(n_rows + 1)));
  if (m->factor) CYF_TRY(d->ops->upload(d, (void *)m->factor, f->factor, sizeof(float) * (size_t)n_rows));
  return d->ops->synchronize(d);
}

cyf_status cyf_resident_make(cyf_loader *loader) {
  filling f = {.loader = loader};
  const cyf_status status = fill(&f);
  cyf_free(f.indptr);
  cyf_free(f.factor);
  cyf_compact_destroy(loader, &f.block);
  return status;
}

void cyf_resident_destroy(cyf_loader *loader) {
  cyf_resident_cells *r = &loader->resident;
  cyf_device *d = loader->device;
  cyf_free(r->row_of_cell);
  cyf_free(r->total);
  if (!d) return;
  d->ops->free(d, (void *)r->matrix.indptr);
  d->ops->free(d, (void *)r->matrix.indices);
  d->ops->free(d, (void *)r->matrix.counts);
  d->ops->free(d, (void *)r->matrix.factor);
  r->matrix = (cyf_compact){0};
}
