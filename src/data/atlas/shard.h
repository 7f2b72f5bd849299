/* SPDX-License-Identifier: MIT */
/** @file
 * One rank's part of a shard: where its row bounds, labels and stored chunks lie. Stored chunks are fetched whole and
 * decoded by us (shard_decode.c), since the HDF5 library's own N-bit filter runs far below memory speed. What is kept
 * of a shard does not grow with its cells: bounds and labels are read with each block. */
#ifndef CYF_DATA_ATLAS_SHARD_H
#define CYF_DATA_ATLAS_SHARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "kernels/csr.h"

/** How the numbers of an array stand in its stored chunks. */
typedef enum cyf_stored_as {
  CYF_STORED_BE8,    /**< N-bit of precision 8: one byte a value */
  CYF_STORED_BE16,   /**< N-bit of precision 16: big-endian words */
  CYF_STORED_LE32,   /**< plain little-endian int32 */
  CYF_STORED_FLOAT32 /**< plain little-endian float32 */
} cyf_stored_as;

/** Stored chunks that follow one another at one distance: chunk c of the run lies at address + (c - first_chunk) *
 * stride. A writer that alternates between two arrays leaves long runs, so a shard has few; but one a chunk where
 * chunks are compressed. */
typedef struct cyf_chunk_run {
  int64_t first_chunk, n_chunks;
  int64_t address, stride;
  int64_t bytes; /**< stored size of each */
} cyf_chunk_run;

/** A chunked one-dimensional dataset, X/indices or X/data. */
typedef struct cyf_stored_array {
  cyf_stored_as stored_as;
  bool deflated;        /**< chunks are such words under HDF5's shuffle and deflate filters */
  int64_t chunk_values; /**< values a chunk */
  cyf_chunk_run *run;   /**< of the chunks that hold the part's entries, ascending */
  int64_t n_runs, runs_capacity;
  int64_t hdf5_id; /**< the open dataset with io = MPIO, else -1 */
} cyf_stored_array;

/** A one-dimensional dataset of plain little-endian signed integers in one piece of the file. */
typedef struct cyf_plain_array {
  int64_t address;
  int64_t width; /**< bytes a number: 1, 2, 4 or 8 */
} cyf_plain_array;

typedef struct cyf_shard_part {
  const char *path;               /**< the atlas' */
  int64_t shard_first_cell;       /**< of the whole shard */
  int64_t first_cell, n_cells;    /**< global cells of this rank in this shard */
  int64_t shard_nnz;              /**< entries of the whole shard */
  int64_t first_entry, n_entries; /**< of this rank, within the shard */
  cyf_plain_array indptr;
  cyf_plain_array *codes; /**< [n_attributes] */
  cyf_stored_array indices, data;
  int file, direct_file; /**< descriptors, the second with O_DIRECT and io = DIRECT; -1 when closed */
  int n_users;           /**< of the descriptors, which stay open meanwhile */
  uint64_t last_used;    /**< for closing those of the longest unused part */
  int64_t hdf5_file;     /**< the open file with io = MPIO, else -1 */
} cyf_shard_part;

/** Where the parts of this rank's cells lie. */
typedef struct cyf_shard_set {
  const cyf_atlas *atlas;
  cyf_shard_part *part;
  int64_t n_parts;
  cyf_loader_io io;      /**< POSIX, DIRECT or MPIO */
  pthread_mutex_t mutex; /**< guards the descriptors and what tells their use */
  int n_parts_open;
  uint64_t clock;
  uint8_t *scratch; /**< plain numbers as they are stored */
  int64_t scratch_bytes;
} cyf_shard_set;

/** Finds where the cells [first, end) lie, with the serial driver; checks that the shards' label columns are those of
 * the manifest. `atlas` must outlive the set. Not collective. Errors: CYF_ERR_INPUT for a shard that is not laid out as
 * `prepare` writes it. */
