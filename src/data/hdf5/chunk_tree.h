/* SPDX-License-Identifier: MIT */
/** @file
 * Where the chunks of an HDF5 dataset lie, read from the file's own index.
 *
 * HDF5 1.10 looks up one chunk a call, which takes some 25 us, or 10 s for two million cells. The index itself is a few
 * pages of a published format ("HDF5 File Format Specification"): version 1 B-trees (III.A.1), version 1 object headers
 * (IV.A.1.a), and the data layout message (IV.A.2.i). Not collective. */
#ifndef CYF_DATA_HDF5_CHUNK_TREE_H
#define CYF_DATA_HDF5_CHUNK_TREE_H

#include <stdbool.h>
#include <stdint.h>

/** Where a chunk lies. */
typedef struct cyf_chunk_place {
  int64_t first_value;      /**< index in the dataset of the chunk's first value */
  int64_t address, bytes;   /**< in the file */
  uint32_t skipped_filters; /**< bit i: filter i was not applied */
} cyf_chunk_place;

/** Called with each chunk in ascending order; false ends the walk. */
typedef bool (*cyf_chunk_visitor)(void *context, const cyf_chunk_place *chunk);

/** Visits the chunks of a one-dimensional dataset whose first value is in [first_value, end_value), in ascending order.
 *
 * `file` is a descriptor, object_address the address of the dataset's object header. Whole nodes of the index are read,
 * some 2 kB for up to 64 chunks. Returns false where the file is of another version than HDF5 writes by default, is
 * damaged, or the visitor said so; some chunks may have been visited then. Thread-safe. */
bool cyf_chunk_tree_walk(int file, int64_t object_address, int64_t first_value, int64_t end_value,
                         cyf_chunk_visitor visit, void *context);

#endif
