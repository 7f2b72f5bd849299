/* Fetching a block of cells as stored chunks, and decoding its rows one by one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/loader_shard.h"

enum { GAP_BYTES_MAX = 128 * 1024 }; /* reading over a gap this small is cheaper than a second read */

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Makes room for `more` elements beyond n. */
static cyf_status reserve(void *memory, int64_t n, int64_t more, size_t size, int64_t *capacity) {
  if (n + more <= *capacity) return CYF_OK;
  /* Exact at first: blocks that stay in memory are filled once. */
  const int64_t wanted = *capacity == 0 ? n + more : n + more + (n + more) / 8;
  CYF_TRY(cyf_realloc(memory, (size_t)wanted, size));
  *capacity = wanted;
  return CYF_OK;
}

/* ---- planning ---- */

static int by_address(const void *left, const void *right) {
  const cyf_block_chunk *a = *(const cyf_block_chunk *const *)left, *b = *(const cyf_block_chunk *const *)right;
  return (a->address > b->address) - (a->address < b->address);
}

/* Lists the chunks of an array that hold the entries [first, end). */
static cyf_status list_chunks(const cyf_shard_part *part, const cyf_stored_array *array, int64_t first, int64_t end,
                              cyf_block *block, int64_t *ret_first_chunk, int64_t *ret_first_slot) {
  const int64_t first_chunk = first / array->chunk_values;
  const int64_t end_chunk = first == end ? first_chunk : (end - 1) / array->chunk_values + 1;
  *ret_first_chunk = first_chunk;
  *ret_first_slot = block->n_chunks;
  CYF_TRY(
      reserve(&block->chunk, block->n_chunks, end_chunk - first_chunk, sizeof(*block->chunk), &block->chunks_capacity));
  for (int64_t c = first_chunk; c < end_chunk; c++) {
    cyf_block_chunk *chunk = &block->chunk[block->n_chunks++];
    *chunk = (cyf_block_chunk){.part = part, .array = array, .chunk = c};
    chunk->address = cyf_chunk_address(array, c, &chunk->bytes);
  }
  return CYF_OK;
}

/* Groups the piece's chunks into contiguous reads, which begin at multiples of `alignment`, and places them in the
 * block's memory. */
static cyf_status group_chunks(cyf_shard_part *part, int64_t first_slot, int64_t alignment, cyf_block *block) {
  const int64_t n = block->n_chunks - first_slot;
  if (n == 0) return CYF_OK;
  cyf_block_chunk **sorted = NULL;
  CYF_TRY(CYF_NEW(&sorted, n));
  for (int64_t i = 0; i < n; i++) sorted[i] = &block->chunk[first_slot + i];
  qsort(sorted, (size_t)n, sizeof(*sorted), by_address);
  cyf_status status = CYF_OK;
  cyf_block_run *run = NULL;
  for (int64_t i = 0; i < n; i++) {
    cyf_block_chunk *chunk = sorted[i];
    const int64_t end = run ? run->address + run->bytes : 0;
    if (!run || chunk->address < end || chunk->address - end > GAP_BYTES_MAX) {
      CYF_TRY_CLEANUP(reserve(&block->run, block->n_runs, 1, sizeof(*block->run), &block->runs_capacity));
      run = &block->run[block->n_runs++];
      *run = (cyf_block_run){part, chunk->address / alignment * alignment, 0, block->n_bytes};
    }
    chunk->at = run->at + (chunk->address - run->address);
    run->bytes = chunk->address + chunk->bytes - run->address;
    block->n_bytes = run->at + (run->bytes + alignment - 1) / alignment * alignment;
  }
cleanup:
  cyf_free(sorted);
  return status;
}

/* Adds the part of the block that lies in one shard. */
static cyf_status plan_piece(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end, cyf_block *block) {
  CYF_TRY(reserve(&block->piece, block->n_pieces, 1, sizeof(*block->piece), &block->pieces_capacity));
  CYF_TRY(reserve(&block->bound, block->n_bounds, end - first + 1, sizeof(*block->bound), &block->bounds_capacity));
  cyf_block_piece *piece = &block->piece[block->n_pieces++];
  *piece = (cyf_block_piece){.part = part, .first_cell = first, .end_cell = end, .first_bound = block->n_bounds};
  CYF_TRY(cyf_shard_read_bounds(set, part, first, end, block->bound + block->n_bounds));
  const int64_t entry = block->bound[block->n_bounds], entry_end = block->bound[block->n_bounds + end - first];
  block->n_bounds += end - first + 1;
  const int64_t first_slot = block->n_chunks;
  CYF_TRY(
      list_chunks(part, &part->indices, entry, entry_end, block, &piece->first_index_chunk, &piece->first_index_slot));
  CYF_TRY(list_chunks(part, &part->data, entry, entry_end, block, &piece->first_data_chunk, &piece->first_data_slot));
  return group_chunks(part, first_slot, set->io == CYF_LOADER_DIRECT ? CYF_DIRECT_ALIGNMENT : 1, block);
}

