/* SPDX-License-Identifier: MIT */
/** @file
 * Reading an atlas' shards: where the row bounds, labels and stored chunks of this rank's cells lie, and the decoding
 * of blocks of cells.
 *
 * Stored chunks are fetched whole and decoded by us (shard_decode.c), since HDF5's own N-bit filter runs far below
 * memory speed. What is kept of a shard does not grow with its cells: bounds and labels are read with each block. Not
 * collective unless a function says so. */
#ifndef CYF_DATA_ATLAS_SHARD_H
#define CYF_DATA_ATLAS_SHARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/hdf5/file_sums.h"
#include "kernels/csr.h"

/** How the numbers of an array stand in its stored chunks. */
typedef enum cyf_stored_as {
  CYF_STORED_BE8,    /**< N-bit of precision 8: one byte a value */
  CYF_STORED_BE16,   /**< N-bit of precision 16: big-endian words */
  CYF_STORED_LE32,   /**< plain little-endian int32 */
  CYF_STORED_FLOAT32 /**< plain little-endian float32 */
} cyf_stored_as;

/** Stored chunks of one size at one distance from each other: chunk c lies at address + (c - first_chunk) * stride.
 *
 * A writer that alternates between two arrays leaves long runs, so that a shard has few of them. Compressed chunks
 * differ in size, and nearly each is a run of its own. */
typedef struct cyf_chunk_run {
  int64_t first_chunk, n_chunks;
  int64_t address, stride; /**< in bytes, from the file's start */
  int64_t bytes;           /**< stored size of each */
} cyf_chunk_run;

