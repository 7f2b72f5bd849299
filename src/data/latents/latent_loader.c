/* SPDX-License-Identifier: MIT */
#include "data/latents/latent_loader.h"

#include <string.h>

#include "base/memory.h"
#include "data/latents/latents_internal.h"
#include "data/loader/balance.h"
#include "data/loader/plan.h"

struct cyf_latent_loader {
  const cyf_atlas *atlas;
  cyf_lane_plan plan;
  int64_t first_lane, n_lanes_local;
  int64_t first_cell, n_cells_local;
  cyf_latent_type type;
  int64_t width;
  void *values;   /* [n_cells_local, width] of `type`, in atlas order */
  int32_t *codes; /* [n_attributes][n_cells_local] */
  cyf_cell_weights weights;
  bool *in_stream;     /* [n_cells_local] cells that can be emitted: of the split and, where asked for, with a label */
  uint8_t *extra;      /* balanced sampling: scratch for a lane, see cyf_balance_extra */
  int64_t *lane_count; /* [n_lanes] cells that each lane of all ranks emits in an epoch */
  int64_t *lane_start; /* [n_lanes_local + 1] where each of this rank's lanes begins in `order` */
  int64_t *order;      /* cells of this rank's lanes, lane after lane, in this epoch's order */
  int64_t n_cells, batches_per_epoch;
  cyf_cursor cursor; /* of the next batch */
  bool ordered;      /* `order` is that of cursor.epoch */
  float *batch_latent;
  int64_t *batch_cell, *batch_position;
  int32_t *batch_codes;
};

/* Reads the latents and labels of this rank's cells; all parts must have the same type and width. */
static cyf_status read_values(cyf_latent_loader *loader, const char *directory, uint64_t model_checksum) {
  const cyf_atlas *atlas = loader->atlas;
  const int64_t end_cell = loader->first_cell + loader->n_cells_local, n_parts = cyf_latents_n_parts(atlas);
  CYF_TRY(cyf_latents_describe(directory, atlas, 0, model_checksum, &loader->type, &loader->width));
  const size_t row_bytes = cyf_latent_type_bytes(loader->type) * (size_t)loader->width;
  CYF_TRY(cyf_alloc((size_t)loader->n_cells_local, row_bytes, &loader->values));
  for (int64_t p = 0; p < n_parts; p++) {
    int64_t part_first = 0, part_end = 0;
    cyf_latents_part(atlas, p, &part_first, &part_end);
    const int64_t from = loader->first_cell > part_first ? loader->first_cell : part_first;
    const int64_t to = end_cell < part_end ? end_cell : part_end, row = from - loader->first_cell;
    if (from >= to) continue;
    cyf_latent_type type;
    int64_t width = 0;
    CYF_TRY(cyf_latents_describe(directory, atlas, p, model_checksum, &type, &width));
    if (type != loader->type || width != loader->width)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: latents of parts 0 and %lld differ in type or width; encode them again",
                      directory, (long long)p);
    CYF_TRY(cyf_latents_read(directory, atlas, p, type, width, from - part_first, to - from,
                             (char *)loader->values + (size_t)row * row_bytes, loader->codes + row,
                             loader->n_cells_local));
  }
  return CYF_OK;
}

/* Returns where the cells of this rank's lane l begin in `values` and `codes`; *ret_n is their number. */
static int64_t lane_rows(const cyf_latent_loader *loader, int64_t l, int64_t *ret_n) {
  const int64_t lane = loader->first_lane + l;
  const int64_t first = cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, lane);
  *ret_n = cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, lane + 1) - first;
  return first - loader->first_cell;
}

/* Finds which cells are of the split and, where asked for, have a label, and how many each of this rank's lanes emits
 * in an epoch. */
static cyf_status count_lanes(cyf_latent_loader *loader, int64_t label_attribute) {
  const int32_t *wanted = label_attribute >= 0 ? loader->codes + label_attribute * loader->n_cells_local : NULL;
  const int64_t balanced = loader->weights.attribute;
  int64_t most = 0;
  CYF_TRY(CYF_NEW(&loader->in_stream, loader->n_cells_local));
  cyf_plan_split(&loader->plan, loader->first_cell, loader->n_cells_local, loader->in_stream);
  for (int64_t i = 0; wanted && i < loader->n_cells_local; i++)
    loader->in_stream[i] = loader->in_stream[i] && wanted[i] >= 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    int64_t n_cells = 0, n = 0;
    const int64_t row = lane_rows(loader, l, &n_cells);
    if (balanced >= 0) {
      n = cyf_balance_count(&loader->weights, n_cells, loader->codes + balanced * loader->n_cells_local + row,
                            loader->in_stream + row);
    } else {
      for (int64_t i = 0; i < n_cells; i++) n += loader->in_stream[row + i];
    }
    loader->lane_count[loader->first_lane + l] = n;
    loader->lane_start[l + 1] = loader->lane_start[l] + n;
    most = n_cells > most ? n_cells : most;
  }
  CYF_TRY(CYF_NEW(&loader->extra, (most + 7) / 8));
  return CYF_NEW(&loader->order, loader->lane_start[loader->n_lanes_local]);
}