cyf_status cyf_shard_set_open(const cyf_atlas *atlas, int64_t first, int64_t end, cyf_shard_set *set);
/** Opens the parts' files with the MPI-IO driver, each by the ranks whose cells lie in it; rank r owns cells
 * [rank_first[r], rank_first[r + 1]). Bulk reads then go through it; row bounds and labels are small and read by
 * address either way. Collective; failures are agreed. Needs MPI_THREAD_MULTIPLE for reading from a thread. */
cyf_status cyf_shard_set_open_mpio(cyf_comm *comm, const cyf_atlas *atlas, const int64_t *rank_first,
                                   cyf_shard_set *set);
/** Collective over the ranks that share files where they were opened with the MPI-IO driver. NULL-safe fields. */
void cyf_shard_set_close(cyf_shard_set *set);
/** Forgets the files opened with the MPI-IO driver without closing them, so that a later close is not collective. For a
 * process that is about to be aborted because peers are gone. */
void cyf_shard_set_abandon_mpio(cyf_shard_set *set);
/** The part that holds a cell; NULL when it is not of this rank. */
cyf_shard_part *cyf_shard_set_find(cyf_shard_set *set, int64_t cell);

/** @{ */
/** Opens the part's file, where it is not, for reads until the release that must follow. Thread-safe. Errors:
 * CYF_ERR_INPUT. */
cyf_status cyf_shard_part_acquire(cyf_shard_set *set, cyf_shard_part *part);
void cyf_shard_part_release(cyf_shard_set *set, cyf_shard_part *part);
/** @} */

/** From now on blocks are read past the page cache, if the file system of the first part can; to be called before any
 * block is planned. Returns whether. */
bool cyf_shard_set_read_directly(cyf_shard_set *set);
/** What addresses, lengths and memory of reads past the page cache are multiples of. */
enum { CYF_DIRECT_ALIGNMENT = 4096 };
/** Asks the system to bring the row bounds and labels of all parts into its cache: a few bytes a cell, which blocks
 * would otherwise wait for one by one. Errors: CYF_ERR_INPUT. */
cyf_status cyf_shard_set_read_ahead(cyf_shard_set *set);
/** Reads bytes [address, address + n_bytes) of the part's open file. Errors: CYF_ERR_INPUT, also when it is too short.
 */
cyf_status cyf_shard_read_bytes(const cyf_shard_part *part, int64_t address, int64_t n_bytes, uint8_t *ret_bytes);
/** The same past the page cache: address and ret_bytes are aligned, and ret_bytes has room for n_bytes rounded up. */
cyf_status cyf_shard_read_bytes_directly(const cyf_shard_part *part, int64_t address, int64_t n_bytes,
                                         uint8_t *ret_bytes);
/** Labels of the cells [first, end) of one attribute, -1 for none: ret_codes[end - first]. Not thread-safe for one set.
 * Errors: CYF_ERR_INPUT, also for codes without a category. */
cyf_status cyf_shard_read_codes(cyf_shard_set *set, int64_t attribute, int64_t first, int64_t end, int32_t *ret_codes);
/** Entries [ret_bounds[i], ret_bounds[i + 1]) of the shard are those of cell first + i, for cells [first, end) of one
 * part: ret_bounds[end - first + 1]. Errors: CYF_ERR_INPUT, also where they do not ascend. */
cyf_status cyf_shard_read_bounds(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end,
                                 int64_t *ret_bounds);
/** Adds the chunk that follows the array's last one; chunks are added in their order. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_stored_add_chunk(cyf_stored_array *array, int64_t chunk, int64_t address, int64_t bytes);
/** Bytes of the stored chunks that hold the part's entries. */
int64_t cyf_stored_bytes(const cyf_stored_array *array);
/** Address and stored size of a chunk. */
int64_t cyf_chunk_address(const cyf_stored_array *array, int64_t chunk, int64_t *ret_bytes);
/** One stored chunk through HDF5 (io = MPIO). Takes the HDF5 lock. */
cyf_status cyf_shard_read_chunk_mpio(const cyf_shard_part *part, const cyf_stored_array *array, int64_t chunk,
                                     uint8_t *bytes);
