/* SPDX-License-Identifier: MIT */
#include "train/cell_feed.h"

#include "base/memory.h"

enum { SLOTS = 2, ALIGNMENT = 64 };

/* The device memory that one batch is uploaded to. */
typedef struct feed_slot {
  char *memory;
  size_t bytes;
  cyf_event *uploaded; /* in the copy queue */
  cyf_event *used;     /* in the work queue: behind everything that reads the batch */
} feed_slot;

struct cyf_cell_feed {
  cyf_device *device;
  feed_slot slot[SLOTS];
  int64_t n_batches;
  int32_t *indices; /* [nnz_capacity] of the batch, expanded; one is enough, since the work queue keeps its order */
  float *values;
  int64_t nnz_capacity;
};

cyf_status cyf_cell_feed_create(cyf_device *device, cyf_cell_feed **ret_feed) {
  cyf_cell_feed *feed = NULL;
  cyf_status status;
  *ret_feed = NULL;
  CYF_TRY(CYF_NEW(&feed, 1));
  feed->device = device;
  for (int i = 0; i < SLOTS; i++) {
    CYF_TRY_CLEANUP(device->ops->event_create(device, &feed->slot[i].uploaded));
    CYF_TRY_CLEANUP(device->ops->event_create(device, &feed->slot[i].used));
  }
  *ret_feed = feed;
  return CYF_OK;
cleanup:
  cyf_cell_feed_destroy(&feed);
  return status;
}

void cyf_cell_feed_destroy(cyf_cell_feed **feed_at) {
  if (feed_at == NULL || *feed_at == NULL) return;
  cyf_cell_feed *feed = *feed_at;
  cyf_device *d = feed->device;
  (void)d->ops->synchronize(d);
  for (int i = 0; i < SLOTS; i++) {
    d->ops->free(d, feed->slot[i].memory);
    d->ops->event_destroy(d, feed->slot[i].uploaded);
    d->ops->event_destroy(d, feed->slot[i].used);
  }
  d->ops->free(d, feed->indices);
  d->ops->free(d, feed->values);
  cyf_free(*feed_at);
}

cyf_batch_form cyf_cell_feed_form(const cyf_device *device) {
  return device->host_memory ? CYF_BATCH_VALUES : CYF_BATCH_COMPACT;
}

/* Makes room. Memory that is too small may still be in use, so the device is waited for before it is freed. */
static cyf_status reserve(cyf_cell_feed *feed, feed_slot *slot, size_t bytes, int64_t nnz) {
  cyf_device *d = feed->device;
  if (bytes <= slot->bytes && nnz <= feed->nnz_capacity) return CYF_OK;
  CYF_TRY(d->ops->synchronize(d));
  if (bytes > slot->bytes) {
    d->ops->free(d, slot->memory);
    slot->memory = NULL;
    slot->bytes = 0;
    CYF_TRY(d->ops->alloc(d, bytes + bytes / 4, (void **)&slot->memory));
    slot->bytes = bytes + bytes / 4;
  }
  if (nnz <= feed->nnz_capacity) return CYF_OK;
  d->ops->free(d, feed->indices);
  d->ops->free(d, feed->values);
  feed->indices = NULL;
  feed->values = NULL;
  feed->nnz_capacity = 0;
  const int64_t capacity = nnz + nnz / 4;
  CYF_TRY(d->ops->alloc(d, sizeof(int32_t) * (size_t)capacity, (void **)&feed->indices));
  CYF_TRY(d->ops->alloc(d, sizeof(float) * (size_t)capacity, (void **)&feed->values));
  feed->nnz_capacity = capacity;
  return CYF_OK;
}

enum { PARTS_MAX = 5 };

/* One array of the batch, on the host and in device memory. */
typedef struct part {
  const void *host;
  size_t bytes;
  char *there;
} part;

