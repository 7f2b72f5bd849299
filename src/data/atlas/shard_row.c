/* SPDX-License-Identifier: MIT */
/* Decoding the rows of a fetched block one by one. */
#include <math.h>
#include <string.h>

#include "data/atlas/shard.h"
#include "kernels/finite.h"

static const cyf_block_piece *find_piece(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = block->piece;
  while (cell >= piece->end_cell) piece++;
  return piece;
}

static const int64_t *bounds_of(const cyf_block *block, const cyf_block_piece *piece, int64_t cell) {
  return block->bound + piece->first_bound + (cell - piece->first_cell);
}

int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell) {
  const int64_t *bound = bounds_of(block, find_piece(block, cell), cell);
  return bound[1] - bound[0];
}

void cyf_block_prefetch_row(const cyf_block *block, int64_t cell) {
  const int64_t row = cell - block->first_cell;
  __builtin_prefetch(block->bound + row); /* exact in the block's first shard; each further shard moves it by one bound,
                                             mostly within the same cache line */
  if (block->codes) __builtin_prefetch(block->codes + row);
}

/* The stored numbers of a row that lie in one chunk, and so follow one another in memory. */
typedef struct run_in_chunk {
  const uint8_t *bytes;
  int64_t n;
} run_in_chunk;

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Of the `left` entries of an array from entry `at` on, those that lie in the same chunk as the first. */
static run_in_chunk locate(const cyf_block *block, const cyf_stored_array *array, int64_t first_chunk,
                           int64_t first_slot, int64_t at, int64_t left) {
  const int64_t chunk = at / array->chunk_values, within = at - chunk * array->chunk_values;
  return (run_in_chunk){
      block->chunk[first_slot + chunk - first_chunk].entries + within * cyf_stored_width(array->stored_as),
      smaller(left, array->chunk_values - within)};
}

/* The row's entries from its i-th on, as far as its chunk goes. */
static run_in_chunk locate_data(const cyf_block_row *row, int64_t i) {
  const cyf_block_piece *piece = row->piece;
  if (i == 0) return (run_in_chunk){row->data, row->n_data};
  return locate(row->block, &piece->part->data, piece->first_data_chunk, piece->first_data_slot, row->start + i,
                row->n - i);
}

static run_in_chunk locate_indices(const cyf_block_row *row, int64_t i) {
  const cyf_block_piece *piece = row->piece;
  if (i == 0) return (run_in_chunk){row->indices, row->n_indices};
  return locate(row->block, &piece->part->indices, piece->first_index_chunk, piece->first_index_slot, row->start + i,
                row->n - i);
}

cyf_block_row cyf_block_find_row(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = find_piece(block, cell);
  const int64_t *bound = bounds_of(block, piece, cell);
  cyf_block_row row = {.block = block, .piece = piece, .cell = cell, .start = bound[0], .n = bound[1] - bound[0]};
  if (row.n == 0) return row;
  const run_in_chunk data = locate(block, &piece->part->data, piece->first_data_chunk, piece->first_data_slot,
                                   row.start, row.n),
                     indices = locate(block, &piece->part->indices, piece->first_index_chunk, piece->first_index_slot,
                                      row.start, row.n);
  row.data = data.bytes;
  row.n_data = data.n;
  row.indices = indices.bytes;
  row.n_indices = indices.n;
  return row;
}

/* The stored bytes of the next row are prefetched while this one is decoded. `ahead` is where they begin (NULL: nothing
 * is prefetched); this gives their i-th number. */
static const uint8_t *after(const uint8_t *ahead, const cyf_stored_array *array, int64_t i) {
  return ahead ? ahead + i * cyf_stored_width(array->stored_as) : NULL;
}

static cyf_status no_such_gene(const cyf_block_row *row, int64_t n_genes) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: cell %lld has a gene index outside of the %lld genes",
                  row->piece->part->path, (long long)row->cell, (long long)n_genes);
}

/* ---- as stored ---- */

static cyf_status decode_indices(const cyf_block_row *row, int64_t n_genes, bool past_caches, const cyf_block_row *next,
                                 int32_t *ret_indices) {
  const cyf_stored_array *array = &row->piece->part->indices;
  const uint8_t *ahead = next ? next->indices : NULL;
  uint32_t highest = 0;
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_indices(row, i);
    const uint32_t highest_here =
        cyf_decode_indices(array->stored_as, here.bytes, here.n, past_caches, after(ahead, array, i), ret_indices + i);
    highest = highest_here > highest ? highest_here : highest;
    i += here.n;
  }
  /* Models index their weights by gene, so a damaged file must not pass here. */
  return row->n > 0 && (int64_t)highest >= n_genes ? no_such_gene(row, n_genes) : CYF_OK;
}

static cyf_status not_finite(const cyf_block_row *row) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: cell %lld has a value that is not finite", row->piece->part->path,
                  (long long)row->cell);
}

static void decode_values(const cyf_block_row *row, float *ret_values) {
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_data(row, i);
    cyf_decode_values(row->piece->part->data.stored_as, here.bytes, here.n, ret_values + i);
    i += here.n;
  }
}

