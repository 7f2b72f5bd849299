/* One rank's part of a shard: row bounds, and where its stored chunks lie. Stored chunks are fetched whole and decoded
 * by us (loader_decode.c), since the HDF5 library's own N-bit filter runs far below memory speed. */
#ifndef CYF_DATA_LOADER_SHARD_H
#define CYF_DATA_LOADER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"
#include "data/atlas.h"
#include "data/loader.h"

/* How the numbers of an array stand in its stored chunks. */
typedef enum cyf_stored_as {
  CYF_STORED_BE8,    /* N-bit of precision 8: one byte a value */
  CYF_STORED_BE16,   /* N-bit of precision 16: big-endian words */
  CYF_STORED_LE32,   /* plain little-endian int32 */
  CYF_STORED_FLOAT32 /* plain little-endian float32 */
} cyf_stored_as;

/* A chunked one-dimensional dataset, X/indices or X/data; chunks [first_chunk, first_chunk + n_chunks) are known. */
typedef struct cyf_stored_array {
  cyf_stored_as stored_as;
  int64_t chunk_values; /* values a chunk */
  int64_t first_chunk, n_chunks;
  int64_t *address; /* [n_chunks] byte offset in the file */
  int64_t *bytes;   /* [n_chunks] stored size */
  int64_t hdf5_id;  /* the open dataset with io = MPIO, else -1 */
} cyf_stored_array;

typedef struct cyf_shard_part {
  const char *path;            /* the atlas' */
  int64_t first_cell, n_cells; /* global cells of this rank in this shard */
  int64_t *indptr;             /* [n_cells + 1] entries within the shard */
  cyf_stored_array indices, data;
  int file;           /* POSIX descriptor, -1 when closed */
  uint64_t last_used; /* for closing the longest unused descriptor */
  int64_t hdf5_file;  /* the open file with io = MPIO, else -1 */
} cyf_shard_part;

/* Where the parts of this rank's cells lie. */
typedef struct cyf_shard_set {
  cyf_shard_part *part;
  int64_t n_parts;
  int n_files_open;
  uint64_t clock;
  cyf_loader_io io;
} cyf_shard_set;

/* Reads row bounds and chunk tables of the cells [first, end) with the serial driver. Not collective. Errors:
 * CYF_ERR_INPUT for a shard that is not laid out as `prepare` writes it. */
cyf_status cyf_shard_set_open(const cyf_atlas *atlas, int64_t first, int64_t end, cyf_shard_set *set);
/* Opens the parts' files with the MPI-IO driver, each by the ranks whose cells lie in it; rank r owns cells
 * [rank_first[r], rank_first[r + 1]). Collective; failures are agreed. Needs MPI_THREAD_MULTIPLE for reading from a
 * thread. */
cyf_status cyf_shard_set_open_mpio(cyf_comm *comm, const cyf_atlas *atlas, const int64_t *rank_first,
                                   cyf_shard_set *set);
/* Collective over the ranks that share files where they were opened with the MPI-IO driver. NULL-safe fields. */
void cyf_shard_set_close(cyf_shard_set *set);
/* Forgets the files opened with the MPI-IO driver without closing them, so that a later close is not collective. For a
 * process that is about to be aborted because peers are gone. */
void cyf_shard_set_abandon_mpio(cyf_shard_set *set);
/* The part that holds a cell. */
cyf_shard_part *cyf_shard_set_find(cyf_shard_set *set, int64_t cell);
/* One stored chunk through HDF5 (io = MPIO) into bytes[array->bytes[chunk - first_chunk]]. Takes the HDF5 lock. */
cyf_status cyf_shard_read_chunk_mpio(const cyf_shard_part *part, const cyf_stored_array *array, int64_t chunk,
                                     uint8_t *bytes);

/* Closes what cyf_shard_set_open_mpio opened for one part. Collective as above. */
void cyf_shard_part_close_hdf5(cyf_shard_part *part);

/* Bytes a value takes in a stored chunk. */
int64_t cyf_stored_width(cyf_stored_as stored_as);
/* Widens n stored values to int32 gene indices / float32 values. */
void cyf_decode_indices(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, int32_t *ret_indices);
void cyf_decode_values(cyf_stored_as stored_as, const uint8_t *bytes, int64_t n, float *ret_values);

/* A block of cells as stored: the chunks that hold it, undecoded (3 to 4 bytes an entry rather than 8). */
typedef struct cyf_block_piece {
  cyf_shard_part *part;
  int64_t first_cell, end_cell;
  int64_t first_index_chunk, first_data_chunk;
  int64_t first_index_slot, first_data_slot; /* of the block's chunk_at */
} cyf_block_piece;

typedef struct cyf_block {
  int64_t first_cell, end_cell;
  cyf_block_piece *piece;
  int64_t n_pieces, pieces_capacity;
  int64_t *chunk_at; /* byte offset of each chunk in `bytes` */
  int64_t n_chunks, chunks_capacity;
  uint8_t *bytes;
  int64_t bytes_capacity;
} cyf_block;

/* Fetches the cells [first, end), all of this rank. Errors: CYF_ERR_INPUT naming the shard. */
cyf_status cyf_block_read(cyf_shard_set *set, int64_t first, int64_t end, cyf_block *block);
void cyf_block_destroy(cyf_block *block); /* frees the memory, zeroes; NULL-safe */
/* Entries of one cell. */
int64_t cyf_block_row_nnz(const cyf_block *block, int64_t cell);
/* Decodes one cell into indices[nnz], values[nnz]. Errors: CYF_ERR_INPUT for a gene index outside of [0, n_genes). */
cyf_status cyf_block_decode_row(const cyf_block *block, int64_t cell, int64_t n_genes, int32_t *ret_indices,
                                float *ret_values);

#endif