/** A chunked one-dimensional dataset, X/indices or X/data. */
typedef struct cyf_stored_array {
  cyf_stored_as stored_as;
  bool deflated;        /**< chunks are such numbers under HDF5's shuffle and deflate filters */
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

/** One rank's cells within one shard. */
typedef struct cyf_shard_part {
  const char *path;               /**< the atlas owns it */
  cyf_file_identity identity;     /**< of the file, when the atlas or, without one, the set was opened */
  int64_t shard_first_cell;       /**< of the whole shard */
  int64_t first_cell, n_cells;    /**< global cells of this rank in this shard */
  int64_t shard_nnz;              /**< entries of the whole shard */
  int64_t first_entry, n_entries; /**< of this rank, within the shard */
  cyf_plain_array indptr;         /**< row bounds of the whole shard */
  cyf_plain_array *codes;         /**< [n_attributes] labels of the whole shard */
  cyf_stored_array indices, data;
  int file, direct_file; /**< descriptors, the second opened with O_DIRECT where io = DIRECT; -1 when closed */
  int n_users;           /**< reads in progress: the descriptors stay open meanwhile */
  uint64_t last_used;    /**< the set's clock then: the part that was not used for longest is closed first */
  int64_t hdf5_file;     /**< the open file with io = MPIO, else -1 */
  cyf_file_sums sums;    /**< of the whole shard; zeroed: stored bytes are not compared */
} cyf_shard_part;

/** The parts that hold this rank's cells, in the order of the cells. */
typedef struct cyf_shard_set {
  const cyf_atlas *atlas;
  cyf_shard_part *part;
  int64_t n_parts;
  cyf_loader_io io;      /**< POSIX, DIRECT or MPIO */
  pthread_mutex_t mutex; /**< guards the parts' descriptors, n_users and last_used, and the two below */
  int n_parts_open;
  uint64_t clock;   /**< how often a part was acquired */
  uint8_t *scratch; /**< row bounds or labels as they are stored */
  int64_t scratch_bytes;
} cyf_shard_set;

/** Writes the checksums of a shard at `path` to `sums_path`. Errors: CYF_ERR_INPUT where it is no shard, CYF_ERR_IO. */
cyf_status cyf_shard_write_sums(char *path, const char *sums_path, int64_t n_cells, int64_t n_genes, int64_t nnz);
/** Reads the checksums of the part's shard and, before HDF5 looks at the file, compares all that is no stored chunk:
 * metadata, row bounds, labels and names. Does nothing where the atlas has no checksums (which is said once) or they
 * are not wanted. Errors: CYF_ERR_INPUT naming file and place. */
cyf_status cyf_shard_part_open_sums(const cyf_atlas *atlas, cyf_shard_part *part);

/** Finds where the cells [first, end) lie, with HDF5's serial driver, and checks that the shards' label columns are
 * those of the manifest. `atlas` must outlive the set; the caller closes the set, also after an error. Errors:
 * CYF_ERR_INPUT for a shard that is not laid out as `prepare` writes it. */
cyf_status cyf_shard_set_open(const cyf_atlas *atlas, int64_t first, int64_t end, cyf_shard_set *set);
/** Opens the parts' files with the MPI-IO driver, each by the ranks whose cells lie in it; rank r owns cells
 * [rank_first[r], rank_first[r + 1]). Chunks are then read through it. Row bounds and labels are small and read by
 * address all the same. Collective; failures are agreed. Reading from a thread needs MPI_THREAD_MULTIPLE. */
cyf_status cyf_shard_set_open_mpio(cyf_comm *comm, const cyf_atlas *atlas, const int64_t *rank_first,
                                   cyf_shard_set *set);
/** Closes the parts' files and frees the set's memory; also of a zeroed set. Collective over the ranks that share a
 * file where files were opened with the MPI-IO driver. */
void cyf_shard_set_close(cyf_shard_set *set);
/** Forgets the files opened with the MPI-IO driver without closing them, so that a later close is not collective. For a
 * process that is about to be aborted because peers are gone. */
void cyf_shard_set_abandon_mpio(cyf_shard_set *set);
/** The part that holds a cell; NULL when it is not of this rank. */
cyf_shard_part *cyf_shard_set_find(cyf_shard_set *set, int64_t cell);

/** @{ */
/** Opens the part's file where it is closed, and keeps it open until the release that must follow. Thread-safe. Errors:
 * CYF_ERR_INPUT. */
cyf_status cyf_shard_part_acquire(cyf_shard_set *set, cyf_shard_part *part);
void cyf_shard_part_release(cyf_shard_set *set, cyf_shard_part *part);
/** @} */

/** Checks that the part's open file is what it was, after reads. Errors: CYF_ERR_INPUT where it has changed. */
cyf_status cyf_shard_part_check(const cyf_shard_part *part);

/** Has blocks read past the page cache from now on, if the file system of the first part can, and returns whether. To
 * be called before any block is planned. */
bool cyf_shard_set_read_directly(cyf_shard_set *set);
/** What addresses, lengths and memory of reads past the page cache are multiples of. */
enum { CYF_DIRECT_ALIGNMENT = 4096 };
/** Asks the system to bring the row bounds and labels of all parts into its cache. They are a few bytes a cell, which
 * each block would otherwise wait for. Errors: CYF_ERR_INPUT. */
cyf_status cyf_shard_set_read_ahead(cyf_shard_set *set);
/** Reads bytes [address, address + n_bytes) of the part's file, which is acquired. Errors: CYF_ERR_INPUT, also when the
 * file is too short. */
cyf_status cyf_shard_read_bytes(const cyf_shard_part *part, int64_t address, int64_t n_bytes, uint8_t *ret_bytes);
/** The same past the page cache. `address` and ret_bytes are multiples of CYF_DIRECT_ALIGNMENT, and ret_bytes has room
 * for n_bytes rounded up to one. */
cyf_status cyf_shard_read_bytes_directly(const cyf_shard_part *part, int64_t address, int64_t n_bytes,
                                         uint8_t *ret_bytes);
/** Reads the labels of the cells [first, end) of one attribute, -1 for none: ret_codes[end - first]. By one thread of a
 * set at a time. Errors: CYF_ERR_INPUT, also for codes without a category. */
cyf_status cyf_shard_read_codes(cyf_shard_set *set, int64_t attribute, int64_t first, int64_t end, int32_t *ret_codes);
/** Reads the row bounds of the cells [first, end) of one part: ret_bounds[end - first + 1]. Cell first + i has the
 * shard's entries [ret_bounds[i], ret_bounds[i + 1]). By one thread of a set at a time. Errors: CYF_ERR_INPUT, also
 * where bounds do not ascend. */
cyf_status cyf_shard_read_bounds(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end,
                                 int64_t *ret_bounds);
/** Enters where the next chunk lies; chunks are added in their order. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_stored_add_chunk(cyf_stored_array *array, int64_t chunk, int64_t address, int64_t bytes);
/** Bytes of the stored chunks that hold the part's entries. */
int64_t cyf_stored_bytes(const cyf_stored_array *array);
/** Address of a chunk in the file; *ret_bytes is its stored size. */
int64_t cyf_chunk_address(const cyf_stored_array *array, int64_t chunk, int64_t *ret_bytes);
/** Reads one stored chunk through HDF5 (io = MPIO). Takes the lock of HDF5. Errors: CYF_ERR_INPUT. */
cyf_status cyf_shard_read_chunk_mpio(const cyf_shard_part *part, const cyf_stored_array *array, int64_t chunk,
                                     uint8_t *bytes);
/** Closes what cyf_shard_set_open_mpio opened for one part. Collective over the ranks that share the file. */
void cyf_shard_part_close_hdf5(cyf_shard_part *part);

/* ---- decoding numbers: shard_decode.c ---- */

/** Bytes that a value takes in a chunk, before it is compressed. */
int64_t cyf_stored_width(cyf_stored_as stored_as);
/** Widens n stored gene indices to int32 and returns the largest of them, 0 where there are none. Taken as unsigned, so
 * that a negative index shows as a large one.
 *
 * past_caches: the results are not read soon and should take no room in the caches. cyf_decode_flush must then come
 * before another thread reads them. ahead: stored bytes that are wanted next, as many as these, which are prefetched
 * into the caches meanwhile; NULL: none. */
uint32_t cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, bool past_caches,
                            const uint8_t *ahead, int32_t *ret_indices);
