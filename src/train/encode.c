/* SPDX-License-Identifier: MIT */
#include "train/encode.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/shard.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "kernels/math/normalisation.h"

enum { BLOCK_CELLS = 1024 };

typedef struct encoder {
  cyf_comm *comm;
  cyf_device *device;
  const cyf_atlas *atlas;
  const cyf_rescaling *rescaling; /* of its cells */
  const cyf_autoencoder *model;
  uint64_t model_checksum;
  cyf_latent_type type;
  const char *directory;
  int64_t width;
  cyf_scratch *scratch;
  cyf_block block[2]; /* the one that is encoded, and the one that the system reads meanwhile */
  cyf_csr_buffer cells;
  float *latents;        /* [cells of a part, width] */
  int32_t *codes;        /* [n_attributes][cells of a part] */
  int64_t n_own, n_done; /* cells */
  double start_s;
} encoder;

/* Widens a row and brings it to the model's scale. */
static cyf_status decode_row(const encoder *e, const cyf_block_row *row, int32_t *indices, float *values) {
  const int64_t bounds[2] = {0, row->n};
  float total = 0;
  if (e->rescaling->normalise)
    return cyf_block_decode_normalized(row, e->atlas->n_genes, e->rescaling->target, false, NULL, indices, values,
                                       &total);
  CYF_TRY(cyf_block_decode_row(row, e->atlas->n_genes, indices, values));
  cyf_rescale(e->rescaling, 1, bounds, values);
  return cyf_csr_check_finite(1, bounds, values, e->atlas->directory, row->cell);
}

/* Widens and normalises a fetched block into e->cells. */
static cyf_status decode_block(encoder *e, const cyf_block *block) {
  const int64_t n = block->end_cell - block->first_cell;
  cyf_csr_buffer *cells = &e->cells;
  cyf_csr_buffer_clear(cells, e->atlas->n_genes);
  CYF_TRY(cyf_csr_buffer_reserve(cells, n, 0));
  cells->indptr[0] = 0;
  for (int64_t i = 0; i < n; i++)
    cells->indptr[i + 1] = cells->indptr[i] + cyf_block_row_nnz(block, block->first_cell + i);
  CYF_TRY(cyf_csr_buffer_reserve(cells, n, cells->indptr[n]));
  cells->n_cells = n;
  cyf_failure failure = CYF_FAILURE_NONE;
#pragma omp parallel for schedule(dynamic, 16) num_threads(e->device->n_threads)
  for (int64_t i = 0; i < n; i++) {
    int32_t *indices = cells->indices + cells->indptr[i];
    float *values = cells->values + cells->indptr[i];
    const cyf_block_row row = cyf_block_find_row(block, block->first_cell + i);
    cyf_failure_note(&failure, decode_row(e, &row, indices, values));
  }
  return cyf_failure_raise(&failure);
}

/* Encodes e->cells, whose first is cell `first` of the atlas, into latents[n, width] (host). */
static cyf_status encode_cells(encoder *e, int64_t first, float *latents) {
  const cyf_finite_rows said = {CYF_ERR_NUMERIC, e->atlas->directory, "its latent", CYF_MODEL_NOT_FINITE};
  const cyf_csr cells = cyf_csr_view(&e->cells);
  const cyf_ops *ops = e->device->ops;
  const size_t mark = cyf_scratch_mark(e->scratch);
  float *on_device = NULL;
  cyf_csr there;
  CYF_TRY(cyf_csr_to_device(e->device, e->scratch, &cells, &there));
  CYF_TRY(cyf_scratch_floats(e->scratch, cells.n_cells * e->width, &on_device));
  CYF_TRY(cyf_autoencoder_encode(e->model, e->scratch, &there, on_device));
  CYF_TRY(ops->download(e->device, latents, on_device, sizeof(float) * (size_t)(cells.n_cells * e->width)));
  CYF_TRY(ops->synchronize(e->device));
  cyf_scratch_release(e->scratch, mark);
  return cyf_rows_check_finite(cells.n_cells, e->width, latents, first, &said);
}

static void say_progress(const encoder *e) {
  const double seconds = cyf_clock_s() - e->start_s, rate = (double)e->n_done / seconds;
  char left[32];
  cyf_clock_duration((double)(e->n_own - e->n_done) / rate, left, sizeof(left));
  cyf_log_progress("encode  %lld of %lld cells of a rank  %.0f cells/s a rank  %s left", (long long)e->n_done,
                   (long long)e->n_own, rate, left);
}

