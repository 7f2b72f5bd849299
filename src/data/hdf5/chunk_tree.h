/* SPDX-License-Identifier: MIT */
/** @file
 * Where the chunks of an HDF5 dataset lie, from the file's own index. HDF5 1.10 gives one chunk a call (some 25 us, 10
 * s for two million cells); the index itself is a few pages of a long published format ("HDF5 File Format
 * Specification", III.A.1 version 1 B-trees, IV.A.1.a version 1 object headers, IV.A.2.i data layout message). */
#ifndef CYF_DATA_HDF5_CHUNK_TREE_H
#define CYF_DATA_HDF5_CHUNK_TREE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cyf_chunk_place {
  int64_t first_value; /**< of the chunk */
  int64_t address, bytes;
  uint32_t skipped_filters; /**< bit i: filter i was not applied */
} cyf_chunk_place;

/** Called with each chunk in ascending order; false ends the walk. */
typedef bool (*cyf_chunk_visitor)(void *context, const cyf_chunk_place *chunk);

/** Visits the chunks of a one-dimensional dataset whose first value is in [first_value, end_value). `file` is a
 * descriptor, object_address that of the dataset's object header. False where the file is of another version than HDF5
 * writes by default, is damaged, or the visitor said so: some chunks may have been visited then. Reads whole nodes, of
 * some 2 kB for up to 64 chunks. Thread-safe. */
bool cyf_chunk_tree_walk(int file, int64_t object_address, int64_t first_value, int64_t end_value,
                         cyf_chunk_visitor visit, void *context);

#endif
