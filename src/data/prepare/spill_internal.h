/* SPDX-License-Identifier: MIT */
/** @file
 * The form of a unit's file, shared by the spill's writer and readers. */
#ifndef CYF_DATA_PREPARE_SPILL_INTERNAL_H
#define CYF_DATA_PREPARE_SPILL_INTERNAL_H

#include "data/prepare/spill.h"

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
