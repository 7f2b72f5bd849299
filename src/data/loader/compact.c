/* SPDX-License-Identifier: MIT */
/* Compact batches: cells as integers, 3 to 8 bytes an entry rather than the 8 of float32 values. The device normalises
 * them. */
#include <string.h>

#include "base/memory.h"
#include "data/loader/loader_internal.h"
#include "kernels/backend.h"
#include "kernels/math/normalisation.h"

static cyf_count_type type_of(cyf_stored_as stored_as) {
  switch (stored_as) {
    case CYF_STORED_BE8:
      return CYF_COUNT_UINT8;
    case CYF_STORED_BE16:
      return CYF_COUNT_UINT16;
    case CYF_STORED_LE32:
      return CYF_COUNT_UINT32;
    case CYF_STORED_FLOAT32:
      break;
  }
  return CYF_COUNT_FLOAT32;
}

void cyf_compact_choose_types(cyf_loader *loader) {
  loader->index_type = loader->atlas->n_genes <= 65536 ? CYF_INDEX_UINT16 : CYF_INDEX_UINT32;
  loader->count_type = CYF_COUNT_UINT8;
  for (int64_t p = 0; p < loader->shards.n_parts; p++) {
    const cyf_count_type type = type_of(loader->shards.part[p].data.stored_as);
    if (type > loader->count_type) loader->count_type = type;
  }
}

/* Moves old_bytes to larger memory, of the kind that the device can fetch from. */
static cyf_status grow(const cyf_loader *loader, size_t old_bytes, size_t bytes, void **memory) {
  cyf_device *device = loader->device;
  void *larger = NULL;
  CYF_TRY(device->ops->alloc_host(device, bytes, &larger));
  if (old_bytes > 0) memcpy(larger, *memory, old_bytes);
  device->ops->free_host(device, *memory);
  *memory = larger;
  return CYF_OK;
}

cyf_status cyf_compact_reserve(const cyf_loader *loader, int64_t n, int64_t nnz, cyf_compact_memory *memory) {
  const size_t index_bytes = cyf_index_bytes(loader->index_type), count_bytes = cyf_count_bytes(loader->count_type);
  const size_t old = (size_t)memory->nnz_capacity;
  if (!memory->factor) CYF_TRY(grow(loader, 0, sizeof(float) * (size_t)n, (void **)&memory->factor));
  if (nnz <= memory->nnz_capacity) return CYF_OK;
  CYF_TRY(grow(loader, old * index_bytes, (size_t)nnz * index_bytes, &memory->indices));
  CYF_TRY(grow(loader, old * count_bytes, (size_t)nnz * count_bytes, &memory->counts));
  memory->nnz_capacity = nnz;
  return CYF_OK;
}

void cyf_compact_destroy(const cyf_loader *loader, cyf_compact_memory *memory) {
  cyf_device *device = loader->device;
  if (!device) return;
  device->ops->free_host(device, memory->indices);
  device->ops->free_host(device, memory->counts);
  device->ops->free_host(device, memory->factor);
  *memory = (cyf_compact_memory){0};
}

cyf_status cyf_compact_gather(const cyf_loader *loader, const cyf_block_row *row, int64_t i, int64_t at,
                              const cyf_block_row *next, cyf_compact_memory *memory, float *ret_total) {
  double total = 0;
  CYF_TRY(cyf_block_gather_row(row, loader->atlas->n_genes, loader->index_type, loader->count_type, next,
                               (char *)memory->indices + (size_t)at * cyf_index_bytes(loader->index_type),
                               (char *)memory->counts + (size_t)at * cyf_count_bytes(loader->count_type), &total));
  const bool counts = cyf_expression_is_counted(loader->atlas->kind);
  *ret_total = counts ? (float)total : 0;
  memory->factor[i] = (float)(CYF_NORMALISED_TOTAL / (total > 0 ? total : 1));
  return CYF_OK;
}
