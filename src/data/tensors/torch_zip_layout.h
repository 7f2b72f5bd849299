/* SPDX-License-Identifier: MIT */
/** @file
 * Where the entries of a zip archive lie, read from its central directory; libzip does not tell this. For torch_zip.c.
 * Format: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64). */
#ifndef CYF_DATA_TENSORS_TORCH_ZIP_LAYOUT_H
#define CYF_DATA_TENSORS_TORCH_ZIP_LAYOUT_H

#include <stdint.h>

#include "base/status.h"

/** Archives with more entries are refused. */
enum { CYF_ZIP_ENTRIES_MAX = 1 << 16 };

/** Where an entry lies. */
typedef struct cyf_zip_extent {
  int64_t first, end; /**< bytes [first, end) of the file, the entry's local header included */
  int64_t size_bytes; /**< of the contents */
  int64_t entry;      /**< index in the central directory */
} cyf_zip_extent;

/** Finds where all entries lie, in the order of the central directory; the caller frees *ret_extents with cyf_free.
 *
 * Entries must be stored without compression or encryption and have the same sizes in both of their headers. They must
 * lie before the central directory without sharing a byte. Not collective. Errors: CYF_ERR_INPUT naming the file and
 * what is wrong. */
cyf_status cyf_zip_layout_read(const char *path, cyf_zip_extent **ret_extents, int64_t *ret_n);

#endif