/** Closes what cyf_shard_set_open_mpio opened for one part. Collective as above. */
void cyf_shard_part_close_hdf5(cyf_shard_part *part);

/** Bytes a value takes in a chunk, before it is compressed. */
int64_t cyf_stored_width(cyf_stored_as stored_as);
/** Widens n stored gene indices to int32 and returns the largest of them as unsigned (0 for none): a negative one shows
 * as a large one. past_caches: the results are not read soon, and need not take room in the caches; cyf_decode_flush
 * must come before another thread reads them. ahead: as many bytes that are asked for meanwhile; NULL: none. */
uint32_t cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, bool past_caches,
                            const uint8_t *ahead, int32_t *ret_indices);
/** Ends what this thread wrote past the caches. */
void cyf_decode_flush(void);
/** Widens n stored values to float32. */
void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, float *ret_values);

/** Sum and maximum of stored counts; the integer forms only (not FLOAT32). Adds to *total, raises *largest. */
void cyf_decode_sum(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, int64_t *total, uint32_t *largest);
/** log[k] = log1p(k * factor) for the counts k of one cell, up to the largest of them or the table's end. */
enum { CYF_LOG_TABLE = 256 };
typedef struct cyf_log_table {
  float factor;
  float log[CYF_LOG_TABLE];
} cyf_log_table;
/** For counts up to `largest`. */
void cyf_log_table_make(uint32_t largest, float factor, cyf_log_table *table);
/** Stored counts to log1p(count * factor), the integer forms only; none exceeds the table's `largest`. past_caches,
 * ahead: as above. */
void cyf_decode_log_counts(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                           bool past_caches, const uint8_t *ahead, float *ret_values);

/* ---- blocks ---- */

/** The part of a block that lies in one shard. */
typedef struct cyf_block_piece {
  cyf_shard_part *part;
  int64_t first_cell, end_cell;
  int64_t first_bound;                         /**< of the block's bound[]: end_cell - first_cell + 1 of them */
  int64_t first_index_chunk, first_data_chunk; /**< of the shard's arrays */
  int64_t first_index_slot, first_data_slot;   /**< of the block's chunk[] */
} cyf_block_piece;

/** A stored chunk of a block: where it is in the file and in the block's memory. */
typedef struct cyf_block_chunk {
  const cyf_shard_part *part;
  const cyf_stored_array *array; /**< of the part */
  int64_t chunk;
  int64_t address, bytes;
  int64_t at;       /**< offset in the block's bytes */
  uint8_t *entries; /**< ready to be decoded: in the block's bytes or, of a compressed chunk, in its inflated ones */
} cyf_block_chunk;

/** One contiguous read; with io = DIRECT it begins at an aligned address, and has room to end at one. */
typedef struct cyf_block_run {
  cyf_shard_part *part;
  int64_t address, bytes, at;
} cyf_block_run;

/** A block of cells as stored: the chunks that hold it, undecoded (3 to 4 bytes an entry rather than 8), and its row
 * bounds and labels. Memory is kept for the next use. */
typedef struct cyf_block {
  int64_t first_cell, end_cell;
  cyf_block_piece *piece;
  int64_t n_pieces, pieces_capacity;
  cyf_block_chunk *chunk;
  int64_t n_chunks, chunks_capacity;
  cyf_block_run *run;
  int64_t n_runs, runs_capacity;
  int64_t *bound;
  int64_t n_bounds, bounds_capacity;
  int32_t *codes; /**< [n_attributes][n_cells] */
  int64_t codes_capacity;
  uint8_t *bytes;
  int64_t n_bytes, bytes_capacity; /**< capacity 0: the bytes are lent */
  bool fetched;
  uint8_t *inflated; /**< of compressed chunks, while the block is being decoded; NULL without any */
  int64_t inflated_capacity;
} cyf_block;

