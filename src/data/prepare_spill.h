/* The spill of `prepare`: cells on their way from input order to atlas order, on disk.
 *
 * Each rank writes one file, whatever the number of bins (shards): a bin's records gather in a buffer and leave as one
 * extent. A small second file lists the extents. One file a rank instead of one a rank and shard keeps descriptors and
 * metadata operations few. */
#ifndef CYF_DATA_PREPARE_SPILL_H
#define CYF_DATA_PREPARE_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* A cell. In a spill that was read, the pointers point into the bytes read. */
typedef struct cyf_spill_record {
  uint64_t key; /* orders the cells of a bin */
  int64_t nnz;
  const int32_t *codes; /* [n_labels] */
  const int32_t *indices;
  const float *values;
  const char *name;
} cyf_spill_record;

typedef struct cyf_spill_writer cyf_spill_writer;

/* Starts this rank's files in `directory`. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_writer_create(const char *directory, int rank, int64_t n_bins, int64_t n_labels,
                                   cyf_spill_writer **ret_writer);
cyf_status cyf_spill_append(cyf_spill_writer *writer, int64_t bin, const cyf_spill_record *record);
/* Writes what is buffered and the list of extents, and closes. */
cyf_status cyf_spill_writer_finish(cyf_spill_writer *writer);
void cyf_spill_writer_destroy(cyf_spill_writer **writer); /* NULL-safe */

/* The extents of all ranks, once all have finished (and a barrier has passed). */
typedef struct cyf_spill cyf_spill;
cyf_status cyf_spill_open(const char *directory, int n_ranks, int64_t n_labels, cyf_spill **ret_spill);
void cyf_spill_close(cyf_spill **spill); /* NULL-safe */
/* All records of a bin, rank after rank, in fresh memory (cyf_free). */
cyf_status cyf_spill_read_bin(const cyf_spill *spill, int64_t bin, uint8_t **ret_bytes, int64_t *ret_n_bytes);
/* The record at bytes + *offset, moving *offset past it. Errors: CYF_ERR_IO when the spill is damaged. */
cyf_status cyf_spill_parse(const cyf_spill *spill, const uint8_t *bytes, int64_t n_bytes, int64_t *offset,
                           cyf_spill_record *ret_record);

/* The records of a bin in ascending order of key, given that each rank appended in ascending order. Memory: one extent
 * a rank. */
typedef struct cyf_spill_merge cyf_spill_merge;
cyf_status cyf_spill_merge_create(const cyf_spill *spill, int64_t bin, cyf_spill_merge **ret_merge);
/* ret_record is valid until the next call; *ret_more is false at the end. */
cyf_status cyf_spill_merge_next(cyf_spill_merge *merge, cyf_spill_record *ret_record, bool *ret_more);
void cyf_spill_merge_destroy(cyf_spill_merge **merge); /* NULL-safe */

#endif