static cyf_status prepare_local(cyf_comm *comm, const char *directory, uint64_t model_checksum,
                                const cyf_loader_options *options, int64_t label_attribute, cyf_latent_loader *loader) {
  const cyf_atlas *atlas = loader->atlas;
  const int rank = cyf_comm_rank(comm), size = cyf_comm_size(comm);
  CYF_TRY(cyf_lane_plan_make(options, atlas->n_cells, size, &loader->plan));
  if (label_attribute >= atlas->n_attributes)
    return CYF_FAIL(CYF_ERR_INTERNAL, "attribute %lld of %lld", (long long)label_attribute,
                    (long long)atlas->n_attributes);
  loader->first_lane = cyf_lane_first_cell(options->n_lanes, size, rank);
  loader->n_lanes_local = cyf_lane_first_cell(options->n_lanes, size, rank + 1) - loader->first_lane;
  loader->first_cell = cyf_lane_first_cell(atlas->n_cells, options->n_lanes, loader->first_lane);
  loader->n_cells_local =
      cyf_lane_first_cell(atlas->n_cells, options->n_lanes, loader->first_lane + loader->n_lanes_local) -
      loader->first_cell;
  CYF_TRY(CYF_NEW(&loader->lane_count, options->n_lanes));
  CYF_TRY(CYF_NEW(&loader->lane_start, loader->n_lanes_local + 1));
  CYF_TRY(CYF_NEW(&loader->codes, atlas->n_attributes * loader->n_cells_local));
  CYF_TRY(cyf_balance_make(atlas, options, &loader->weights));
  if (loader->weights.attribute >= 0 && label_attribute >= 0)
    return CYF_FAIL(CYF_ERR_INTERNAL, "balanced sampling of labelled cells alone");
  CYF_TRY(read_values(loader, directory, model_checksum));
  CYF_TRY(count_lanes(loader, label_attribute));
  const int64_t most = loader->n_lanes_local * loader->plan.lane_batch;
  CYF_TRY(CYF_NEW(&loader->batch_latent, most * loader->width));
  CYF_TRY(CYF_NEW(&loader->batch_cell, most));
  CYF_TRY(CYF_NEW(&loader->batch_position, most));
  return CYF_NEW(&loader->batch_codes, most * atlas->n_attributes);
}

static cyf_status settle_epoch(cyf_cursor start, int64_t label_attribute, cyf_latent_loader *loader) {
  for (int64_t l = 0; l < loader->plan.n_lanes; l++) loader->n_cells += loader->lane_count[l];
  loader->batches_per_epoch = cyf_plan_batches(&loader->plan, loader->lane_count);
  loader->cursor = start;
  if (loader->n_cells == 0 && label_attribute >= 0 && loader->plan.split != CYF_SPLIT_VALIDATION)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "no training cell of '%s' carries a label of '%s' (data.validation is %g; lower it if cells with "
                    "labels are few)",
                    loader->atlas->directory, loader->atlas->attributes[label_attribute].name, loader->plan.validation);
  if (loader->n_cells == 0) return cyf_plan_check_empty(&loader->plan, loader->atlas->directory);
  return cyf_plan_check_cursor(loader->batches_per_epoch, &loader->cursor);
}

cyf_status cyf_latent_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const char *directory,
                                    uint64_t model_checksum, const cyf_loader_options *options, int64_t label_attribute,
                                    cyf_cursor start, cyf_latent_loader **ret_loader) {
  *ret_loader = NULL;
  cyf_latent_loader *loader = NULL;
  cyf_status status = CYF_NEW(&loader, 1);
  if (status == CYF_OK) {
    loader->atlas = atlas;
    status = prepare_local(comm, directory, model_checksum, options, label_attribute, loader);
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_comm_sum_int64(comm, loader->lane_count, options->n_lanes));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, settle_epoch(start, label_attribute, loader)));
  *ret_loader = loader;
  return CYF_OK;
cleanup:
  cyf_latent_loader_destroy(&loader);
  return status;
}