static int64_t block_end(int64_t first, int64_t end) {
  return end - first < BLOCK_CELLS ? end : first + BLOCK_CELLS;
}

/* Encodes the cells [first, end) into e->latents and e->codes. */
static cyf_status encode_range(encoder *e, cyf_shard_set *shards, int64_t first, int64_t end) {
  const int64_t n = end - first;
  CYF_TRY(cyf_block_plan(shards, first, block_end(first, end), &e->block[0]));
  for (int64_t at = first, b = 0; at < end; at += BLOCK_CELLS, b++) {
    cyf_block *block = &e->block[b % 2];
    if (cyf_interrupt_requested() != 0)
      return CYF_FAIL(CYF_ERR_INTERRUPTED,
                      "stopped by a signal while encoding; finished parts are kept, and the same command goes on");
    if (at + BLOCK_CELLS < end)
      CYF_TRY(cyf_block_plan(shards, at + BLOCK_CELLS, block_end(at + BLOCK_CELLS, end), &e->block[(b + 1) % 2]));
    CYF_TRY(cyf_block_fetch(shards, block));
    CYF_TRY(cyf_block_inflate(block));
    CYF_TRY(decode_block(e, block));
    CYF_TRY(encode_cells(e, at, e->latents + (at - first) * e->width));
    const int64_t n_block = block->end_cell - at;
    for (int64_t a = 0; a < e->atlas->n_attributes; a++)
      for (int64_t i = 0; i < n_block; i++) e->codes[a * n + (at - first) + i] = block->codes[a * n_block + i];
    e->n_done += n_block;
    say_progress(e);
  }
  return CYF_OK;
}

static cyf_status encode_part(encoder *e, int64_t part) {
  int64_t first = 0, end = 0;
  cyf_shard_set shards = {0};
  cyf_latents_part(e->atlas, part, &first, &end);
  CYF_TRY(cyf_realloc((void **)&e->latents, (size_t)((end - first) * e->width), sizeof(*e->latents)));
  CYF_TRY(cyf_realloc((void **)&e->codes, (size_t)((end - first) * e->atlas->n_attributes), sizeof(*e->codes)));
  cyf_status status = cyf_shard_set_open(e->atlas, first, end, &shards);
  if (status == CYF_OK) status = encode_range(e, &shards, first, end);
  cyf_shard_set_close(&shards);
  CYF_TRY(status);
  return cyf_latents_write_part(e->directory, e->atlas, part, e->model_checksum, e->type, e->width, e->latents,
                                e->codes);
}

enum { PART_DONE, PART_ABSENT, PART_OF_OTHERS };

static cyf_status judge_part(const encoder *e, int64_t part, int64_t *ret_judgement) {
  bool done = false, exists = false;
  CYF_TRY(cyf_latents_part_done(e->directory, e->atlas, part, e->model_checksum, e->type, &done));
  if (!done) CYF_TRY(cyf_latents_part_exists(e->directory, part, &exists));
  *ret_judgement = done ? PART_DONE : exists ? PART_OF_OTHERS : PART_ABSENT;
  return CYF_OK;
}

/* Finds on all ranks together which parts are still to do: todo[n_parts], in order; *ret_n of them. Collective. */
static cyf_status list_todo(encoder *e, int64_t **ret_todo, int64_t *ret_n) {
  const int64_t n_parts = cyf_latents_n_parts(e->atlas);
  const int rank = cyf_comm_rank(e->comm), size = cyf_comm_size(e->comm);
  CYF_TRY(cyf_comm_agree(e->comm, CYF_NEW(ret_todo, n_parts)));
  cyf_status status = CYF_OK;
  for (int64_t p = rank; p < n_parts && status == CYF_OK; p += size) status = judge_part(e, p, &(*ret_todo)[p]);
  CYF_TRY(cyf_comm_agree(e->comm, status));
  CYF_TRY(cyf_comm_sum_int64(e->comm, *ret_todo, n_parts));
  int64_t n_of_others = 0;
  *ret_n = 0;
  for (int64_t p = 0; p < n_parts; p++) {
    n_of_others += (*ret_todo)[p] == PART_OF_OTHERS;
    if ((*ret_todo)[p] != PART_DONE) (*ret_todo)[(*ret_n)++] = p;
  }
  if (n_of_others > 0)
    cyf_warn("encode: %lld parts in %s are damaged or of another atlas, autoencoder or type, and are written anew",
             (long long)n_of_others, e->directory);
  return CYF_OK;
}