/** Finds what the cells [first, end), all of this rank, need: reads their bounds and labels and lists the chunks. With
 * io = POSIX the kernel is told to read ahead. Errors: CYF_ERR_INPUT naming the shard. */
cyf_status cyf_block_plan(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block);

/** @{ */
/** Fetches what was planned to memory of the block's own, or to bytes[n_bytes] that are lent until it is planned anew.
 * A block keeps to one of the two; with io = DIRECT bytes are lent, aligned as above. Several threads may fetch blocks
 * of one set. */
cyf_status cyf_block_fetch(cyf_shard_set *set, cyf_block *block);
cyf_status cyf_block_fetch_to(cyf_shard_set *set, cyf_block *block, uint8_t *bytes);
/** @} */

/** @{ */
/** What is fetched must be inflated before it is decoded, where shards are compressed (nothing is done where not):
 * begin makes the memory, then each of the block's n_chunks slots by any thread. The first cyf_block_inflate_begin may
 * come any time after the fetch, and again after an end, which gives the memory back and keeps what was fetched.
 * Errors: CYF_ERR_INPUT naming the shard whose bytes are damaged. */
cyf_status cyf_block_inflate_begin(cyf_block *block);
cyf_status cyf_block_inflate_chunk(const cyf_block *block, int64_t slot);
void cyf_block_inflate_end(cyf_block *block);
/** @} */

/** begin and all slots, by OpenMP's threads. */
cyf_status cyf_block_inflate(cyf_block *block);
/** One compressed chunk of the part's array: stored[n_stored] to ret_entries[chunk_values] words. */
cyf_status cyf_chunk_inflate(const cyf_shard_part *part, const cyf_stored_array *array, const uint8_t *stored,
                             int64_t n_stored, uint8_t *ret_entries);
/** Plans, fetches and inflates. */
cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block);
void cyf_block_destroy(cyf_block *block); /**< frees the memory, zeroes; NULL-safe */
/** Entries of one cell. */
int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell);
/** Asks the caches for what the two functions around this one read of a cell. */
void cyf_block_prefetch_row(const cyf_block *block, int64_t cell);
/** A cell's entries in a fetched (and inflated) block: where they are in their shard, and where they begin in memory.
 */
typedef struct cyf_block_row {
  const cyf_block *block;
  const cyf_block_piece *piece;
  int64_t cell;
  int64_t start, n;              /**< within the shard's entries */
  const uint8_t *data, *indices; /**< NULL: there are none */
  int64_t n_data, n_indices;     /**< that lie there in one piece; the others are in following chunks */
} cyf_block_row;
/** Valid until the block is planned anew or its inflated entries are given back. */
cyf_block_row cyf_block_find_row(const cyf_block *block, int64_t cell);
/** Decodes one cell into indices[n], values[n], as stored. Thread-safe on one block. Errors: CYF_ERR_INPUT for a gene
 * index outside of [0, n_genes). */
cyf_status cyf_block_decode_row(const cyf_block_row *row, int64_t n_genes, int32_t *ret_indices, float *ret_values);
/** The numbers as they are stored, in the given types, which hold all of them, and the sum of the counts. next: the row
 * that is decoded next, for which the caches are asked meanwhile; NULL: none. Thread-safe on one block. Errors: as
 * above. */
cyf_status cyf_block_gather_row(const cyf_block_row *row, int64_t n_genes, cyf_index_type index_type,
                                cyf_count_type count_type, const cyf_block_row *next, void *ret_indices,
                                void *ret_counts, double *ret_total);
/** As cyf_block_decode_row with values log1p(count / total * target_sum), and the cell's total. The bits are those of
 * cyf_csr_log_normalize. past_caches: see cyf_decode_indices. next: as above. */
cyf_status cyf_block_decode_normalized(const cyf_block_row *row, int64_t n_genes, double target_sum, bool past_caches,
                                       const cyf_block_row *next, int32_t *ret_indices, float *ret_values,
                                       float *ret_total);
/** Frees everything but the bounds and labels. */
void cyf_block_drop_entries(cyf_block *block);

#endif
