/* SPDX-License-Identifier: MIT */
/* What a loader's batches should be: worked out without ranks, threads or windows, and compared batch by batch. */
#ifndef CYF_TESTS_LOADER_REFERENCE_H
#define CYF_TESTS_LOADER_REFERENCE_H

#include "atlas_fixture.h"
#include "base/checksum.h"
#include "data/loader/loader.h"
#include "data/loader/plan.h"
#include "kernels/math/normalisation.h"

/* The order of an epoch's cells, lane after lane, found without ranks, threads or files. Lane l has the cells
 * order[start[l]] to order[start[l + 1] - 1]. */
typedef struct reference {
  cyf_lane_plan plan;
  int64_t *order, *start, *count;
  int64_t n_cells, n_batches;
} reference;

static inline void reference_destroy(reference *ref) {
  cyf_free(ref->order);
  cyf_free(ref->start);
  cyf_free(ref->count);
}

static inline void reference_lane(reference *ref, int64_t epoch, int64_t lane, int64_t *n) {
  const int64_t n_blocks = cyf_plan_n_blocks(&ref->plan, lane);
  int64_t *order = NULL, first = 0, end = 0;
  bool *in_split = NULL;
  cyf_window_entry *entry = NULL;
  assert_ok(CYF_NEW(&order, n_blocks));
  assert_ok(CYF_NEW(&in_split, ref->plan.block_cells));
  assert_ok(CYF_NEW(&entry, ref->plan.block_cells * ref->plan.window_blocks));
  cyf_plan_block_order(&ref->plan, epoch, lane, n_blocks, order);
  for (int64_t w = 0; end < n_blocks; w++) {
    int64_t n_entries = 0;
    cyf_plan_window(&ref->plan, lane, n_blocks, w, &first, &end);
    for (int64_t b = first; b < end; b++) {
      int64_t cell = 0, cell_end = 0;
      cyf_plan_block_range(&ref->plan, lane, order[b], &cell, &cell_end);
      cyf_plan_split(&ref->plan, cell, cell_end - cell, in_split);
      for (int64_t i = 0; i < cell_end - cell; i++)
        if (in_split[i]) entry[n_entries++] = (cyf_window_entry){(int32_t)(b - first), (int32_t)i};
    }
    cyf_plan_shuffle_window(&ref->plan, epoch, lane, w, n_entries, entry);
    for (int64_t i = 0; i < n_entries; i++) {
      int64_t cell = 0, cell_end = 0;
      cyf_plan_block_range(&ref->plan, lane, order[first + entry[i].slot], &cell, &cell_end);
      ref->order[(*n)++] = cell + entry[i].row;
    }
  }
  cyf_free(order);
  cyf_free(in_split);
  cyf_free(entry);
}

static inline void reference_make(const cyf_loader_options *options, int64_t n_cells, int64_t epoch, reference *ref) {
  memset(ref, 0, sizeof(*ref));
  assert_ok(cyf_lane_plan_make(options, n_cells, 1, &ref->plan));
  assert_ok(CYF_NEW(&ref->order, n_cells));
  assert_ok(CYF_NEW(&ref->start, options->n_lanes + 1));
  assert_ok(CYF_NEW(&ref->count, options->n_lanes));
  for (int64_t l = 0; l < options->n_lanes; l++) {
    ref->start[l] = ref->n_cells;
    if (cyf_plan_n_blocks(&ref->plan, l) > 0) reference_lane(ref, epoch, l, &ref->n_cells);
    ref->count[l] = ref->n_cells - ref->start[l];
    const int64_t batches = (ref->count[l] + ref->plan.lane_batch - 1) / ref->plan.lane_batch;
    ref->n_batches = batches > ref->n_batches ? batches : ref->n_batches;
  }
  ref->start[options->n_lanes] = ref->n_cells;
}

/* The cell at a place of a global batch, -1 where the lane has run out. */
static inline int64_t reference_cell(const reference *ref, int64_t step, int64_t position) {
  const int64_t lane = position / ref->plan.lane_batch,
                place = step * ref->plan.lane_batch + position % ref->plan.lane_batch;
  return place < ref->count[lane] ? ref->order[ref->start[lane] + place] : -1;
}

/* Checksums of each cell as a batch should hold it: gene indices, normalised values, total, labels; from the shards
 * through the h5ad reader. */