/* Removes parts behind the last one, which an earlier atlas of more cells has left. A reader of the folder would take
 * them for cells of this atlas. */
static cyf_status remove_parts_behind(const encoder *e) {
  int64_t part = cyf_latents_n_parts(e->atlas), n = 0;
  for (bool exists = true; exists; part++, n += exists) {
    CYF_TRY(cyf_latents_part_exists(e->directory, part, &exists));
    if (exists) CYF_TRY(cyf_latents_remove_part(e->directory, part));
  }
  if (n > 0) cyf_warn("encode: %lld parts in %s, of an atlas of more cells, are removed", (long long)n, e->directory);
  return CYF_OK;
}

static cyf_status encode_own(encoder *e, const int64_t *todo, int64_t n_todo) {
  const int rank = cyf_comm_rank(e->comm), size = cyf_comm_size(e->comm);
  for (int64_t i = rank; i < n_todo; i += size) {
    int64_t first = 0, end = 0;
    cyf_latents_part(e->atlas, todo[i], &first, &end);
    e->n_own += end - first;
  }
  CYF_TRY(cyf_scratch_create(e->device, &e->scratch));
  for (int64_t i = rank; i < n_todo; i += size) CYF_TRY(encode_part(e, todo[i]));
  return CYF_OK;
}

/* Encodes all parts that are not there yet, over all ranks. Collective. */
static cyf_status encode_all(encoder *e, int64_t **todo) {
  int64_t n_todo = 0;
  CYF_TRY(cyf_comm_agree(e->comm, cyf_make_directory(e->directory)));
  CYF_TRY(cyf_comm_agree(e->comm, cyf_comm_rank(e->comm) == 0 ? remove_parts_behind(e) : CYF_OK));
  CYF_TRY(list_todo(e, todo, &n_todo));
  const int64_t n_kept = cyf_latents_n_parts(e->atlas) - n_todo;
  if (n_kept > 0)
    cyf_info("encode: %lld of %lld parts are there already", (long long)n_kept,
             (long long)cyf_latents_n_parts(e->atlas));
  e->start_s = cyf_clock_s();
  cyf_status status = encode_own(e, *todo, n_todo);
  cyf_log_progress_end();
  CYF_TRY(cyf_comm_agree(e->comm, status));
  int64_t n_cells = e->n_done;
  CYF_TRY(cyf_comm_sum_int64(e->comm, &n_cells, 1));
  if (n_cells == 0) return CYF_OK;
  char text[32];
  const double seconds = cyf_clock_s() - e->start_s;
  cyf_clock_duration(seconds, text, sizeof(text));
  cyf_info("encode: %lld cells in %s, %.0f cells/s; latents in %s, %lld x %s a cell", (long long)n_cells, text,
           (double)n_cells / seconds, e->directory, (long long)e->width, cyf_latent_type_words[e->type]);
  return CYF_OK;
}

cyf_rescaling cyf_encode_own_rescaling(const cyf_atlas *atlas) {
  const cyf_values values = {.kind = cyf_expression_is_counted(atlas->kind) ? CYF_VALUES_COUNTS : CYF_VALUES_LOG1P};
  return cyf_values_rescaling(&values, CYF_NORMALISED_TOTAL);
}

cyf_status cyf_encode_parts(cyf_comm *comm, cyf_device *device, const cyf_atlas *atlas, const cyf_rescaling *rescaling,
                            const cyf_autoencoder *model, uint64_t model_checksum, cyf_latent_type type,
                            const char *directory) {
  encoder e = {.comm = comm,
               .device = device,
               .atlas = atlas,
               .rescaling = rescaling,
               .model = model,
               .model_checksum = model_checksum,
               .type = type,
               .directory = directory,
               .width = cyf_autoencoder_get_config(model)->latent};
  int64_t *todo = NULL;
  const cyf_status status = encode_all(&e, &todo);
  cyf_free(todo);
  cyf_scratch_destroy(&e.scratch);
  for (int b = 0; b < 2; b++) cyf_block_destroy(&e.block[b]);
  cyf_csr_buffer_destroy(&e.cells);
  cyf_free(e.latents);
  cyf_free(e.codes);
  return status;
}