static cyf_status plan_codes(cyf_shard_set *set, cyf_block *block) {
  const int64_t n_attributes = set->atlas->n_attributes, n = block->end_cell - block->first_cell;
  CYF_TRY(reserve(&block->codes, 0, n_attributes * n, sizeof(*block->codes), &block->codes_capacity));
  for (int64_t a = 0; a < n_attributes; a++)
    CYF_TRY(cyf_shard_read_codes(set, a, block->first_cell, block->end_cell, block->codes + a * n));
  return CYF_OK;
}

cyf_status cyf_block_plan(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block) {
  block->first_cell = first;
  block->end_cell = end;
  block->n_pieces = block->n_chunks = block->n_runs = block->n_bounds = block->n_bytes = 0;
  block->fetched = false;
  while (first < end) {
    cyf_shard_part *part = cyf_shard_set_find(set, first);
    if (!part) return CYF_FAIL(CYF_ERR_INTERNAL, "cell %lld is not of this rank", (long long)first);
    const int64_t piece_end = smaller(end, part->first_cell + part->n_cells);
    CYF_TRY(plan_piece(set, part, first, piece_end, block));
    first = piece_end;
  }
  CYF_TRY(plan_codes(set, block));
  /* Only advice: where it is not taken, the read waits. */
  for (int64_t r = 0; set->io == CYF_LOADER_POSIX && r < block->n_runs; r++) {
    const cyf_block_run *run = &block->run[r];
    CYF_TRY(cyf_shard_part_acquire(set, run->part));
    (void)posix_fadvise(run->part->file, (off_t)run->address, (off_t)run->bytes, POSIX_FADV_WILLNEED);
    cyf_shard_part_release(set, run->part);
  }
  return CYF_OK;
}

/* ---- fetching ---- */

static cyf_status fetch_mpio(cyf_block *block) {
  for (int64_t p = 0; p < block->n_pieces; p++) {
    const cyf_block_piece *piece = &block->piece[p];
    const int64_t end = p + 1 < block->n_pieces ? block->piece[p + 1].first_index_slot : block->n_chunks;
    for (int64_t c = piece->first_index_slot; c < end; c++) {
      const cyf_block_chunk *chunk = &block->chunk[c];
      CYF_TRY(cyf_shard_read_chunk_mpio(piece->part, chunk->array, chunk->chunk, block->bytes + chunk->at));
    }
  }
  return CYF_OK;
}

static cyf_status fetch_runs(cyf_shard_set *set, cyf_block *block) {
  for (int64_t r = 0; r < block->n_runs; r++) {
    const cyf_block_run *run = &block->run[r];
    uint8_t *to = block->bytes + run->at;
    CYF_TRY(cyf_shard_part_acquire(set, run->part));
    const cyf_status status = set->io == CYF_LOADER_DIRECT
                                  ? cyf_shard_read_bytes_directly(run->part, run->address, run->bytes, to)
                                  : cyf_shard_read_bytes(run->part, run->address, run->bytes, to);
    cyf_shard_part_release(set, run->part);
    CYF_TRY(status);
  }
  return CYF_OK;
}

cyf_status cyf_block_fetch(cyf_shard_set *set, cyf_block *block) {
  CYF_TRY(reserve(&block->bytes, 0, block->n_bytes, 1, &block->bytes_capacity));
  return cyf_block_fetch_to(set, block, block->bytes);
}

cyf_status cyf_block_fetch_to(cyf_shard_set *set, cyf_block *block, uint8_t *bytes) {
  block->bytes = bytes;
  CYF_TRY(set->io == CYF_LOADER_MPIO ? fetch_mpio(block) : fetch_runs(set, block));
  for (int64_t c = 0; c < block->n_chunks; c++) block->chunk[c].entries = block->bytes + block->chunk[c].at;
  block->fetched = true;
  return CYF_OK;
}

cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block) {
  CYF_TRY(cyf_block_plan(set, first, end, block));
  CYF_TRY(cyf_block_fetch(set, block));
  return cyf_block_inflate(block);
}

void cyf_block_destroy(cyf_block *block) {
  if (!block) return;
  cyf_free(block->piece);
  cyf_free(block->chunk);
  cyf_free(block->run);
  cyf_free(block->bound);
  cyf_free(block->codes);
  if (block->bytes_capacity > 0) cyf_free(block->bytes);
  cyf_free(block->inflated);
  memset(block, 0, sizeof(*block));
}