static cyf_status upload(cyf_cell_feed *feed, feed_slot *slot, int n_parts, part *parts, int64_t nnz) {
  cyf_device *d = feed->device;
  size_t bytes = 0;
  for (int i = 0; i < n_parts; i++) bytes += (parts[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  CYF_TRY(reserve(feed, slot, bytes, nnz));
  CYF_TRY(d->ops->event_await(d, CYF_QUEUE_COPY, slot->used));
  char *there = slot->memory;
  for (int i = 0; i < n_parts; i++) {
    parts[i].there = there;
    if (parts[i].bytes > 0) CYF_TRY(d->ops->upload_async(d, there, parts[i].host, parts[i].bytes));
    there += (parts[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  CYF_TRY(d->ops->event_record(d, CYF_QUEUE_COPY, slot->uploaded));
  return d->ops->event_await(d, CYF_QUEUE_WORK, slot->uploaded);
}

cyf_status cyf_cell_feed_put(cyf_cell_feed *feed, const cyf_batch *batch, cyf_csr *ret_cells, const float **ret_total) {
  cyf_device *d = feed->device;
  const cyf_csr *cells = &batch->cells;
  if (batch->form == CYF_BATCH_VALUES && d->host_memory) {
    *ret_cells = *cells;
    *ret_total = batch->total;
    return CYF_OK;
  }
  /* All operations queued until now are of earlier batches: behind them the last batch's memory is free again. */
  if (feed->n_batches > 0)
    CYF_TRY(d->ops->event_record(d, CYF_QUEUE_WORK, feed->slot[(feed->n_batches - 1) % SLOTS].used));
  feed_slot *slot = &feed->slot[feed->n_batches++ % SLOTS];
  const int64_t n = cells->n_cells, nnz = cells->indptr[n];
  const bool rows = batch->form == CYF_BATCH_ROWS, compact = batch->form == CYF_BATCH_COMPACT;
  const cyf_compact *stored = &batch->stored;
  part parts[PARTS_MAX] = {{cells->indptr, sizeof(int64_t) * (size_t)(n + 1), NULL},
                           {batch->total, sizeof(float) * (size_t)n, NULL}};
  int n_parts = 2;
  if (rows) parts[n_parts++] = (part){batch->row, sizeof(int64_t) * (size_t)n, NULL};
  if (compact) {
    parts[n_parts++] = (part){stored->indices, (size_t)nnz * cyf_index_bytes(stored->index_type), NULL};
    parts[n_parts++] = (part){stored->counts, (size_t)nnz * cyf_count_bytes(stored->count_type), NULL};
    if (stored->factor != NULL) parts[n_parts++] = (part){stored->factor, sizeof(float) * (size_t)n, NULL};
  }
  if (!rows && !compact)
    return CYF_FAIL(CYF_ERR_INTERNAL, "a batch of values for a device that wants the stored numbers");
  CYF_TRY(upload(feed, slot, n_parts, parts, nnz));
  const int64_t *indptr = (const int64_t *)parts[0].there;
  cyf_compact there = *stored;
  if (compact) {
    there.indptr = indptr;
    there.indices = parts[2].there;
    there.counts = parts[3].there;
    there.factor = stored->factor != NULL ? (const float *)parts[4].there : NULL;
  }
  CYF_TRY(d->ops->csr_expand(d, &there, n, rows ? (const int64_t *)parts[2].there : NULL, indptr, nnz, feed->indices,
                             feed->values, NULL));
  *ret_total = (const float *)parts[1].there;
  *ret_cells = (cyf_csr){n, cells->n_genes, indptr, feed->indices, feed->values, nnz};
  return CYF_OK;
}

cyf_status cyf_cell_feed_wait(cyf_cell_feed *feed) {
  cyf_device *d = feed->device;
  if (feed->n_batches == 0) return CYF_OK;
  return d->ops->event_synchronize(d, feed->slot[(feed->n_batches - 1) % SLOTS].uploaded);
}