/** Makes what this thread wrote past the caches visible to other threads, before any store that follows. */
void cyf_decode_flush(void);
/** Converts n stored values to float32. */
void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, float *ret_values);

/** Adds n stored counts to *total and raises *largest to their maximum; the integer forms only (not FLOAT32). */
void cyf_decode_sum(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, int64_t *total, uint32_t *largest);
/** Counts below this have their logarithm in the table of a cell. */
enum { CYF_LOG_TABLE = 256 };
/** Logarithms of one cell's counts: log[k] = log1p(k * factor) for k up to the largest count or the table's end. */
typedef struct cyf_log_table {
  float factor;
  float log[CYF_LOG_TABLE];
} cyf_log_table;
/** Fills the table for counts up to `largest`. */
void cyf_log_table_make(uint32_t largest, float factor, cyf_log_table *table);
/** Converts n stored counts to log1p(count * factor); the integer forms only. No count may exceed the `largest` that
 * the table was made for. past_caches, ahead: as for cyf_decode_indices. */
void cyf_decode_log_counts(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, const cyf_log_table *table,
                           bool past_caches, const uint8_t *ahead, float *ret_values);

/* ---- blocks: shard_block.c, shard_inflate.c ---- */

/** The part of a block that lies in one shard. */
typedef struct cyf_block_piece {
  cyf_shard_part *part;
  int64_t first_cell, end_cell;
  int64_t first_bound;                         /**< place in the block's bound[]: end_cell - first_cell + 1 of them */
  int64_t first_index_chunk, first_data_chunk; /**< the first chunks needed of the shard's X/indices and X/data */
  int64_t first_index_slot, first_data_slot;   /**< their places in the block's chunk[] */
} cyf_block_piece;

/** A stored chunk of a block: where it is in the file and in the block's memory. */
typedef struct cyf_block_chunk {
  const cyf_shard_part *part;
  const cyf_stored_array *array; /**< of the part: its indices or its data */
  int64_t chunk;                 /**< its number in the array */
  int64_t address, bytes;        /**< in the file */
  int64_t at;                    /**< offset in the block's bytes */
  uint8_t *entries; /**< what is decoded: in the block's bytes or, of a compressed chunk, in its inflated ones */
} cyf_block_chunk;

/** One contiguous read; with io = DIRECT it begins at an aligned address, and has room to end at one. */
typedef struct cyf_block_run {
  cyf_shard_part *part;
  int64_t address, bytes, at; /**< in the file, and its offset in the block's bytes */
} cyf_block_run;

/** A block of consecutive cells as stored: the chunks that hold them, their row bounds and their labels. Undecoded, an
 * entry takes 3 to 4 bytes rather than 8. Zero-initialise before use; memory is kept for the next block. */
typedef struct cyf_block {
  int64_t first_cell, end_cell; /**< in the atlas */
  cyf_block_piece *piece;
  int64_t n_pieces, pieces_capacity;
  cyf_block_chunk *chunk;
  int64_t n_chunks, chunks_capacity;
  cyf_block_run *run;
  int64_t n_runs, runs_capacity;
  int64_t *bound; /**< row bounds, piece after piece */
  int64_t n_bounds, bounds_capacity;
  int32_t *codes; /**< [n_attributes][n_cells] */
  int64_t codes_capacity;
  uint8_t *bytes;                  /**< [n_bytes] what was read */
  int64_t n_bytes, bytes_capacity; /**< capacity 0: the bytes are the caller's */
  bool fetched;
  uint8_t *inflated; /**< of compressed chunks, while the block is being decoded; NULL without any */
  int64_t inflated_capacity;
} cyf_block;

/** Reads the bounds and labels of the cells [first, end), all of them this rank's, and lists the chunks that hold them.
 * With io = POSIX the system is asked to read these ahead. Errors: CYF_ERR_INPUT naming the shard. */
