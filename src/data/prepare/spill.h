/* SPDX-License-Identifier: MIT */
/** @file
 * The spill of `prepare`: cells on their way from input order to atlas order, on disk.
 *
 * Work is cut into units of input cells, whatever the number of ranks, and a unit writes one file, whatever the number
 * of bins (shards): a bin's records gather in a buffer and leave as one extent. The file ends in a list of the extents,
 * a summary of the caller's and a trailer; it appears under its name once it is whole, so a file that is there needs no
 * second look after a kill.
 *
 * Counts and gene numbers are packed in variable-length bytes: about 2 bytes a value where a cell has 1,500 of 28,000
 * genes. */
#ifndef CYF_DATA_PREPARE_SPILL_H
#define CYF_DATA_PREPARE_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** A cell to be spilled. */
typedef struct cyf_spill_cell {
  uint64_t key; /**< where it belongs in its bin */
  int64_t nnz;
  const int32_t *codes;   /**< [n_labels] */
  const int32_t *indices; /**< [nnz] ascending */
  const float *values;    /**< [nnz] positive */
  const char *name;
} cyf_spill_cell;

/** A spilled cell, still packed; pointers lie in the bytes read. */
typedef struct cyf_spill_record {
  uint64_t key;
  int64_t nnz;
  float largest; /**< value */
  const uint8_t *codes, *packed;
  int64_t packed_bytes;
  const char *name;
} cyf_spill_record;

typedef struct cyf_spill_writer cyf_spill_writer;

/** A writer for one unit after another. counts: values are integers below 2^32; otherwise any float32. Memory: n_bins *
 * buffer_bytes. */
cyf_status cyf_spill_writer_create(int64_t n_bins, int64_t n_labels, bool counts, int64_t buffer_bytes,
                                   cyf_spill_writer **ret_writer);

/** @{ */
/** Starts a unit's file. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_begin(cyf_spill_writer *writer, const char *directory, int64_t unit);
cyf_status cyf_spill_append(cyf_spill_writer *writer, int64_t bin, const cyf_spill_cell *cell);
/** @} */

/** Writes what is buffered, the extents and the unit's summary; flushes the file to disk and gives it its name. */
cyf_status cyf_spill_finish(cyf_spill_writer *writer, const void *summary, int64_t summary_bytes);
void cyf_spill_writer_destroy(cyf_spill_writer **writer); /**< NULL-safe; removes an unfinished file */

/** True when the unit's file is there. */
bool cyf_spill_has_unit(const char *directory, int64_t unit);
/** The summary of one unit, in fresh memory. Errors: CYF_ERR_IO when the file is damaged. */
cyf_status cyf_spill_read_summary(const char *directory, int64_t unit, uint8_t **ret_bytes, int64_t *ret_n_bytes);

/** The extents of all n_units >= 1 units, once all are there. Memory: 8 bytes an extent. */
typedef struct cyf_spill cyf_spill;
cyf_status cyf_spill_open(const char *directory, int64_t n_units, int64_t n_labels, int64_t n_genes, bool counts,
                          cyf_spill **ret_spill);
void cyf_spill_close(cyf_spill **spill); /**< NULL-safe */
/** All records of a bin, unit after unit, in fresh memory (cyf_free). */
cyf_status cyf_spill_read_bin(const cyf_spill *spill, int64_t bin, uint8_t **ret_bytes, int64_t *ret_n_bytes);
/** Gives the bin's disk space back, where the file system can make holes; nothing otherwise. */
void cyf_spill_release_bin(const cyf_spill *spill, int64_t bin);
/** The record at bytes + *offset, moving *offset past it. Errors: CYF_ERR_IO when the spill is damaged. */
cyf_status cyf_spill_parse(const cyf_spill *spill, const uint8_t *bytes, int64_t n_bytes, int64_t *offset,
                           cyf_spill_record *ret_record);
/** Unpacks indices[nnz] and values[nnz]. Errors: as cyf_spill_parse. */
cyf_status cyf_spill_unpack(const cyf_spill *spill, const cyf_spill_record *record, int32_t *ret_indices,
                            float *ret_values);
static inline int32_t cyf_spill_code(const cyf_spill_record *record, int64_t label) {
  int32_t code;
  __builtin_memcpy(&code, record->codes + 4 * label, sizeof(code));
  return code;
}

/** The records of a bin, unit after unit in the order in which they were appended: for bins in input order. Memory: one
 * extent. */
typedef struct cyf_spill_stream cyf_spill_stream;
cyf_status cyf_spill_stream_create(const cyf_spill *spill, int64_t bin, cyf_spill_stream **ret_stream);
/** ret_record is valid until the next call; *ret_more is false at the end. */
cyf_status cyf_spill_stream_next(cyf_spill_stream *stream, cyf_spill_record *ret_record, bool *ret_more);
void cyf_spill_stream_destroy(cyf_spill_stream **stream); /**< NULL-safe */

/** ---- packed numbers: 7 bits a byte, the lowest first ---- */
enum { CYF_PACKED_BYTES_MAX = 10 };
static inline uint8_t *cyf_pack_number(uint64_t number, uint8_t *to) {
  while (number >= 0x80) {
    *to++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  *to++ = (uint8_t)number;
  return to;
}
/** Reads a number; NULL when it does not end before `end`. */
static inline const uint8_t *cyf_unpack_number(const uint8_t *from, const uint8_t *end, uint64_t *ret_number) {
  uint64_t number = 0;
  for (int shift = 0; from < end && shift < 64; shift += 7) {
    number |= (uint64_t)(*from & 0x7f) << shift;
    if (!(*from++ & 0x80)) {
      *ret_number = number;
      return from;
    }
  }
  return NULL;
}

/* ---- the form of a unit's file, shared by the writer and the readers ---- */
enum {
  CYF_SPILL_ALIGNMENT = 4096,         /**< of extents, so that all their blocks can be given back */
  CYF_SPILL_TRANSFER_BYTES = 1 << 30, /**< Linux moves at most 2 GiB - 4 KiB a call */
  CYF_SPILL_MAGIC = 0x5355594c        /**< also marks the version of the form */
};

/** Ahead of each record; then codes, the name with its NUL, indices (as gaps) and values. Not aligned. */
typedef struct cyf_spill_header {
  uint64_t key;
  uint32_t nnz;
  uint32_t name_bytes; /**< with the NUL */
  uint32_t packed_bytes;
  float largest;
} cyf_spill_header;

/** Extents follow one another from the file's start, each at the next multiple of CYF_SPILL_ALIGNMENT. */
typedef struct cyf_spill_extent {
  uint32_t bin, bytes;
} cyf_spill_extent;

static inline int64_t cyf_spill_room(int64_t bytes) {
  return (bytes + CYF_SPILL_ALIGNMENT - 1) / CYF_SPILL_ALIGNMENT * CYF_SPILL_ALIGNMENT;
}

/** The last bytes of the file; before it the extents, before these the summary. */
typedef struct cyf_spill_trailer {
  int64_t n_extents, summary_bytes;
  uint64_t checksum; /**< of summary and extents */
  uint64_t magic;
} cyf_spill_trailer;

/** The unit's file; free with cyf_free. */
cyf_status cyf_spill_path(const char *directory, int64_t unit, char **ret_path);

#endif