void cyf_latent_loader_destroy(cyf_latent_loader **loader_at) {
  if (!loader_at || !*loader_at) return;
  cyf_latent_loader *loader = *loader_at;
  cyf_free_at(&loader->values);
  cyf_free(loader->codes);
  cyf_free(loader->lane_count);
  cyf_free(loader->lane_start);
  cyf_free(loader->in_stream);
  cyf_free(loader->extra);
  cyf_balance_destroy(&loader->weights);
  cyf_free(loader->order);
  cyf_free(loader->batch_latent);
  cyf_free(loader->batch_cell);
  cyf_free(loader->batch_position);
  cyf_free(loader->batch_codes);
  cyf_free(*loader_at);
}

int64_t cyf_latent_loader_batches_per_epoch(const cyf_latent_loader *loader) {
  return loader->batches_per_epoch;
}

int64_t cyf_latent_loader_n_cells(const cyf_latent_loader *loader) {
  return loader->n_cells;
}

/* Lists a lane's cells in `order`, each as often as the epoch emits it. */
static void list_lane(cyf_latent_loader *loader, int64_t l) {
  int64_t n = 0, at = loader->lane_start[l];
  const int64_t row = lane_rows(loader, l, &n), balanced = loader->weights.attribute;
  const int32_t *codes = balanced >= 0 ? loader->codes + balanced * loader->n_cells_local + row : NULL;
  if (codes)
    cyf_balance_extra(&loader->weights, loader->cursor.epoch, loader->first_lane + l, n, codes, loader->in_stream + row,
                      loader->extra);
  for (int64_t i = 0; i < n; i++) {
    if (!loader->in_stream[row + i]) continue;
    const int64_t times =
        codes ? cyf_balance_whole(&loader->weights, codes[i]) + cyf_balance_has_extra(loader->extra, i) : 1;
    for (int64_t t = 0; t < times; t++) loader->order[at++] = loader->first_cell + row + i;
  }
}

static void order_lanes(cyf_latent_loader *loader) {
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    list_lane(loader, l);
    cyf_plan_shuffle_lane(&loader->plan, loader->cursor.epoch, loader->first_lane + l,
                          loader->lane_start[l + 1] - loader->lane_start[l], loader->order + loader->lane_start[l]);
  }
  loader->ordered = true;
}

static void gather_latent(const cyf_latent_loader *loader, int64_t cell, float *ret_latent) {
  const int64_t width = loader->width, row = cell - loader->first_cell;
  if (loader->type == CYF_LATENT_FLOAT32) {
    memcpy(ret_latent, (const float *)loader->values + row * width, (size_t)width * sizeof(*ret_latent));
  } else {
    cyf_latents_widen(width, (const _Float16 *)loader->values + row * width, ret_latent);
  }
}

cyf_status cyf_latent_loader_next(cyf_latent_loader *loader, cyf_latent_batch *ret_batch) {
  memset(ret_batch, 0, sizeof(*ret_batch));
  if (loader->n_cells == 0) return CYF_FAIL(CYF_ERR_INTERNAL, "a batch was asked for of a split without cells");
  if (loader->cursor.step == loader->batches_per_epoch) {
    loader->cursor = (cyf_cursor){loader->cursor.epoch + 1, 0};
    loader->ordered = false;
  }
  if (!loader->ordered) order_lanes(loader);
  const int64_t step = loader->cursor.step;
  int64_t n = 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    const int64_t lane = loader->first_lane + l;
    const int64_t n_here = cyf_plan_lane_cells(&loader->plan, loader->lane_count[lane], step);
    for (int64_t place = 0; place < n_here; place++, n++) {
      const int64_t cell = loader->order[loader->lane_start[l] + step * loader->plan.lane_batch + place];
      loader->batch_cell[n] = cell;
      loader->batch_position[n] = lane * loader->plan.lane_batch + place;
      gather_latent(loader, cell, loader->batch_latent + n * loader->width);
    }
  }
  for (int64_t a = 0; a < loader->atlas->n_attributes; a++) {
    const int32_t *codes = loader->codes + a * loader->n_cells_local;
    for (int64_t i = 0; i < n; i++) loader->batch_codes[a * n + i] = codes[loader->batch_cell[i] - loader->first_cell];
  }
  *ret_batch = (cyf_latent_batch){.n_local = n,
                                  .width = loader->width,
                                  .latent = loader->batch_latent,
                                  .cell = loader->batch_cell,
                                  .position = loader->batch_position,
                                  .codes = loader->batch_codes,
                                  .n_global = cyf_plan_batch_cells(&loader->plan, loader->lane_count, step),
                                  .cursor = loader->cursor};
  loader->cursor.step++;
  return CYF_OK;
}