/* ---- decoding ---- */

static const cyf_block_piece *find_piece(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = block->piece;
  while (cell >= piece->end_cell) piece++;
  return piece;
}

int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = find_piece(block, cell);
  const int64_t *bound = block->bound + piece->first_bound + (cell - piece->first_cell);
  return bound[1] - bound[0];
}

/* Start of entry `at` in the block's memory, and how many of the wanted `left` entries its chunk holds. */
static const uint8_t *locate(const cyf_block *block, const cyf_stored_array *array, int64_t first_chunk,
                             int64_t first_slot, int64_t at, int64_t left, int64_t *ret_n) {
  const int64_t chunk = at / array->chunk_values, within = at - chunk * array->chunk_values;
  *ret_n = smaller(left, array->chunk_values - within);
  return block->chunk[first_slot + chunk - first_chunk].entries + within * cyf_stored_width(array->stored_as);
}

/* A row's place: its piece and its entries within the shard. */
typedef struct row_place {
  const cyf_block *block;
  const cyf_block_piece *piece;
  int64_t start, n;
} row_place;

static row_place find_row(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = find_piece(block, cell);
  const int64_t *bound = block->bound + piece->first_bound + (cell - piece->first_cell);
  return (row_place){block, piece, bound[0], bound[1] - bound[0]};
}

static const uint8_t *locate_data(const row_place *row, int64_t i, int64_t *ret_n) {
  return locate(row->block, &row->piece->part->data, row->piece->first_data_chunk, row->piece->first_data_slot,
                row->start + i, row->n - i, ret_n);
}

cyf_row_ahead cyf_block_row_ahead(const cyf_block *block, int64_t cell) {
  const row_place row = find_row(block, cell);
  int64_t n = 0;
  if (row.n == 0) return (cyf_row_ahead){NULL, NULL};
  return (cyf_row_ahead){locate_data(&row, 0, &n),
                         locate(block, &row.piece->part->indices, row.piece->first_index_chunk,
                                row.piece->first_index_slot, row.start, row.n, &n)};
}

static cyf_status no_such_gene(const row_place *row, int64_t cell, int64_t n_genes) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: cell %lld has a gene index outside of the %lld genes",
                  row->piece->part->path, (long long)cell, (long long)n_genes);
}

/* The place i numbers after `ahead`. */
static const uint8_t *after(const uint8_t *ahead, const cyf_stored_array *array, int64_t i) {
  return ahead ? ahead + i * cyf_stored_width(array->stored_as) : NULL;
}

static cyf_status decode_indices(const row_place *row, int64_t cell, int64_t n_genes, bool past_caches,
                                 const uint8_t *ahead, int32_t *ret_indices) {
  const cyf_stored_array *array = &row->piece->part->indices;
  uint32_t highest = 0;
  int64_t n_here = 0;
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate(row->block, array, row->piece->first_index_chunk, row->piece->first_index_slot,
                                  row->start + i, row->n - i, &n_here);
    const uint32_t here =
        cyf_decode_indices(array->stored_as, bytes, n_here, past_caches, after(ahead, array, i), ret_indices + i);
    highest = here > highest ? here : highest;
  }
  /* Models index their weights by these. */
  if (row->n > 0 && (int64_t)highest >= n_genes) return no_such_gene(row, cell, n_genes);
  return CYF_OK;
}

static void decode_values(const row_place *row, float *ret_values) {
  int64_t n_here = 0;
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate_data(row, i, &n_here);
    cyf_decode_values(row->piece->part->data.stored_as, bytes, n_here, ret_values + i);
  }
}

cyf_status cyf_block_decode_row(const cyf_block *block, int64_t cell, int64_t n_genes, int32_t *ret_indices,
                                float *ret_values) {
  const row_place row = find_row(block, cell);
  decode_values(&row, ret_values);
  return decode_indices(&row, cell, n_genes, false, NULL, ret_indices);
}

/* Counts stored as integers: their sum first, then each count's logarithm, mostly from a table of this cell. */
static void normalize_integers(const row_place *row, double target_sum, bool past_caches, const uint8_t *ahead,
                               float *ret_values, float *ret_total) {
  const cyf_stored_array *array = &row->piece->part->data;
  const cyf_stored_as stored_as = array->stored_as;
  int64_t total = 0, n_here = 0;
  uint32_t largest = 0;
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate_data(row, i, &n_here);
    cyf_decode_sum(stored_as, bytes, n_here, &total, &largest);
  }
  *ret_total = (float)total;
  cyf_log_table table;
  cyf_log_table_make(largest, (float)(target_sum / (total > 0 ? (double)total : 1.0)), &table);
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate_data(row, i, &n_here);
    cyf_decode_log_counts(stored_as, bytes, n_here, &table, past_caches, after(ahead, array, i), ret_values + i);
  }
}

