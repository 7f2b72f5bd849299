/* SPDX-License-Identifier: MIT */
/** @file
 * The spill of `prepare`: cells on disk, on their way from input order to atlas order.
 *
 * Work is cut into units of input cells, in the same way for any number of ranks. Each unit writes one file, whatever
 * the number of bins, which are the shards and the two files of held-out and training cells. A bin's records gather in
 * a buffer, which goes to the file as one extent when it is full. The file ends in the caller's summary, the list of
 * extents and a trailer. It appears under its name once it is whole, so that a file that is there can be relied on
 * after a kill.
 *
 * Counts and gene numbers are packed in variable-length bytes: about 2 bytes a value where a cell has 1,500 of 28,000
 * genes. Not collective: each rank spills and reads units of its own. */
#ifndef CYF_DATA_PREPARE_SPILL_H
#define CYF_DATA_PREPARE_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** A cell to be spilled. */
typedef struct cyf_spill_cell {
  uint64_t key; /**< the caller's: where the cell belongs */
  int64_t nnz;
  const int32_t *codes;   /**< [n_labels] */
  const int32_t *indices; /**< [nnz] ascending */
  const float *values;    /**< [nnz] positive */
  const char *name;
} cyf_spill_cell;

/** A spilled cell, still packed; its pointers lead into the bytes that were read. */
typedef struct cyf_spill_record {
  uint64_t key;
  int64_t nnz;
  float largest; /**< the largest of its values */
  const uint8_t *codes, *packed;
  int64_t packed_bytes;
  const char *name;
} cyf_spill_record;

/** Writes the files of units. */
typedef struct cyf_spill_writer cyf_spill_writer;

/** Makes a writer for one unit after another. counts: values are integers below 2^32; otherwise they are any float32.
 * Memory: n_bins * buffer_bytes. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_spill_writer_create(int64_t n_bins, int64_t n_labels, bool counts, int64_t buffer_bytes,
                                   cyf_spill_writer **ret_writer);

/** Starts a unit's file. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_begin(cyf_spill_writer *writer, const char *directory, int64_t unit);
/** Adds a cell to a bin of the unit. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_append(cyf_spill_writer *writer, int64_t bin, const cyf_spill_cell *cell);
/** Writes what is buffered, the unit's summary[summary_bytes] and the extents; flushes the file to disk and gives it
 * its name. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_finish(cyf_spill_writer *writer, const void *summary, int64_t summary_bytes);
/** Removes an unfinished file and frees the writer; NULL-safe, sets NULL. */
void cyf_spill_writer_destroy(cyf_spill_writer **writer);

/** True when the unit's file is there. */
cyf_status cyf_spill_has_unit(const char *directory, int64_t unit, bool *ret_has);
/** Reads the summary of one unit into fresh memory, which the caller frees with cyf_free. Errors: CYF_ERR_IO when the
 * file is damaged. */
cyf_status cyf_spill_read_summary(const char *directory, int64_t unit, uint8_t **ret_bytes, int64_t *ret_n_bytes);

/** All units' files: where the extents of each bin lie. Memory: 8 bytes an extent. */
typedef struct cyf_spill cyf_spill;
/** Reads the extents of all n_units >= 1 units, once all are there. n_labels and counts are those of the writers,
 * n_genes the number of genes in use. Errors: CYF_ERR_IO when a file is damaged. */
cyf_status cyf_spill_open(const char *directory, int64_t n_units, int64_t n_labels, int64_t n_genes, bool counts,
                          cyf_spill **ret_spill);
/** Frees the spill, not its files; NULL-safe, sets NULL. */
void cyf_spill_close(cyf_spill **spill);
/** Reads all records of a bin, unit after unit, into fresh memory, which the caller frees with cyf_free. Errors:
 * CYF_ERR_IO. */
