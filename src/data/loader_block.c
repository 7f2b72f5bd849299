/* Fetching a block of cells as stored chunks, and decoding its rows one by one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/loader_shard.h"

enum {
  OPEN_FILES_MAX = 256,       /* descriptors kept open by one loader */
  GAP_BYTES_MAX = 128 * 1024, /* reading over a gap this small is cheaper than a second read */
  READ_BYTES_MAX = 1 << 30    /* Linux moves at most 2 GiB - 4 KiB a call */
};

/* One stored chunk to fetch: where it lies in the file and which slot of the block it fills. */
typedef struct wanted_chunk {
  int64_t address;
  int64_t bytes;
  int64_t slot;
  const cyf_stored_array *array;
  int64_t chunk;
} wanted_chunk;

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* First entry of a cell within its shard. */
static int64_t row_start(const cyf_shard_part *part, int64_t cell) {
  return part->indptr[cell - part->first_cell];
}

/* Descriptor of the part's file; the longest unused one gives way where too many are open. */
static cyf_status open_part(cyf_shard_set *set, cyf_shard_part *part) {
  part->last_used = ++set->clock;
  if (part->file >= 0) return CYF_OK;
  if (set->n_files_open >= OPEN_FILES_MAX) {
    cyf_shard_part *oldest = NULL;
    for (int64_t p = 0; p < set->n_parts; p++) {
      cyf_shard_part *other = &set->part[p];
      if (other->file >= 0 && (!oldest || other->last_used < oldest->last_used)) oldest = other;
    }
    if (oldest) {
      close(oldest->file);
      oldest->file = -1;
      set->n_files_open--;
    }
  }
  part->file = open(part->path, O_RDONLY | O_CLOEXEC);
  if (part->file < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: cannot open the shard: %s", part->path, strerror(errno));
  set->n_files_open++;
  return CYF_OK;
}

void cyf_shard_set_close(cyf_shard_set *set) {
  if (!set) return;
  for (int64_t p = 0; p < set->n_parts; p++) {
    cyf_shard_part *part = &set->part[p];
    if (part->file >= 0) close(part->file);
    if (set->io == CYF_LOADER_MPIO) cyf_shard_part_close_hdf5(part);
    cyf_free(part->indptr);
    cyf_free(part->indices.address);
    cyf_free(part->indices.bytes);
    cyf_free(part->data.address);
    cyf_free(part->data.bytes);
  }
  cyf_free(set->part);
  memset(set, 0, sizeof(*set));
}

cyf_shard_part *cyf_shard_set_find(cyf_shard_set *set, int64_t cell) {
  int64_t low = 0, high = set->n_parts;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    cyf_shard_part *part = &set->part[middle];
    if (cell < part->first_cell) {
      high = middle;
    } else if (cell >= part->first_cell + part->n_cells) {
      low = middle + 1;
    } else {
      return part;
    }
  }
  return NULL;
}