enum { GATHER_PIECE = 512 };

/* n words to numbers of `bytes` bytes each, of which the words need no more. */
static void narrow(const int32_t *words, int64_t n, size_t bytes, void *to) {
  if (bytes == 1) {
    for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[i] = (uint8_t)words[i];
  } else if (bytes == 2) {
    for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[i] = (uint16_t)words[i];
  } else {
    memcpy(to, words, (size_t)n * sizeof(*words));
  }
}

static cyf_status gather_indices(const row_place *row, int64_t cell, int64_t n_genes, size_t width,
                                 const uint8_t *ahead, char *to) {
  const cyf_stored_array *array = &row->piece->part->indices;
  int32_t words[GATHER_PIECE];
  int64_t n_here = 0;
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate(row->block, array, row->piece->first_index_chunk, row->piece->first_index_slot,
                                  row->start + i, smaller(row->n - i, GATHER_PIECE), &n_here);
    if ((int64_t)cyf_decode_indices(array->stored_as, bytes, n_here, false, after(ahead, array, i), words) >= n_genes)
      return no_such_gene(row, cell, n_genes);
    narrow(words, n_here, width, to + (size_t)i * width);
  }
  return CYF_OK;
}

static void gather_counts(const row_place *row, cyf_count_type type, const uint8_t *ahead, char *to, double *total) {
  const cyf_stored_array *array = &row->piece->part->data;
  const cyf_stored_as stored_as = array->stored_as;
  const size_t width = cyf_count_bytes(type);
  int32_t words[GATHER_PIECE];
  int64_t sum = 0, n_here = 0;
  uint32_t largest = 0;
  for (int64_t i = 0; i < row->n; i += n_here) {
    const uint8_t *bytes = locate_data(row, i, &n_here);
    if (n_here > GATHER_PIECE) n_here = GATHER_PIECE;
    if (type == CYF_COUNT_FLOAT32) {
      float *values = (float *)to + i;
      cyf_decode_values(stored_as, bytes, n_here, values);
      for (int64_t k = 0; k < n_here; k++) *total += (double)values[k];
      continue;
    }
    cyf_decode_sum(stored_as, bytes, n_here, &sum, &largest);
    /* the same words */
    (void)cyf_decode_indices(stored_as, bytes, n_here, false, after(ahead, array, i), words);
    narrow(words, n_here, width, to + (size_t)i * width);
  }
  *total += (double)sum;
}

cyf_status cyf_block_gather_row(const cyf_block *block, int64_t cell, int64_t n_genes, cyf_index_type index_type,
                                cyf_count_type count_type, cyf_row_ahead ahead, void *ret_indices, void *ret_counts,
                                double *ret_total) {
  const row_place row = find_row(block, cell);
  *ret_total = 0;
  gather_counts(&row, count_type, ahead.data, ret_counts, ret_total);
  return gather_indices(&row, cell, n_genes, cyf_index_bytes(index_type), ahead.indices, ret_indices);
}

void cyf_block_drop_entries(cyf_block *block) {
  cyf_free(block->chunk);
  cyf_free(block->run);
  cyf_free(block->bytes);
  cyf_free(block->inflated);
  block->n_chunks = block->chunks_capacity = block->n_runs = block->runs_capacity = 0;
  block->n_bytes = block->bytes_capacity = block->inflated_capacity = 0;
}

cyf_status cyf_block_decode_normalized(const cyf_block *block, int64_t cell, int64_t n_genes, double target_sum,
                                       bool past_caches, cyf_row_ahead ahead, int32_t *ret_indices, float *ret_values,
                                       float *ret_total) {
  const row_place row = find_row(block, cell);
  if (row.piece->part->data.stored_as == CYF_STORED_FLOAT32) {
    const int64_t bounds[2] = {0, row.n};
    double total = 0;
    decode_values(&row, ret_values);
    for (int64_t e = 0; e < row.n; e++) total += (double)ret_values[e];
    *ret_total = (float)total;
    cyf_csr_log_normalize(1, bounds, ret_values, target_sum);
  } else {
    normalize_integers(&row, target_sum, past_caches, ahead.data, ret_values, ret_total);
  }
  return decode_indices(&row, cell, n_genes, past_caches, ahead.indices, ret_indices);
}