static inline uint64_t *expected_cells(const cyf_atlas *atlas) {
  uint64_t *sum = NULL;
  int32_t *codes = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(CYF_NEW(&sum, atlas->n_cells));
  assert_ok(CYF_NEW(&codes, atlas->n_cells * atlas->n_attributes));
  fixture_codes(atlas, 0, atlas->n_cells, codes);
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    const cyf_shard *shard = &atlas->shards[s];
    cyf_h5ad *file = NULL;
    cyf_csr_buffer_clear(&rows, atlas->n_genes);
    assert_ok(cyf_h5ad_open(shard->path, NULL, &file));
    assert_ok(cyf_h5ad_read_rows(file, 0, shard->n_cells, &rows));
    for (int64_t i = 0; i < shard->n_cells; i++) {
      const int64_t start = rows.indptr[i], n = rows.indptr[i + 1] - start, bounds[2] = {0, n};
      double total = 0;
      for (int64_t e = start; e < start + n; e++) total += (double)rows.values[e];
      const float kept_total = atlas->kind == CYF_EXPRESSION_COUNTS ? (float)total : 0;
      if (atlas->kind == CYF_EXPRESSION_COUNTS)
        cyf_csr_log_normalize(1, bounds, rows.values + start, CYF_NORMALISED_TOTAL);
      uint64_t h = cyf_checksum(0, rows.indices + start, (size_t)n * sizeof(int32_t));
      h = cyf_checksum(h, rows.values + start, (size_t)n * sizeof(float));
      h = cyf_checksum(h, &kept_total, sizeof(kept_total));
      for (int64_t a = 0; a < atlas->n_attributes; a++)
        h = cyf_checksum(h, &codes[a * atlas->n_cells + shard->first_cell + i], 4);
      sum[shard->first_cell + i] = h;
    }
    cyf_h5ad_close(&file);
  }
  cyf_csr_buffer_destroy(&rows);
  cyf_free(codes);
  return sum;
}

static inline uint64_t batch_cell_checksum(const cyf_batch *batch, int64_t n_attributes, int64_t i) {
  const int64_t start = batch->cells.indptr[i], n = batch->cells.indptr[i + 1] - start;
  uint64_t h = cyf_checksum(0, batch->cells.indices + start, (size_t)n * sizeof(int32_t));
  h = cyf_checksum(h, batch->cells.values + start, (size_t)n * sizeof(float));
  h = cyf_checksum(h, &batch->total[i], sizeof(float));
  for (int64_t a = 0; a < n_attributes; a++) h = cyf_checksum(h, &batch->codes[a * batch->cells.n_cells + i], 4);
  return h;
}

/* ---- checks ---- */

/* Takes a batch on every rank; together they are the reference's batch, with the values of the files. */
static inline void check_batch(const fixture *shared, cyf_loader *loader, const cyf_atlas *atlas, const uint64_t *cells,
                               const reference *ref, cyf_cursor cursor) {
  cyf_batch batch;
  assert_ok(cyf_loader_next(loader, &batch));
  assert_int_equal(batch.cursor.epoch, cursor.epoch);
  assert_int_equal(batch.cursor.step, cursor.step);
  const int64_t n = batch.cells.n_cells;
  int64_t *seen = NULL, n_all = n, n_global = 0;
  assert_ok(CYF_NEW(&seen, ref->plan.n_lanes * ref->plan.lane_batch)); /* cell + 1 at each place, over all ranks */
  for (int64_t i = 0; i < n; i++) {
    assert_int_equal(batch.cell[i], reference_cell(ref, cursor.step, batch.position[i]));
    assert_true(batch_cell_checksum(&batch, atlas->n_attributes, i) == cells[batch.cell[i]]);
    if (i > 0) assert_true(batch.position[i] > batch.position[i - 1]);
    seen[batch.position[i]] = batch.cell[i] + 1;
  }
  assert_ok(cyf_comm_sum_int64(shared->comm, &n_all, 1));
  assert_ok(cyf_comm_sum_int64(shared->comm, seen, ref->plan.n_lanes * ref->plan.lane_batch));
  for (int64_t p = 0; p < ref->plan.n_lanes * ref->plan.lane_batch; p++) {
    assert_int_equal(seen[p], reference_cell(ref, cursor.step, p) + 1);
    n_global += seen[p] > 0;
  }
  assert_int_equal(batch.n_global, n_global);
  assert_int_equal(n_all, n_global);
  cyf_free(seen);
}

/* From `start`, n batches, over as many epochs as that takes. */
static inline void check_stream(const fixture *shared, const cyf_atlas *atlas, const cyf_loader_options *options,
                                cyf_cursor start, int64_t n) {
  cyf_loader *loader = NULL;
  reference ref;
  uint64_t *cells = expected_cells(atlas);
  assert_ok(cyf_loader_create(shared->comm, atlas, options, start, &loader));
  reference_make(options, atlas->n_cells, start.epoch, &ref);
  assert_int_equal(cyf_loader_batches_per_epoch(loader), ref.n_batches);
  assert_int_equal(cyf_loader_n_cells(loader), ref.n_cells);
  for (int64_t b = 0; b < n; b++) {
    if (start.step == ref.n_batches) {
      start = (cyf_cursor){start.epoch + 1, 0};
      reference_destroy(&ref);
      reference_make(options, atlas->n_cells, start.epoch, &ref);
    }
    check_batch(shared, loader, atlas, cells, &ref, start);
    start.step++;
  }
  reference_destroy(&ref);
  cyf_loader_destroy(&loader);
  assert_null(loader);
  cyf_free(cells);
}

#endif