static cyf_status read_fully(const cyf_shard_part *part, int64_t address, int64_t n_bytes, uint8_t *bytes) {
  int64_t done = 0;
  while (done < n_bytes) {
    const ssize_t got =
        pread(part->file, bytes + done, (size_t)smaller(n_bytes - done, READ_BYTES_MAX), (off_t)(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: reading failed: %s", part->path, strerror(errno));
    if (got == 0)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: the shard is truncated (ends before byte %lld)", part->path,
                      (long long)(address + n_bytes));
    done += got;
  }
  return CYF_OK;
}

static int by_address(const void *left, const void *right) {
  const wanted_chunk *a = left, *b = right;
  return (a->address > b->address) - (a->address < b->address);
}

/* Lists the chunks of an array that hold the entries [first, end), as slots after those the block has. */
static void want_chunks(const cyf_stored_array *array, int64_t first, int64_t end, cyf_block *block, wanted_chunk *list,
                        int64_t *n, int64_t *ret_first_chunk, int64_t *ret_first_slot) {
  const int64_t first_chunk = first / array->chunk_values;
  const int64_t end_chunk = first == end ? first_chunk : (end - 1) / array->chunk_values + 1;
  *ret_first_chunk = first_chunk;
  *ret_first_slot = block->n_chunks;
  for (int64_t c = first_chunk; c < end_chunk; c++) {
    const int64_t known = c - array->first_chunk;
    list[(*n)++] = (wanted_chunk){array->address[known], array->bytes[known], block->n_chunks++, array, c};
  }
}

/* Places a run of neighbouring chunks in the block's memory from *used on and fetches it by one read. */
static cyf_status fetch_run(const cyf_shard_part *part, const wanted_chunk *run, int64_t n, cyf_block *block,
                            int64_t *used) {
  const int64_t start = run[0].address, end = run[n - 1].address + run[n - 1].bytes;
  CYF_TRY(read_fully(part, start, end - start, block->bytes + *used));
  for (int64_t i = 0; i < n; i++) block->chunk_at[run[i].slot] = *used + (run[i].address - start);
  *used += end - start;
  return CYF_OK;
}

static cyf_status reserve_bytes(cyf_block *block, int64_t n_bytes) {
  if (n_bytes <= block->bytes_capacity) return CYF_OK;
  const int64_t capacity = n_bytes + n_bytes / 8;
  CYF_TRY(cyf_realloc((void **)&block->bytes, (size_t)capacity, 1));
  block->bytes_capacity = capacity;
  return CYF_OK;
}

static cyf_status fetch_posix(cyf_shard_set *set, cyf_shard_part *part, wanted_chunk *list, int64_t n, cyf_block *block,
                              int64_t *used) {
  CYF_TRY(open_part(set, part));
  qsort(list, (size_t)n, sizeof(*list), by_address);
  for (int64_t i = 0; i < n;) {
    int64_t end = i + 1, last = list[i].address + list[i].bytes;
    while (end < n && list[end].address >= last && list[end].address - last <= GAP_BYTES_MAX) {
      last = list[end].address + list[end].bytes;
      end++;
    }
    CYF_TRY(reserve_bytes(block, *used + (last - list[i].address)));
    CYF_TRY(fetch_run(part, list + i, end - i, block, used));
    i = end;
  }
  return CYF_OK;
}

static cyf_status fetch_mpio(const cyf_shard_part *part, const wanted_chunk *list, int64_t n, cyf_block *block,
                             int64_t *used) {
  for (int64_t i = 0; i < n; i++) {
    CYF_TRY(reserve_bytes(block, *used + list[i].bytes));
    CYF_TRY(cyf_shard_read_chunk_mpio(part, list[i].array, list[i].chunk, block->bytes + *used));
    block->chunk_at[list[i].slot] = *used;
    *used += list[i].bytes;
  }
  return CYF_OK;
}

static int64_t chunks_of(const cyf_stored_array *array, int64_t first, int64_t end) {
  return first == end ? 0 : (end - 1) / array->chunk_values - first / array->chunk_values + 1;
}

/* Adds the part of the block that lies in one shard. */
static cyf_status read_piece(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end, cyf_block *block,
                             int64_t *used) {
  if (block->n_pieces == block->pieces_capacity) {
    const int64_t capacity = block->pieces_capacity + 2;
    CYF_TRY(cyf_realloc((void **)&block->piece, (size_t)capacity, sizeof(*block->piece)));
    block->pieces_capacity = capacity;
  }
  const int64_t entry = row_start(part, first), entry_end = row_start(part, end);
  const int64_t n = chunks_of(&part->indices, entry, entry_end) + chunks_of(&part->data, entry, entry_end);
  if (block->n_chunks + n > block->chunks_capacity) {
    const int64_t capacity = block->n_chunks + n + 16;
    CYF_TRY(cyf_realloc((void **)&block->chunk_at, (size_t)capacity, sizeof(*block->chunk_at)));
    block->chunks_capacity = capacity;
  }
  wanted_chunk *list = NULL;
  CYF_TRY(CYF_NEW(&list, n));
  cyf_block_piece *piece = &block->piece[block->n_pieces++];
  *piece = (cyf_block_piece){.part = part, .first_cell = first, .end_cell = end};
  int64_t n_listed = 0;
  want_chunks(&part->indices, entry, entry_end, block, list, &n_listed, &piece->first_index_chunk,
              &piece->first_index_slot);
  want_chunks(&part->data, entry, entry_end, block, list, &n_listed, &piece->first_data_chunk, &piece->first_data_slot);
  const cyf_status status = set->io == CYF_LOADER_MPIO ? fetch_mpio(part, list, n_listed, block, used)
                                                       : fetch_posix(set, part, list, n_listed, block, used);
  cyf_free(list);
  return status;
}

cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block) {
  block->first_cell = first;
  block->end_cell = end;
  block->n_pieces = block->n_chunks = 0;
  int64_t used = 0;
  while (first < end) {
    cyf_shard_part *part = cyf_shard_set_find(set, first);
    if (!part) return CYF_FAIL(CYF_ERR_INTERNAL, "cell %lld is not of this rank", (long long)first);
    const int64_t piece_end = smaller(end, part->first_cell + part->n_cells);
    CYF_TRY(read_piece(set, part, first, piece_end, block, &used));
    first = piece_end;
  }
  return CYF_OK;
}

