#include "data/latents.h"

#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/latents_internal.h"
#include "data/loader_plan.h"

struct cyf_latent_loader {
  const cyf_atlas *atlas;
  cyf_lane_plan plan;
  int64_t first_lane, n_lanes_local;
  int64_t first_cell, n_cells_local;
  cyf_latent_type type;
  int64_t width;
  void *values;        /* [n_cells_local, width] of `type`, in atlas order */
  int32_t *codes;      /* [n_attributes][n_cells_local] */
  int64_t *lane_count; /* [n_lanes] cells the stream emits */
  int64_t *lane_start; /* [n_lanes_local + 1] into kept and order */
  int64_t *kept;       /* emitted cells of the own lanes, ascending */
  int64_t *order;      /* the same in this epoch's order */
  int64_t n_cells, batches_per_epoch;
  cyf_cursor cursor; /* of the next batch */
  bool ordered;      /* `order` is that of cursor.epoch */
  float *batch_latent;
  int64_t *batch_cell, *batch_position;
  int32_t *batch_codes;
};

bool cyf_latents_shard_done(const char *directory, const cyf_atlas *atlas, int64_t shard, uint64_t model_checksum,
                            cyf_latent_type type) {
  char *path = NULL;
  cyf_latent_type stored = type;
  int64_t width = 0;
  const char *pending = cyf_status_message();
  const bool had_pending = pending[0] != '\0';
  cyf_status status = cyf_latents_path(directory, shard, &path);
  const bool there = status == CYF_OK && cyf_file_exists(path);
  if (there) status = cyf_latents_describe(directory, atlas, shard, model_checksum, &stored, &width);
  /* A file of another model is no failure: it will be written anew. */
  if (status != CYF_OK && !had_pending) cyf_status_clear();
  cyf_free(path);
  return there && status == CYF_OK && stored == type;
}

/* Reads the own cells' latents; every shard must agree in type and width. */
static cyf_status read_values(cyf_latent_loader *loader, const char *directory, uint64_t model_checksum) {
  const cyf_atlas *atlas = loader->atlas;
  const int64_t end_cell = loader->first_cell + loader->n_cells_local;
  CYF_TRY(cyf_latents_describe(directory, atlas, 0, model_checksum, &loader->type, &loader->width));
  const size_t row_bytes = cyf_latent_type_bytes(loader->type) * (size_t)loader->width;
  CYF_TRY(cyf_alloc((size_t)loader->n_cells_local, row_bytes, &loader->values));
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    const cyf_shard *shard = &atlas->shards[s];
    const int64_t shard_end = shard->first_cell + shard->n_cells;
    const int64_t from = loader->first_cell > shard->first_cell ? loader->first_cell : shard->first_cell;
    const int64_t to = end_cell < shard_end ? end_cell : shard_end;
    if (from >= to) continue;
    cyf_latent_type type;
    int64_t width = 0;
    CYF_TRY(cyf_latents_describe(directory, atlas, s, model_checksum, &type, &width));
    if (type != loader->type || width != loader->width)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: latents of shards 0 and %lld differ in type or width; encode them again",
                      directory, (long long)s);
    CYF_TRY(cyf_latents_read(directory, s, type, width, from - shard->first_cell, to - from,
                             (char *)loader->values + (size_t)(from - loader->first_cell) * row_bytes));
  }
  return CYF_OK;
}

/* Lists each own lane's cells that are of the split and, where asked for, carry a label. */
static cyf_status list_cells(cyf_latent_loader *loader, int64_t label_attribute) {
  bool *in_split = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&in_split, loader->n_cells_local));
  CYF_TRY_CLEANUP(CYF_NEW(&loader->kept, loader->n_cells_local));
  CYF_TRY_CLEANUP(CYF_NEW(&loader->order, loader->n_cells_local));
  cyf_plan_split(&loader->plan, loader->first_cell, loader->n_cells_local, in_split);
  const int32_t *codes = label_attribute >= 0 ? loader->codes + label_attribute * loader->n_cells_local : NULL;
  int64_t n = 0;
  for (int64_t l = 0; l < loader->n_lanes_local; l++) {
    const int64_t lane = loader->first_lane + l;
    const int64_t end = cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, lane + 1);
    loader->lane_start[l] = n;
    for (int64_t cell = cyf_lane_first_cell(loader->plan.n_cells, loader->plan.n_lanes, lane); cell < end; cell++) {
      const int64_t i = cell - loader->first_cell;
      if (in_split[i] && (!codes || codes[i] >= 0)) loader->kept[n++] = cell;
    }
    loader->lane_count[lane] = n - loader->lane_start[l];
  }
  loader->lane_start[loader->n_lanes_local] = n;
cleanup:
  cyf_free(in_split);
  return status;
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
  CYF_TRY(cyf_atlas_read_codes(atlas, loader->first_cell, loader->n_cells_local, loader->codes));
  CYF_TRY(read_values(loader, directory, model_checksum));
  CYF_TRY(list_cells(loader, label_attribute));
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
  cyf_free(loader->kept);
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

int64_t cyf_latent_loader_width(const cyf_latent_loader *loader) {
  return loader->width;
}

static void order_lanes(cyf_latent_loader *loader) {
  memcpy(loader->order, loader->kept, (size_t)loader->lane_start[loader->n_lanes_local] * sizeof(*loader->order));
  for (int64_t l = 0; l < loader->n_lanes_local; l++)
    cyf_plan_shuffle_lane(&loader->plan, loader->cursor.epoch, loader->first_lane + l,
                          loader->lane_start[l + 1] - loader->lane_start[l], loader->order + loader->lane_start[l]);
  loader->ordered = true;
}

static void gather_latent(const cyf_latent_loader *loader, int64_t cell, float *ret_latent) {
  const int64_t width = loader->width, row = cell - loader->first_cell;
  if (loader->type == CYF_LATENT_FLOAT32) {
    memcpy(ret_latent, (const float *)loader->values + row * width, (size_t)width * sizeof(*ret_latent));
  } else {
    const _Float16 *half = (const _Float16 *)loader->values + row * width;
    for (int64_t i = 0; i < width; i++) ret_latent[i] = (float)half[i];
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