cyf_status cyf_spill_read_bin(const cyf_spill *spill, int64_t bin, uint8_t **ret_bytes, int64_t *ret_n_bytes);
/** Gives the bin's disk space back where the file system can make holes in files; does nothing otherwise. */
void cyf_spill_release_bin(const cyf_spill *spill, int64_t bin);
/** Finds the record at bytes + *offset and moves *offset past it. Errors: CYF_ERR_IO when the spill is damaged. */
cyf_status cyf_spill_parse(const cyf_spill *spill, const uint8_t *bytes, int64_t n_bytes, int64_t *offset,
                           cyf_spill_record *ret_record);
/** Unpacks a record's ret_indices[nnz] and ret_values[nnz]. Errors: as cyf_spill_parse. */
cyf_status cyf_spill_unpack(const cyf_spill *spill, const cyf_spill_record *record, int32_t *ret_indices,
                            float *ret_values);
/** A record's code of the label of that index; codes stand unaligned. */
static inline int32_t cyf_spill_code(const cyf_spill_record *record, int64_t label) {
  int32_t code;
  __builtin_memcpy(&code, record->codes + 4 * label, sizeof(code));
  return code;
}

/** Reads the records of a bin one by one, unit after unit in the order in which they were appended, which is input
 * order. Memory: one extent. */
typedef struct cyf_spill_stream cyf_spill_stream;
/** Starts at the bin's first record. `spill` must outlive the stream. */
cyf_status cyf_spill_stream_create(const cyf_spill *spill, int64_t bin, cyf_spill_stream **ret_stream);
/** Reads the next record, which is valid until the next call; *ret_more is false at the end. Errors: CYF_ERR_IO. */
cyf_status cyf_spill_stream_next(cyf_spill_stream *stream, cyf_spill_record *ret_record, bool *ret_more);
/** Frees the stream; NULL-safe, sets NULL. */
void cyf_spill_stream_destroy(cyf_spill_stream **stream);

/* ---- packed numbers: 7 bits a byte, the lowest first ---- */

/** Bytes that a packed number of 64 bits takes at most. */
enum { CYF_PACKED_BYTES_MAX = 10 };
/** Packs a number and returns where its bytes end. All of them but the last have their highest bit set. */
static inline uint8_t *cyf_pack_number(uint64_t number, uint8_t *to) {
  while (number >= 0x80) {
    *to++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  *to++ = (uint8_t)number;
  return to;
}
/** Unpacks a number and returns where its bytes end; NULL when that is not before `end`. */
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

/** Constants of the form. */
enum {
  CYF_SPILL_ALIGNMENT = 4096,         /**< of extents, so that all their blocks can be given back */
  CYF_SPILL_TRANSFER_BYTES = 1 << 30, /**< Linux moves at most 2 GiB - 4 KiB a call */
  CYF_SPILL_MAGIC = 0x5355594c        /**< also marks the version of the form */
};

/** What a record begins with. Codes follow, then the name with its NUL, the indices (as the gaps between them) and the
 * values. Nothing is aligned. */
typedef struct cyf_spill_header {
  uint64_t key;
  uint32_t nnz;
  uint32_t name_bytes; /**< with the NUL */
  uint32_t packed_bytes;
  float largest;
} cyf_spill_header;

/** A range of records of one bin. Extents follow one another from the file's start, each at the next multiple of
 * CYF_SPILL_ALIGNMENT. */
typedef struct cyf_spill_extent {
  uint32_t bin, bytes;
} cyf_spill_extent;

/** Bytes of the file that an extent of so many bytes takes, up to the next multiple of CYF_SPILL_ALIGNMENT. */
static inline int64_t cyf_spill_room(int64_t bytes) {
  return (bytes + CYF_SPILL_ALIGNMENT - 1) / CYF_SPILL_ALIGNMENT * CYF_SPILL_ALIGNMENT;
}

/** The last bytes of the file. Before it stand the cyf_spill_extents, and before these the summary. */
typedef struct cyf_spill_trailer {
  int64_t n_extents, summary_bytes;
  uint64_t checksum; /**< of summary and extents */
  uint64_t magic;
} cyf_spill_trailer;

/** Path of the unit's file; the caller frees *ret_path with cyf_free. */
cyf_status cyf_spill_path(const char *directory, int64_t unit, char **ret_path);

#endif