void cyf_block_destroy(cyf_block *block) {
  if (!block) return;
  cyf_free(block->piece);
  cyf_free(block->chunk_at);
  cyf_free(block->bytes);
  memset(block, 0, sizeof(*block));
}

static const cyf_block_piece *find_piece(const cyf_block *block, int64_t cell) {
  const cyf_block_piece *piece = block->piece;
  while (cell >= piece->end_cell) piece++;
  return piece;
}

int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell) {
  const cyf_shard_part *part = find_piece(block, cell)->part;
  return row_start(part, cell + 1) - row_start(part, cell);
}

/* Start of entry `at` in the block's memory, and how many of the wanted `left` entries its chunk holds. */
static const uint8_t *locate(const cyf_block *block, const cyf_stored_array *array, int64_t first_chunk,
                             int64_t first_slot, int64_t at, int64_t left, int64_t *ret_n) {
  const int64_t chunk = at / array->chunk_values, within = at - chunk * array->chunk_values;
  *ret_n = smaller(left, array->chunk_values - within);
  return block->bytes + block->chunk_at[first_slot + chunk - first_chunk] + within * cyf_stored_width(array->stored_as);
}

cyf_status cyf_block_decode_row(const cyf_block *block, int64_t cell, int64_t n_genes, int32_t *ret_indices,
                                float *ret_values) {
  const cyf_block_piece *piece = find_piece(block, cell);
  const cyf_shard_part *part = piece->part;
  const int64_t start = row_start(part, cell), n = row_start(part, cell + 1) - start;
  int64_t n_here = 0;
  for (int64_t i = 0; i < n; i += n_here) {
    const uint8_t *bytes =
        locate(block, &part->indices, piece->first_index_chunk, piece->first_index_slot, start + i, n - i, &n_here);
    cyf_decode_indices(part->indices.stored_as, bytes, n_here, ret_indices + i);
  }
  for (int64_t i = 0; i < n; i += n_here) {
    const uint8_t *bytes =
        locate(block, &part->data, piece->first_data_chunk, piece->first_data_slot, start + i, n - i, &n_here);
    cyf_decode_values(part->data.stored_as, bytes, n_here, ret_values + i);
  }
  /* One comparison as unsigned catches negative indices too; models index their weights by these. */
  uint32_t highest = 0;
  for (int64_t i = 0; i < n; i++) highest = (uint32_t)ret_indices[i] > highest ? (uint32_t)ret_indices[i] : highest;
  if (n > 0 && (int64_t)highest >= n_genes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: cell %lld has a gene index outside of the %lld genes", part->path,
                    (long long)cell, (long long)n_genes);
  return CYF_OK;
}
