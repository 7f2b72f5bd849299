/* SPDX-License-Identifier: MIT */
/** @file
 * A table of cell ids by their hashes, which tells whether an id came before. Not collective. */
#ifndef CYF_DATA_PREPARE_ID_TABLE_H
#define CYF_DATA_PREPARE_ID_TABLE_H

#include <stdint.h>

#include "base/status.h"

/** 128 bits that stand for an id. That any two of n different ids share them has a probability of about n^2 / 2^129, or
 * 10^-23 at 100 million cells. So the ids themselves need not be kept or compared. */
typedef struct cyf_id_hash {
  uint64_t word[2];
} cyf_id_hash;

/** The hash of an id, a text that ends in NUL. */
cyf_id_hash cyf_id_hash_make(const char *id);

/** For each id the cell with the lowest number. Memory: 32 to 64 bytes for each distinct id, whatever the number of
 * cells. */
typedef struct cyf_id_table cyf_id_table;

/** Makes an empty table with room for n_expected distinct ids; it grows where more come. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_id_table_create(int64_t n_expected, cyf_id_table **ret_table);
/** Frees the table; NULL-safe, sets NULL. */
void cyf_id_table_destroy(cyf_id_table **table);
/** Enters a cell by its number. *ret_repeated is -1 when the id is new. Otherwise it is the higher of this cell and the
 * lowest one of that id so far.
 *
 * So whatever the order of the calls, each cell but the lowest of its id is returned exactly once. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_id_table_add(cyf_id_table *table, cyf_id_hash hash, int64_t cell, int64_t *ret_repeated);
/** The lowest cell of the id, -1 when absent. */
int64_t cyf_id_table_find(const cyf_id_table *table, cyf_id_hash hash);

#endif