cyf_status cyf_block_plan(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block);

/** @{ */
/** Reads the chunks that were planned into memory of the block's own, or into the caller's bytes[n_bytes], which the
 * block uses until it is planned anew. A block keeps to one of the two. With io = DIRECT it is the second, with bytes
 * aligned to CYF_DIRECT_ALIGNMENT. Several threads may fetch blocks of one set. Errors: CYF_ERR_INPUT. */
cyf_status cyf_block_fetch(cyf_shard_set *set, cyf_block *block);
cyf_status cyf_block_fetch_to(cyf_shard_set *set, cyf_block *block, uint8_t *bytes);
/** @} */

/** @{ */
/** Inflate a fetched block's compressed chunks, which must come before decoding; of other shards nothing is done.
 *
 * begin makes the memory. Then chunk is called for each slot of the block's chunk[n_chunks], by any threads. end gives
 * the memory back and keeps what was fetched, so that begin may follow again. Errors: CYF_ERR_INPUT naming the shard
 * whose bytes are damaged. */
cyf_status cyf_block_inflate_begin(cyf_block *block);
cyf_status cyf_block_inflate_chunk(const cyf_block *block, int64_t slot);
void cyf_block_inflate_end(cyf_block *block);
/** @} */

/** Inflates all of the block's chunks by OpenMP's threads: begin, and chunk for every slot. Errors: as these. */
cyf_status cyf_block_inflate(cyf_block *block);
/** Inflates one compressed chunk of the part's array: stored[n_stored] bytes to ret_entries, chunk_values numbers as
 * stored_as says. Errors: CYF_ERR_INPUT naming the shard. */
cyf_status cyf_chunk_inflate(const cyf_shard_part *part, const cyf_stored_array *array, const uint8_t *stored,
                             int64_t n_stored, uint8_t *ret_entries);
/** Plans, fetches and inflates a block in the block's own memory. Errors: CYF_ERR_INPUT. */
cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block);
/** Frees the block's memory and zeroes it; NULL-safe. */
void cyf_block_destroy(cyf_block *block);
/* ---- rows: shard_row.c. One block may be decoded by several threads. ---- */

/** Number of entries of one cell of a planned block. */
int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell);
/** Prefetches the bounds and labels of a cell, which cyf_block_row_nnz and cyf_block_find_row are to read. */
void cyf_block_prefetch_row(const cyf_block *block, int64_t cell);
/** A cell's entries in a fetched and inflated block: where they are in their shard, and where they begin in memory. */
typedef struct cyf_block_row {
  const cyf_block *block;
  const cyf_block_piece *piece;
  int64_t cell;                  /**< in the atlas */
  int64_t start, n;              /**< the shard's entries [start, start + n) */
  const uint8_t *data, *indices; /**< the first stored value and gene index; NULL: there are none */
  int64_t n_data, n_indices;     /**< how many lie there; the others are in the following chunks */
} cyf_block_row;
/** Finds a cell's row, which is valid until the block is planned anew or its inflated entries are given back. */
cyf_block_row cyf_block_find_row(const cyf_block *block, int64_t cell);
/** Decodes one cell into ret_indices[n] and ret_values[n], as stored. Errors: CYF_ERR_INPUT for a gene index outside of
 * [0, n_genes). */
cyf_status cyf_block_decode_row(const cyf_block_row *row, int64_t n_genes, int32_t *ret_indices, float *ret_values);
/** Copies one cell's numbers as integers of the given types, which must hold all of them: ret_indices[n],
 * ret_counts[n]. *ret_total is the sum of the counts. Counts of type FLOAT32 are values as they are.
 *
 * next: the row that is decoded next, whose bytes are prefetched meanwhile; NULL: none. Errors: as
 * cyf_block_decode_row. */
cyf_status cyf_block_gather_row(const cyf_block_row *row, int64_t n_genes, cyf_index_type index_type,
                                cyf_count_type count_type, const cyf_block_row *next, void *ret_indices,
                                void *ret_counts, double *ret_total);
/** Decodes one cell with values log1p(count / total * target_sum), where *ret_total is the sum of its counts. The bits
 * are those of cyf_csr_log_normalize. past_caches: see cyf_decode_indices; next: see cyf_block_gather_row. Errors: as
 * cyf_block_decode_row. */
cyf_status cyf_block_decode_normalized(const cyf_block_row *row, int64_t n_genes, double target_sum, bool past_caches,
                                       const cyf_block_row *next, int32_t *ret_indices, float *ret_values,
                                       float *ret_total);
/** Frees all that a block holds but its bounds and labels. */
void cyf_block_drop_entries(cyf_block *block);

#endif