cyf_status cyf_block_decode_row(const cyf_block_row *row, int64_t n_genes, int32_t *ret_indices, float *ret_values) {
  decode_values(row, ret_values);
  if (row->n > 0 && row->piece->part->data.stored_as == CYF_STORED_FLOAT32 &&
      cyf_find_not_finite(row->n, ret_values) >= 0)
    return not_finite(row);
  return decode_indices(row, n_genes, false, NULL, ret_indices);
}

/* ---- normalised ---- */

/* Counts stored as integers. Their sum comes first, then each count's logarithm, mostly from a table of this cell. */
static void normalize_integers(const cyf_block_row *row, double target_sum, bool past_caches, const uint8_t *ahead,
                               float *ret_values, float *ret_total) {
  const cyf_stored_array *array = &row->piece->part->data;
  int64_t total = 0;
  uint32_t largest = 0;
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_data(row, i);
    cyf_decode_sum(array->stored_as, here.bytes, here.n, &total, &largest);
    i += here.n;
  }
  *ret_total = (float)total;
  cyf_log_table table;
  cyf_log_table_make(largest, (float)(target_sum / (total > 0 ? (double)total : 1.0)), &table);
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_data(row, i);
    cyf_decode_log_counts(array->stored_as, here.bytes, here.n, &table, past_caches, after(ahead, array, i),
                          ret_values + i);
    i += here.n;
  }
}

cyf_status cyf_block_decode_normalized(const cyf_block_row *row, int64_t n_genes, double target_sum, bool past_caches,
                                       const cyf_block_row *next, int32_t *ret_indices, float *ret_values,
                                       float *ret_total) {
  if (row->piece->part->data.stored_as == CYF_STORED_FLOAT32) {
    const int64_t bounds[2] = {0, row->n};
    double total = 0;
    decode_values(row, ret_values);
    for (int64_t e = 0; e < row->n; e++) total += (double)ret_values[e];
    if (!isfinite(total)) return not_finite(row);
    *ret_total = (float)total;
    cyf_csr_log_normalize(1, bounds, ret_values, target_sum);
  } else {
    normalize_integers(row, target_sum, past_caches, next ? next->data : NULL, ret_values, ret_total);
  }
  return decode_indices(row, n_genes, past_caches, next, ret_indices);
}

/* ---- compact ---- */

enum { GATHER_PIECE = 512 };

/* Converts n words to unsigned numbers of `bytes` bytes each, which hold them all. */
static void narrow(const int32_t *words, int64_t n, size_t bytes, void *to) {
  if (bytes == 1) {
    for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[i] = (uint8_t)words[i];
  } else if (bytes == 2) {
    for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[i] = (uint16_t)words[i];
  } else {
    memcpy(to, words, (size_t)n * sizeof(*words));
  }
}

static cyf_status gather_indices(const cyf_block_row *row, int64_t n_genes, size_t width, const cyf_block_row *next,
                                 char *to) {
  const cyf_stored_array *array = &row->piece->part->indices;
  const uint8_t *ahead = next ? next->indices : NULL;
  int32_t words[GATHER_PIECE];
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_indices(row, i);
    for (int64_t k = 0, n; k < here.n; k += n, i += n) {
      n = smaller(here.n - k, GATHER_PIECE);
      if ((int64_t)cyf_decode_indices(array->stored_as, here.bytes + k * cyf_stored_width(array->stored_as), n, false,
                                      after(ahead, array, i), words) >= n_genes)
        return no_such_gene(row, n_genes);
      narrow(words, n, width, to + (size_t)i * width);
    }
  }
  return CYF_OK;
}

static void gather_counts(const cyf_block_row *row, cyf_count_type type, const cyf_block_row *next, char *to,
                          double *total) {
  const cyf_stored_array *array = &row->piece->part->data;
  const cyf_stored_as stored_as = array->stored_as;
  const uint8_t *ahead = next ? next->data : NULL;
  const size_t width = cyf_count_bytes(type);
  int32_t words[GATHER_PIECE];
  int64_t sum = 0;
  uint32_t largest = 0;
  for (int64_t i = 0; i < row->n;) {
    const run_in_chunk here = locate_data(row, i);
    for (int64_t k = 0, n; k < here.n; k += n, i += n) {
      const uint8_t *bytes = here.bytes + k * cyf_stored_width(stored_as);
      n = smaller(here.n - k, GATHER_PIECE);
      if (type == CYF_COUNT_FLOAT32) {
        float *values = (float *)to + i;
        cyf_decode_values(stored_as, bytes, n, values);
        for (int64_t j = 0; j < n; j++) *total += (double)values[j];
        continue;
      }
      cyf_decode_sum(stored_as, bytes, n, &sum, &largest);
      /* Counts are stored in the same way as indices. */
      (void)cyf_decode_indices(stored_as, bytes, n, false, after(ahead, array, i), words);
      narrow(words, n, width, to + (size_t)i * width);
    }
  }
  *total += (double)sum;
}

cyf_status cyf_block_gather_row(const cyf_block_row *row, int64_t n_genes, cyf_index_type index_type,
                                cyf_count_type count_type, const cyf_block_row *next, void *ret_indices,
                                void *ret_counts, double *ret_total) {
  *ret_total = 0;
  gather_counts(row, count_type, next, ret_counts, ret_total);
  if (!isfinite(*ret_total)) return not_finite(row);
  return gather_indices(row, n_genes, cyf_index_bytes(index_type), next, ret_indices);
}
