/* SPDX-License-Identifier: MIT */
/** @file
 * Checksums of a file's bytes as they are stored, range by range, in a file beside it (docs/atlas-format.md). A reader
 * that knows them finds a damaged byte when it reads the range, and not after a week of training. Not collective. */
#ifndef CYF_DATA_HDF5_FILE_SUMS_H
#define CYF_DATA_HDF5_FILE_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Ranges that are no stored chunk of an array end at multiples of this. */
enum { CYF_SUM_BLOCK_BYTES = 64 * 1024 };

/** The highest version of files of checksums that is read. */
enum { CYF_SUMS_VERSION = 1 };

/** A range of bytes of a file. Ranges of one file ascend and leave no gap. */
typedef struct cyf_byte_range {
  int64_t address;
  uint32_t bytes;
  uint32_t is_chunk; /**< a stored chunk of an array; otherwise anything else, metadata included */
  uint64_t checksum; /**< cyf_checksum with seed 0 */
} cyf_byte_range;

/** The checksums of one file. Zeroed: none. */
typedef struct cyf_file_sums {
  cyf_byte_range *range; /**< [n] */
  uint8_t *seen;         /**< [n] whether the range was compared already */
  uint32_t *taken;       /**< [n] bytes that were taken from the range since it was compared */
  int64_t n;
  int64_t file_bytes;
} cyf_file_sums;

/** The name of the file of checksums: "a/shard-00001.h5ad" gives "a/shard-00001.sums". To be freed with cyf_free. */
cyf_status cyf_file_sums_path(const char *path, char **ret_path);
/** Sums the file at `path`, whose stored chunks are chunk[n_chunks] (address and bytes, in any order), and writes the
 * checksums to `sums_path`. Sorts `chunk`. Errors: CYF_ERR_IO; CYF_ERR_INPUT where chunks overlap or lie outside. */
cyf_status cyf_file_sums_write(const char *path, const char *sums_path, int64_t n_chunks, cyf_byte_range *chunk);
/** Reads what was written; the caller destroys it. Errors: CYF_ERR_INPUT: damaged, or of a newer version. CYF_ERR_IO.
 */
cyf_status cyf_file_sums_read(const char *sums_path, cyf_file_sums *ret_sums);
/** Frees the memory, also of a zeroed struct. */
void cyf_file_sums_destroy(cyf_file_sums *sums);

/** Reads the file and compares all ranges, or all but the chunks, and marks them as seen. *ret_bytes: what was read;
 * may be NULL. Errors: CYF_ERR_INPUT naming file and place, CYF_ERR_IO. */
cyf_status cyf_file_sums_compare_file(cyf_file_sums *sums, const char *path, bool chunks_too, int64_t *ret_bytes);
/** Before a file is read as cells: compares heldout.h5ad or train.h5ad of an atlas whole, which have the checksums of
 * their blocks beside them. Chunks of shards are compared as they are read, and the rest of them here. *ret_is_ours:
 * whether the file has checksums. Errors: as cyf_file_sums_read and cyf_file_sums_compare_file. */
cyf_status cyf_file_sums_compare_cells(const char *path, bool *ret_is_ours);
/** Compares a chunk that was read to bytes[n]. It is passed over where it was seen and `again` is false. Several
 * threads may compare chunks. Errors: CYF_ERR_INPUT. */
cyf_status cyf_file_sums_compare_chunk(cyf_file_sums *sums, const char *path, int64_t address, int64_t n,
                                       const void *bytes, bool again);
/** Compares the ranges that meet bytes [address, address + n) of the open file, which are about to be read from an
 * array in one piece. A read takes a small part of such a range: the range is compared when as many bytes were taken
 * from it as it has. By one thread at a time. Errors: CYF_ERR_INPUT, CYF_ERR_IO. */
cyf_status cyf_file_sums_compare_span(cyf_file_sums *sums, int file, const char *path, int64_t address, int64_t n);

#endif
